package survey

import (
	"fmt"
	"slices"
	"strings"
)

// The words that made up values consist of.
var (
	describing = strings.Fields(`amber brave calm clever crisp dusty early faint fresh gentle golden grand happy honest hollow icy
		jolly keen late lively lunar mellow mild narrow noble olive pale plain proud quick quiet rapid rustic sandy scarlet
		silent silver sleek solar steady stormy sunny swift tidy timid velvet vivid warm wild windy wise young`)
	things = strings.Fields(`anchor apple arrow badge basket beacon bell bottle bridge bucket cabin candle canyon castle cedar
		clock cloud comet compass copper coral cradle desert engine feather forest fossil garden glacier hammer harbor island
		jacket kettle ladder lantern lemon magnet maple meadow mirror needle ocean orchard paper pebble pepper pillow planet
		pocket prairie rabbit ribbon river rocket saddle sailor shadow spider spring statue summit sunset temple thunder
		ticket timber tunnel turtle valley violin walnut window winter`)
	doing = strings.Fields(`arrives begins changes closes ends fails grows holds leads lasts moves opens rests returns rises shines
		sinks starts stays stops turns waits works`)
	sorts   = strings.Fields(`animal artist building device event group idea place person plan product project season service tool team vehicle`)
	links   = strings.Fields(`contains follows guards helps knows likes needs owns supports teaches uses visits watches`)
	colors  = strings.Fields(`black blue brown green grey orange pink purple red white yellow`)
	endings = strings.Fields(`txt md`)
)

// invent makes a value up that fits a parameter by its name.
func (f *Filler) invent(p *Param) (any, bool) {
	switch p.Type {
	case "integer":
		return f.draw(func() any { return f.number(p, 2, 60) })
	case "number":
		return f.draw(func() any { return f.number(p, 2, 60) })
	case "string", "":
	default:
		return nil, false
	}
	if _, _, path := p.wantsPath(); path {
		return f.path(p)
	}
	word := func(list []string) string { return list[f.Rng.IntN(len(list))] }
	is := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(p.words, w) })
	}
	doc := strings.ToLower(p.Doc)
	return f.draw(func() any {
		switch {
		case is("email", "mail"):
			return word(describing) + "." + word(things) + "@example.com"
		case is("url", "link", "website"):
			return "https://example.com/" + word(describing) + "-" + word(things)
		case is("date", "day", "deadline", "due") || strings.Contains(doc, "yyyy-mm-dd"):
			return fmt.Sprintf("%d-%02d-%02d", 2030+f.Rng.IntN(9), 1+f.Rng.IntN(12), 1+f.Rng.IntN(28))
		case is("time", "hour") || strings.Contains(doc, "hh:mm"):
			return fmt.Sprintf("%02d:%02d", f.Rng.IntN(24), 5*f.Rng.IntN(12))
		case is("color", "colour"):
			return word(colors)
		case is("relation", "relationship", "predicate"):
			return word(links)
		case is("type", "kind", "category", "sort", "class", "tag", "group"):
			return word(sorts)
		case is("name", "title", "label", "subject", "filename", "author", "owner", "topic"):
			return word(describing) + " " + word(things)
		case is("word", "key", "keyword", "code"):
			return word(describing) + "-" + word(things)
		}
		return fmt.Sprintf("the %s %s %s", word(describing), word(things), word(doing))
	})
}

// path makes up a path in a folder that was seen.
func (f *Filler) path(p *Param) (any, bool) {
	folder, _, _ := p.wantsPath()
	var folders []string
	for i := range f.Facts {
		s, ok := f.Facts[i].Value.(string)
		if !ok || !PathLike(s) || !strings.HasPrefix(s, "/") && !strings.Contains(s, ":") {
			continue
		}
		if fact := &f.Facts[i]; !fact.Has("directory") && !fact.Has("folder") {
			at := strings.LastIndexByte(s, '/')
			if at <= 0 || !fileName(s[at+1:]) {
				continue
			}
			s = s[:at]
		}
		if !slices.Contains(folders, s) {
			folders = append(folders, s)
		}
	}
	return f.draw(func() any {
		name := describing[f.Rng.IntN(len(describing))] + "-" + things[f.Rng.IntN(len(things))]
		if !folder {
			name += "." + endings[f.Rng.IntN(len(endings))]
		}
		if len(folders) > 0 {
			name = strings.TrimSuffix(folders[f.Rng.IntN(len(folders))], "/") + "/" + name
		}
		return name
	})
}

package survey

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"ballast"
	"ballast/value"
)

// Origin says where a value of an argument comes from.
type Origin uint8

// The origins. Only values that were seen and values that were made up name things; choices,
// examples and counts are words of the tool.
const (
	Seen    Origin = iota // it stood in a result
	Made                  // it was made up
	Choice                // one of an enum, true or false
	Example               // the documentation names it
	Amount                // a small number that bounds a result
	Pinned                // the caller gave it
)

// Arg is one value in the arguments of a call.
type Arg struct {
	Path   string // in the arguments, with places: items[0].name
	Param  *Param
	Value  any
	Origin Origin
}

// Filled is a call with what its arguments are made of.
type Filled struct {
	Call ballast.Call
	Args []Arg
}

// Least is how well a value must fit a parameter to be taken for it.
const Least = 5

// Filler makes arguments. Draws come from its Rng alone.
type Filler struct {
	Rng      *rand.Rand
	Facts    []Fact
	Allows   func(v any) bool // which values that name things may be used; nil: all
	Make     bool             // values may be made up, where a tool writes
	Optional float64          // how often an argument that may be absent is given
	Pins     map[string]any   // values by Param.Path
	out      *Filled
	tool     string
	items    []any // of the list that is being filled, so that no value comes twice
}

// Fill makes a call of a tool. Where a parameter that the tool needs cannot have a value, missing
// is its path.
func (f *Filler) Fill(tool ballast.Tool, params []*Param) (filled Filled, missing string) {
	f.out, f.tool = &Filled{Call: ballast.Call{Name: tool.Name}}, tool.Name
	for _, p := range params {
		if !f.wants(p) {
			continue
		}
		v, missing := f.part(p, p.Path)
		if missing != "" {
			if p.Required {
				return *f.out, missing
			}
			f.out.Args = slices.DeleteFunc(f.out.Args, func(a Arg) bool {
				return a.Path == p.Path || strings.HasPrefix(a.Path, p.Path+".") || strings.HasPrefix(a.Path, p.Path+"[")
			})
			continue
		}
		f.out.Call.Args = append(f.out.Call.Args, ballast.Arg{Name: p.Name, Value: v})
	}
	return *f.out, ""
}

// wants says whether a parameter gets a value: it must have one, it is pinned, or the draw says so.
func (f *Filler) wants(p *Param) bool {
	if p.Required || f.pinned(p) {
		return true
	}
	if f.Optional == 0 || p.Type == "object" || p.Type == "array" || f.Rng.Float64() >= f.Optional {
		return false
	}
	makes := f.Make && slices.Contains([]string{"string", "integer", "number"}, p.Type)
	return makes || len(p.Enum) > 0 || p.Type == "boolean" || f.best(p) >= 8
}

// pinned says whether a parameter, or a part of it, is pinned.
func (f *Filler) pinned(p *Param) bool {
	for path := range f.Pins {
		if path == p.Path || strings.HasPrefix(path, p.Path+".") || strings.HasPrefix(path, p.Path+"[") {
			return true
		}
	}
	return false
}

// part makes the value of a parameter or of a part of one.
func (f *Filler) part(p *Param, at string) (v any, missing string) {
	switch p.Type {
	case "object":
		if len(p.Fields) == 0 {
			return nil, p.Path
		}
		d := &value.Dict{}
		for _, field := range p.Fields {
			if !f.wants(field) {
				continue
			}
			v, missing := f.part(field, join(at, field.Name))
			if missing != "" {
				if field.Required {
					return nil, missing
				}
				continue
			}
			d.Set(field.Name, v)
		}
		if d.Len() == 0 {
			return nil, p.Path
		}
		return d, ""
	case "array":
		return f.list(p, at)
	}
	return f.leaf(p, at)
}

// list makes a list of one object, or of one or two values.
func (f *Filler) list(p *Param, at string) (any, string) {
	n := 1
	if !f.pinned(p) && p.Item.Leaf() {
		n += f.Rng.IntN(2)
	}
	l := &value.List{}
	outer := f.items
	f.items = nil
	defer func() { f.items = outer }()
	for i := range n {
		before := len(f.out.Args)
		v, missing := f.part(p.Item, fmt.Sprintf("%s[%d]", at, i))
		if missing != "" || slices.ContainsFunc(l.Items, func(x any) bool { return value.Equal(x, v) }) {
			f.out.Args = f.out.Args[:before]
			if i == 0 {
				return nil, missing
			}
			break
		}
		l.Items = append(l.Items, v)
	}
	return l, ""
}

// best is how well the best value fits.
func (f *Filler) best(p *Param) (best int) {
	for i := range f.Facts {
		best = max(best, p.Fit(&f.Facts[i]))
	}
	return best
}

// Candidates are the values that fit a parameter best, each once, in the order in which they
// were seen.
func (f *Filler) Candidates(p *Param) (out []any, best int) {
	type scored struct {
		v   any
		fit int
	}
	var all []scored
	for i := range f.Facts {
		fact := &f.Facts[i]
		n := p.Fit(fact)
		if n < Least || f.Allows != nil && !f.Allows(fact.Value) {
			continue
		}
		v, _ := p.take(fact.Value)
		if slices.ContainsFunc(f.items, func(x any) bool { return value.Equal(x, v) }) {
			continue
		}
		best = max(best, n)
		all = append(all, scored{v, n})
	}
	seen := map[any]bool{}
	for _, s := range all {
		if s.fit >= best-1 && !seen[s.v] {
			seen[s.v] = true
			out = append(out, s.v)
		}
	}
	return out, best
}

// leaf makes one value.
func (f *Filler) leaf(p *Param, at string) (any, string) {
	take := func(v any, o Origin) (any, string) {
		f.out.Args = append(f.out.Args, Arg{Path: at, Param: p, Value: v, Origin: o})
		return v, ""
	}
	if v, ok := f.Pins[p.Path]; ok {
		if v, ok = p.take(v); ok {
			return take(v, Pinned)
		}
		return nil, p.Path
	}
	switch {
	case len(p.Enum) > 0:
		return take(p.Enum[f.Rng.IntN(len(p.Enum))], Choice)
	case p.Type == "boolean":
		return take(f.Rng.IntN(2) == 0, Choice)
	}
	if f.Make && (Creating(f.tool) && p.own() || p.newPlace()) {
		if v, ok := f.invent(p); ok {
			return take(v, Made)
		}
	}
	if seen, _ := f.Candidates(p); len(seen) > 0 {
		v := seen[f.Rng.IntN(len(seen))]
		if f.items != nil || strings.HasSuffix(p.Path, "[]") {
			f.items = append(f.items, v)
		}
		return take(v, Seen)
	}
	if v, ok := f.bound(p); ok {
		return take(v, Amount)
	}
	if f.Make && !p.names() && f.best(p) < 7 { // what is there is not made up
		if v, ok := f.invent(p); ok {
			return take(v, Made)
		}
	}
	if v, ok := f.example(p); ok {
		return take(v, Example)
	}
	if v, ok := f.query(p); ok {
		return take(v, Seen)
	}
	return nil, p.Path
}

// own says whether a parameter is what a new thing will be called.
func (p *Param) own() bool {
	if len(p.words) == 0 {
		return false
	}
	last := len(p.words) - 1
	if !slices.Contains([]string{"name", "title", "path", "filename", "filepath", "label", "subject", "file"}, p.words[last]) {
		return false
	}
	return !slices.ContainsFunc(p.words[:last], func(w string) bool { return !slices.Contains(p.near, w) && w != "file" && w != "new" })
}

// has says whether the words of a parameter's name have one of some.
func (p *Param) has(words ...string) bool {
	return slices.ContainsFunc(p.words, func(w string) bool { return slices.Contains(words, w) })
}

// newPlace says whether a parameter is where a file or a folder will be.
func (p *Param) newPlace() bool {
	if _, _, path := p.wantsPath(); !path {
		return false
	}
	return p.has("destination", "dest", "target", "to", "new")
}

// names says whether a parameter names a thing that must be there.
func (p *Param) names() bool {
	if len(p.words) == 0 {
		return true
	}
	last := p.words[len(p.words)-1]
	if _, _, path := p.wantsPath(); path {
		return !p.newPlace()
	}
	if last == "name" && len(p.words) > 1 && !p.own() {
		return true
	}
	return slices.Contains([]string{"id", "uuid", "key", "ref", "reference", "identifier", "code", "sku", "number", "handle", "slug"}, last)
}

// bounds are names of parameters that bound a result.
var bounds = strings.Fields("limit count max top head tail depth page size n first last maximum results")

// bound is a small number for a parameter that bounds a result.
func (f *Filler) bound(p *Param) (any, bool) {
	if p.Type != "integer" && p.Type != "number" || !p.has(bounds...) {
		return nil, false
	}
	return f.number(p, 1, 5), true
}

// number is a number from low to high within the parameter's bounds.
func (f *Filler) number(p *Param, low, high int64) int64 {
	if n, ok := asInt(p.Min); ok && n > low {
		high, low = n+(high-low), n
	}
	if n, ok := asInt(p.Max); ok && n < high {
		high, low = n, min(low, n)
	}
	return low + f.Rng.Int64N(high-low+1)
}

func asInt(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case float64:
		return int64(v), v == float64(int64(v))
	}
	return 0, false
}

// zones are names of time zones.
var zones = strings.Fields(`Europe/London Europe/Oslo Asia/Tokyo America/New_York Asia/Kolkata Africa/Nairobi America/Sao_Paulo
	Australia/Sydney Europe/Athens America/Denver Asia/Singapore Africa/Lagos Pacific/Auckland America/Bogota Europe/Madrid Asia/Dubai`)

// example is a value that the documentation names, or that its form tells.
func (f *Filler) example(p *Param) (any, bool) {
	doc := strings.ToLower(p.Doc)
	switch {
	case p.Type != "string" && p.Type != "":
	case slices.Contains(p.words, "timezone") || strings.Contains(doc, "iana"):
		return f.draw(func() any { return zones[f.Rng.IntN(len(zones))] })
	case strings.Contains(doc, "hh:mm") && !strings.Contains(doc, "yyyy"):
		return f.draw(func() any { return fmt.Sprintf("%02d:%02d", f.Rng.IntN(24), 5*f.Rng.IntN(12)) })
	}
	var fit []any
	for _, v := range p.Examples {
		if v, ok := p.take(v); ok && (f.Allows == nil || p.Given || f.Allows(v)) {
			fit = append(fit, v)
		}
	}
	if len(fit) == 0 {
		return nil, false
	}
	return fit[f.Rng.IntN(len(fit))], true
}

// query is a word of what was seen, for a parameter that is searched for.
func (f *Filler) query(p *Param) (any, bool) {
	asks := p.has("query", "search", "q", "term", "keyword", "text", "phrase")
	if !asks || p.Type != "string" && p.Type != "" || slices.Contains(p.about, "sql") || slices.Contains(p.near, "sql") {
		return nil, false
	}
	var words []string
	for i := range f.Facts {
		s, ok := f.Facts[i].Value.(string)
		if !ok || PathLike(s) || len(s) > 60 || f.Facts[i].Joined {
			continue
		}
		for _, w := range strings.Fields(s) {
			w = strings.Trim(w, `.,;:!?"'()`)
			if len(w) > 3 && len(Words(w)) == 1 && (f.Allows == nil || f.Allows(w)) && !slices.Contains(words, w) {
				words = append(words, w)
			}
		}
	}
	if len(words) == 0 {
		return nil, false
	}
	return words[f.Rng.IntN(len(words))], true
}

// draw draws until a value is allowed.
func (f *Filler) draw(one func() any) (any, bool) {
	for range 60 {
		if v := one(); f.Allows == nil || f.Allows(v) {
			return v, true
		}
	}
	return nil, false
}

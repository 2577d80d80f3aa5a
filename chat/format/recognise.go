package format

import (
	"maps"
	"slices"
	"strings"

	"ballast"
)

// Bounds of what Recognise looks at: bytes, and places where a call may begin or end in them. It reads what stands between each
// two places, and templates are written by strangers.
const recognised, maxBorders = 1 << 11, 48

// Recognise is the name of the format that writes, or reads, a call that stands somewhere in a text:
// what a chat template writes for a reply, with its frame around it. It is "" where no format
// reads that call. Of several formats the one counts that reads most of the text, since a list of
// JSON stands in other formats too. A text with more brackets than replies have is none.
func Recognise(text string, call ballast.Call, offered Offered) string {
	text = text[:min(len(text), recognised)]
	best, length := "", 0
	for _, name := range slices.Sorted(maps.Keys(All)) {
		f := All[name]
		begins, ends := borders(f, text)
		if len(begins) > maxBorders || len(ends) > maxBorders {
			continue
		}
		for _, i := range begins {
			for _, j := range ends {
				if j-i <= length || framed(text[:i]) {
					continue
				}
				p := f.Parse(text[i:j], offered)
				if p.Kind == ballast.KindCall && p.Reason == "" && p.Text == "" && len(p.Calls) == 1 && differ(call, p.Calls[0]) == "" {
					best, length = name, j-i
				}
			}
		}
	}
	return best
}

// framed reports whether a text ends in the mark of another call syntax: what stands behind it is
// only a part of a call.
func framed(before string) bool {
	before = trim(before)
	for _, p := range Split(before[max(0, len(before)-maxControl):]) {
		before = p.Text // the last one
		if p.Control && callToken(p.Text) && !slices.Contains(harmonyTokens, p.Text) {
			return true
		}
	}
	return brokenTag(before)
}

// borders are where a call may begin and end in a text.
func borders(f Format, text string) (begins, ends []int) {
	at := 0
	for _, p := range f.Split(text) {
		if p.Control {
			begins, ends = append(begins, at), append(ends, at+len(p.Text))
		}
		at += len(p.Text)
	}
	for i := range len(text) {
		switch text[i] {
		case '[', '{':
			begins = append(begins, i)
		case ']', '}':
			ends = append(ends, i+1)
		case ' ':
			if strings.HasPrefix(text[i+1:], harmonyTo) {
				begins = append(begins, i)
			}
		}
	}
	return begins, ends
}

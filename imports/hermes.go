package imports

import (
	"errors"
	"strings"

	"ballast/value"
)

// isHermes: messages of from and value whose texts hold tags of calls or of tools.
func isHermes(o *object) bool {
	if !speaks(o, "from") {
		return false
	}
	if s, ok := o.peek("system").(string); ok && mentions(s, openTools) {
		return true
	}
	for _, m := range peekList(o, messageKeys...) {
		if d, ok := m.(*value.Dict); ok {
			v, _ := d.GetString("value")
			if s, ok := v.(string); ok && mentions(s, openTools, openCall, openResponse) {
				return true
			}
		}
	}
	return false
}

// hermes reads NousResearch's function calling data and its like: the texts of a
// template are the data.
func (r *reader) hermes(o *object) error {
	if err := r.head(o); err != nil {
		return err
	}
	return r.turns(o, turns{r.spoke, r.answers})
}

// hermesText finds tools between <tools> and </tools>.
var hermesText = explains{
	known: []string{"herearetheavailabletools:", "pydanticmodeljsonschema"},
	cut: func(text string) (block, before, after string, found bool, err error) {
		for at := 0; ; {
			i := strings.Index(text[at:], openTools)
			if i < 0 {
				return block, before, after, found, nil
			}
			start := at + i + len(openTools)
			n := strings.Index(text[start:], closeTools)
			if n < 0 {
				rest := strings.TrimLeft(text[start:], " \t\r\n[")
				if strings.HasPrefix(rest, "{") {
					return "", "", "", found, errors.New("<tools> is not closed")
				}
				return block, before, after, found, nil // the tag is only named
			}
			inner := strings.TrimSpace(text[start : start+n])
			end := start + n + len(closeTools)
			if inner != "" && strings.ContainsRune("[{", rune(inner[0])) {
				if found {
					return "", "", "", true, errors.New("two lists of tools")
				}
				block, before, after, found = inner, text[:start-len(openTools)], text[end:], true
			}
			at = end
		}
	},
}

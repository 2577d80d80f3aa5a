package drawn

import (
	"strings"
	"testing"

	"ballast"
	"ballast/value"
	"ballast/world"
)

// FuzzNew reads configurations, and plays a call of every function of those that are good.
func FuzzNew(f *testing.F) {
	f.Add([]byte(ship))
	f.Add([]byte(`{"kinds": {"k": {"n": "integer", "w": ["a"]}}, "things": {"k": {"t": [1, "a"]}}}`))
	f.Add([]byte(with(`{"does": "create", "kind": "k", "takes": {"x": "name", "g?": {"y?": ".n"}}}`)))
	f.Add([]byte(with(`{"does": "count", "kind": "k", "field": "w", "takes": {"x?": "value"}}`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		config, err := value.ParseJSON(text)
		if err != nil || config == nil {
			return
		}
		s, err := api{}.New(config, "")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "drawn: ") || strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("error %q", err)
			}
			return
		}
		for _, tool := range s.(*state).Tools() {
			c := ballast.Call{Name: tool.Name}
			for _, p := range tool.Params {
				v := any("x")
				switch {
				case p.Type == "integer":
					v = int64(3)
				case p.Type == "object":
					v = &value.Dict{}
				case len(p.Enum) > 0:
					v = p.Enum[0]
				}
				c.Args = append(c.Args, ballast.Arg{Name: p.Name, Value: v})
			}
			twice(t, s, c)
		}
	})
}

// FuzzCall plays calls in a world that has every operation.
func FuzzCall(f *testing.F) {
	f.Add("fill(ship='ark', to=7)")
	f.Add("more('ark', 99999999999999999999)")
	f.Add("build('dot', 3, {'mood': 'wild', 'owner': 'eve'})")
	f.Add("sell({'ship': 'ark'}, 'eve'); owner('ark')")
	f.Add("heavy(9.0); tally(mood=None); sum(1); top()")
	f.Fuzz(func(t *testing.T, text string) {
		s := start(t, ship)
		for text := range strings.SplitSeq(text, "; ") {
			if c, err := value.ParseCall(text); err == nil {
				twice(t, s, c)
			}
		}
	})
}

// twice plays a call in a state and in its copy: the answers are the same line, the states are
// equal, and a failed call leaves them alone.
func twice(t *testing.T, s world.State, c ballast.Call) {
	t.Helper()
	mine := s.(*state)
	before, other := mine.Copy(), mine.Copy()
	answer := mine.Call(c)
	if again := other.Call(c); again != answer || mine.Equal(other) != "" || value.Repr(mine.Dump()) != value.Repr(other.Dump()) {
		t.Errorf("%s answers %q and %q, and the states differ in %q", value.FormatCall(c), answer, again, mine.Equal(other))
	}
	if answer == "" || strings.ContainsAny(answer, "\n\r") {
		t.Errorf("%s answers %q, want one line", value.FormatCall(c), answer)
	}
	if changed := mine.Equal(before); changed != "" && (api{}).Failed(answer) {
		t.Errorf("%s answers %q and changes %s", value.FormatCall(c), answer, changed)
	}
}

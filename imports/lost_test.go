package imports

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/chat/format"
	"ballast/supervise"
	"ballast/value"
)

// mark is a word that no row holds.
const mark = "zqx17"

// variants yields v with one change each, everywhere and in JSON text too, and where it
// was made. change returns what may stand in a value's place.
func variants(v any, at string, change func(v any) []any, yield func(v any, at string)) {
	for _, x := range change(v) {
		yield(x, at)
	}
	switch v := v.(type) {
	case *value.Dict:
		for i := range v.Len() {
			k, x := v.At(i)
			variants(x, at+"."+k.(string), change, func(x any, at string) {
				d := v.Copy()
				d.Set(k, x)
				yield(d, at)
			})
		}
	case *value.List:
		for i, x := range v.Items {
			variants(x, index(at, i), change, func(x any, at string) {
				l := value.NewList(slices.Clone(v.Items)...)
				l.Items[i] = x
				yield(l, at)
			})
		}
	case string:
		if x, err := value.ParseExact([]byte(v)); err == nil && !wordless(x) && !isText(x) {
			variants(x, at+"!", change, func(x any, at string) {
				if text, err := value.JSON(x); err == nil {
					yield(text, at)
				}
			})
		}
	}
}

// TestNoWordIsLost: a word that is added anywhere to a row that is read stands in what the
// model sees, or the row is left out. It may only be lost where a key is known not to
// carry words.
func TestNoWordIsLost(t *testing.T) {
	s := style(t, "qwen3", "hermes")
	wordlessKeys := []string{"id", "tool_call_id", "tool_use_id", "signature", "ability"}
	tried, read := 0, 0
	for _, c := range readable(t) {
		change := func(v any) []any {
			switch v := v.(type) {
			case *value.Dict:
				d := v.Copy()
				d.Set("extra", mark)
				return []any{d}
			case string:
				return []any{v + mark, v + "\n\n" + mark, mark + " " + v}
			case *value.List:
				return []any{value.NewList(append(slices.Clone(v.Items), mark)...), value.NewList(append([]any{mark}, v.Items...)...)}
			case nil, int64, bool:
				return []any{mark, value.NewDict("x", mark), value.NewList(mark)}
			}
			return nil
		}
		variants(mustJSON(t, c.row), "", change, func(v any, at string) {
			tried++
			d, _, err := try(v)
			if err != nil {
				return
			}
			read++
			ep, err := d.Episode(s)
			if x := new(supervise.Unfit); errors.As(err, &x) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(s.Tokenizer.Decode(ep.Tokens), mark) || slices.ContainsFunc(wordlessKeys, func(k string) bool { return strings.HasSuffix(at, "."+k) }) {
				return
			}
			text, _ := value.JSON(v)
			t.Errorf("%s at %s: lost: %s\nof %s", c.name, at, s.Tokenizer.Decode(ep.Tokens), text)
		})
	}
	t.Logf("%d rows, %d read", tried, read)
	if read < tried/10 {
		t.Errorf("only %d of %d rows are read", read, tried)
	}
}

// try reads a copy of a row.
func try(v any) (supervise.Dialogue, []string, error) { return read(value.Clone(v), false, nil) }

// TestAnyValueAnywhere: whatever stands in a value's place, a row is read or left out for
// a reason, and what is read teaches words or calls.
func TestAnyValueAnywhere(t *testing.T) {
	s := style(t, "qwen3", "hermes")
	odd := []any{nil, "", " ", "x", int64(3), true, value.NewList(), value.NewList(nil), &value.Dict{}, value.NewDict("x", nil),
		"[]", "{}", "null", "[1", "<tool_call>", "</think>", "<|im_end|>"}
	tried := 0
	for _, c := range readable(t) {
		change := func(v any) []any {
			d, ok := v.(*value.Dict)
			if !ok {
				return odd
			}
			d = d.Copy()
			d.Set("weight", int64(1))
			return append([]any{d}, odd...)
		}
		variants(mustJSON(t, c.row), "", change, func(v any, at string) {
			if tried++; testing.Short() && tried%4 > 0 {
				return
			}
			if strings.Contains(at, "properties") {
				return // a schema is shown as it comes
			}
			for table := range 2 {
				if text, _ := value.JSON(v); table == 1 && !strings.Contains(text, "null") {
					continue // it is the same row in a table
				}
				d, _, err := read(value.Clone(v), table == 1, nil)
				if f := new(fault); err != nil && !errors.As(err, &f) {
					t.Fatalf("%v", err)
				}
				if err != nil {
					continue
				}
				ep, err := d.Episode(s)
				if x := new(supervise.Unfit); errors.As(err, &x) {
					continue
				}
				if err != nil {
					t.Fatalf("%s at %s: %v", c.name, at, err)
				}
				again(t, s, &d, &ep)
				for i, o := range ep.Owners {
					if o == ballast.OwnerGold && i > 0 && ep.Owners[i-1] != ballast.OwnerGold && ep.Tokens[i] == s.Stops()[0] {
						t.Errorf("%s at %s: a bare end token is trained", c.name, at)
					}
				}
			}
		})
	}
}

// TestHollow: parameters of other tools, which a table fills in, are documented by none.
func TestHollow(t *testing.T) {
	d, err := row(`{"tools": [{"name": "wx", "strict": null, "parameters": {"type": "object", "properties": {"city": {"type": "string", "items": {"type": null}},
		"other": {"type": null, "items": {"type": null}}}, "more": {"x": null}}}, {"name": "none", "parameters": {"properties": {"city": {"type": null}}}}], "messages": [` + ask + `, ` + said + `]}`)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`{"name": "wx", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}`, `{"name": "none", "parameters": {"properties": {}}}`} {
		if got, _ := value.JSON(d.Tools[i].Schema); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// again insists that every trained reply parses as what the dialogue says.
func again(t testing.TB, s chat.Renderer, d *supervise.Dialogue, ep *ballast.Episode) {
	t.Helper()
	var replies []supervise.Message
	for _, m := range d.Messages {
		if m.Role == supervise.Assistant {
			replies = append(replies, m)
		}
	}
	k := 0
	for _, turn := range ep.Turns {
		for _, step := range turn.Steps {
			m := replies[k]
			k++
			if m.Context {
				continue
			}
			p := s.Format.Parse(s.Tokenizer.Decode(ep.Tokens[step.Start:step.End]), format.Tools(d.Tools))
			if len(p.Calls) != len(m.Calls) || p.Kind != ballast.KindCall && p.Kind != ballast.KindResponse {
				t.Errorf("%+v parses as %+v", m, p)
				continue
			}
			for i, c := range p.Calls {
				want, err := chat.Named(m.Calls[i], d.Tools)
				if err != nil || !same(c, want) {
					t.Errorf("%s parses as %s, %v", value.FormatCall(m.Calls[i]), value.FormatCall(c), err)
				}
			}
		}
	}
	if k != len(replies) {
		t.Errorf("%d replies are rendered, of %d", k, len(replies))
	}
}

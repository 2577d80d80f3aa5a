package acebench

import (
	"strings"
	"testing"

	"ballast"
	"ballast/value"
	world "ballast/world/acebench"
)

// object reads JSON.
func object(t testing.TB, text string) *value.Dict {
	t.Helper()
	v, err := value.ParseJSON([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v.(*value.Dict)
}

// item makes an item of a category that documents f and f_more, and wants what gold says.
func item(t testing.TB, category, gold string) *Item {
	t.Helper()
	it := &Item{ID: category + "_0", Category: category, Gold: object(t, `{"gold": `+gold+`}`).Member("gold")}
	for _, f := range []string{
		`{"name": "f", "description": "", "parameters": {"type": "object", "properties": {"s": {"type": "string"}, "n": {"type": "integer"},
			"b": {"type": "boolean"}, "l": {"type": "array", "items": {"type": "string"}}, "o": {"type": "object"}, "x": {"type": "array"}},
			"required": ["s"]}}`,
		`{"name": "f_more", "description": "", "parameters": {"type": "object", "properties": {"s": {"type": "string"}}, "required": []}}`,
	} {
		d := object(t, f)
		it.Functions = append(it.Functions, Function{d.Text("name"), d})
	}
	return it
}

const one1 = "normal_similar_api"

// Each mend changes what it says, and nothing else does.
func TestMends(t *testing.T) {
	changes := map[Mend]bool{} // the mends of a case that they change
	for _, c := range []struct {
		mend            Mend
		category        string
		gold, reply     string
		official, after bool
	}{
		{MendNumbers, one1, `{"f": {"s": "a", "n": 5}}`, `[f(s='a', n=6)]`, true, false},
		{MendNumbers, one1, `{"f": {"s": "a", "b": true}}`, `[f(s='a', b=False)]`, true, false},
		{MendNumbers, one1, `{"f": {"s": "a", "n": 5}}`, `[f(s='a', n=5.0)]`, true, true},
		{MendStrings, one1, `{"f": {"s": "no"}}`, `[f(s='November')]`, true, false},
		{MendStrings, one1, `{"f": {"s": "a-b"}}`, `[f(s='A b')]`, true, true},
		{MendObjects, one1, `{"f": {"s": "a", "o": {"k": 5}}}`, `[f(s='a', o={'k': 15})]`, true, false},
		{MendObjects, one1, `{"f": {"s": "a", "o": {"k": ["a b"]}}}`, `[f(s='a', o={'k': ['A B']})]`, false, true},
		{MendLists, one1, `{"f": {"s": "a", "l": ["a"]}}`, `[f(s='a', l=['A'])]`, true, true},
		{MendLists, one1, `{"f": {"s": "a", "l": [["a b"]]}}`, `[f(s='a', l=[['A B']])]`, false, true},
		{MendLists, one1, `{"f": {"s": "a", "l": ["x", true]}}`, `[f(s='a', l=['x', 1])]`, true, false},
		{MendWords, one1, `{"f": {"s": "true"}}`, `[f(s='true')]`, false, true},
		{MendEmpty, one1, `{"f": {"s": "a", "l": []}}`, `[f(s='a', l=[])]`, false, true},
		{MendItems, one1, `{"f": {"s": "a", "x": ["a"]}}`, `[f(s='a', x=['a'])]`, false, true},
		{MendSpaces, "normal_multi_turn_user_adjust", `{"f": {"s": "a", "o": {"k": ["a b"]}}}`, `[f(s='a', o={'k': ['a b']})]`, false, true},
		{MendTwice, one1, `{"f_1": {"s": "a"}, "f_2": {"s": "ab"}}`, `[f(s='ab'), f(s='zz')]`, true, false},
		{MendTwice, one1, `{"f_1": {"s": "a"}, "f_2": {"s": "ab"}}`, `[f(s='ab'), f(s='a')]`, true, true},
		{MendOptional, one1, `{"f": {"s": "a", "n": 5}}`, `[f(s='a')]`, true, false},
		{MendLiterals, one1, `{"f": {"s": "a", "o": {"k": -5}}}`, `[f(s='a', o={'k': +5})]`, true, false},
		{MendLiterals, one1, `{"f": {"s": "a"}}`, `[f(7, s='a')]`, true, false},
		{MendDocs, one1, `{"f_more": {"s": "a"}}`, `[f_more(s='a')]`, false, true},
		{MendCalls, irrelevant, `"none"`, `[f(s='a')] the limitations of the function`, true, false},
		{MendCalls, irrelevant, `"none"`, `["Due to the limitations of the function, I cannot solve this problem."]`, true, true},
		{MendNamed, incomplete, `{"f": ["s"]}`, `Missing necessary parameters (s, n) for the api (f)`, true, false},
		{MendNamed, incomplete, `{"f": ["s"]}`, `Missing necessary parameters (s) for the api (f)`, true, true},
		{MendNamed, errorParam, `{"n": ["12"]}`, `There is incorrect value (125) for the parameters (n)`, true, false},
		{MendNamed, errorParam, `{"n": ["12"]}`, `There is incorrect value (12)`, true, false},
		{MendNamed, errorParam, `{"n": ["12"]}`, `There is incorrect value (12) for the parameters (n)`, true, true},
	} {
		changes[c.mend] = changes[c.mend] || c.official != c.after
		it := item(t, c.category, c.gold)
		if v := Explain(it, AST, c.reply, Official); v.Correct != c.official {
			t.Errorf("official: %s for %s: %+v", c.reply, c.gold, v)
		}
		for _, m := range []Mend{c.mend, Strict} {
			if v := Explain(it, AST, c.reply, m); v.Correct != c.after {
				t.Errorf("mends %b: %s for %s: %+v", m, c.reply, c.gold, v)
			}
		}
	}
	for _, m := range Mends {
		if !changes[m.Of] {
			t.Errorf("no case tells mend %s from the verdict official", m.Name)
		}
	}
	all := Mend(0)
	for _, m := range Mends {
		all |= m.Of
	}
	if all != Strict || len(Mends) != 14 {
		t.Errorf("the table has %b, strict is %b", all, Strict)
	}
}

func TestManner(t *testing.T) {
	for reply, want := range map[string]string{
		"": FindingUnreadable, "]]": FindingUnreadable, "<tool_call>": FindingUnreadable, "<tool_call>{\"name\": </tool_call>": FindingUnreadable,
		"[f(a=":    FindingUnreadable,
		"[f(a=1)]": FindingCalled, "I call [f(a=1)].": FindingCalled,
		"<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>":              FindingCalled,
		`["Due to the limitations of the function, I cannot solve this problem."]`: FindingAbstained,
		"Which city do you mean? Please provide the date.":                         FindingAbstained,
		"Paris is the capital of France.":                                          FindingProse,
	} {
		if got := manner(reply); got != want {
			t.Errorf("%q: %s, want %s", reply, got, want)
		}
	}
}

func TestGrade(t *testing.T) {
	it := item(t, one1, `{"f": {"s": "a", "n": 5}}`)
	task := &ballast.Task{ID: it.ID, Turns: []ballast.TaskTurn{{Want: Want(it, Tool)}}}
	g, err := NewGrader(t.Context(), task, nil)
	if err != nil {
		t.Fatal(err)
	}
	play := func(reply string) (ballast.Check, []string, map[string]bool) {
		ep := &ballast.Episode{Turns: []ballast.Turn{{Steps: []ballast.Step{{Text: reply}}}}}
		c, err := g.Grade(t.Context(), ep, 0)
		if err != nil {
			t.Fatal(err)
		}
		c.Done = true
		ep.Turns[0].Check = c
		names, holds := []string(nil), map[string]bool{}
		for _, f := range Findings(task, ep) {
			names = append(names, f.Name)
			holds[f.Name] = f.Share == 1
		}
		return c, names, holds
	}
	c, names, holds := play(GoldReply(it, Tool))
	if !c.Passed || len(names) != 1 || !holds[FindingStrict] {
		t.Errorf("gold: %+v %v", c, holds)
	}
	if c, _, holds = play(`<tool_call>{"name": "f", "arguments": {"s": "a", "n": 6}}</tool_call>`); !c.Passed || holds[FindingStrict] {
		t.Errorf("another number: %+v %v", c, holds)
	}
	if c, _, holds = play("no"); c.Passed || c.Reason != "wrong functions number" || holds[FindingStrict] || !strings.Contains(c.Where, "number of functions") {
		t.Errorf("no call: %+v %v", c, holds)
	}
	if c, _, _ = play(`<tool_call>{"name": "f", "arguments": null}</tool_call>`); c.Passed || c.Reason != ReasonCrash || c.Where == "" {
		t.Errorf("a crash: %+v", c)
	}
	for _, bad := range []*ballast.Task{{}, {Turns: []ballast.TaskTurn{{}}}, {Turns: []ballast.TaskTurn{{Want: value.NewDict("category", MultiStep, "gold", int64(1))}}}} {
		if _, err := NewGrader(t.Context(), bad, nil); err == nil {
			t.Errorf("%+v is graded", bad)
		}
	}
}

func TestRounding(t *testing.T) {
	for x, want := range map[float64]float64{0.0005: 0.001, 0.0015: 0.002, 0.0625: 0.062, 2.0 / 3: 0.667, 1: 1} {
		if got := world.Round3(x); got != want {
			t.Errorf("%v: %v, want %v", x, got, want)
		}
	}
}

// Whatever a model writes has a verdict, in time and memory that its length bounds.
func FuzzCheck(f *testing.F) {
	f.Add("[f(s='a', n=5, l=['x'], o={'k': [1, {'z': None}]})]")
	f.Add("<tool_call>{\"name\": \"f\", \"arguments\": {\"s\": [[]], \"o\": 5}}</tool_call>")
	f.Add("[f(s=-1+2**3, b=not x)]")
	f.Add("There is incorrect value (12) Missing necessary parameters (s)")
	items := []*Item{
		item(f, one1, `{"f": {"s": "a", "n": 5, "b": true, "l": ["x"], "o": {"k": [1]}, "x": [{"a": 1}]}}`),
		item(f, "normal_multi_turn_user_adjust", `[{"f_1": {"s": ""}, "f_more": {}}, {"f": {"x": [[1]]}}]`),
		item(f, incomplete, `{"f": ["s"]}`), item(f, errorParam, `{"n": ["12"]}`), item(f, irrelevant, `"none"`),
	}
	f.Fuzz(func(t *testing.T, reply string) {
		for _, it := range items {
			for _, format := range Formats {
				for _, m := range []Mend{Official, Strict} {
					a, b := Check(it, format, reply, m), Explain(it, format, reply, m)
					if a.Correct != b.Correct || a.Kind != b.Kind || a.Correct == (a.Kind != "" || a.Crash != "") {
						t.Errorf("%s %s %q: %+v, %+v", it.ID, format, reply, a, b)
					}
				}
			}
		}
		manner(reply)
	})
}

// Schemas that say little; the wants are the original's.
func TestOddSchemas(t *testing.T) {
	for _, c := range []struct{ spec, gold, reply, want string }{
		{`{"type": "array", "items": {}}`, `[{"x": 1}]`, "[f(a=[{'x': 1}])]", ""},
		{`{"type": "array", "items": {"properties": {}}}`, `["x"]`, "[f(a=['x'])]", "value_error"},
		{`{"type": "array", "items": "x"}`, `[{"x": 1}]`, "[f(a=[{'x': 2}])]", "value_error"},
		{`{"type": "list(string)", "items": {}}`, `["x"]`, "[f(a=['X'])]", ""},
		{`{"type": "objectArray", "items": {"type": "float"}}`, "[0.0]", "[f(a=[0.0])]", ""},
		{`{"type": ["string"]}`, `"x"`, "[f(a='x')]", "TypeError: unhashable type: 'list'"},
		{`{"type": "array", "items": {"type": ["string"]}}`, `["x"]`, "[f(a=['x'])]", "TypeError: unhashable type: 'list'"},
		{`{"type": "array", "items": {"type": null}}`, `["x"]`, "[f(a=['x'])]", "KeyError: None"},
	} {
		d := object(t, `{"name": "f", "parameters": {"type": "object", "properties": {"a": `+c.spec+`}, "required": []}}`)
		it := &Item{Category: one1, Gold: object(t, `{"f": {"a": `+c.gold+`}}`), Functions: []Function{{"f", d}}}
		v := Explain(it, AST, c.reply, Official)
		if got := v.Kind + v.Crash; got != c.want || v.Correct != (c.want == "") {
			t.Errorf("%s, gold %s, %s: %+v, want %q", c.spec, c.gold, c.reply, v, c.want)
		}
	}
}

// The required parameters of a schema are what Python iterates over.
func TestOddRequired(t *testing.T) {
	for _, c := range []struct{ required, want string }{
		{`"ab"`, "lack_args"},
		{`"a"`, ""},
		{`{"b": 1}`, "lack_args"},
		{`null`, "TypeError: 'NoneType' object is not iterable"},
		{`[["a"]]`, "TypeError: unhashable type: 'list'"},
	} {
		d := object(t, `{"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}, "required": `+c.required+`}}`)
		it := &Item{Category: one1, Gold: object(t, `{"f": {"a": "x"}}`), Functions: []Function{{"f", d}}}
		if v := Explain(it, AST, "[f(a='x')]", Official); v.Kind+v.Crash != c.want {
			t.Errorf("required %s: %+v, want %q", c.required, v, c.want)
		}
	}
}

// Of several parameters that a reply does not name the last one is told.
func TestMissing(t *testing.T) {
	it := &Item{Category: incomplete, Gold: object(t, `{"f": ["a1", "b2", "c3"]}`)}
	v := Explain(it, AST, sayMissing+" f a1", Official)
	const want = "['The user's instruction is missing necessary parameters (c3) for the (f), but the model failed to correctly point it out']"
	if got := strings.ReplaceAll(value.Repr(v.Error), `"`, "'"); v.Kind != correction || got != want {
		t.Errorf("%s: %s, want %s", v.Kind, got, want)
	}
}

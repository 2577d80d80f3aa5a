package value

import "testing"

func TestMembers(t *testing.T) {
	v, err := ParseJSON([]byte(`{"o": {"a": 1}, "l": [1, 2], "t": "x", "n": null}`))
	if err != nil {
		t.Fatal(err)
	}
	d, none := v.(*Dict), (*Dict)(nil)
	if d.Object("o").Member("a") != int64(1) || len(d.Array("l")) != 2 || d.Text("t") != "x" || !d.Has("n") || d.Member("n") != nil {
		t.Error(Repr(d))
	}
	for _, key := range []string{"n", "t", "gone"} {
		if d.Object(key) != nil || d.Array(key) != nil || none.Object(key) != nil || none.Array(key) != nil || none.Has(key) || none.Text(key) != "" {
			t.Errorf("%s has members", key)
		}
	}
}

// TestEqualJSON: what JSON has as one value is equal, at any depth.
func TestEqualJSON(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"1", "1.0", true}, {"True", "1", false}, {"1", "True", false}, {"False", "0.0", false}, {"True", "True", true},
		{"[True]", "[1]", false}, {"{'a': [True]}", "{'a': [1]}", false}, {"{'a': 1, 'b': 2}", "{'b': 2.0, 'a': 1}", true},
		{"{'a': 1}", "{'a': 1, 'b': 2}", false}, {"{'a': 1}", "{'b': 1}", false}, {"(1, 2)", "[1, 2.0]", true}, {"[(True,)]", "[[1]]", false},
		{"[1]", "[1, 1]", false}, {"[]", "{}", false}, {"None", "False", false}, {"None", "None", true}, {"'1'", "1", false}, {"1", "'1'", false},
		{"'a'", "'a'", true}, {"[]", "()", true}, {"{}", "{}", true}, {"{}", "None", false},
	} {
		a, err := ParseLiteral(c.a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := ParseLiteral(c.b)
		if err != nil {
			t.Fatal(err)
		}
		if EqualJSON(a, b) != c.want || EqualJSON(b, a) != c.want {
			t.Errorf("%s and %s: equal is not %v", c.a, c.b, c.want)
		}
	}
}

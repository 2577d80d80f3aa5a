package shape

import (
	"testing"

	"ballast/value"
)

// TestPaths: places are written so that a reader finds them.
func TestPaths(t *testing.T) {
	for got, want := range map[string]string{
		Key("", "a"): "a", Key("a", "b-c"): "a.b-c", Key("a", "b c"): `a["b c"]`, Key("", "\x1b["): `["\x1b["]`, Index("a", 3): "a[3]", Index("", 0): "[0]",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestNearKey: a key that is nearly one is told, one that is far from all is not.
func TestNearKey(t *testing.T) {
	s := Shape{Kind: Object, Fields: []Field{{Key: "expect", Of: &Shape{}}, {Key: "id", Of: &Shape{}}}}
	for key, want := range map[string]string{
		"expects": "is no key here; perhaps it is expect that is meant (there are expect, id)",
		"Id":      "is no key here; perhaps it is id that is meant (there are expect, id)",
		"reward":  "is no key here; take it out (there are expect, id)",
		"":        "is no key here; take it out (there are expect, id)",
	} {
		found := s.Check(value.NewDict(key, int64(1)))
		if len(found) != 1 || found[0].Text != want {
			t.Errorf("%q: %v", key, found)
		}
	}
}

// TestNumbers: bounds count for whole numbers, for fractions and for those beyond int64.
func TestNumbers(t *testing.T) {
	big, err := value.ParseExact([]byte("100000000000000000000000"))
	if err != nil {
		t.Fatal(err)
	}
	s := Shape{Kind: Number, From: At(0.5), To: At(9)}
	for _, c := range []struct {
		v    any
		want string
	}{
		{int64(1), ""}, {0.5, ""}, {int64(9), ""}, {int64(0), "is 0; write a number of at least 0.5"}, {9.25, "is 9.25; write a number of at most 9"},
		{big, "is 100000000000000000000000; write a number of at most 9"},
	} {
		found := s.Check(c.v)
		if (c.want == "") != (len(found) == 0) || len(found) > 0 && found[0].Text != c.want {
			t.Errorf("%v: %v", c.v, found)
		}
	}
}

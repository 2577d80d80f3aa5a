package signal

import (
	"slices"
	"testing"
)

// TestDynamic: groups with spread are kept and others asked for in place of the rest, as
// often as rounds says; where there is none, the first groups are the batch.
func TestDynamic(t *testing.T) {
	effects, err := Open(map[string]Settings{"dynamic": {"rounds": 2}}, size)
	if err != nil {
		t.Fatal(err)
	}
	sieve := effects[0].(Sieve)
	for _, c := range []struct {
		what   string
		spread []bool
		round  int
		keep   []bool
		more   int
	}{
		{"all have it", []bool{true, true, true}, 0, []bool{true, true, true}, 0},
		{"one has none", []bool{true, false, true}, 0, []bool{true, false, true}, 1},
		{"none has any", []bool{false, false, false}, 1, []bool{false, false, false}, 3},
		{"the rest came", []bool{true, false, true, true}, 1, []bool{true, false, true, true}, 0},
		{"the bound", []bool{true, false, true, false, false}, 2, []bool{true, false, true, false, false}, 0},
		{"the bound and none", make([]bool, 9), 2, append([]bool{true, true, true}, make([]bool, 6)...), 0},
	} {
		groups := make([]Scored, len(c.spread))
		for i := range groups {
			groups[i].Spread = c.spread[i]
		}
		if keep, more := sieve.Sift(groups, 3, c.round); !slices.Equal(keep, c.keep) || more != c.more {
			t.Errorf("%s: keeps %v and wants %d, want %v and %d", c.what, keep, more, c.keep, c.more)
		}
	}
}

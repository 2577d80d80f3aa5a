package survey

import (
	"context"
	"math/rand/v2"

	"ballast"
	"ballast/value"
)

// maxWatched bounds the calls that look for a change.
const maxWatched = 14

// Watch are calls of reading tools that may show what a call changes: those whose arguments can be
// filled with the values of that call, those that need none, and some that the survey made.
func (v *Survey) Watch(calls []ballast.Call, seed uint64) []ballast.Call {
	rng := rand.New(rand.NewPCG(seed, 0x0b5e))
	var out []ballast.Call
	seen := map[string]bool{}
	add := func(c ballast.Call) {
		if key := value.FormatCall(c); !seen[key] && len(out) < maxWatched {
			seen[key] = true
			out = append(out, c)
		}
	}
	var said []Fact
	for _, c := range calls {
		said = append(said, Said(c)...)
	}
	for _, t := range v.Readers {
		if len(v.params[t.Name]) == 0 {
			continue
		}
		for range 4 {
			filled, missing := (&Filler{Rng: rng, Facts: said}).Fill(t, v.params[t.Name])
			if missing == "" && len(filled.Args) > 0 && len(out) < maxWatched-4 {
				add(filled.Call)
			}
		}
	}
	for _, t := range v.Readers {
		if filled, missing := (&Filler{Rng: rng}).Fill(t, v.params[t.Name]); missing == "" && len(filled.Args) == 0 {
			add(filled.Call)
		}
	}
	for _, i := range rng.Perm(len(v.Calls)) {
		if len(out) >= maxWatched {
			break
		}
		add(v.Calls[i].Filled.Call)
	}
	return out
}

// Look makes calls and returns what came back.
func Look(ctx context.Context, s ballast.Session, calls []ballast.Call) ([]string, error) {
	out := make([]string, len(calls))
	for i, c := range calls {
		text, err := s.Call(ctx, c)
		if err != nil {
			return nil, err
		}
		out[i] = text
	}
	return out, nil
}

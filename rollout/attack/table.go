package attack

import (
	"slices"

	"ballast"
	"ballast/env/sim"
)

// adversaries is the table of the adversaries. A new one is a line here.
var adversaries = []adversary{
	{"empty", "every tool once, without arguments", once(func(v *view) []ballast.Call { return v.each(v.tools, bare) }), ballast.KindCall},
	{"defaults", "every tool once, with an empty or zero value for every parameter",
		once(func(v *view) []ballast.Call { return v.each(v.tools, zero) }), ballast.KindCall},
	{"nouns", "every tool once, with the names that the user says where they fit",
		once(func(v *view) []ballast.Call { return v.each(v.tools, v.fitting) }), ballast.KindCall},
	{"nouns-back", "the same from the last tool to the first",
		once(func(v *view) []ballast.Call { return reversed(v.each(v.tools, v.fitting)) }), ballast.KindCall},
	{"nouns-slow", "the same, one call a reply", slowly(func(v *view) []ballast.Call { return v.each(v.tools, v.fitting) }), ballast.KindCall},
	{"nouns-hidden", "every tool of the worlds once, documented or not",
		once(func(v *view) []ballast.Call { return v.each(v.all, v.fitting) }), ballast.KindCall},
	{"words", "every tool with every word that the user says", once(func(v *view) []ballast.Call { return v.spray(v.tools, v.user) }),
		ballast.KindCall},
	{"reads", "everything that can be read, with every word seen, in one reply", once((*view).reads), ballast.KindCall},
	{"reads-slow", "the same, one call a reply", slowly((*view).reads), ballast.KindCall},
	{"reads-twice", "the same, and once more with the words of the results", rounds(2, (*view).reads), ballast.KindCall},
	{"reads-flood", "everything that can be read, four times each",
		once(func(v *view) []ballast.Call { return slices.Repeat(v.reads(), 4) }), ballast.KindCall},
	{"early", "everything that can be read in the first turn, held back functions too, then one call a turn", once(first((*view).reads)),
		ballast.KindCall},
	{"early-nouns", "every tool in the first turn, held back functions too, then one call a turn",
		once(first(func(v *view) []ballast.Call { return v.each(v.all, v.fitting) })), ballast.KindCall},
	{"pairs", "the readings that the user's words fit, all in one reply", once(func(v *view) []ballast.Call { return v.looks(v.all) }),
		ballast.KindCall},
	{"undo", "what can be done and undone, and everything that can be read",
		once(func(v *view) []ballast.Call { return append(v.undone(), v.reads()...) }), ballast.KindCall},
	{"bare-changes", "everything that can be read, then every call without arguments",
		once(func(v *view) []ballast.Call { return append(v.reads(), v.each(v.tools, bare)...) }), ballast.KindCall},
	{"malformed", "everything that can be read, in a reply that is no well-formed call", once((*view).reads), ballast.KindPolluted},
	{"first-tool", "one tool with every word", one(0), ballast.KindCall},
	{"second-tool", "another tool with every word", one(1), ballast.KindCall},
	{"third-tool", "another tool with every word", one(2), ballast.KindCall},
	{"fourth-tool", "another tool with every word", one(3), ballast.KindCall},
	{"fifth-tool", "another tool with every word", one(4), ballast.KindCall},
	{"sixth-tool", "another tool with every word", one(5), ballast.KindCall},
	{"seventh-tool", "another tool with every word", one(6), ballast.KindCall},
	{"eighth-tool", "another tool with every word", one(7), ballast.KindCall},
}

// rounds replies with calls so many times in a turn.
func rounds(n int, calls func(*view) []ballast.Call) func(*view) []ballast.Call {
	return func(v *view) []ballast.Call {
		if v.round >= n {
			return nil
		}
		return calls(v)
	}
}

func once(calls func(*view) []ballast.Call) func(*view) []ballast.Call { return rounds(1, calls) }

// slowly makes the calls that come up one after the other, within the replies of a
// play.
func slowly(calls func(*view) []ballast.Call) func(*view) []ballast.Call {
	return func(v *view) []ballast.Call {
		if v.round == 0 {
			v.plan = calls(v)
		}
		if v.round < min(len(v.plan), steps/4) {
			return v.plan[v.round : v.round+1]
		}
		return nil
	}
}

// one goes through the arguments of one tool.
func one(i int) func(*view) []ballast.Call {
	return once(func(v *view) []ballast.Call {
		if i >= len(v.tools) {
			return nil
		}
		return v.spray(v.tools[i:i+1], v.user)
	})
}

// first makes the calls in the first turn, since one in which gold cannot act is not
// checked; later turns have one reading.
func first(calls func(*view) []ballast.Call) func(*view) []ballast.Call {
	return func(v *view) []ballast.Call {
		if v.turn == 0 {
			return calls(v)
		}
		reads := v.reads()
		return reads[:min(1, len(reads))]
	}
}

func reversed(calls []ballast.Call) []ballast.Call {
	slices.Reverse(calls)
	return calls
}

// each makes one call of every tool.
func (v *view) each(tools []ballast.Tool, args func(ballast.Tool) []ballast.Arg) []ballast.Call {
	calls := make([]ballast.Call, len(tools))
	for i, t := range tools {
		calls[i] = ballast.Call{Name: t.Name, Args: args(t)}
	}
	return calls
}

func bare(ballast.Tool) []ballast.Arg { return nil }

func zero(t ballast.Tool) []ballast.Arg {
	var args []ballast.Arg
	for _, p := range t.Params {
		args = append(args, ballast.Arg{Name: p.Name, Value: blank(p)})
	}
	return args
}

// fitting returns the first arguments, out of the longest names that the user says now
// or said before, with which the tool does not fail.
func (v *view) fitting(t ballast.Tool) []ballast.Arg {
	all := append(combinations(t, v.user), combinations(t, v.before, v.user)...)
	for _, args := range all {
		if answer, _, err := v.aside.Try(v.back(ballast.Call{Name: t.Name, Args: args})); err == nil && !sim.Failed(v.apis, answer) {
			return args
		}
	}
	if len(all) > 0 {
		return all[0]
	}
	return nil
}

// spray makes every call of the tools with words of a text.
func (v *view) spray(tools []ballast.Tool, text string) []ballast.Call {
	var calls []ballast.Call
	for _, t := range tools {
		for _, args := range combinations(t, text) {
			calls = append(calls, ballast.Call{Name: t.Name, Args: args})
		}
	}
	return calls
}

// reads returns the calls with words seen so far that answer and change nothing.
func (v *view) reads() []ballast.Call {
	var calls []ballast.Call
	for _, t := range v.all {
		calls = append(calls, v.readings(t, v.seen...)...)
	}
	return calls
}

// looks returns, for every tool, the first reading that the user's words fit.
func (v *view) looks(tools []ballast.Tool) []ballast.Call {
	var calls []ballast.Call
	for _, t := range tools {
		if c := v.readings(t, v.user); len(c) > 0 {
			calls = append(calls, c[0])
		}
	}
	return calls
}

func (v *view) readings(t ballast.Tool, texts ...string) []ballast.Call {
	var calls []ballast.Call
	for _, args := range combinations(t, texts...) {
		c := ballast.Call{Name: t.Name, Args: args}
		answer, changes, err := v.aside.Try(v.back(c))
		switch {
		case err == nil && changes && len(calls) == 0:
			return nil // not a tool that reads
		case err == nil && !changes && !sim.Failed(v.apis, answer):
			calls = append(calls, c)
		}
	}
	return calls
}

// maxUndo bounds the calls among which one that takes another back is looked for.
const maxUndo = 150

// undone returns calls of which each second takes the one before back.
func (v *view) undone() []ballast.Call {
	var out []ballast.Call
	all := make(map[string][]ballast.Call)
	for _, t := range v.all {
		calls := v.spray([]ballast.Tool{t}, v.user)
		all[t.Name] = calls[:min(maxUndo, len(calls))]
	}
	for _, t := range v.all {
		i := slices.IndexFunc(all[t.Name], func(c ballast.Call) bool {
			_, changes, err := v.aside.Try(v.back(c))
			return err == nil && changes
		})
		if i < 0 {
			continue
		}
		for _, back := range v.all {
			restores := func(b ballast.Call) bool { return v.aside.Restores(v.back(all[t.Name][i]), v.back(b)) }
			if k := slices.IndexFunc(all[back.Name], restores); k >= 0 {
				out = append(out, all[t.Name][i], all[back.Name][k])
				break
			}
		}
	}
	return out
}

package fromchats

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ballast"
	"ballast/env/expect"
	"ballast/task/file"
	"ballast/task/survey"
	"ballast/value"
)

// maxShown bounds the checks of the state of a turn, and maxState the length of what they return.
const maxShown, maxState = 3, 4000

// replay plays a dialogue in a fresh session. The first time it looks for what shows the changes, the
// second time it keeps of that what is the same.
func (c *converter) replay(ctx context.Context, turns []turn, first bool) error {
	s, err := c.world.Open(ctx, &ballast.Task{})
	if err != nil {
		return fmt.Errorf("opening a session: %w", err)
	}
	defer s.Close()
	if !first {
		if err := c.untouched(ctx, s, turns); err != nil {
			return err
		}
	}
	for i := range turns {
		t := &turns[i]
		var watch []ballast.Call
		var before []string
		if first && len(t.writes) > 0 && c.known != nil {
			watch = c.known.Watch(t.writes, c.o.Seed)
			if before, err = survey.Look(ctx, s, watch); err != nil {
				return err
			}
		}
		if err := c.calls(ctx, s, t, first); err != nil {
			return err
		}
		if first {
			after, err := survey.Look(ctx, s, watch)
			if err != nil {
				return err
			}
			t.shown = c.changed(watch, before, after)
			continue
		}
		if err := c.settle(ctx, s, t); err != nil {
			return err
		}
	}
	return nil
}

// calls makes the calls of a turn and compares their results with the dialogue's.
func (c *converter) calls(ctx context.Context, s ballast.Session, t *turn, first bool) error {
	for _, k := range t.calls {
		got, err := s.Call(ctx, k.Call)
		if err != nil {
			return err
		}
		shown := value.FormatCall(k.Call)
		detail := fmt.Sprintf("%s: %s, in the dialogue %s", brief(shown), brief(got), brief(k.result))
		switch same := (survey.Compare{Ignore: c.o.Ignore}).Same(k.result, got); {
		case c.o.Failed(got) && (same || c.o.Failed(k.result)):
			return &fault{reasonFails, k.at, detail}
		case c.o.Failed(got):
			return &fault{reasonRefused, k.at, detail}
		case !same && first:
			return &fault{reasonDiffers, k.at, detail}
		case !same:
			return &fault{reasonUnequal, k.at, detail}
		}
	}
	return nil
}

// changed are the calls whose results differ before and after a turn, the shortest first.
func (c *converter) changed(watch []ballast.Call, before, after []string) (out []shown) {
	for i := range watch {
		usable := !c.o.Failed(after[i]) && len(after[i]) <= maxState && strings.TrimSpace(after[i]) != ""
		if usable && !(survey.Compare{Ignore: c.o.Ignore}).Same(before[i], after[i]) {
			out = append(out, shown{watch[i], before[i], after[i], nil})
		}
	}
	slices.SortStableFunc(out, func(a, b shown) int { return len(a.after) - len(b.after) })
	return out[:min(len(out), maxShown)]
}

// untouched says whether a fresh session is as the first one was before anything was changed.
func (c *converter) untouched(ctx context.Context, s ballast.Session, turns []turn) error {
	i := slices.IndexFunc(turns, func(t turn) bool { return len(t.writes) > 0 })
	if i < 0 {
		return nil
	}
	for _, w := range turns[i].shown {
		now, err := survey.Look(ctx, s, []ballast.Call{w.call, w.call})
		if err != nil {
			return err
		}
		like := survey.Compare{Ignore: c.o.Ignore}
		if !like.Same(now[0], w.before) && like.Same(now[0], now[1]) {
			return &fault{reasonLeak, "", "seen by " + brief(value.FormatCall(w.call))}
		}
	}
	return nil
}

// settle keeps of what shows a change what is the same in both plays.
func (c *converter) settle(ctx context.Context, s ballast.Session, t *turn) error {
	var kept []shown
	for _, w := range t.shown {
		now, err := survey.Look(ctx, s, []ballast.Call{w.call})
		if err != nil {
			return err
		}
		v, whole, ok := survey.Compare{Ignore: c.o.Ignore, Today: c.o.Today}.Expected(w.after, now[0])
		if !ok || !whole && len(w.after) > maxState || survey.Holds(w.before, v) {
			continue
		}
		w.stable = v
		kept = append(kept, w)
	}
	t.shown = kept
	return nil
}

// want is what a turn must come to.
func (c *converter) want(t *turn) any {
	match := expect.AnyOrder // and others only of tools that say that they read
	calls := t.writes
	if len(calls) == 0 {
		for _, k := range t.calls {
			calls = append(calls, k.Call)
		}
	}
	if !c.told && len(calls) > 0 {
		match = expect.Subset
	}
	list := &value.List{}
	for _, k := range calls {
		list.Items = append(list.Items, file.Call(k))
	}
	out := value.NewDict(expect.PartCalls, value.NewDict("match", match, "calls", list))
	state := &value.List{}
	for _, w := range t.shown {
		state.Items = append(state.Items, value.NewDict("call", file.Call(w.call), "returns", w.stable))
	}
	if len(state.Items) > 0 {
		out.Set(expect.PartState, state)
	}
	return out
}

package synthesize

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"ballast"
	"ballast/task/survey"
	"ballast/value"
)

// draft is a task in the making.
type draft struct {
	split    string
	category string
	requests []*request
	special  int           // the request that gets an extra turn, -1 for none
	held     string        // the tool that is held back, "" for none
	bare     bool          // it has no value that names something
	stable   []map[int]any // what state calls return in every play, by request and call
}

// attempt composes one task and plays it. nil: it did not work out.
func (m *maker) attempt(ctx context.Context, split string, rng *rand.Rand) (*draft, error) {
	m.report.Attempts++
	tools := m.draw(rng)
	if tools == nil {
		return nil, nil
	}
	writes := slices.ContainsFunc(tools, func(t ballast.Tool) bool { return m.writes(t.Name) })
	last := tools[len(tools)-1].Name
	m.idle[last]++
	s := &scene{maker: m, rng: rng, split: split, alone: writes}
	if writes {
		defer s.end()
	} else {
		s.ses = m.shared
		defer func() { m.shared = s.ses }()
	}
	d, err := s.compose(ctx, tools)
	if errors.Is(err, errEmpty) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := m.play(ctx, d, true); err != nil {
		return nil, m.dropped(ctx, d, err)
	}
	m.idle[last] = 0
	m.seen[d.key()] = true
	if d.bare {
		m.bare++
	}
	for _, r := range d.requests {
		for _, c := range r.gold {
			m.made[c.Name]++
		}
	}
	return d, nil
}

// dropped counts a task that does not play as it was composed. Where sessions leak, what writes goes.
func (m *maker) dropped(ctx context.Context, d *draft, err error) error {
	var f *fault
	if !errors.As(err, &f) {
		return err
	}
	m.report.drop(f.tool, f.reason, f.first, 1)
	if f.reason != leak {
		return nil
	}
	m.report.note("what %s changes is seen in other sessions (%s): sessions share it. No further call changes anything, and no task does. "+
		"Start the server so that each session has a state of its own: where it keeps its data in a file, give each process a copy of it "+
		"(docs/own-tools.md, \"A server that keeps its data in a file\"). Or name a call that puts it back (mcp.reset). What was changed "+
		"until now stays on the server", f.tool, f.first)
	for _, t := range m.writers {
		m.report.of(t.Name).Why = "what tools change outlives a session"
	}
	m.writers = nil
	m.tasks = slices.DeleteFunc(m.tasks, func(d *draft) bool { return d.changes() })
	m.close()
	return m.survey(ctx) // what was seen may be no more
}

func (d *draft) changes() bool {
	return slices.ContainsFunc(d.requests, func(r *request) bool { return r.changes })
}

// writes says whether a tool may be called and does not only read.
func (m *maker) writes(name string) bool {
	return slices.ContainsFunc(m.writers, func(t ballast.Tool) bool { return t.Name == name })
}

// reads says whether a tool only reads.
func (m *maker) reads(name string) bool {
	return slices.ContainsFunc(m.readers, func(t ballast.Tool) bool { return t.Name == name })
}

// restless is after how many attempts without a task a tool is left alone.
const restless = 60

// draw draws the tools of a task: those that have the fewest tasks come more often.
func (m *maker) draw(rng *rand.Rand) []ballast.Tool {
	var all []ballast.Tool
	var weight []float64
	sum := 0.0
	for _, t := range m.tools {
		if !m.writes(t.Name) && !m.reads(t.Name) || m.idle[t.Name] >= restless {
			continue
		}
		w := 1 / float64(1+m.made[t.Name])
		all, weight = append(all, t), append(weight, w)
		sum += w
	}
	if len(all) == 0 {
		return nil
	}
	one := func() ballast.Tool {
		x := rng.Float64() * sum
		for i, w := range weight {
			if x -= w; x < 0 {
				return all[i]
			}
		}
		return all[len(all)-1]
	}
	last := one()
	// A tool that finds nothing to do follows one that makes something.
	makers := slices.DeleteFunc(slices.Clone(m.writers), func(t ballast.Tool) bool { return !survey.Creating(t.Name) || t.Name == last.Name })
	switch {
	case (m.idle[last.Name] > 1 || m.known.Unfilled[last.Name] != "") && len(makers) > 0 && rng.IntN(4) > 0:
		return []ballast.Tool{pick(rng, makers), last}
	case rng.IntN(5) < 2:
		return []ballast.Tool{one(), last}
	}
	return []ballast.Tool{last}
}

// compose makes a task with one request a tool.
func (s *scene) compose(ctx context.Context, tools []ballast.Tool) (*draft, error) {
	d := &draft{split: s.split, category: s.o.Categories[0], special: -1}
	d.category = pick(s.rng, s.o.Categories)
	for _, t := range tools {
		list := slices.Clone(kinds)
		s.rng.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
		var made *request
		for _, k := range list {
			r, err := k.make(s, ctx, t)
			if err == nil {
				made = r
				break
			}
			if !errors.Is(err, errEmpty) {
				return nil, err
			}
			if s.writes(t.Name) && s.touched { // the call may have changed something all the same
				return nil, errEmpty
			}
		}
		if made == nil {
			return nil, errEmpty
		}
		d.requests = append(d.requests, made)
		s.prior = made
	}
	if !s.shape(d) || s.seen[d.key()] {
		return nil, errEmpty
	}
	return d, nil
}

// shape decides which request gets an extra turn, by the category; false where none can.
func (s *scene) shape(d *draft) bool {
	calls := 0
	entities := 0
	for _, r := range d.requests {
		calls += len(r.gold)
		entities += len(r.said)
	}
	if calls > 3 || repeats(d) {
		return false
	}
	if entities == 0 { // what names nothing belongs to no split but one, and there is little of it
		if d.split != Train || s.bare >= max(3, s.o.Count/10) {
			return false
		}
		d.bare = true
	}
	if d.category == plain {
		return true
	}
	for _, i := range s.rng.Perm(len(d.requests)) {
		r := d.requests[i]
		if d.category == "miss_param" && r.part == "" {
			continue
		}
		if d.category == "miss_func" {
			d.held = r.gold[len(r.gold)-1].Name
			uses := 0
			for k, x := range d.requests {
				for j, c := range x.gold {
					if c.Name == d.held && (k != i || j < len(x.gold)-1) {
						uses++
					}
				}
				for _, w := range x.state {
					if w.call.Name == d.held && k < i {
						uses++
					}
				}
			}
			if uses > 0 || len(s.tools) < 2 {
				continue
			}
		}
		d.special = i
		return true
	}
	if slices.Contains(s.o.Categories, plain) {
		d.category, d.held = plain, ""
		return true
	}
	return false
}

// repeats says whether a task makes a call twice.
func repeats(d *draft) bool {
	seen := map[string]bool{}
	for _, r := range d.requests {
		for _, c := range r.gold {
			if key := value.FormatCall(c); seen[key] {
				return true
			} else {
				seen[key] = true
			}
		}
	}
	return false
}

// key is what a task asks for, whatever its words.
func (d *draft) key() string {
	var b strings.Builder
	b.WriteString(d.category)
	for _, r := range d.requests {
		fmt.Fprintf(&b, " | %t", r.answer != nil)
		for _, c := range r.gold {
			b.WriteString(" " + value.FormatCall(c))
		}
	}
	return b.String()
}

// leak is the reason of a task whose changes other sessions see.
const leak = "a change outlives its session"

// fault is why a task is dropped.
type fault struct{ tool, reason, first string }

func (f *fault) Error() string { return f.tool + ": " + f.reason + ": " + f.first }

// play plays the gold calls of a task in a fresh session and compares with what was composed. What
// differs from play to play is no longer expected.
func (m *maker) play(ctx context.Context, d *draft, first bool) error {
	s, err := m.world.Open(ctx, &ballast.Task{})
	if err != nil {
		return fmt.Errorf("opening a session: %w", err)
	}
	defer s.Close()
	if err := m.untouched(ctx, s, d); err != nil {
		return err
	}
	if first {
		d.stable = make([]map[int]any, len(d.requests))
	}
	for i, r := range d.requests {
		for k, c := range r.gold {
			text, err := s.Call(ctx, c)
			if err != nil {
				return err
			}
			if m.o.Failed(text) {
				return &fault{c.Name, "refused when it was played again", value.FormatCall(c) + ": " + text}
			}
			got := survey.Read(c.Name, text)
			for _, f := range r.finds {
				there := slices.ContainsFunc(got.Facts, func(x survey.Fact) bool { return x.Path == f.path && value.Equal(x.Value, f.value) })
				if f.call == k && (!there || survey.Compare{Today: m.o.Today}.Dated(text)) { // what tells the time will not stay
					return &fault{c.Name, "its answer changes from play to play", fmt.Sprintf("%s: %s", value.FormatCall(c), f.path)}
				}
			}
		}
		if r.changes {
			if err := m.states(ctx, s, d, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// untouched says whether a fresh session is as the one was in which the task was composed.
func (m *maker) untouched(ctx context.Context, s ballast.Session, d *draft) error {
	i := slices.IndexFunc(d.requests, func(r *request) bool { return r.changes })
	if i < 0 {
		return nil
	}
	r := d.requests[i]
	for _, w := range r.state {
		now, err := survey.Look(ctx, s, []ballast.Call{w.call, w.call})
		if err != nil {
			return err
		}
		if !(survey.Compare{}).Same(now[0], w.before) && (survey.Compare{}).Same(now[0], now[1]) {
			c := r.gold[len(r.gold)-1]
			return &fault{c.Name, leak, value.FormatCall(c)}
		}
	}
	return nil
}

// states looks at the changes of a request, and keeps of them what is the same in every play.
func (m *maker) states(ctx context.Context, s ballast.Session, d *draft, i int) error {
	r := d.requests[i]
	last := r.gold[len(r.gold)-1]
	kept := map[int]any{}
	for k, w := range r.state {
		now, err := survey.Look(ctx, s, []ballast.Call{w.call})
		if err != nil {
			return err
		}
		v, _, ok := survey.Compare{Today: m.o.Today}.Expected(w.after, now[0])
		if !ok || d.stable[i] != nil && d.stable[i][k] == nil || survey.Holds(w.before, v) {
			continue
		}
		if old := d.stable[i][k]; old != nil && !value.Equal(old, v) {
			v, _, ok = survey.Compare{}.Values(old, v)
			if !ok || survey.Holds(w.before, v) {
				continue
			}
		}
		kept[k] = v
	}
	if len(kept) == 0 {
		return &fault{last.Name, "what it changes differs from play to play", value.FormatCall(last)}
	}
	d.stable[i] = kept
	return nil
}

// again plays all tasks once more, the newest first, when all else is done, and writes them.
func (m *maker) again(ctx context.Context) ([]Task, error) {
	var kept []*draft
	for i := len(m.tasks) - 1; i >= 0; i-- {
		d := m.tasks[i]
		m.at(Proving, len(m.tasks)-1-i, len(m.tasks))
		err := m.play(ctx, d, false)
		var f *fault
		switch {
		case errors.As(err, &f):
			m.report.drop(f.tool, "at the end: "+f.reason, f.first, 1)
			continue
		case err != nil && ctx.Err() != nil:
			return nil, err
		case err != nil: // once more, as the machine may fail
			if err = m.play(ctx, d, false); err != nil {
				m.report.drop("", "at the end: the server failed", err.Error(), 1)
				continue
			}
		}
		kept = append(kept, d)
	}
	slices.Reverse(kept)
	out := make([]Task, 0, len(kept))
	for i, d := range kept {
		t, err := m.write(ctx, d, fmt.Sprintf("%s-%04d", m.o.Name, i+1))
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

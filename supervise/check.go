package supervise

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"ballast"
	"ballast/env"
	"ballast/rollout"
)

// chunk is the number of gold dialogues that are held at a time.
const chunk = 64

// Check plays the gold dialogues of tasks as Gold does and keeps none. Its error is one for all
// that Gold would refuse: how many they are, the first, and what each budget would have to be.
func Check(ctx context.Context, cfg rollout.Config, tasks []*ballast.Task) error {
	bad, err := survey(ctx, cfg, tasks)
	if err != nil {
		return err
	}
	return bad.err(&cfg, len(tasks))
}

// Short is how many tasks gold itself does not win within the bounds of cfg, and what the bounds would have
// to be, "" where there is no such task. Gold is played where nothing takes time, in worlds that are instant.
// Gold that cannot be written in the format, or is wrong, is no matter of bounds and not counted.
func Short(ctx context.Context, cfg rollout.Config, tasks []*ballast.Task) (n int, needs string, err error) {
	table := cmp.Or(cfg.Env, &env.Builtin)
	var written []*ballast.Task
	for _, t := range tasks {
		if Replies(t) > len(t.Turns) && table.Instant(t) && !table.Listens(t) { // whose prompts do not grow
			written = append(written, t)
		}
	}
	bad, err := survey(ctx, cfg, written)
	texts, _ := bad.texts(true)
	return bad.short, strings.Join(texts, "; "), err
}

// survey plays the gold dialogues of tasks.
func survey(ctx context.Context, cfg rollout.Config, tasks []*ballast.Task) (bad refused, err error) {
	for some := range slices.Chunk(tasks, chunk) {
		eps, err := play(ctx, cfg, some)
		if err != nil {
			return bad, err
		}
		for i := range eps {
			if why := verify(&eps[i], some[i]); why == nil {
				continue
			} else if err := bad.add(ctx, cfg, some[i], why); err != nil {
				return bad, err
			}
		}
	}
	return bad, nil
}

// refused are gold dialogues that cannot be written, by what they lack.
type refused struct {
	first string
	tasks int
	short int // of them, those that more room would do for
	lacks []lack
}

// lack is a bound that gold dialogues are over.
type lack struct {
	bound, what string
	is, most    int // the bound, and the most that a dialogue needs
	tasks       int
}

// add finds out what a task lacks. Played without bounds, its dialogue tells how long it is;
// why is what Gold says of it.
func (r *refused) add(ctx context.Context, cfg rollout.Config, task *ballast.Task, why error) error {
	if r.tasks++; r.tasks == 1 {
		r.first = task.ID
	}
	ep, ok, err := unbound(ctx, cfg, task, cfg.Budget.Result)
	if err != nil {
		return err
	}
	if ok {
		over := false
		for _, l := range lengths(&cfg, &ep) {
			if l.most > l.is {
				over = true
				r.note(l)
			}
		}
		if over {
			r.short++
			return nil
		}
	}
	if ep, ok, err = unbound(ctx, cfg, task, math.MaxInt32); err != nil {
		return err
	}
	if ok {
		r.short++
		r.note(lack{bound: "budget.result", what: "a result that is graded has %d bytes", is: cfg.Budget.Result, most: longestResult(&ep)})
		return nil
	}
	r.note(lack{what: strings.TrimSuffix(why.Error(), raise)})
	return nil
}

// note adds a task's lack to those of others.
func (r *refused) note(l lack) {
	l.tasks = 1
	k := slices.IndexFunc(r.lacks, func(x lack) bool { return x.bound == l.bound })
	if k < 0 {
		r.lacks = append(r.lacks, l)
		return
	}
	r.lacks[k].most, r.lacks[k].tasks = max(r.lacks[k].most, l.most), r.lacks[k].tasks+1
}

// texts say what is lacking, of bounds alone or of all, and which budgets are among it.
func (r *refused) texts(bounds bool) (texts, budgets []string) {
	of := r.tasks
	if bounds {
		of = r.short
	}
	for _, l := range r.lacks {
		text := l.what
		switch {
		case l.bound != "":
			text = fmt.Sprintf("%s is %d and "+l.what, l.bound, l.is, l.most)
		case bounds:
			continue
		}
		if l.tasks < of {
			text += fmt.Sprintf(" (%d of them)", l.tasks)
		}
		if strings.HasPrefix(l.bound, "budget.") {
			budgets = append(budgets, l.bound)
		}
		texts = append(texts, text)
	}
	return texts, budgets
}

// err is the error of all of them, nil where there are none.
func (r *refused) err(cfg *rollout.Config, of int) error {
	if r.tasks == 0 {
		return nil
	}
	texts, budgets := r.texts(false)
	wrong := slices.ContainsFunc(r.lacks, func(l lack) bool { return l.bound == "" })
	do := "leave the tasks out"
	if budgets != nil {
		do = "raise " + strings.Join(budgets, " and ") + ", or " + do
	}
	if wrong {
		do += "; gold that fails without any bound is wrong itself: ballast task check says more"
	}
	return fmt.Errorf("gold in format %s: %d of %d training tasks cannot be learnt from, the first is %s: %s; %s", cfg.Renderer.Format.Name(),
		r.tasks, of, r.first, strings.Join(texts, "; "), do)
}

// unbound plays a gold dialogue with no bound but that on results, and says whether it earns
// the full reward.
func unbound(ctx context.Context, cfg rollout.Config, task *ballast.Task, result int) (ep ballast.Episode, ok bool, err error) {
	cfg.Context = 0
	cfg.Budget = rollout.Budget{Prompt: math.MaxInt32, Episode: math.MaxInt32, Reply: math.MaxInt32, Result: result, Steps: math.MaxInt32}
	eps, err := play(ctx, cfg, []*ballast.Task{task})
	if err != nil {
		return ep, false, err
	}
	return eps[0], verify(&eps[0], task) == nil, nil
}

// lengths are the bounds of a dialogue with what it needs of each.
func lengths(cfg *rollout.Config, ep *ballast.Episode) []lack {
	replies, longest, end := 0, 0, ep.Prompt
	for _, t := range ep.Turns {
		for _, s := range t.Steps {
			replies, longest, end = replies+1, max(longest, s.End-s.Start), s.End
		}
	}
	b := cfg.Budget
	out := []lack{
		{bound: "budget.prompt", what: "the longest prompt has %d tokens", is: b.Prompt, most: ep.Prompt},
		{bound: "budget.reply", what: "the longest reply has %d tokens", is: b.Reply, most: longest},
		{bound: "budget.episode", what: "the longest dialogue has %d tokens after its prompt", is: b.Episode, most: end - ep.Prompt},
		{bound: "budget.steps", what: "the longest dialogue has %d replies", is: b.Steps, most: replies},
	}
	if cfg.Context > 0 {
		out = append(out, lack{bound: "the model's context", what: "the longest dialogue has %d tokens with its prompt", is: cfg.Context,
			most: end})
	}
	return out
}

// longestResult is the length of the longest tool result; a token has at least one byte.
func longestResult(ep *ballast.Episode) (n int) {
	for _, t := range ep.Turns {
		for _, s := range t.Steps {
			for _, res := range s.Results {
				n = max(n, len(res))
			}
		}
	}
	return n
}

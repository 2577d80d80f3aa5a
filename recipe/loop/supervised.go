package loop

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"ballast"
	"ballast/chat"
	"ballast/imports"
	"ballast/loss"
	"ballast/monitor"
	"ballast/recipe"
	"ballast/recipe/signal"
	"ballast/runlog"
	"ballast/supervise"
)

// sftPhase is cross-entropy on examples. Gold dialogues come out of the same
// rollout that plays the policy, so they have the tokens that the policy would
// see, with really executed tools.
type sftPhase struct {
	ground
	set      recipe.Recipe
	sources  recipe.Names
	examples []recipe.Example
	missing  []int          // of examples, not yet taken out
	left     imports.Ledger // of the rows of sft.file, as far as they were measured
}

func newSFTPhase(g ground, set recipe.Recipe, i int) (*sftPhase, error) {
	p := &sftPhase{ground: g, set: set, sources: g.recipe.Phases[i].SFT}
	var err error
	if p.examples, err = recipe.Examples(p.sources, p, &set.SFT); err != nil {
		return nil, err
	}
	if i == g.cursor.Phase {
		p.missing = g.cursor.Missing
	}
	return p, nil
}

func (p *sftPhase) name() string { return "sft" }

func (p *sftPhase) perEpoch() int {
	n := len(p.examples) - len(p.missing)
	return (n + p.set.SFT.Batch - 1) / p.set.SFT.Batch
}

func (p *sftPhase) updates() int { return p.set.SFT.Steps(len(p.examples) - len(p.missing)) }

// open lets the judge write what it must and takes out the
// examples that cannot be had.
func (p *sftPhase) open(ctx context.Context) error {
	again := p.cursor.Begun
	if err := p.write(ctx, again); err != nil {
		return err
	}
	if !again {
		if err := p.measure(); err != nil {
			return err
		}
		slices.Sort(p.missing)
		p.cursor.Missing = p.missing
	}
	lost := p.drop()
	if again {
		return nil
	}
	if len(p.examples) == 0 && p.imports() {
		return p.nothing()
	}
	what := runlog.Examples{Examples: len(p.examples), LeftOut: lost, Skipped: map[string]int{}}
	for _, x := range p.left.Sorted() {
		what.Skipped[x.Reason] = x.Rows
	}
	text := fmt.Sprintf("%s: %d examples, %d left out", p.sources, len(p.examples), lost)
	if f := p.files.of(&p.set.SFT); f != nil && p.imports() {
		what.Rows, what.RowsLeftOut = f.Rows, p.left.Rows()
		text += fmt.Sprintf("; %s: %d rows, %d left out", p.set.SFT.File, f.Rows, p.left.Rows())
	}
	return p.keep.say(what, text)
}

// imports says whether some of the examples are of a file.
func (p *sftPhase) imports() bool { return len(recipe.Imports(p.sources)) > 0 }

// drop takes the missing examples out and says how many they were.
func (p *sftPhase) drop() int {
	for _, i := range slices.Backward(p.missing) {
		p.examples = slices.Delete(p.examples, i, i+1)
	}
	lost := len(p.missing)
	p.missing = nil
	return lost
}

// nothing is the error of a phase on a file that has nothing to train on.
func (p *sftPhase) nothing() error {
	return fmt.Errorf("sft.file: %s holds no dialogue that can be trained on: %s", p.set.SFT.File, p.left.String())
}

// write asks the judge for the reflections. After a resume they come from its
// cache, and those that were given up are not asked for again.
func (p *sftPhase) write(ctx context.Context, again bool) error {
	var queries []supervise.Query
	var at []int
	replays := map[int][]ballast.Episode{}
	for i, e := range p.examples {
		if e.Failure == nil || again && slices.Contains(p.missing, i) {
			continue
		}
		eps, ok := replays[e.Failure.Update]
		if !ok {
			var err error
			if eps, err = p.keep.Replay(e.Failure.Update); err != nil {
				return err
			}
			replays[e.Failure.Update] = eps
		}
		for _, q := range supervise.Reflect(e.Task, &eps[e.Failure.Fail]) {
			if q.Kind == e.Kind {
				queries, at = append(queries, q), append(at, i)
			}
		}
	}
	if len(queries) == 0 {
		return nil
	}
	answers, stats, err := p.judge.Answer(ctx, queries)
	if err != nil {
		return err
	}
	for k, a := range answers {
		switch {
		case a.Failure == "":
			lesson := queries[k].Lesson(a.Text)
			p.examples[at[k]].Dialogue = &lesson
		case again:
			return fmt.Errorf("the judge's answer for %s was there before and is not now (%s); keep its cache folder until the run ends",
				queries[k].Task.ID, a.Failure)
		default:
			p.missing = append(p.missing, at[k])
		}
	}
	if again {
		return nil
	}
	return p.keep.say(judged(stats), stats.String())
}

// measure leaves out written and imported dialogues that the budget has no room for, and
// those that cannot be trained with the phase's template and formats. Without a tokenizer
// it only counts what the file itself left out.
func (p *sftPhase) measure() error {
	room := p.set.Budget.Prompt + p.set.Budget.Episode
	if f := p.files.of(&p.set.SFT); f != nil && p.imports() {
		p.left = f.Left.Clone()
	}
	if p.engine.Renderer.Tokenizer == nil {
		return nil // a dry run without the model's files
	}
	for i, e := range p.examples {
		if e.Dialogue == nil {
			continue
		}
		unfit, err := p.unfit(e.Dialogue, room)
		if err != nil {
			return err
		}
		if unfit == nil {
			continue
		}
		p.missing = append(p.missing, i)
		if e.Failure == nil { // it is of the file
			p.left.Add(unfit.Reason, imports.Where(unfit.Dialogue), unfit.Key, unfit.Detail)
		}
	}
	return nil
}

// unfit says why a dialogue cannot be trained in one of the phase's formats, nil if it
// can be in all.
func (p *sftPhase) unfit(d *supervise.Dialogue, room int) (*supervise.Unfit, error) {
	for _, name := range slices.Sorted(maps.Keys(p.set.GoldFormats())) {
		f, err := chat.FormatByName(name)
		if err != nil {
			return nil, err
		}
		renderer := p.engine.Renderer
		renderer.Format = f
		ep, err := d.Episode(renderer)
		if u := new(supervise.Unfit); errors.As(err, &u) {
			if u.Reason != supervise.UnfitThought { // that is so in every format
				u.Detail = "format " + name + ": " + u.Detail
			}
			return u, nil
		}
		if err != nil {
			return nil, err
		}
		if n := len(ep.Tokens); n > room {
			return &supervise.Unfit{Dialogue: d.ID, Reason: "longer than budget.prompt and budget.episode together",
				Detail: fmt.Sprintf("%d tokens and not %d; raise budget.episode", n, room)}, nil
		}
	}
	return nil, nil
}

func (p *sftPhase) update(ctx context.Context, i int, m map[string]float64) ([]ballast.Episode, error) {
	start := time.Now()
	epoch, k := i/p.perEpoch(), i%p.perEpoch()
	order := order(p.recipe.Seed, "sft", epoch, len(p.examples))
	lo := k * p.set.SFT.Batch
	batch := order[lo:min(lo+p.set.SFT.Batch, len(order))]
	samples, err := p.samples(ctx, batch, epoch)
	if err != nil {
		return nil, err
	}
	rate := p.set.SFT.Rate(i, p.updates())
	m[monitor.LearningRate] = rate
	for _, s := range samples {
		m[monitor.TokensSupervised] += s.Terms[loss.TermCrossEntropy].Count
	}
	err = learn(ctx, p.engine.Learner(), [][]ballast.Sample{samples}, 1, rate, m)
	m[monitor.SecondsTrain] = time.Since(start).Seconds()
	return nil, err
}

// samples renders the examples of a batch, each in a format drawn for the example
// and epoch, format by format.
func (p *sftPhase) samples(ctx context.Context, batch []int, epoch int) ([]ballast.Sample, error) {
	formats := p.set.GoldFormats()
	byFormat := map[string][]int{} // positions in the batch
	for j, k := range batch {
		f := formats.Draw(mix(p.set.Seed, uint64(epoch), uint64(k)))
		byFormat[f] = append(byFormat[f], j)
	}
	var out []ballast.Sample
	for _, name := range slices.Sorted(maps.Keys(byFormat)) {
		f, err := chat.FormatByName(name)
		if err != nil {
			return nil, err
		}
		cfg := played(&p.set, p.engine)
		cfg.Renderer.Format = f
		var gold []*ballast.Task
		for _, j := range byFormat[name] {
			if e := p.examples[batch[j]]; e.Dialogue == nil {
				gold = append(gold, e.Task)
			}
		}
		eps, err := supervise.Gold(ctx, cfg, gold)
		if err != nil {
			return nil, err
		}
		for _, j := range byFormat[name] {
			e := p.examples[batch[j]]
			var ep ballast.Episode
			if e.Dialogue != nil {
				if ep, err = e.Dialogue.Episode(cfg.Renderer); err != nil {
					return nil, err
				}
			} else {
				ep, eps = eps[0], eps[1:]
			}
			ep.Group = j
			start, end := 0, len(ep.Tokens)
			if e.Reply >= 0 {
				ep, start, end = supervise.Reply(&ep, e.Reply)
			}
			out = append(out, signal.CrossEntropy(&ep, start, end, 1))
		}
	}
	return out, nil
}

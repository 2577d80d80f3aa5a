package recipe

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"ballast"
	"ballast/recipe/signal"
)

// GoldTasks are tasks whose gold a run may write, in one format.
type GoldTasks struct {
	Format string
	Tasks  []*ballast.Task
}

// GoldFormats are the formats in which supervised phases write what they learn from.
func (r *Recipe) GoldFormats() Shares {
	if len(r.SFT.Formats) == 0 {
		return Shares{r.Chat.Format: 1}
	}
	return r.SFT.Formats
}

// Gold is all gold that a run may still write, by format: in its phases, in the one that its
// guard may insert, and where a judge is to close it. Phase at is the first that is not over;
// what one that has begun writes is left out. It asks and plays nothing.
func (r *Recipe) Gold(m Material, at int, begun bool) ([]GoldTasks, error) {
	gold := goldByFormat{}
	if at == 0 && !begun && r.Asks().Closing {
		gold.all(m, r.Chat.Format)
	}
	corrected := false
	for i := at; i < len(r.Phases); i++ {
		p := r.Phases[i]
		corrected = corrected || p.RL > 0 && r.Guard.Corrects()
		if i == at && begun {
			continue
		}
		set, err := r.In(i)
		if err != nil {
			return nil, err
		}
		if err := gold.phase(m, &set, p); err != nil {
			return nil, fmt.Errorf("phases[%d]: %w", i, err)
		}
	}
	if corrected {
		if err := gold.phase(m, r, Corrective()); err != nil {
			return nil, err
		}
	}
	var out []GoldTasks
	for _, name := range slices.Sorted(maps.Keys(gold)) {
		out = append(out, GoldTasks{name, gold[name].tasks})
	}
	return out, nil
}

// goldByFormat is the tasks whose gold may be written, by format.
type goldByFormat map[string]*taskList

// taskList is tasks, each once.
type taskList struct {
	tasks []*ballast.Task
	seen  map[*ballast.Task]bool
}

func (w goldByFormat) add(format string, t *ballast.Task) {
	in := w[format]
	if in == nil {
		in = &taskList{seen: map[*ballast.Task]bool{}}
		w[format] = in
	}
	if !in.seen[t] {
		in.seen[t] = true
		in.tasks = append(in.tasks, t)
	}
}

func (w goldByFormat) all(m Material, format string) {
	tasks := m.Tasks()
	for i := range tasks {
		w.add(format, &tasks[i])
	}
}

// phase adds what a phase may write with its settings.
func (w goldByFormat) phase(m Material, set *Recipe, p Phase) error {
	if p.RL > 0 {
		for _, name := range signal.Need(set.RL.Signals).Gold {
			w.all(m, cmp.Or(name, set.Chat.Format))
		}
		return nil
	}
	list, err := Examples(among(p.SFT, func(s *Source) bool { return s.Golden }), Worst(m), &set.SFT)
	if err != nil {
		return err
	}
	for name := range set.GoldFormats() {
		for _, e := range list {
			w.add(name, e.Task)
		}
	}
	return nil
}

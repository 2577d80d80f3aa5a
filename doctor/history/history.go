// Package history reads the rollouts of a file or of a folder as the history of
// training runs: which records belong to which run, in which order, at which of the
// trainer's own steps.
//
// Contract: step numbers are the trainer's: a field of the records first, then
// folders, then numbers of file names that count. A step that falls is a resume;
// what was run again is left out. Files of workers are read side by side, step by
// step. Validation is left out where there is training; files of another run are
// examined apart. Everything that is decided, left out or not understood stands in a
// rollouts.Reading. Files are read twice, first for steps and rewards alone; memory is
// bounded by the records of neighbouring steps.
//
// Failures: a file that cannot be read is named in the account and the others are
// read. Only where nothing could be read there is an error. Links are not followed,
// pipes and devices are not opened.
package history

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"ballast/doctor/rollouts"
)

// Rollout is a record at its place in the history.
type Rollout struct {
	rollouts.Record
	Index           int // of the update, rising; -1 where there are no steps
	Reward, Success rollouts.Value
}

// Run is the history of one run.
type Run struct {
	Name    string
	Kind    string // what wrote it
	Files   int
	Bytes   int64
	Reading rollouts.Reading

	run     *run
	also    string
	reward  quantity
	success quantity
	notes   []string
}

// Options say how to read.
type Options struct {
	Reward string // the key of the reward; "" chooses
}

// Open reads a file, or the files of a folder, for what is in them.
func Open(root string, o Options) ([]*Run, error) {
	var p plan
	files := []file{{path: root, rel: filepath.Base(root), step: -1}}
	info, err := os.Stat(root)
	if err != nil {
		return nil, err
	}
	files[0].size = info.Size()
	if info.IsDir() {
		if files, err = walk(root, &p.left); err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("%s is no run directory and holds no .jsonl, .json, .parquet or .txt file%s", root, p.left.sentence())
		}
	}
	strands, columns, err := p.scan(files, o.Reward)
	if err != nil {
		return nil, err
	}
	var out []*Run
	for i, r := range p.arrange(strands) {
		one := p.finish(r, columns, o.Reward)
		if i == 0 {
			one.Reading.LeftOut, one.Reading.Decided = p.left.list, p.decided
		}
		out = append(out, one)
	}
	if o.Reward != "" && !slices.ContainsFunc(strands, func(t *strand) bool { return t.stats[o.Reward] != nil }) {
		return nil, fmt.Errorf("no record has the key %q that --reward names", o.Reward)
	}
	return out, nil
}

func (a *account) sentence() string {
	if len(a.list) == 0 {
		return ""
	}
	return fmt.Sprintf("; %s: %s", a.list[0].Path, a.list[0].Why)
}

// scan looks at all files.
func (p *plan) scan(files []file, also string) (strands []*strand, columns map[string]string, err error) {
	columns = map[string]string{}
	var failed error
	for _, f := range files {
		s := look(f, also)
		n := 0
		for _, t := range s.strands {
			n += t.records
		}
		for _, c := range s.columns {
			if _, ok := columns[c]; !ok {
				columns[c] = f.rel
				p.left.add(f.rel+": column "+c, "numbers that are no reward by their name")
			}
		}
		if s.err != nil && n == 0 {
			failed = cmp.Or(failed, fmt.Errorf("%s: %w", f.path, s.err))
			p.left.add(f.rel, s.err.Error())
			continue
		}
		if n == 0 {
			failed = cmp.Or(failed, fmt.Errorf("%s: no record in it", f.path))
			p.left.add(f.rel, "no record in it")
		}
		if !s.runs {
			p.say("%s: its records name more than %d runs: the names are not taken for runs", f.rel, mostRuns)
		}
		strands = append(strands, s.strands...)
	}
	if len(strands) == 0 {
		return nil, nil, cmp.Or(failed, errors.New("no record in it"))
	}
	return strands, columns, nil
}

// finish accounts for a run.
func (p *plan) finish(r *run, columns map[string]string, also string) *Run {
	g := gather(r.strands)
	out := &Run{Name: r.name, run: r, also: also, reward: g.reward(also), success: g.success()}
	kinds, names, total := map[string]int{}, map[string]bool{}, 0
	fields, folders := map[string]int{}, map[string]int{}
	var stepless, stepped int
	for _, t := range r.strands {
		total += t.records
		for k, n := range t.kinds {
			kinds[k] += n
		}
		if !names[t.path] {
			names[t.path] = true
			out.Bytes += t.size
		}
		switch {
		case t.stepped > 0:
			fields[t.key]++
			stepped += t.stepped
			stepless += t.records - t.stepped
		case t.step >= 0:
			folders[t.from]++
		}
	}
	out.Files, out.Kind = len(names), largest(kinds)
	out.Reading = rollouts.Reading{Run: r.name, Segments: r.segments,
		Reward: rollouts.Column{Key: out.reward.named(g)}, Success: rollouts.Column{Key: out.success.named(g)},
		Rivals: g.rivals(out.reward),
		Unread: g.unread(r.strands, columns, out.reward, out.success)}
	if also != "" {
		out.Reading.Rivals = "" // it was chosen by who asks
	}
	switch {
	case len(fields) > 0:
		out.Reading.Steps = fmt.Sprintf("the field %q", largest(fields))
	case len(folders) > 0:
		out.Reading.Steps = "the numbers in " + largest(folders)
	}
	if stepless > 0 {
		p.say("%d records without a step among %d with one are put with the step before them", stepless, stepped)
	}
	if s := out.reward.shapes(g); s != "" {
		p.say("the reward is not written the same way in all records: %s", s)
	}
	return out
}

// largest is the key with the largest count, the first by name of equal ones.
func largest(m map[string]int) string {
	best := ""
	for k, n := range m {
		if best == "" || n > m[best] || n == m[best] && k < best {
			best = k
		}
	}
	return best
}

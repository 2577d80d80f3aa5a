package history

import (
	"cmp"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"

	"ballast/doctor/rollouts"
)

// plan sorts strands into runs. What it decides it says.
type plan struct {
	left    account
	decided []string
}

func (p *plan) say(f string, args ...any) {
	const most = 30
	if s := fmt.Sprintf(f, args...); len(p.decided) < most && !slices.Contains(p.decided, s) {
		p.decided = append(p.decided, s)
	}
}

// run is the history of one run in the making.
type run struct {
	name     string
	strands  []*strand
	segments []rollouts.Segment
}

func (r *run) last() *rollouts.Segment { return &r.segments[len(r.segments)-1] }
func (r *run) first() int              { return r.segments[0].From }

// arrange makes runs of strands: the files of a folder of one kind, workers side by
// side, restarts as resumes, other runs apart.
func (p *plan) arrange(strands []*strand) []*run {
	strands = p.training(strands)
	strands = p.structured(strands)
	groups, names := map[string][]*strand{}, []string{}
	for _, t := range strands {
		t.settle(p.say)
		key := t.group
		if t.run != "" {
			key = t.run
		}
		if len(t.spans) == 0 && !runName.MatchString(key) {
			key = "\x00" // no steps: nothing tells runs apart
		}
		if groups[key] == nil {
			names = append(names, key)
		}
		groups[key] = append(groups[key], t)
	}
	var runs, bare []*run
	for _, name := range names {
		list := groups[name]
		if name == "\x00" {
			name = ""
		}
		if len(list[0].spans) == 0 {
			bare = append(bare, &run{name: name, strands: list})
			continue
		}
		runs = append(runs, p.group(name, list)...)
	}
	runs = p.joined(runs)
	for _, r := range bare {
		if r.name == "" && len(runs) > 0 {
			r.name = "files without steps"
			p.say("%d files hold no step numbers (%s): they are examined apart", len(r.strands), r.strands[0])
		}
	}
	runs = append(runs, bare...)
	if len(runs) > 1 {
		var told []string
		for _, r := range runs {
			told = append(told, r.title())
		}
		p.say("%d runs, each examined apart: %s", len(runs), strings.Join(told[:min(8, len(told))], ", "))
	}
	return runs
}

func (r *run) title() string {
	if len(r.segments) == 0 {
		return r.name
	}
	return fmt.Sprintf("%s (steps %d to %d)", cmp.Or(r.name, path.Base(r.strands[0].rel)), r.first(), r.last().To)
}

// training leaves validation out where there is training.
func (p *plan) training(strands []*strand) []*strand {
	var train, held []*strand
	for _, t := range strands {
		if t.held {
			held = append(held, t)
		} else {
			train = append(train, t)
		}
	}
	switch {
	case len(train) == 0:
		if len(held) > 0 {
			p.say("all records are of validation (%s): they are read", held[0])
		}
		return held
	case len(held) > 0:
		n := 0
		for _, t := range held {
			n += t.records
			p.left.add(t.rel, "records of validation, which are played another way than those of training")
		}
		p.say("%d records of validation in %d files (%s) are left out", n, len(held), held[0])
	}
	return train
}

// structured leaves plain text out where there are records with keys: notes and
// lists of packages lie beside rollouts.
func (p *plan) structured(strands []*strand) []*strand {
	is := func(t *strand) bool { return t.kinds[rollouts.KindText] < t.records || len(t.stats) > 0 }
	if !slices.ContainsFunc(strands, is) {
		return strands
	}
	return slices.DeleteFunc(strands, func(t *strand) bool {
		if is(t) {
			return false
		}
		p.left.add(t.rel, "plain text beside records with keys")
		return true
	})
}

// group lays the strands of one group: of each worker one after the other, workers
// side by side. What fits into no history is a run of its own.
func (p *plan) group(name string, list []*strand) []*run {
	p.shards(list)
	slices.SortStableFunc(list, func(a, b *strand) int {
		return cmp.Or(cmp.Compare(a.worker, b.worker), a.epoch-b.epoch, a.first()-b.first(), natural(a.rel, b.rel))
	})
	var out []*run
	for i := 0; i < len(list); {
		j := i
		var lane []*run // histories of one worker
		for ; j < len(list) && list[j].worker == list[i].worker; j++ {
			p.place(&lane, list[j], name)
		}
		for k, r := range lane {
			if k < len(out) && list[i].worker != "" {
				out[k].merge(r)
			} else {
				out = append(out, r)
			}
		}
		i = j
	}
	if n := len(workers(list)); n > 1 {
		p.say("files of %d workers (%s and others) are read as one run, step by step", n, list[0].rel)
	}
	return out
}

func workers(list []*strand) map[string]bool {
	m := map[string]bool{}
	for _, t := range list {
		m[t.worker] = true
	}
	return m
}

// mostRunsAlike is how many files with the same steps are runs; more are parts of one.
const mostRunsAlike = 4

// shards gives files a worker's name that share name, steps and folder with many.
func (p *plan) shards(list []*strand) {
	alike := map[string][]*strand{}
	for _, t := range list {
		if t.worker == "" && t.spans[0].from < t.spans[len(t.spans)-1].to {
			key := digits.ReplaceAllString(t.rel, "#")
			alike[key] = append(alike[key], t)
		}
	}
	for _, same := range alike {
		lo, hi := math.MinInt, math.MaxInt // common steps
		for _, t := range same {
			lo, hi = max(lo, t.first()), min(hi, t.spans[len(t.spans)-1].to)
		}
		if len(same) > mostRunsAlike && lo < hi {
			for _, t := range same {
				t.worker = t.rel
			}
		}
	}
}

// natural compares names with the numbers in them by value.
func natural(a, b string) int {
	pad := func(s string) string {
		return digits.ReplaceAllStringFunc(s, func(n string) string { return strings.Repeat("0", max(0, 12-len(n))) + n })
	}
	return strings.Compare(pad(a), pad(b))
}

// place lays a strand behind the first history that it can follow, or begins a new one.
func (p *plan) place(lane *[]*run, t *strand, name string) {
	for _, r := range *lane {
		if t.epoch > r.strands[len(r.strands)-1].epoch || p.follows(r, t.first(), t.spans[len(t.spans)-1].to) {
			p.lay(r, t, false)
			return
		}
	}
	r := &run{name: name}
	if len(*lane) > 0 {
		r.name = strings.Trim(name+"/"+path.Base(t.rel), "/")
		first := (*lane)[0].strands[0].rel
		p.say("%s and %s hold the same steps, and no name says that they are workers of one run: they are examined apart", first, t.rel)
	}
	*lane = append(*lane, r)
	p.lay(r, t, false)
}

// follows reports whether steps from one to another may continue a history: behind
// its end, or from its middle and beyond its end, as a run does that is resumed.
func (p *plan) follows(r *run, from, to int) bool {
	end := r.last().To
	return from >= end || from > r.first()+1 && to > end
}

// lay appends a strand's spans to a history; again says that a first step that is
// the history's last was run again.
func (p *plan) lay(r *run, t *strand, again bool) {
	t.laid = make([]laid, len(t.spans))
	later := len(r.strands) > 0 && t.epoch > r.strands[len(r.strands)-1].epoch
	for i, s := range t.spans {
		t.laid[i] = p.append(r, s, t.String(), i > 0 || later, i == 0 && (again || later && s.from <= r.first()+1))
		for k := range i { // what this span ran again
			if l := &t.laid[k]; l.part < t.laid[i].part && l.offset == t.laid[i].offset {
				l.cut = min(l.cut, s.from)
			}
		}
	}
	r.cutBefore(t)
	r.strands = append(r.strands, t)
}

// cutBefore leaves the steps out of earlier strands that a later one ran again.
func (r *run) cutBefore(t *strand) {
	for i, l := range t.laid {
		for _, old := range r.strands {
			for k := range old.laid {
				if o := &old.laid[k]; o.part < l.part && o.offset == l.offset {
					o.cut = min(o.cut, t.spans[i].from)
				}
			}
		}
	}
}

// append puts a span at the end of a history and says how it got there; later says
// that it is behind the history in one file, or of a later epoch.
func (p *plan) append(r *run, s span, source string, later, again bool) laid {
	next := rollouts.Segment{Source: source, From: s.from, To: s.to}
	if len(r.segments) == 0 {
		r.segments = append(r.segments, next)
		return laid{cut: math.MaxInt}
	}
	last := r.last()
	next.Offset = last.Offset
	switch {
	case s.from > last.To, s.from == last.To && !again: // goes on
		last.To = max(last.To, s.to)
		return laid{offset: last.Offset, cut: math.MaxInt, part: len(r.segments) - 1}
	case later && s.from <= r.first()+1:
		next.Offset = last.To + last.Offset + 1 - s.from
		p.say("%s: the steps begin again at %d after %d: taken as a resume or an epoch that counts anew; its steps are called \"%d of part "+
			"%d\" and so on",
			source, s.from, last.To, s.from, len(r.segments)+1)
	default:
		last.Superseded = last.To - s.from + 1
		p.say("%s: the steps go back from %d to %d: taken as a resume; steps %d to %d of the part before it were run again, and their first "+
			"records are left out",
			source, last.To, s.from, s.from, last.To)
	}
	r.segments = append(r.segments, next)
	return laid{offset: next.Offset, cut: math.MaxInt, part: len(r.segments) - 1}
}

// merge takes the strands of another worker of the same run.
func (r *run) merge(o *run) {
	r.strands = append(r.strands, o.strands...)
	if len(o.segments) > len(r.segments) {
		r.segments = o.segments
		return
	}
	for i, s := range o.segments {
		r.segments[i].From, r.segments[i].To = min(r.segments[i].From, s.From), max(r.segments[i].To, s.To)
	}
}

// joined makes one run of groups that continue each other: a resume into a new folder.
func (p *plan) joined(runs []*run) []*run {
	slices.SortStableFunc(runs, func(a, b *run) int { return cmp.Or(a.first()-b.first(), natural(a.name, b.name)) })
	var out []*run
next:
	for _, r := range runs {
		for _, o := range out {
			if o.name == r.name || strings.Contains(strings.ToLower(o.name+r.name), "seed") ||
				len(o.segments) > 1 || len(r.segments) > 1 || !p.follows(o, r.first(), r.last().To) {
				continue
			}
			if len(workers(o.strands)) > 1 || len(workers(r.strands)) > 1 {
				continue
			}
			p.say("%s continues %s: taken as one run", cmp.Or(r.title(), "."), cmp.Or(o.title(), "."))
			for i, t := range r.strands {
				p.lay(o, t, i == 0)
			}
			continue next
		}
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b *run) int { return natural(a.name, b.name) })
	return out
}

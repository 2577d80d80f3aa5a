package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ballast/doctor/rollouts"
)

// quantity is what a run's reward or success is read from: one key, or several
// reward functions whose values are added.
type quantity struct {
	keys []string
	sum  bool
}

// of returns what a record says of the quantity.
func (q quantity) of(r *rollouts.Record) rollouts.Value {
	if !q.sum {
		for _, v := range r.Values {
			if len(q.keys) > 0 && v.Top == q.keys[0] {
				return v
			}
		}
		return rollouts.Value{}
	}
	out := rollouts.Value{}
	for _, v := range r.Values {
		if !slices.Contains(q.keys, v.Top) {
			continue
		}
		switch {
		case v.State == rollouts.Unreadable:
			return v
		case v.State == rollouts.Present:
			out.Num, out.State = out.Num+v.Num, rollouts.Present
		case out.State == rollouts.Absent:
			out.State = rollouts.Missing
		}
	}
	if d := out.Num - out.Num; d != 0 { // the sum is beyond what a number holds
		out.State = rollouts.Missing
	}
	return out
}

// gathered are the counts of a run's keys.
type gathered map[string]*stat

func gather(list []*strand) gathered {
	sum := gathered{}
	for _, t := range list {
		for key, s := range t.stats {
			a := sum[key]
			if a == nil {
				a = &stat{paths: map[string]int{}}
				sum[key] = a
			}
			a.join(s)
		}
	}
	return sum
}

// most is the key with most values that were read, the first of equal ones; "" of none.
func (g gathered) most(keys []string, count func(*stat) int) string {
	best, n := "", 0
	for _, k := range keys {
		if s := g[k]; s != nil && count(s) > n {
			best, n = k, count(s)
		}
	}
	return best
}

func all(s *stat) int { return s.Present + s.Missing + s.Unreadable }

// parts are the keys of reward functions.
func (g gathered) parts() (keys []string, n int) {
	for k, s := range g {
		if rollouts.Part(k) && !slices.Contains(rollouts.RewardKeys, k) {
			keys = append(keys, k)
			n = max(n, s.Present)
		}
	}
	slices.Sort(keys)
	return keys, n
}

// reward chooses what the run's reward is read from: a key for the whole, the sum
// of the reward functions, or, where there is neither, the success. One that never
// varies gives way to one that does.
func (g gathered) reward(also string) quantity {
	if also != "" {
		return quantity{keys: []string{also}}
	}
	parts, n := g.parts()
	list := g.ranked(rollouts.RewardKeys)
	if n > 0 {
		list = append(list, quantity{keys: parts, sum: true})
	}
	list = append(list, g.ranked(g.nested(rollouts.RewardKeys))...)
	if len(list) > 0 {
		return g.varying(list)
	}
	if k := g.most(rollouts.RewardKeys, all); k != "" { // there, and never a number
		return quantity{keys: []string{k}}
	}
	if len(parts) > 0 {
		return quantity{keys: parts, sum: true}
	}
	return g.success()
}

// nested are the keys of that name inside of objects such as metadata, in order.
func (g gathered) nested(names []string) (keys []string) {
	for _, name := range names {
		var list []string
		for k := range g {
			if strings.HasSuffix(k, "."+name) {
				list = append(list, k)
			}
		}
		slices.Sort(list)
		keys = append(keys, list...)
	}
	return keys
}

func (g gathered) success() quantity {
	list := append(g.ranked(rollouts.SuccessKeys), g.ranked(g.nested(rollouts.SuccessKeys))...)
	if len(list) > 0 {
		return g.varying(list)
	}
	if k := g.most(rollouts.SuccessKeys, all); k != "" {
		return quantity{keys: []string{k}}
	}
	return quantity{}
}

// named is how the account calls a quantity.
func (q quantity) named(g gathered) string {
	switch {
	case q.sum && len(q.keys) > 1:
		return "sum of " + strings.Join(q.keys, ", ")
	case len(q.keys) == 0:
		return ""
	case g[q.keys[0]] == nil:
		return q.keys[0]
	}
	best, n := q.keys[0], 0
	for k, c := range g[q.keys[0]].paths {
		if c > n || c == n && k < best {
			best, n = k, c
		}
	}
	return best
}

// unread lists the keys that were not understood and matter: those of the chosen
// quantities and of steps, and all where no reward was read.
func (g gathered) unread(list []*strand, columns map[string]string, chosen ...quantity) []rollouts.Unread {
	read := false
	var keys []string
	for i, q := range chosen {
		keys = append(keys, q.keys...)
		for _, k := range q.keys {
			read = read || i == 0 && g[k] != nil && g[k].Present > 0
		}
	}
	var out []rollouts.Unread
	for k, s := range g {
		switch {
		case s.Unreadable > 0 && (!read || rollouts.StepKey(k) || slices.Contains(keys, k)):
			u := s.unread
			u.Count = s.Unreadable
			out = append(out, u)
		case !read && s.Present > 0 && !slices.Contains(keys, k):
			out = append(out, rollouts.Unread{File: holder(list, k), Key: k, Count: s.Present,
				Why: "numbers under a key that is none of a reward's: name it with --reward KEY if it is one"})
		}
	}
	if !read {
		for k, file := range columns {
			out = append(out, rollouts.Unread{File: file, Key: k, Count: 1,
				Why: "a column of numbers whose name is none of a reward's: name it with --reward COLUMN if it is one"})
		}
	}
	slices.SortFunc(out, func(a, b rollouts.Unread) int { return cmp.Or(b.Count-a.Count, strings.Compare(a.Key, b.Key)) })
	const most = 20
	return out[:min(most, len(out))]
}

func holder(list []*strand, key string) string {
	for _, t := range list {
		if t.stats[key] != nil {
			return t.rel
		}
	}
	return ""
}

// shapes says where a key has several meanings in one run.
func (q quantity) shapes(g gathered) string {
	if q.sum || len(q.keys) == 0 || g[q.keys[0]] == nil || len(g[q.keys[0]].paths) < 2 {
		return ""
	}
	var list []string
	for k, n := range g[q.keys[0]].paths {
		list = append(list, fmt.Sprintf("%s (%d)", k, n))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

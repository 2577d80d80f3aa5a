package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ballast/doctor/rollouts"
	"ballast/report/plot"
)

// ranked are the keys that hold numbers, those of most records first.
func (g gathered) ranked(keys []string) (list []quantity) {
	for _, k := range keys {
		if s := g[k]; s != nil && s.Present > 0 {
			list = append(list, quantity{keys: []string{k}})
		}
	}
	slices.SortStableFunc(list, func(a, b quantity) int { return g.count(b) - g.count(a) })
	return list
}

// count is the number of records that have the quantity.
func (g gathered) count(q quantity) (n int) {
	for _, k := range q.keys {
		if s := g[k]; s != nil {
			n = max(n, s.Present)
		}
	}
	return n
}

// varies says whether the quantity has two different values.
func (g gathered) varies(q quantity) bool {
	return slices.ContainsFunc(q.keys, func(k string) bool { return g[k] != nil && g[k].low < g[k].high })
}

// varying is the first of the quantities that varies and that half as many records have
// as the first one, or the first.
func (g gathered) varying(list []quantity) quantity {
	for _, q := range list {
		if g.varies(q) && 2*g.count(q) >= g.count(list[0]) {
			return q
		}
	}
	return list[0]
}

// mostRivals bounds the keys that one sentence names.
const mostRivals = 8

// rivals tells which keys could have been the run's reward and are not. The parts of a
// reward that varies, and copies of it under another key, are none.
func (g gathered) rivals(chosen quantity) string {
	taken := g[chosen.first()]
	if taken == nil {
		return ""
	}
	var list []string
	for k, s := range g {
		switch {
		case s.Present == 0 || !rollouts.Rewarding(k) || slices.Contains(chosen.keys, k):
		case rollouts.Part(k) && g.varies(chosen):
		case !chosen.sum && s.Present == taken.Present && s.course == taken.course:
		default:
			list = append(list, k)
		}
	}
	if len(list) == 0 {
		return ""
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(g[b].Present-g[a].Present, strings.Compare(a, b)) })
	told, rest := make([]string, 0, mostRivals), ""
	for i, k := range list {
		if i == mostRivals {
			rest = fmt.Sprintf(", and %d more", len(list)-i)
			break
		}
		s := g[k]
		values := plot.Short(s.low) + " to " + plot.Short(s.high)
		if s.low == s.high {
			values = "always " + plot.Short(s.low)
		}
		told = append(told, fmt.Sprintf("%s (%s, in %d records)", k, values, s.Present))
	}
	text := "Not taken for the reward: " + strings.Join(told, ", ") + rest + "; to judge by one of them: --reward KEY"
	if !g.varies(chosen) {
		text += ". The one that is taken never varies, so it shows no collapse"
	}
	return text
}

// first is the quantity's first key.
func (q quantity) first() string {
	if len(q.keys) == 0 {
		return ""
	}
	return q.keys[0]
}

package eval

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ballast"
	"ballast/chat/decline"
	"ballast/env"
	"ballast/monitor"
	"ballast/safetext"
)

// Share is a sum of shares among a number of episodes: a count, where each holds or does not.
type Share struct {
	Sum float64
	All int
}

// Rate is the mean, 0 when nothing was played.
func (s Share) Rate() float64 { return s.Sum / float64(max(1, s.All)) }

// Wilson returns the 95% Wilson score interval of the mean. Of shares it is wider than need be: none spreads more than yes and no do.
func (s Share) Wilson() (lo, hi float64) { return monitor.Wilson(s.Sum, float64(s.All)) }

// MarshalJSON writes a share as a count is written.
func (s Share) MarshalJSON() ([]byte, error) {
	if s.All == 0 {
		return Count{}.MarshalJSON()
	}
	lo, hi := s.Wilson()
	return fmt.Appendf(nil, `{"ok":%.6g,"all":%d,"rate":%.4f,"lo":%.4f,"hi":%.4f}`, s.Sum, s.All, s.Rate(), lo, hi), nil
}

// share is a count as a share.
func (c Count) share() Share { return Share{float64(c.OK), c.All} }

// kind is a kind of findings, in the order in which they came up.
type kind struct{ of, name string }

// find adds what else the task's grader says of an episode. Of a task that wants no call, it returns how the grader reads the reply,
// "" where it does not say.
func (r *Result) find(task *ballast.Task, ep *ballast.Episode) (read decline.Manner) {
	for _, f := range env.Builtin.Findings(task, ep) {
		if r.Findings == nil {
			r.Findings = map[string]map[string]Share{}
		}
		if r.Findings[f.Name] == nil {
			r.Findings[f.Name] = map[string]Share{}
			r.found = append(r.found, kind{f.Of, f.Name})
		}
		s := r.Findings[f.Name][task.Category]
		s.Sum, s.All = s.Sum+f.Share, s.All+1
		r.Findings[f.Name][task.Category] = s
		if m := decline.Manner(f.Name); f.Share == 1 && slices.Contains(decline.Manners, m) {
			read = m
		}
	}
	return read
}

// sum adds shares up.
func sum(by map[string]Share) (s Share) {
	for _, of := range by {
		s.Sum, s.All = s.Sum+of.Sum, s.All+of.All
	}
	return s
}

// columns are the findings that stand beside success: other measures of the whole.
func (r *Result) columns() (names []string) {
	for _, k := range r.found {
		if k.of == "" {
			names = append(names, k.name)
		}
	}
	return names
}

// findings writes the others, a line for a category and what their names say.
func (r *Result) findings(b *strings.Builder) {
	for _, category := range r.names() {
		lines := map[string]string{}
		for _, k := range r.found {
			if s := r.Findings[k.name][category]; k.of != "" && s.All > 0 {
				lines[k.of] += fmt.Sprintf(" %s %g,", k.name, s.Sum)
			}
		}
		for _, of := range slices.Sorted(maps.Keys(lines)) {
			fmt.Fprintf(b, "%s, %s:%s\n", safetext.Line(category), of, strings.TrimSuffix(lines[of], ","))
		}
	}
}

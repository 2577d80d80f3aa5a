package eval

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ballast"
	"ballast/chat/decline"
	"ballast/runlog"
	"ballast/safetext"
)

// Rate is the overall success rate.
func (r Result) Rate() float64 { return r.Total.Rate() }

// Played says how many episodes were played where not all were, "" else.
func (r Result) Played() string {
	if r.Infra == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d played, %d left out", r.Total.All, r.Total.All+r.Infra, r.Infra)
}

// String is one line: how many episodes are left out, the overall rate, its interval, and
// the categories.
func (r Result) String() string {
	var b strings.Builder
	if played := r.Played(); played != "" {
		b.WriteString(played)
		if r.Total.All == 0 {
			return b.String()
		}
		b.WriteString(": ")
	}
	lo, hi := r.Total.Wilson()
	fmt.Fprintf(&b, "%.1f%% (%d/%d, 95%% %.1f-%.1f)", 100*r.Rate(), r.Total.OK, r.Total.All, 100*lo, 100*hi)
	for _, name := range r.names() {
		if c := r.Categories[name]; c.All > 0 {
			fmt.Fprintf(&b, " %s %.1f%%", name, 100*c.Rate())
		}
	}
	return b.String()
}

// Score is the result as a run's events record it.
func (r Result) Score() runlog.Score {
	s := runlog.Score{OK: r.Total.OK, All: r.Total.All, Left: r.Infra, Rates: map[string]float64{}}
	for name, c := range r.Categories {
		s.Rates[name] = c.Rate()
	}
	return s
}

func (r Result) names() []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(r.Categories)), maps.Keys(r.Left))
	slices.Sort(names)
	return slices.Compact(names)
}

// Table is the result for a terminal: what is left out, a row per category, why
// episodes failed, how turns without a call ended.
func (r Result) Table() string {
	var b strings.Builder
	if played := r.Played(); played != "" {
		fmt.Fprintf(&b, "%s; the first is %s\n", played, safetext.Line(r.Broken))
	}
	columns, width := r.columns(), 14
	for _, name := range r.names() {
		width = max(width, len(safetext.Line(name)))
	}
	row := func(name string, c Count, left int) {
		fmt.Fprintf(&b, "%-*s %4d/%-4d ", width, safetext.Line(name), c.OK, c.All)
		rate(&b, c.share())
		for _, column := range columns {
			s := r.Findings[column][name]
			if name == all {
				s = sum(r.Findings[column])
			}
			b.WriteString("  ")
			rate(&b, s)
		}
		if r.Infra > 0 {
			fmt.Fprintf(&b, " %9d", left)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%-*s %9s %7s  %s", width, "category", "episodes", "success", "95% interval")
	for _, column := range columns {
		fmt.Fprintf(&b, "%11s  %s", column, "95% interval")
	}
	if r.Infra > 0 {
		fmt.Fprintf(&b, "%*s", 12, "left out")
	}
	b.WriteByte('\n')
	for _, name := range r.names() {
		row(name, r.Categories[name], r.Left[name])
	}
	row(all, r.Total, r.Infra)
	r.findings(&b)
	r.replies(&b)
	r.failures(&b)
	if n := r.Stops[ballast.StopCut]; 2*n >= r.Total.All && n > 0 {
		fmt.Fprintf(&b, "\n%d of %d episodes ended since a reply was longer than budget.reply: the model was cut, not judged; "+
			"raise it with --set budget.reply=N", n, r.Total.All)
	}
	if n := r.Stops[ballast.StopTokens]; 2*n >= r.Total.All && n > 0 {
		fmt.Fprintf(&b, "\n%d of %d episodes ended since the context or budget.episode was full", n, r.Total.All)
	}
	if r.NoRoom > 0 {
		fmt.Fprintf(&b, "\n%d replies are empty since the context had no room for one behind the prompt: "+
			"they have no form, and count as unreadable where no call was made", r.NoRoom)
	}
	for _, n := range r.Notes {
		b.WriteString("\n" + safetext.Line(n))
	}
	b.WriteByte('\n')
	return b.String()
}

// all is the name of the last row.
const all = "all"

// rate writes a rate and its interval.
func rate(b *strings.Builder, s Share) {
	if s.All == 0 {
		fmt.Fprintf(b, "%7s  %-14s", "-", "-")
		return
	}
	lo, hi := s.Wilson()
	fmt.Fprintf(b, "%6.1f%%  [%5.1f, %5.1f]", 100*s.Rate(), 100*lo, 100*hi)
}

// replies writes what replies were.
func (r *Result) replies(b *strings.Builder) {
	if r.Total.All == 0 {
		return
	}
	fmt.Fprintf(b, "calls per turn %.2f; replies:", r.Calls)
	for f, n := range r.Kinds {
		fmt.Fprintf(b, " %s %d", ballast.ReplyKind(f), n)
	}
	b.WriteString("\nturns without a call, though gold makes one:")
	manners(b, r.Silent, decline.Manners[:len(decline.Manners)-1])
	if len(r.Declines) > 1 {
		for _, category := range slices.Sorted(maps.Keys(r.Declines)) {
			if r.Findings[string(decline.Called)][category].All > 0 { // the grader's own line says the same
				continue
			}
			fmt.Fprintf(b, "\n%s, turns where gold makes no call:", safetext.Line(category))
			manners(b, r.Declines[category], decline.Manners)
		}
	}
	if len(r.Declines) > 0 {
		b.WriteString("\nturns where gold makes no call:")
		manners(b, r.Wanted, decline.Manners)
	}
	b.WriteByte('\n')
}

// manners writes how replies read.
func manners(b *strings.Builder, n decline.Count, which []decline.Manner) {
	for i, m := range which {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, " %s %d", m, n.Of(m))
	}
}

// failures writes why and where episodes failed, and how they stopped.
func (r *Result) failures(b *strings.Builder) {
	b.WriteString("failures:")
	if r.Total.OK == r.Total.All && r.Total.All > 0 {
		b.WriteString(" none")
	}
	first := []string{"turns", "empty_turn", "unanswered", "state", "response", "calls"}
	for _, k := range first {
		if n := r.Reasons[k]; n > 0 {
			fmt.Fprintf(b, " %s %d", k, n)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(r.Reasons)) { // other graders'
		if k != "" && !slices.Contains(first, k) {
			fmt.Fprintf(b, " %s %d", safetext.Line(k), r.Reasons[k])
		}
	}
	if turns := slices.Sorted(maps.Keys(r.FailTurn)); len(turns) > 0 {
		b.WriteString("; first failing turn:")
		for _, t := range turns {
			fmt.Fprintf(b, " %d: %d", t, r.FailTurn[t])
		}
	}
	if r.Total.All == 0 {
		b.WriteString(" nothing was judged")
	}
	b.WriteString("; stops:")
	for _, s := range slices.Sorted(maps.Keys(r.Stops)) {
		fmt.Fprintf(b, " %s %d", s, r.Stops[s])
	}
}

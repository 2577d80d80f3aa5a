package doctor

import (
	"cmp"
	_ "embed"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"ballast"
	"ballast/monitor"
	"ballast/report"
	"ballast/report/plot"
)

var (
	//go:embed page.html
	pageText string
	//go:embed page.css
	styleText string
)

// page is what the template shows.
type page struct {
	*Report
	report.Plots
	Look    report.Look
	Shown   []shown
	Sick    bool
	Verdict string
	Owners  []string
	Kinds   []kindRow
	KindsOf string
}

// kindRow is a kind of reply with its share and interval.
type kindRow struct{ Kind, Of, Lo, Hi string }

// mostPoints bounds the points of a curve; longer runs are averaged.
const mostPoints = 600

// HTML writes the page: one file without outside resources.
func (r *Report) HTML(w io.Writer) error {
	p := page{Report: r, Shown: r.shown,
		Sick: r.Diagnosis.Verdict.Sick(), Verdict: words(r.Diagnosis.Verdict),
		Owners: []string{"template", "user", "tool", "policy", "gold"}}
	if s := &r.Diagnosis.Shares; s.Replies > 0 {
		p.KindsOf = r.repliesOf()
		for f := range ballast.ReplyKind(ballast.NumKinds) {
			x := s.Kinds[f.String()]
			p.Kinds = append(p.Kinds, kindRow{f.String(), percent(x.Of), percent(x.Lo), percent(x.Hi)})
		}
	}
	frame, width := r.frame()
	charts := r.charts(width)
	p.Plots, p.Look = report.Draw(frame, charts), report.NewLook(frame.Values(charts), styleText)
	return report.Show(w, pageText, &p)
}

// frame is the axis of all plots with the onset and the alarm marked, and how many
// updates a point stands for.
func (r *Report) frame() (*plot.Frame, int) {
	width := max(1, (len(r.updates)+mostPoints-1)/mostPoints)
	f := &plot.Frame{}
	for i := 0; i < len(r.updates); i += width {
		f.X = append(f.X, r.updates[i].Index)
	}
	if len(f.X) > 0 {
		f.Lo, f.Hi = f.X[0], max(f.X[0]+1, r.updates[len(r.updates)-1].Index)
	}
	mark := func(at int, class, text string) {
		f.Marks = append(f.Marks, plot.Mark{Update: at, Class: class, Text: text})
	}
	if d := r.Diagnosis; d.Verdict.Sick() && len(d.History) > 0 {
		mark(d.Onset, "alarm", "onset: "+string(d.Verdict))
		if d.Alarm != d.Onset {
			mark(d.Alarm, "action", "first alarm")
		}
		if d.Halved > 0 {
			mark(d.Halved, "action", "reward halved")
		}
	}
	return f, width
}

// charts are the plots of the page. Metrics that the run lacks leave no plot.
func (r *Report) charts(width int) []*plot.Chart {
	var out []*plot.Chart
	add := func(c plot.Chart, how plot.Style, metrics ...[3]string) {
		some := false
		for _, m := range metrics {
			y := plot.Thin(r.values(m[0]), width)
			if len(plot.Finite(y)) == 0 {
				continue
			}
			some = some || slices.ContainsFunc(y, func(v float64) bool { return v > 0 || v < 0 })
			c.Series = append(c.Series, plot.Series{Name: m[1], Class: m[2], Style: how, Y: y})
		}
		if some {
			out = append(out, &c)
		}
	}
	var forms [][3]string
	for f := ballast.ReplyKind(0); f < ballast.NumKinds; f++ {
		forms = append(forms, [3]string{monitor.KindPrefix + f.String(), f.String(), "f-" + f.String()})
	}
	add(plot.Chart{ID: "forms", Title: "Kinds of replies", Note: "share of replies", Large: true, Percent: true, Full: true}, plot.Area,
		forms...)
	add(plot.Chart{ID: "reward", Title: "Reward", Large: true}, plot.Line, [3]string{monitor.RewardMean, "reward", "c1"},
		[3]string{monitor.SuccessMean, "success", "c2"}, [3]string{monitor.EvalSuccess, "evaluated success", "c4"})
	add(plot.Chart{ID: "forbidden", Title: "Forbidden control tokens", Note: "most probable ones, by place", Large: true, Log: true,
		Percent: true}, plot.Line, r.strongest(monitor.IllegalAt)...)
	add(plot.Chart{ID: "reasons", Title: "Faults of replies", Note: "share of replies", Large: true, Percent: true}, plot.Line,
		r.strongest(monitor.ReasonFor)...)
	for s := range monitor.NumSites {
		var list [][3]string
		for _, m := range r.strongest(monitor.WatchPrefix) {
			if strings.HasSuffix(m[0], "/"+s.String()) {
				list = append(list, m)
			}
		}
		add(plot.Chart{ID: "site-" + s.String(), Title: "Control tokens: " + s.String(), Note: "mean probability", Log: true, Percent: true},
			plot.Line, list...)
	}
	add(plot.Chart{ID: "push", Title: "Push on control tokens", Note: "policy gradient on the logit"}, plot.Line,
		r.strongest(monitor.GradPrefix)...)
	add(plot.Chart{ID: "lift", Title: "Control tokens above the reference", Note: "difference of probabilities, same prefixes"},
		plot.Line, r.strongest(monitor.LiftWatch)...)
	add(plot.Chart{ID: "mass", Title: "Illegal mass", Note: "per sampled token", Log: true}, plot.Line,
		[3]string{monitor.IllegalMass, "mass", "c4"}, [3]string{monitor.ReferenceIllegal, "reference", "c1"})
	add(plot.Chart{ID: "stained", Title: "Replies with a forbidden token", Percent: true}, plot.Line,
		[3]string{monitor.IllegalReplies, "share", "c4"})
	add(plot.Chart{ID: "calls", Title: "Tool-call rate", Note: "share of replies", Percent: true}, plot.Line,
		[3]string{monitor.ToolCallRate, "healthy calls", "c1"})
	add(plot.Chart{ID: "length", Title: "Length of replies", Note: r.unit()}, plot.Line, [3]string{monitor.ReplyLength, "mean", "c2"})
	add(plot.Chart{ID: "cut", Title: "Cut replies", Percent: true}, plot.Line, [3]string{monitor.CutShare, "share", "c5"})
	add(plot.Chart{ID: "spread", Title: "Groups without spread", Percent: true, Full: true}, plot.Line,
		[3]string{monitor.ZeroSpread, "share", "c4"})
	add(plot.Chart{ID: "kl", Title: "KL to the reference"}, plot.Line, [3]string{monitor.KL, "k3", "c1"})
	add(plot.Chart{ID: "klcontrol", Title: "KL carried by control tokens", Percent: true, Full: true}, plot.Line,
		[3]string{monitor.KLControl, "share", "c4"})
	add(plot.Chart{ID: "entropy", Title: "Entropy"}, plot.Line, [3]string{monitor.EntropyMean, "sampled", "c1"})
	add(plot.Chart{ID: "grad", Title: "Gradient norm", Log: true}, plot.Line, [3]string{monitor.GradNorm, "norm", "c1"})
	add(plot.Chart{ID: "gap", Title: "Sampler against learner", Note: "log-probabilities", Log: true}, plot.Line,
		[3]string{monitor.GapMean, "mean gap", "c1"}, [3]string{monitor.GapK3, "k3", "c2"})
	var replies [][3]string
	for i, place := range monitor.GapPlaces() {
		replies = append(replies, [3]string{monitor.GapAt(place, monitor.GapMean), "reply " + place, fmt.Sprintf("c%d", 1+i)})
	}
	add(plot.Chart{ID: "gap-reply", Title: "Sampler against learner, by reply", Note: "mean gap", Log: true}, plot.Line, replies...)
	add(plot.Chart{ID: "weights", Title: "Importance weights", Percent: true}, plot.Line,
		[3]string{monitor.ImportanceESS, "effective sample size", "c1"}, [3]string{monitor.ImportanceCapped, "at the cap", "c4"})
	return out
}

func (r *Report) unit() string {
	if r.Kind == kindRun {
		return "tokens"
	}
	return "bytes"
}

// strongest returns the metrics with a prefix whose largest values are largest, six
// for a plot of its own and all for those that are picked from.
func (r *Report) strongest(prefix string) [][3]string {
	top := map[string]float64{}
	for _, u := range r.updates {
		for k, v := range u.Metrics {
			if strings.HasPrefix(k, prefix) && k != monitor.IllegalMass && k != monitor.IllegalReplies && plot.IsFinite(v) {
				top[k] = max(top[k], max(v, -v))
			}
		}
	}
	names := slices.SortedFunc(maps.Keys(top), func(a, b string) int { return cmp.Or(cmp.Compare(top[b], top[a]), strings.Compare(a, b)) })
	if prefix != monitor.WatchPrefix {
		names = names[:min(6, len(names))]
	}
	var out [][3]string
	for i, k := range names {
		out = append(out, [3]string{k, strings.TrimPrefix(k, prefix), fmt.Sprintf("c%d", 1+i%6)})
	}
	return out
}

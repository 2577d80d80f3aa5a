package report

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"ballast"
	"ballast/monitor"
	"ballast/report/plot"
	"ballast/runlog"
	"ballast/safetext"
)

// maxPoints is how many points a curve has at most; longer runs are averaged.
const maxPoints = 800

// thin returns the run with neighbouring updates averaged where it is long.
func (r *run) thin() *run {
	n := len(r.x)
	if n <= maxPoints {
		return r
	}
	width := (n + maxPoints - 1) / maxPoints
	t := *r
	t.x, t.phase, t.metrics = nil, nil, monitor.Series{}
	for end := width; end-width < n; end += width {
		i := min(end, n) - 1
		t.x, t.phase = append(t.x, r.x[i]), append(t.phase, r.phase[i])
	}
	for name, y := range r.metrics {
		t.metrics[name] = plot.Thin(y, width)
	}
	return &t
}

// frame returns what all plots share.
func (r *run) frame() *plot.Frame {
	t := r.thin()
	f := &plot.Frame{X: t.x, Marks: r.marks()}
	if len(r.x) == 0 {
		return f
	}
	f.Lo, f.Hi = r.x[0], r.lastUpdate()
	for _, e := range r.evals {
		f.Lo = min(f.Lo, e.update)
	}
	for i, name := range r.phase {
		if k := len(f.Bands); k > 0 && f.Bands[k-1].Name == name {
			f.Bands[k-1].To = r.x[i]
		} else {
			f.Bands = append(f.Bands, plot.Band{From: r.x[i] - 1, To: r.x[i], Name: name})
		}
	}
	return f
}

// marks are the events that plots show: not those that stand in them as bands and points.
func (r *run) marks() (list []plot.Mark) {
	for _, e := range r.events {
		switch e.What.(type) {
		case runlog.PhaseBegun, runlog.Evaluated, runlog.Tested, runlog.Done:
		default:
			list = append(list, plot.Mark{Update: e.Update, Class: string(e.Kind()), Text: e.Text, Below: e.Kind() == runlog.KindCheckpoint})
		}
	}
	return list
}

// builder collects charts and notes which metrics they took.
type builder struct {
	*run
	list  []*plot.Chart
	taken map[string]bool
	zero  []string // metrics that were 0 all the time, and are not drawn
}

// metric is one series of a chart by its metric's name.
type metric struct{ key, name, class string }

// add appends a chart of metrics, without those that were never recorded; metrics
// that were 0 all the time are only named, except where shares are compared.
func (b *builder) add(c plot.Chart, how plot.Style, metrics ...metric) {
	zero := 0
	var names []string
	for _, m := range metrics {
		b.taken[m.key] = true
		y := b.metrics[m.key]
		values := plot.Finite(y)
		if len(values) == 0 {
			continue
		}
		if !slices.ContainsFunc(values, func(v float64) bool { return v != 0 }) {
			zero++
			names = append(names, m.key)
			if !c.Full {
				continue
			}
		}
		c.Series = append(c.Series, plot.Series{Name: m.name, Class: m.class, Style: how, Y: y})
	}
	if !c.Full || zero == len(c.Series) {
		b.zero = append(b.zero, names...)
	}
	if len(c.Series) > 0 && (!c.Full || zero < len(c.Series)) {
		b.list = append(b.list, &c)
	}
}

// charts returns the plots of the run, the important ones first, and the names of
// metrics that were 0 all the time.
func (r *run) charts() (list []*plot.Chart, zero []string) {
	b := &builder{run: r.thin(), taken: map[string]bool{}}
	b.reward()
	b.forms()
	b.watched("tokens-start", monitor.WatchStart, "Control tokens at the start of a reply", "mean probability as the first token")
	b.watched("tokens", monitor.WatchAll, "Control tokens anywhere in a reply", "mean probability at all positions")
	b.control()
	// Where nothing is sampled the supervised loss is the main thing.
	b.add(plot.Chart{ID: "ce", Title: "Cross entropy", Note: "nats per supervised token", Large: b.metrics[monitor.RewardMean] == nil},
		plot.Line,
		metric{monitor.LossCE, "cross entropy", "c3"})
	b.learning()
	b.add(plot.Chart{ID: "length", Title: "Lengths", Note: "tokens"}, plot.Line, metric{monitor.EpisodeLength, "episode", "c1"},
		metric{monitor.PromptLength, "prompt", "c3"}, metric{monitor.ReplyLength, "reply", "c2"})
	b.add(plot.Chart{ID: "calls", Title: "Turns and calls", Note: "per episode"}, plot.Line, metric{monitor.Turns, "closed turns", "c1"},
		metric{monitor.Calls, "calls", "c2"})
	b.stops()
	b.add(plot.Chart{ID: "cut", Title: "Cut replies", Note: "ended by a budget", Percent: true}, plot.Line,
		metric{monitor.CutShare, "cut", "c4"})
	b.speed()
	b.add(plot.Chart{ID: "computed", Title: "Tokens in training", Note: "per update"}, plot.Area,
		metric{monitor.TokensComputed, "computed", "c1"},
		metric{monitor.TokensSaved, "saved by sharing", "c2"}, metric{monitor.TokensPadded, "padding", "c5"})
	b.taken[monitor.TokensReal] = true // computed and saved
	b.add(plot.Chart{ID: "time", Title: "Seconds per update"}, plot.Area, metric{monitor.SecondsRollout, "rollout", "c1"},
		metric{monitor.SecondsTrain, "train", "c2"})
	b.add(plot.Chart{ID: "lr", Title: "Learning rate"}, plot.Line, metric{monitor.LearningRate, "rate", "c1"})
	for _, key := range b.metric {
		if !b.taken[key] {
			b.add(plot.Chart{ID: "metric-" + safetext.Line(key), Title: key}, plot.Line, metric{key, "value", "c1"})
		}
	}
	slices.SortStableFunc(b.list, func(x, y *plot.Chart) int { return rank(x) - rank(y) })
	return b.list, b.zero
}

// rank puts large charts first.
func rank(c *plot.Chart) int {
	if c.Large {
		return 0
	}
	return 1
}

// learning plots what the learner reports.
func (b *builder) learning() {
	b.add(plot.Chart{ID: "kl", Title: "KL to the reference", Note: "nats per token"}, plot.Line, metric{monitor.KL, "k3", "c1"})
	b.add(plot.Chart{ID: "entropy", Title: "Entropy", Note: "nats per token"}, plot.Line,
		metric{monitor.EntropyMean, "sampled", "c1"}, metric{monitor.EntropyTrained, "trained", "c3"})
	b.add(plot.Chart{ID: "spread", Title: "Groups without spread", Note: "no gradient", Percent: true, Full: true}, plot.Line,
		metric{monitor.ZeroSpread, "zero-spread groups", "c4"})
	b.add(plot.Chart{ID: "groups", Title: "Groups played", Note: "per update"}, plot.Area,
		metric{monitor.GroupsKept, "learnt from", "c1"}, metric{monitor.GroupsLeftOut, "left out", "c5"})
	b.add(plot.Chart{ID: "grad", Title: "Gradient norm", Note: "before clipping", Log: true}, plot.Line,
		metric{monitor.GradNorm, "norm", "c1"})
	b.add(plot.Chart{ID: "clip", Title: "Clip fraction", Note: "share of tokens", Percent: true}, plot.Line,
		metric{monitor.ClipFraction, "clipped", "c2"})
	b.add(plot.Chart{ID: "ratio", Title: "Policy ratio", Note: "learner to sampler", Log: true}, plot.Line,
		metric{monitor.RatioMean, "mean", "c1"}, metric{monitor.RatioMax, "max", "c4"})
	b.add(plot.Chart{ID: "kl-old", Title: "KL to the old policy", Note: "k1, nats per token"}, plot.Line, metric{monitor.KLOld, "k1", "c1"})
	b.mismatch()
	b.add(plot.Chart{ID: "loss", Title: "Loss"}, plot.Line, metric{monitor.Loss, "total", "c5"},
		metric{monitor.LossPolicy, "policy", "c1"}, metric{monitor.LossOffPolicy, "off-policy", "c2"})
	b.add(plot.Chart{ID: "kl-loss", Title: "Reference loss"}, plot.Line, metric{monitor.LossReference, "coefficient * k3", "c3"})
}

// mismatch plots the gap between sampler and learner: over all sampled tokens, by reply of an
// episode, and the weights against it.
func (b *builder) mismatch() {
	b.add(plot.Chart{ID: "gap", Title: "Sampler against learner", Note: "log-probabilities", Log: true}, plot.Line,
		metric{monitor.GapMean, "mean", "c1"}, metric{monitor.GapMax, "max", "c4"}, metric{monitor.GapK3, "k3", "c2"})
	b.add(plot.Chart{ID: "gap-k1", Title: "Sampler against learner: k1", Note: "nats per token"}, plot.Line,
		metric{monitor.GapK1, "k1", "c1"})
	b.add(plot.Chart{ID: "gap-share", Title: "Probabilities that differ by over 10%", Note: "share of sampled tokens", Percent: true},
		plot.Line, metric{monitor.GapShare, "share", "c4"})
	var list []metric
	for i, place := range monitor.GapPlaces() {
		list = append(list, metric{monitor.GapAt(place, monitor.GapMean), "reply " + place, "c" + string(rune('1'+i))})
		for _, of := range []string{monitor.GapMax, monitor.GapK1, monitor.GapK3, monitor.GapShare, monitor.GapTokens} {
			b.taken[monitor.GapAt(place, of)] = true
		}
	}
	b.taken[monitor.GapTokens] = true
	b.add(plot.Chart{ID: "gap-reply", Title: "Sampler against learner, by reply", Note: "mean gap of log-probabilities", Log: true},
		plot.Line, list...)
	b.add(plot.Chart{ID: "weights", Title: "Importance weights", Note: "after the cap"}, plot.Line,
		metric{monitor.ImportanceMean, "mean", "c1"}, metric{monitor.ImportanceMin, "min", "c3"}, metric{monitor.ImportanceMax, "max", "c4"},
		metric{monitor.ImportanceGeometric, "geometric mean", "c5"})
	b.add(plot.Chart{ID: "weights-left", Title: "What importance weights leave", Percent: true}, plot.Line,
		metric{monitor.ImportanceESS, "effective sample size", "c1"}, metric{monitor.ImportanceCapped, "at the cap", "c4"})
}

// reward plots sampled reward and success, smoothed over their raw values, and the
// evaluations.
func (b *builder) reward() {
	width := max(1, len(b.x)/25)
	c := plot.Chart{ID: "reward", Title: "Reward", Large: true, Percent: false}
	success, reward := b.metrics[monitor.SuccessMean], b.metrics[monitor.RewardMean]
	for _, name := range []string{monitor.RewardMean, monitor.SuccessMean, monitor.EvalSuccess, monitor.RewardStd, monitor.RewardMin,
		monitor.RewardLow, monitor.RewardHigh, monitor.Replies} {
		b.taken[name] = true
	}
	curve := func(y []float64, name, class string) {
		if len(plot.Finite(y)) == 0 {
			return
		}
		if width > 1 {
			c.Note = "bold: mean over " + plural(width/2*2+1, "update")
		}
		c.Series = append(c.Series, plot.Series{Name: name, Class: class, Style: plot.Faint, Y: y},
			plot.Series{Name: name, Class: class, Y: plot.Smooth(y, width)})
	}
	if slices.EqualFunc(success, reward, func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }) {
		curve(reward, "sampled reward = success", "c1")
	} else {
		curve(reward, "sampled reward", "c1")
		curve(success, "sampled success", "c2")
	}
	if len(b.evals) > 0 {
		s := plot.Series{Name: b.split() + " success", Class: "c4", Style: plot.Dots}
		for _, e := range b.evals {
			s.X, s.Y = append(s.X, e.update), append(s.Y, e.rate)
			s.Low, s.High = append(s.Low, e.low), append(s.High, e.high)
		}
		c.Series = append(c.Series, s)
	}
	if len(c.Series) == 1 && len(b.evals) > 0 {
		c.Title = "Success on split " + b.split()
	}
	if len(c.Series) > 0 {
		b.list = append(b.list, &c)
	}
}

// forms plots the shares of the four kinds on each other.
func (b *builder) forms() {
	var list []metric
	for f := ballast.ReplyKind(0); f < ballast.NumKinds; f++ {
		list = append(list, metric{monitor.KindPrefix + f.String(), f.String(), "f-" + f.String()})
	}
	b.add(plot.Chart{ID: "forms", Title: "Kinds of replies", Note: "share of replies", Large: true, Percent: true, Full: true}, plot.Area,
		list...)
	b.taken[monitor.ToolCallRate] = true // the first form again
}

// watched plots the probabilities of the watched control tokens.
func (b *builder) watched(id, suffix, title, note string) {
	var list []metric
	for _, key := range b.metric {
		rest, ok := strings.CutPrefix(key, monitor.WatchPrefix)
		if token, mine := strings.CutSuffix(rest, suffix); ok && mine {
			list = append(list, metric{key, token, ""})
		}
	}
	for i := range list {
		list[i].class = "c" + string(rune('1'+i%6))
	}
	b.add(plot.Chart{ID: id, Title: title, Note: note, Large: true, Percent: true, Log: true}, plot.Line, list...)
}

// control plots what monitor.Inspect measures of control tokens and faults: of many
// series the strongest; the diagnosis of a run (package doctor) has the others.
func (b *builder) control() {
	for s := range monitor.NumSites {
		if s != monitor.SiteStart { // plotted above
			b.strongest(plot.Chart{ID: "tokens-" + s.String(), Title: "Control tokens: " + s.String(), Note: "mean probability", Percent: true,
				Log: true}, monitor.WatchPrefix, "/"+s.String())
		}
	}
	b.add(plot.Chart{ID: "illegal", Title: "Forbidden control tokens", Note: "probability per sampled token", Log: true}, plot.Line,
		metric{monitor.IllegalMass, "mass", "c4"})
	b.add(plot.Chart{ID: "stained", Title: "Replies with a forbidden token", Percent: true}, plot.Line,
		metric{monitor.IllegalReplies, "share", "c4"})
	b.strongest(plot.Chart{ID: "illegal-tokens", Title: "Forbidden, by token and place", Percent: true, Log: true}, monitor.IllegalAt, "")
	b.strongest(plot.Chart{ID: "reasons", Title: "Faults of replies", Note: "share of replies", Percent: true}, monitor.ReasonFor, "")
	b.strongest(plot.Chart{ID: "push", Title: "Push on control tokens", Note: "policy gradient on the logit"}, monitor.GradPrefix, "")
	b.strongest(plot.Chart{ID: "transitions", Title: "From kind to kind", Note: "share of the next replies", Percent: true},
		monitor.TransitionFrom, "")
	b.add(plot.Chart{ID: "kl-control", Title: "KL of control tokens", Note: "share of all", Percent: true, Full: true}, plot.Line,
		metric{monitor.KLControl, "share", "c4"})
}

// strongest plots the up to five metrics of a family with the largest values, and
// takes the others too.
func (b *builder) strongest(c plot.Chart, prefix, suffix string) {
	top := map[string]float64{}
	var names []string
	for _, key := range b.metric {
		if b.taken[key] || !strings.HasPrefix(key, prefix) || !strings.HasSuffix(key, suffix) {
			continue
		}
		b.taken[key] = true
		for _, v := range plot.Finite(b.metrics[key]) {
			top[key] = max(top[key], math.Abs(v))
		}
		names = append(names, key)
	}
	slices.SortStableFunc(names, func(x, y string) int { return cmp.Compare(top[y], top[x]) })
	var list []metric
	for i, key := range names[:min(5, len(names))] {
		list = append(list, metric{key, strings.TrimSuffix(strings.TrimPrefix(key, prefix), suffix), "c" + string(rune('1'+i))})
	}
	b.add(c, plot.Line, list...)
}

// stops plots why episodes ended.
func (b *builder) stops() {
	var list []metric
	order := []ballast.Stop{ballast.StopDone, ballast.StopTurns, ballast.StopTokens, ballast.StopCut, ballast.StopMalformed}
	for i, s := range order {
		class := "f-call"
		if i > 0 {
			class = "c" + string(rune('1'+i))
		}
		list = append(list, metric{monitor.StopPrefix + string(s), strings.ReplaceAll(string(s), "_", " "), class})
	}
	for _, m := range list { // a stop that did not happen is 0 where others did
		y := b.metrics[m.key]
		for i := range y {
			if math.IsNaN(y[i]) && slices.ContainsFunc(list, func(o metric) bool { z := b.metrics[o.key]; return z != nil && plot.IsFinite(z[i]) }) {
				y[i] = 0
			}
		}
	}
	b.add(plot.Chart{ID: "stops", Title: "Why episodes ended", Percent: true, Full: true}, plot.Area, list...)
}

// speed plots tokens per second.
func (b *builder) speed() {
	c := plot.Chart{ID: "speed", Title: "Speed", Note: "tokens per second"}
	for _, m := range []struct{ tokens, seconds, name, class string }{
		{monitor.TokensSampled, monitor.SecondsRollout, "sampled", "c1"},
		{monitor.TokensTrained, monitor.SecondsTrain, "trained", "c2"},
		{monitor.TokensComputed, monitor.SecondsTrain, "computed in training", "c3"},
	} {
		n, s := b.metrics[m.tokens], b.metrics[m.seconds]
		b.taken[m.tokens] = true
		if len(n) == 0 || len(s) == 0 {
			continue
		}
		y := make([]float64, len(n))
		for i := range y {
			y[i] = n[i] / s[i]
		}
		if len(plot.Finite(y)) > 0 {
			c.Series = append(c.Series, plot.Series{Name: m.name, Class: m.class, Y: y})
		}
	}
	if len(c.Series) > 0 {
		b.list = append(b.list, &c)
	}
}

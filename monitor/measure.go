package monitor

import (
	"math"
	"slices"
	"strings"

	"ballast"
)

// Measure adds the metrics of one update's episodes to m. watched names the
// control tokens in the order of Episode.Watch. Episodes that failed for
// infrastructure count for nothing.
func Measure(eps []ballast.Episode, watched []string, m map[string]float64) {
	var a tally
	a.start, a.all = make([]float64, len(watched)), make([]float64, len(watched))
	for i := range eps {
		if eps[i].Stop != ballast.StopInfra {
			a.episode(&eps[i])
		}
	}
	a.fill(m, watched)
}

// tally sums over episodes.
type tally struct {
	rewards                  []float64
	success                  float64
	forms                    [ballast.NumKinds]float64
	stops                    map[ballast.Stop]float64
	replies, cut             float64
	turns, calls             float64
	length, reply, prompt    float64
	sampled, entropy, starts float64
	entropies                float64
	start, all               []float64
}

func (a *tally) episode(ep *ballast.Episode) {
	a.rewards = append(a.rewards, ep.Score.Reward)
	if ep.Score.Success {
		a.success++
	}
	if a.stops == nil {
		a.stops = map[ballast.Stop]float64{}
	}
	a.stops[ep.Stop]++
	a.prompt += float64(ep.Prompt)
	a.length += float64(len(ep.Tokens) - ep.Prompt)
	k := 0 // sampled tokens so far in the episode
	for _, t := range ep.Turns {
		if t.Check.Done {
			a.turns++
		}
		for i := range t.Steps {
			s := &t.Steps[i]
			a.step(s)
			if s.Gold {
				continue
			}
			a.tokens(ep, s, k)
			k += s.End - s.Start
		}
	}
}

func (a *tally) step(s *ballast.Step) {
	a.replies++
	a.forms[s.Kind]++
	a.calls += float64(len(s.Calls))
	a.reply += float64(s.End - s.Start)
	if s.Cut {
		a.cut++
	}
}

// tokens adds the per-token facts of one sampled reply whose first token is the
// k-th sampled token of the episode.
func (a *tally) tokens(ep *ballast.Episode, s *ballast.Step, k int) {
	n := s.End - s.Start
	a.sampled += float64(n)
	if ep.Entropy != nil {
		a.entropies += float64(n)
		for _, h := range ep.Entropy[s.Start:s.End] {
			a.entropy += float64(h)
		}
	}
	if len(ep.Watch) < k+n || n == 0 {
		return
	}
	a.starts++
	for j := range a.all {
		a.start[j] += float64(ep.Watch[k][j])
		for _, row := range ep.Watch[k : k+n] {
			a.all[j] += float64(row[j])
		}
	}
}

func (a *tally) fill(m map[string]float64, watched []string) {
	n := float64(len(a.rewards))
	if n == 0 {
		return
	}
	mean := 0.0
	for _, r := range a.rewards {
		mean += r / n
	}
	m[RewardMean] = mean
	if n > 1 {
		sum := 0.0
		for _, r := range a.rewards {
			sum += (r - mean) * (r - mean)
		}
		m[RewardStd] = math.Sqrt(sum / (n - 1))
	}
	spread(a.rewards, mean, m)
	m[SuccessMean] = a.success / n
	for s, k := range a.stops {
		m[StopPrefix+string(s)] = k / n
	}
	m[PromptLength], m[EpisodeLength] = a.prompt/n, a.length/n
	m[Turns], m[Calls] = a.turns/n, a.calls/n
	m[TokensSampled] = a.sampled
	if a.replies > 0 {
		m[Replies] = a.replies
		for f, k := range a.forms {
			m[KindPrefix+ballast.ReplyKind(f).String()] = k / a.replies
		}
		m[ToolCallRate] = a.forms[ballast.KindCall] / a.replies
		m[CutShare] = a.cut / a.replies
		m[ReplyLength] = a.reply / a.replies
	}
	if a.entropies > 0 {
		m[EntropyMean] = a.entropy / a.entropies
	}
	if a.starts > 0 {
		for j, name := range watched {
			m[WatchPrefix+name+WatchStart] = a.start[j] / a.starts
			m[WatchPrefix+name+WatchAll] = a.all[j] / a.sampled
		}
	}
}

// spread adds where the rewards lie: their least, and the medians of those on either
// side of their mean, which are the two values of a reward that has two.
func spread(rewards []float64, mean float64, m map[string]float64) {
	sorted := slices.Sorted(slices.Values(rewards))
	m[RewardMin] = sorted[0]
	below, _ := slices.BinarySearch(sorted, mean)
	if n := len(sorted); sorted[0] < sorted[n-1] && below > 0 && below < n {
		m[RewardLow], m[RewardHigh] = sorted[below/2], sorted[below+(n-below)/2]
	}
}

// recorded says whether an update of a phase has a metric. Runs of older versions hold 0
// where an update had no such thing: a loss of 0 in a mean would be a lie.
func recorded(phase, name string, v float64) bool {
	switch {
	case v != 0:
		return true
	case phase == "sft":
		return !slices.Contains(sampledOnly, name)
	}
	return name != LossCE
}

// sampledOnly are the learner's statistics of what a policy sampled.
var sampledOnly = []string{LossPolicy, LossOffPolicy, LossReference, KL, KLControl, ClipFraction, GapMean, GapMax, RatioMean, RatioMax,
	KLOld}

// Fold adds the n-th minibatch's statistic to an update's metrics: token counts,
// times and skipped steps are summed, maxima kept, everything else averaged.
func Fold(m map[string]float64, key string, v float64, n int) {
	switch {
	case strings.HasPrefix(key, "tokens/"), strings.HasPrefix(key, "seconds/"), key == NonFinite:
		m[key] += v
	case key == RatioMax:
		m[key] = max(m[key], v)
	default:
		m[key] += (v - m[key]) / float64(n)
	}
}

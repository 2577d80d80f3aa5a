// Package credit turns episodes into scores and the scores of a group into
// advantages. Both are pure functions; neither looks at tokens.
//
// The reward is the paper's: 1 if and only if every turn passes its state and
// response checks and the episode closed as many turns as the task has, else 0
// (section 1). Two shaped parts can be added for bases too weak to ever win;
// they are off by default, because the paper's collapse is one of the outcome
// reward alone.
package credit

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"ballast"
)

// Options weighs the optional parts of the reward. The zero value is the
// paper's outcome reward.
type Options struct {
	// Progress is the weight of the share of turns passed before the first failure, with the
	// score of the failing turn, paid to failing episodes only.
	Progress float64
	// Format is the weight of the share of replies of a healthy kind, paid to
	// failing episodes only.
	Format float64
	// Answered fails a turn whose gold makes no call and that a reply closed which is no
	// prose: nothing at all, or what cannot be read. A benchmark that only asks whether a
	// call was made pays a model that collapsed for abstaining (gorilla's issue 1362).
	// Evaluations set it; rewards do not. Of a task that brings its own prompt the grader reads the reply.
	Answered bool
}

// Score judges one finished episode of a task. An episode that stopped for
// infrastructure has no score; asking for it is a bug.
func Score(ep *ballast.Episode, task *ballast.Task, o Options) ballast.Score {
	if ep.Stop == ballast.StopInfra {
		panic("credit: an infrastructure failure has no score")
	}
	s := ballast.Score{FailTurn: -1, Format: healthyShare(ep)}
	passed, partly := 0, 0.0
	turns := max(len(task.Turns), len(ep.Turns)) // a user may say more than the task has
	for i := range turns {
		reason := failure(ep, i)
		if reason == "" && o.Answered && task.Prompt == nil && i < len(task.Turns) && len(task.Turns[i].Gold) == 0 && !answered(ep, i) {
			reason = "unanswered"
		}
		if reason == "" {
			passed++
			continue
		}
		s.FailTurn, s.Reason = i, reason
		if i < len(ep.Turns) && reason != "unanswered" {
			partly = ep.Turns[i].Check.Score
		}
		break
	}
	s.Progress = (float64(passed) + partly) / float64(max(1, turns))
	s.Success = s.FailTurn < 0 && ep.Stop == ballast.StopDone && turns > 0 // nothing that was asked is no success
	if s.FailTurn < 0 && !s.Success {
		s.FailTurn, s.Reason = max(turns-1, 0), "turns"
	}
	if s.Success {
		s.Reward = 1
	} else {
		s.Reward = o.Progress*s.Progress + o.Format*s.Format
	}
	return s
}

// failure says why turn i of the episode fails, or "".
func failure(ep *ballast.Episode, i int) string {
	if i >= len(ep.Turns) || !ep.Turns[i].Check.Done {
		return "turns"
	}
	if c := ep.Turns[i].Check; !c.Passed {
		return cmp.Or(c.Reason, "failed")
	}
	return ""
}

// answered says whether the reply that closed turn i is prose.
func answered(ep *ballast.Episode, i int) bool {
	steps := ep.Turns[i].Steps
	return len(steps) > 0 && steps[len(steps)-1].Kind == ballast.KindResponse
}

func healthyShare(ep *ballast.Episode) float64 {
	good, all := 0, 0
	for _, t := range ep.Turns {
		for _, s := range t.Steps {
			all++
			if s.Kind == ballast.KindCall || s.Kind == ballast.KindResponse {
				good++
			}
		}
	}
	if all == 0 {
		return 0
	}
	return float64(good) / float64(all)
}

// Estimator computes the advantages of a group from its rewards.
type Estimator struct {
	Name string
	Doc  string
	Of   func(rewards []float64) []float64
}

// Estimators is the table of advantage estimators. All are zero where every
// reward of the group is equal.
var Estimators = []Estimator{
	{"grpo", "(R-mean)/(std+1e-6), unbiased std (paper, section 1)", func(r []float64) []float64 {
		mean, std := meanStd(r)
		return each(r, func(x float64) float64 { return (x - mean) / (std + 1e-6) })
	}},
	{"drgrpo", "R-mean, not divided by the spread (Dr. GRPO)", func(r []float64) []float64 {
		mean, _ := meanStd(r)
		return each(r, func(x float64) float64 { return x - mean })
	}},
	{"rloo", "R minus the mean of the others (leave one out)", func(r []float64) []float64 {
		n := float64(len(r))
		if n < 2 {
			return make([]float64, len(r))
		}
		mean, _ := meanStd(r)
		return each(r, func(x float64) float64 { return (x - mean) * n / (n - 1) })
	}},
}

// Advantages applies the named estimator. Spread is false when all rewards of
// the group are equal, so that the group carries no signal.
func Advantages(name string, rewards []float64) (adv []float64, spread bool, err error) {
	for _, e := range Estimators {
		if e.Name == name {
			return e.Of(rewards), hasSpread(rewards), nil
		}
	}
	known := ""
	for _, e := range Estimators {
		known += " " + e.Name
	}
	return nil, false, fmt.Errorf("advantage %q is not known; choose one of:%s", name, known)
}

func hasSpread(r []float64) bool {
	return slices.ContainsFunc(r, func(x float64) bool { return x != r[0] })
}

// meanStd returns the mean and the unbiased standard deviation; equal values
// have deviation exactly 0, so that rounding cannot invent a signal.
func meanStd(r []float64) (mean, std float64) {
	if len(r) == 0 {
		return 0, 0
	}
	if !hasSpread(r) {
		return r[0], 0
	}
	for _, x := range r {
		mean += x
	}
	mean /= float64(len(r))
	for _, x := range r {
		std += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(std / float64(len(r)-1))
}

func each(r []float64, f func(float64) float64) []float64 {
	out := make([]float64, len(r))
	for i, x := range r {
		out[i] = f(x)
	}
	return out
}

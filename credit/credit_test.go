package credit

import (
	"math"
	"testing"

	"ballast"
)

func near(t *testing.T, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-3 {
		t.Errorf("got %v, want %v", got, want)
	}
}

func advantages(t *testing.T, name string, r ...float64) []float64 {
	t.Helper()
	a, _, err := Advantages(name, r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestPaperGroup(t *testing.T) {
	// One gold success and seven failures (fact sheet, section 3.2).
	a := advantages(t, "grpo", 1, 0, 0, 0, 0, 0, 0, 0)
	near(t, a[0], 2.475)
	near(t, a[1], -0.354)
}

func TestEstimators(t *testing.T) {
	near(t, advantages(t, "drgrpo", 1, 0, 0, 0)[0], 0.75)
	near(t, advantages(t, "rloo", 1, 0, 0, 0)[0], 1)
	near(t, advantages(t, "rloo", 1, 0, 0, 0)[1], -1.0/3)
	near(t, advantages(t, "rloo", 1)[0], 0)
}

func TestNoSpreadIsExactlyZero(t *testing.T) {
	for _, e := range Estimators {
		for _, v := range []float64{0, 1, 0.1, 1.0 / 3} {
			adv, spread, err := Advantages(e.Name, []float64{v, v, v, v, v, v, v})
			if err != nil || spread {
				t.Fatalf("%s: spread %v, %v", e.Name, spread, err)
			}
			for _, a := range adv {
				if a != 0 {
					t.Errorf("%s of equal rewards %v: %v", e.Name, v, a)
				}
			}
		}
	}
}

func TestUnknownEstimatorNamesTheKnown(t *testing.T) {
	if _, _, err := Advantages("gae", nil); err == nil || len(err.Error()) < 40 {
		t.Errorf("got %v", err)
	}
}

var pass = ballast.Check{Done: true, Passed: true, Score: 1}

func episode(stop ballast.Stop, checks ...ballast.Check) *ballast.Episode {
	ep := &ballast.Episode{Stop: stop}
	for _, c := range checks {
		ep.Turns = append(ep.Turns, ballast.Turn{Check: c, Steps: []ballast.Step{{Kind: ballast.KindResponse}}})
	}
	return ep
}

func TestScore(t *testing.T) {
	task := &ballast.Task{Turns: make([]ballast.TaskTurn, 2)}
	for _, c := range []struct {
		name    string
		ep      *ballast.Episode
		success bool
		turn    int
		reason  string
	}{
		{"all pass", episode(ballast.StopDone, pass, pass), true, -1, ""},
		{"fewer turns", episode(ballast.StopTurns, pass), false, 1, "turns"},
		{"open last turn", episode(ballast.StopTokens, pass, ballast.Check{}), false, 1, "turns"},
		{"all pass but not done", episode(ballast.StopTokens, pass, pass), false, 1, "turns"},
		{"state", episode(ballast.StopDone, pass, ballast.Check{Done: true, Reason: "state"}), false, 1, "state"},
		{"response", episode(ballast.StopDone, ballast.Check{Done: true, Reason: "response"}, pass), false, 0, "response"},
		{"calls", episode(ballast.StopDone, ballast.Check{Done: true, Reason: "calls"}, pass), false, 0, "calls"},
		{"a turn more than the task has", episode(ballast.StopDone, pass, pass, ballast.Check{Done: true, Reason: "state"}), false, 2, "state"},
		{"no turn at all", &ballast.Episode{Stop: ballast.StopDone}, false, 0, "turns"},
		{"empty", episode(ballast.StopDone, ballast.Check{Done: true, Reason: "empty_turn"}, pass), false, 0, "empty_turn"},
	} {
		s := Score(c.ep, task, Options{})
		if s.Success != c.success || s.FailTurn != c.turn || s.Reason != c.reason {
			t.Errorf("%s: got %+v", c.name, s)
		}
		if want := map[bool]float64{true: 1}[c.success]; s.Reward != want {
			t.Errorf("%s: reward %v", c.name, s.Reward)
		}
	}
}

func TestShapedPartsGoToFailuresOnly(t *testing.T) {
	task := &ballast.Task{Turns: make([]ballast.TaskTurn, 2)}
	o := Options{Progress: 0.2, Format: 0.1}
	near(t, Score(episode(ballast.StopDone, pass, pass), task, o).Reward, 1)
	near(t, Score(episode(ballast.StopTurns, pass), task, o).Reward, 0.2)
	bad := episode(ballast.StopMalformed, ballast.Check{})
	bad.Turns[0].Steps[0].Kind = ballast.KindPolluted
	near(t, Score(bad, task, o).Reward, 0)
}

// TestAnswered: a turn that wants no call is passed by prose alone, where that is asked
// for; the rewards of trainings do not ask.
func TestAnswered(t *testing.T) {
	task := &ballast.Task{Turns: []ballast.TaskTurn{{}, {Gold: []ballast.Call{{Name: "f"}}}}}
	for form, want := range map[ballast.ReplyKind]string{ballast.KindResponse: "", ballast.KindPolluted: "unanswered", ballast.KindCollapsed: "unanswered", ballast.KindCall: "unanswered"} {
		ep := episode(ballast.StopDone, pass, pass)
		ep.Turns[0].Steps[0].Kind, ep.Turns[1].Steps[0].Kind = form, ballast.KindCollapsed
		if s := Score(ep, task, Options{Answered: true}); s.Reason != want || s.Success != (want == "") || want != "" && s.FailTurn != 0 {
			t.Errorf("%s: %+v", form, s)
		}
		if s := Score(ep, task, Options{}); s.Reward != 1 || !s.Success {
			t.Errorf("%s: a reward of %+v", form, s)
		}
	}
	ep := episode(ballast.StopDone, pass, pass)
	ep.Turns[0].Steps = nil
	if s := Score(ep, task, Options{Answered: true}); s.Reason != "unanswered" {
		t.Errorf("no reply at all: %+v", s)
	}
}

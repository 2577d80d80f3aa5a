package eval

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"ballast"
)

// outcome is an evaluation of tasks 0 to len(wins)-1, of which those marked x are won; categories take turns.
func outcome(wins string, categories ...string) ([]ballast.Task, Result) {
	tasks, r := []ballast.Task{}, Result{Categories: map[string]Count{}, Reasons: map[string]int{}, FailTurn: map[int]int{}}
	for i, w := range wins {
		t := ballast.Task{ID: fmt.Sprint(i), Category: categories[i%len(categories)]}
		tasks = append(tasks, t)
		r.add(&t, ballast.Score{Success: w == 'x'})
		r.Episodes = append(r.Episodes, ballast.Episode{Task: t.ID, Stop: ballast.StopDone, Score: ballast.Score{Success: w == 'x'}})
	}
	return tasks, r
}

// TestSuite: parts are compared with the one that the suite names, on the same tasks, and what cannot be played says why.
func TestSuite(t *testing.T) {
	s := NewSuite("formats", "all of them", "one", nil)
	add := func(name, wins string) {
		tasks, res := outcome(wins, "a")
		s.Add(Part{Name: name}, tasks, res)
	}
	add("two", "x---------")
	add("one", "xxxxx-----")
	s.Parts = append(s.Parts, Part{Name: "three", Unfit: "no\x1b[2J tokens"})
	s.Close()
	d := s.Parts[0].Difference
	if d == nil || d.Lost != 4 || d.Gained != 0 || math.Abs(d.Mean+0.4) > 1e-9 || s.Parts[1].Difference != nil || s.Parts[2].Difference != nil {
		t.Fatalf("%+v", s.Parts)
	}
	text := s.Table()
	for _, want := range []string{
		"part      played success  95% interval      drop  95% interval\n",
		fmt.Sprintf("two       1/10     10.0%%  [  1.8,  40.4]   +40.0  [ %+5.1f,  %+5.1f]\n", -100*d.Hi, -100*d.Lo),
		"one       5/10     50.0%  [ 23.7,  76.3]\n",
		"three  not played: no\\x1b[2J tokens\n", "drop: success of part one less",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	data, err := json.Marshal(s)
	if err != nil || !strings.Contains(string(data), `"against":"one"`) || !strings.Contains(string(data), `"lost":4`) {
		t.Errorf("%s, %v", data, err)
	}
}

// TestSuiteSameReplies: a part whose replies are all those of the part that is compared with is named: its drop of 0 says nothing.
func TestSuiteSameReplies(t *testing.T) {
	for _, c := range []struct {
		one, two string
		same     bool
	}{{"Done.", "Done.", true}, {"Done.", "No.", false}, {"", "", false}} { // a model without room says nothing anywhere
		for _, columns := range [][]Column{nil, {{"A", "a"}}} {
			s := NewSuite("words", "", "own", columns)
			for name, text := range map[string]string{"own": c.one, "reworded": c.two} {
				tasks, res := outcome("x-", "a")
				for i := range res.Episodes {
					res.Episodes[i].Turns = []ballast.Turn{{Steps: []ballast.Step{{Text: text}}}}
				}
				s.Add(Part{Name: name}, tasks, res)
			}
			s.Close()
			data, err := json.Marshal(s)
			said := strings.Count(s.Table(), "part reworded: every reply is that of part own") == 1
			if said != c.same || err != nil || strings.Contains(string(data), `"same_replies":true`) != c.same {
				t.Errorf("%+v\n%s%s %v", c, s.Table(), data, err)
			}
		}
	}
}

// TestSuiteNothingPlayed: a machine that was down is no drop of 0.
func TestSuiteNothingPlayed(t *testing.T) {
	for _, columns := range [][]Column{nil, {{"A", "a"}}} {
		s := NewSuite("words", "", "one", columns)
		tasks, res := outcome("xx-", "a")
		s.Add(Part{Name: "one"}, tasks, res)
		tasks, down := outcome("---", "a")
		down.Total, down.Categories = Count{}, map[string]Count{}
		for i := range down.Episodes {
			down.Episodes[i].Stop = ballast.StopInfra
		}
		s.Add(Part{Name: "two"}, tasks, down)
		s.Close()
		if text := s.Table(); s.Parts[1].Difference != nil || strings.Contains(text, "+0.0") || columns == nil && !strings.Contains(text, "  -  -\n") {
			t.Errorf("%+v\n%s", s.Parts[1].Difference, text)
		}
	}
}

// TestColumns: each column has its figure, the last their mean with an interval that joins theirs, none where a
// column was not played.
func TestColumns(t *testing.T) {
	columns := []Column{{"A", "a"}, {"B", "b"}}
	s := NewSuite("paper", "two halves", "one", columns)
	tasks, res := outcome("xxxx--x---x-", "a", "b")
	s.Add(Part{Name: "one"}, tasks, res)
	tasks, res = outcome("x-----------", "a", "b")
	s.Add(Part{Name: "two"}, tasks, res)
	tasks, res = outcome("xx", "a")
	s.Add(Part{Name: "half"}, tasks, res)
	s.Close()
	one, two, half := s.Parts[0].Columns, s.Parts[1].Columns, s.Parts[2].Columns
	if len(one) != 3 || *one[0].Rate != 4.0/6 || *one[1].Rate != 2.0/6 || *one[2].Rate != 0.5 || *two[2].Rate != 1.0/12 || half[2].Rate != nil || half[1].Rate != nil {
		t.Fatalf("%+v", s.Parts)
	}
	below := math.Hypot(4.0/6-one[0].Lo, 2.0/6-one[1].Lo) / 2
	if math.Abs(one[2].Lo-(0.5-below)) > 1e-12 || !(one[2].Hi > 0.5) || one[2].Hi-one[2].Lo >= one[0].Hi-one[0].Lo {
		t.Errorf("the mean has %+v, the columns %+v", one[2], one[:2])
	}
	if d := two[2].Difference; d == nil || math.Abs(d.Mean+5.0/12) > 1e-12 || !(d.Lo < d.Mean && d.Mean < d.Hi) || one[2].Difference != nil {
		t.Errorf("%+v", two[2])
	}
	for _, want := range []string{"part    A ", "one      66.7% [ 30.0,  90.3]", "  drop  ", "half    100.0% [ 34.2, 100.0]", " - "} {
		if !strings.Contains(s.Table(), want) {
			t.Errorf("%q is not in\n%s", want, s.Table())
		}
	}
}

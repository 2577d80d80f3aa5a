package signal

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/credit"
	"ballast/loss"
	"ballast/rollout"
	"ballast/supervise"
	"ballast/task"
)

// learner answers -7 minus the position, so that log-probabilities show where they
// came from: the scripted sampler says 0. It counts the samples that it was asked for.
type learner struct {
	ballast.Learner
	asked int
}

func (l *learner) LogProbs(_ context.Context, samples []ballast.Sample) ([][]float32, error) {
	l.asked += len(samples)
	out := make([][]float32, len(samples))
	for i := range samples {
		out[i] = current(len(samples[i].Tokens))
	}
	return out, nil
}

// current is what the learner answers for n tokens.
func current(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = -7 - float32(i)
	}
	return out
}

// bench is an update in the making, and what its effect changes.
type bench struct {
	*Draft
	t       *testing.T
	learner *learner
	effect  Effect
}

const (
	groups = 2
	size   = 3 // episodes of a group
)

// open makes an update of two groups of three for one signal.
func open(t *testing.T, name string, set Settings) *bench {
	t.Helper()
	effects, err := Open(map[string]Settings{name: set}, size)
	if err != nil || len(effects) != 1 {
		t.Fatalf("%s: %d effects, %v", name, len(effects), err)
	}
	return with(t, effects[0])
}

// with makes an update of two groups of three for one effect.
func with(t *testing.T, e Effect) *bench {
	t.Helper()
	tmpl := chat.Templates["chatml"]
	control := chat.ControlTokens(tmpl)
	tok, err := bpe.Train(func(func(string) bool) {}, 256+len(control), control, bpe.Qwen2)
	if err != nil {
		t.Fatal(err)
	}
	wide := rollout.Budget{Prompt: 1 << 20, Episode: 1 << 20, Reply: 1 << 20, Result: 1 << 20, Steps: 1 << 10}
	l := &learner{}
	d := &Draft{
		Rollout: rollout.Config{Renderer: chat.Renderer{Tokenizer: tok, Template: tmpl, Format: chat.Formats["hermes"]}, Budget: wide},
		Learner: l, Judge: supervise.Oracle{}, Metrics: map[string]float64{}, Prompts: groups,
		Loss: Loss{KL: 0.25, Aggregate: "token-mean"},
	}
	list, err := task.Load(task.Spec{Name: "desk", Split: "train", Seed: 1, Count: groups, Categories: []string{"base"}})
	if err != nil {
		t.Fatal(err)
	}
	for g := range list {
		d.Tasks = append(d.Tasks, &list[g])
		for k := range size {
			d.Requests = append(d.Requests, rollout.Request{Task: &list[g], Group: g, Sample: k, Seed: uint64(10*g + k)})
		}
	}
	return &bench{d, t, l, e}
}

// plays lets the effect change the plays.
func (b *bench) plays() *bench {
	b.t.Helper()
	if err := b.effect.Requests(b.t.Context(), b.Draft); err != nil {
		b.t.Fatal(err)
	}
	return b
}

// play plays them by a policy that says "Done.", with the ordinary stamps: member k
// of group g has advantage 1+g+k/4.
func (b *bench) play() *bench {
	b.t.Helper()
	p := &rollout.Script{Reply: func([]int32, ballast.Request) []int32 {
		return chat.NewDialogue(b.Rollout.Renderer, nil, nil).Gold("Done.")
	}}
	eps, err := rollout.Run(b.t.Context(), p, b.Rollout, b.Requests, ballast.Sampling{})
	if err != nil {
		b.t.Fatal(err)
	}
	b.Groups = make([][]Member, groups)
	for i := range eps {
		ep, at := &eps[i], &b.Requests[i]
		ep.Score = credit.Score(ep, at.Task, credit.Options{})
		m := Member{Request: at, Episode: ep, Advantage: 1 + float64(at.Group) + float64(at.Sample)/4}
		m.Sample = Policy(ep, ballast.OwnerPolicy, m.Advantage, b.Loss)
		b.Groups[at.Group] = append(b.Groups[at.Group], m)
	}
	return b
}

// stamp lets the effect change the stamps; it returns the members as they were.
func (b *bench) stamp() (before [][]Member) {
	b.t.Helper()
	for _, g := range b.Groups {
		g = slices.Clone(g)
		for k := range g {
			for i, term := range g[k].Sample.Terms {
				g[k].Sample.Terms[i].Weight = slices.Clone(term.Weight)
			}
		}
		before = append(before, g)
	}
	if err := b.effect.Stamp(b.t.Context(), b.Draft); err != nil {
		b.t.Fatal(err)
	}
	return before
}

// weighs fails unless a term has weight w on the tokens of owner alone, and counts
// count; count 0 stands for the number of those tokens.
func weighs(t *testing.T, what string, m Member, term int, owner ballast.Owner, w, count float64) {
	t.Helper()
	n := 0.0
	got := m.Sample.Terms[term]
	if len(got.Weight) != len(m.Episode.Tokens) {
		t.Fatalf("%s: term %d has %d weights for %d tokens", what, term, len(got.Weight), len(m.Episode.Tokens))
	}
	for i, o := range m.Episode.Owners {
		want := 0.0
		if o == owner {
			want, n = w, n+1
		}
		if math.Abs(float64(got.Weight[i])-want) > 1e-6 {
			t.Fatalf("%s: term %d, token %d of %v weighs %v, want %v", what, term, i, o, got.Weight[i], want)
		}
	}
	if count == 0 {
		count = n
	}
	if n == 0 || got.Count != count {
		t.Errorf("%s: term %d counts %v, want %v; %v tokens", what, term, got.Count, count, n)
	}
}

// same fails unless a member's sample is as it was.
func same(t *testing.T, what string, got, want Member) {
	t.Helper()
	if !reflect.DeepEqual(got.Sample, want.Sample) {
		t.Errorf("%s: the sample changed", what)
	}
}

// TestSettings: what is wrong with a signal's settings is said by its key.
func TestSettings(t *testing.T) {
	hints := filepath.Join(t.TempDir(), "hints.jsonl")
	if err := os.WriteFile(hints, []byte(`{"task": "x"}`+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		set  Settings
		want string
	}{
		{"gold", Settings{"n": 0}, "gold: n: must lie between 1 and"},
		{"gold", Settings{"n": 4}, "gold: n: 4 of 3"},
		{"gold", Settings{"loss": "ratios"}, "gold: loss: \"ratios\" is not one of ratio"},
		{"gold", Settings{"m": 1}, "m"},
		{"hint", Settings{"n": 4}, "hint: n: 4 of 3"},
		{"hint", Settings{"from": "nobody"}, "hint: from: \"nobody\""},
		{"hint", Settings{"from": "file"}, "hint: file:"},
		{"hint", Settings{"file": hints}, "hint: file:"},
		{"hint", Settings{"from": "file", "file": hints}, "hints.jsonl:1"},
		{"hint", Settings{"from": "file", "file": hints + "x"}, "hints.jsonlx"},
		{"mix", Settings{"weight": 0}, "mix: weight:"},
		{"mix", Settings{"weight": math.NaN()}, "weight"},
		{"mix", Settings{"on": "some"}, "mix: on: \"some\""},
		{"mix", Settings{"formats": []any{"hermes", "morse"}}, "mix: formats:"},
		{"control", Settings{"kl": -1}, "control: kl:"},
		{"dynamic", Settings{"rounds": 0}, "dynamic: rounds:"},
		{"dynamic", Settings{"rounds": 101}, "dynamic: rounds:"},
		{"importance", Settings{"cap": 0.5}, "importance: cap: must lie between 1 and"},
		{"importance", Settings{"level": "turn"}, "importance: level: \"turn\" is not one of token, sequence"},
		{"golden", nil, "golden: no signal has that name; choose among: gold, hint, mix, control, dynamic, importance"},
	} {
		_, err := Open(map[string]Settings{c.name: c.set}, size)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %v: error %v, want one with %q", c.name, c.set, err, c.want)
		}
	}
}

// TestOpen: effects come in the order of the table, with what they write and add.
func TestOpen(t *testing.T) {
	effects, err := Open(map[string]Settings{"control": nil, "mix": {"formats": []any{"pythonic", "hermes"}}, "gold": {}, "hint": {}}, size)
	if err != nil {
		t.Fatal(err)
	}
	want := []Effect{goldEffect{N: 1, Loss: "ratio"}, hintEffect{N: 2, From: "oracle"},
		mixEffect{Weight: 0.1, On: "all", Formats: []string{"pythonic", "hermes"}}, controlEffect{KL: 0.01}}
	if !reflect.DeepEqual(effects, want) {
		t.Errorf("%+v", effects)
	}
}

// TestNeed: what signals need together, of their settings; files are not read for that.
func TestNeed(t *testing.T) {
	mixed := Settings{"formats": []any{"pythonic", "hermes"}}
	for _, c := range []struct {
		use  map[string]Settings
		want Needs
	}{
		{nil, Needs{}},
		{map[string]Settings{"gold": nil, "hint": nil}, Needs{Gold: []string{""}, Takes: 3}},
		{map[string]Settings{"hint": {"from": "judge"}, "control": nil}, Needs{Judge: true, Reference: true, Takes: 2}},
		{map[string]Settings{"gold": {"n": 3}, "mix": nil}, Needs{Gold: []string{"", ""}, Takes: 3, Groups: 1, Adds: 1}},
		{map[string]Settings{"dynamic": {"rounds": 7}}, Needs{Rounds: 7}},
		{map[string]Settings{"importance": nil}, Needs{Sampler: true}},
		{map[string]Settings{"hint": {"from": "file", "file": "/none"}, "mix": mixed},
			Needs{Files: []string{"/none"}, Gold: []string{"pythonic", "hermes"}, Takes: 2, Groups: 2, Adds: 1}},
	} {
		if got := Need(c.use); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v need %+v, want %+v", c.use, got, c.want)
		}
	}
}

// TestLay: settings over others, and null takes a signal out; neither is changed.
func TestLay(t *testing.T) {
	under := map[string]Settings{"gold": {"n": 1, "loss": "ratio"}, "hint": {"n": 2}}
	over := map[string]Settings{"gold": {"n": 3}, "hint": nil, "mix": {}}
	got := Lay(under, over)
	if want := (map[string]Settings{"gold": {"n": 3, "loss": "ratio"}, "mix": {}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if under["gold"]["n"] != 1 || len(under) != 2 || len(over["gold"]) != 1 {
		t.Errorf("what was laid changed: %v, %v", under, over)
	}
	if got := Lay(nil, over); len(got) != 2 || got["gold"]["n"] != 3 {
		t.Errorf("over nothing: %v", got)
	}
	for key, want := range map[string]bool{
		"rl.signals.gold": true, "phases[0].rl.signals.hint": true, "rl.signals.gold.n": false, "rl.signals": false, "url.signals.gold": false,
	} {
		if Off(key) != want {
			t.Errorf("null under %s turns a signal off: %t", key, !want)
		}
	}
}

// TestStamps: what a method puts on an episode, by the aggregate.
func TestStamps(t *testing.T) {
	ep := &ballast.Episode{Group: 3, Prompt: 1, Tokens: []int32{9, 8, 7, 6, 5}, LogProb: []float32{0, -1, -2, 0, -3},
		Owners: []ballast.Owner{ballast.OwnerUser, ballast.OwnerPolicy, ballast.OwnerPolicy, ballast.OwnerGold, ballast.OwnerPolicy}}
	at := func(term int, s ballast.Sample) []float32 { return s.Terms[term].Weight }
	for _, c := range []struct {
		what      string
		got       ballast.Sample
		term      int
		want      []float32
		count     float64
		reference []float32
		prefix    int
	}{
		{"token", Policy(ep, ballast.OwnerPolicy, -1.5, Loss{KL: 0.5, Aggregate: "token-mean"}), loss.TermPolicy,
			[]float32{0, -1.5, -1.5, 0, -1.5}, 3, []float32{0, .5, .5, 0, .5}, 1},
		{"sequence", Policy(ep, ballast.OwnerPolicy, -1.5, Loss{KL: 0.75, Aggregate: "sequence-mean"}), loss.TermPolicy,
			[]float32{0, -.5, -.5, 0, -.5}, 1, []float32{0, .25, .25, 0, .25}, 1},
		{"another term", Policy(ep, ballast.OwnerPolicy, -1.5, Loss{Aggregate: "token-mean", Term: loss.TermSequence}),
			loss.TermSequence, []float32{0, -1.5, -1.5, 0, -1.5}, 3, nil, 1},
		{"no reference", Policy(ep, ballast.OwnerGold, 2, Loss{Aggregate: "token-mean"}), loss.TermPolicy, []float32{0, 0, 0, 2, 0}, 1, nil, 1},
		{"gold", CrossEntropy(ep, 0, 5, 0.5), loss.TermCrossEntropy, []float32{0, 0, 0, .5, 0}, 1, nil, 0},
		{"before gold", CrossEntropy(ep, 0, 3, 0.5), loss.TermCrossEntropy, make([]float32, 5), 0, nil, 0},
	} {
		if !slices.Equal(at(c.term, c.got), c.want) || c.got.Terms[c.term].Count != c.count ||
			!slices.Equal(at(loss.TermReference, c.got), c.reference) || c.got.Prefix != c.prefix || c.got.Group != 3 {
			t.Errorf("%s: %+v", c.what, c.got)
		}
	}
	if s := Policy(ep, ballast.OwnerPolicy, 1, Loss{}); !slices.Equal(s.OldLogProb, ep.LogProb) {
		t.Errorf("old log-probabilities %v are not the sampler's", s.OldLogProb)
	}
	ep.LogProb = nil
	if s := Policy(ep, ballast.OwnerGold, 1, Loss{}); len(s.OldLogProb) != 5 {
		t.Error("nothing was sampled, and there are no old log-probabilities for the learner to fill")
	}
}

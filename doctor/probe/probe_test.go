package probe

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/model"
	"ballast/model/cpu"
	"ballast/rollout"
	"ballast/task"
)

// broken is a policy that knows every gold reply, but in format hermes wants a
// token more than the right one wherever it begins a reply or writes the body of
// a call: the closing tag out of place, a second opening one.
type broken struct {
	gold       map[string][]int32 // conversations by first prompt
	open, shut int32
	wants      bool // else it obeys its knowledge
}

func (p *broken) Watched() []int32 { return nil }

func (p *broken) Play(_ context.Context, convs []ballast.Conversation, _ ballast.Sampling) error {
	for _, c := range convs {
		var at []int32
		var gold []int32
		for {
			req, more := c.Next()
			if !more {
				break
			}
			if at = append(at, req.Append...); gold == nil {
				gold = p.gold[fmt.Sprint(at)]
			}
			var r ballast.Reply
			for len(r.Tokens) < req.Max {
				id := p.choose(gold[len(at)], r.Tokens, req.Mask)
				if req.Mask != nil {
					req.Mask.Advance(id)
				}
				r.Tokens, r.LogProb, at = append(r.Tokens, id), append(r.LogProb, -1), append(at, id)
				if slices.Contains(req.Stop, id) {
					break
				}
			}
			c.Take(r)
		}
	}
	return nil
}

func (p *broken) choose(right int32, reply []int32, m ballast.Mask) int32 {
	inside := slices.Contains(reply, p.open) && !slices.Contains(reply, p.shut)
	want := p.shut
	if inside {
		want = p.open
	}
	if p.wants && (len(reply) == 0 || inside && right != p.shut) && (m == nil || m.Allows(want)) {
		return want
	}
	return right
}

func setup(t *testing.T) (chat.Renderer, rollout.Config, []ballast.Task) {
	t.Helper()
	m, err := model.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := task.Load(task.Spec{Name: "desk", Split: "test", Seed: 1, Count: 12})
	if err != nil {
		t.Fatal(err)
	}
	s := chat.Renderer{Tokenizer: m.Tokenizer, Template: chat.Compact, Format: chat.Hermes}
	return s, rollout.Config{Renderer: s, Budget: rollout.Budget{Prompt: 4000, Episode: 4000, Reply: 200, Result: 400, Steps: 20}}, tasks
}

// knowing returns a policy that knows the gold conversations of the styles.
func knowing(t *testing.T, cfg rollout.Config, tasks []ballast.Task, styles ...chat.Renderer) *broken {
	t.Helper()
	p := &broken{gold: map[string][]int32{}}
	p.open, _ = cfg.Renderer.Tokenizer.ID("<tool_call>")
	p.shut, _ = cfg.Renderer.Tokenizer.ID("</tool_call>")
	for _, s := range styles {
		cfg.Renderer = s
		var plays []rollout.Request
		for i := range tasks {
			plays = append(plays, rollout.Request{Task: &tasks[i], Gold: true})
		}
		eps, err := rollout.Run(context.Background(), nil, cfg, plays, ballast.Sampling{})
		if err != nil {
			t.Fatal(err)
		}
		for _, ep := range eps {
			p.gold[fmt.Sprint(ep.Tokens[:ep.Prompt])] = ep.Tokens
		}
	}
	return p
}

// TestMaskRecovers: a policy whose control tokens are broken solves nothing, and
// everything once it is constrained.
func TestMaskRecovers(t *testing.T) {
	s, cfg, tasks := setup(t)
	variants, err := Variants(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := knowing(t, cfg, tasks, s)
	p.wants = true
	r, err := Run(context.Background(), p, cfg, variants[:3], tasks, ballast.Sampling{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, 12, 12} {
		if o := r.Outcomes[i]; o.Success.OK != want || o.Infra != 0 {
			t.Errorf("%s: solved %d of %d, want %d\n%s", o.Variant, o.Success.OK, o.Success.All, want, r.Table())
		}
	}
	d := r.Outcomes[1].Hidden
	if d == nil || d.Gained != 12 || d.Lost != 0 || d.Mean != 1 || d.Lo < 0.6 || d.Hi != 1 || d.P > 0.001 {
		t.Errorf("hidden by format: %+v", d)
	}
	if f := r.Outcomes[0].Kinds; f[ballast.KindPolluted]+f[ballast.KindCollapsed] != 12 {
		t.Errorf("plain forms %v", f)
	}
}

// TestHealthyPolicyHidesNothing: where no forbidden token is drawn, constraints
// change no episode; the other format is played in its own style.
func TestHealthyPolicyHidesNothing(t *testing.T) {
	s, cfg, tasks := setup(t)
	variants, err := Variants(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range variants {
		names = append(names, v.Name)
	}
	if got := strings.Join(names, " "); got != "plain control grammar pythonic" {
		t.Fatalf("variants %s", got)
	}
	p := knowing(t, cfg, tasks, s, variants[3].Renderer)
	r, err := Run(context.Background(), p, cfg, variants, tasks, ballast.Sampling{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range r.Outcomes {
		if o.Success.OK != 12 || o.Hidden != nil && (o.Hidden.Gained != 0 || o.Hidden.Lost != 0 || o.Hidden.P != 1) {
			t.Errorf("%s: %+v %+v", o.Variant, o.Success, o.Hidden)
		}
	}
}

// TestConstrainedSampling: a real sampler at temperature 1 draws no forbidden
// control token under the mask, and is the plain one where it never drew one.
func TestConstrainedSampling(t *testing.T) {
	m, err := model.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	_, cfg, tasks := setup(t)
	cfg.Budget.Reply = 60
	variants, err := Variants(chat.Renderer{Tokenizer: m.Tokenizer, Template: chat.Compact, Format: chat.Hermes}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(context.Background(), cpu.NewPolicy(m, cpu.Options{}), cfg, variants[:2], tasks, ballast.Sampling{Temperature: 1.3}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range []string{"nested_tag", "stray_close", "control_in_text", "only_control"} {
		if n := r.Outcomes[1].Reasons[fault]; n > 0 {
			t.Errorf("%d replies with %s under the mask", n, fault)
		}
	}
	if len(r.Outcomes[0].Reasons) == 0 {
		t.Error("the plain policy made no mistake: the test shows nothing")
	}
}

func TestVariantsRefuse(t *testing.T) {
	s, _, _ := setup(t)
	for _, name := range []string{"morse", "hermes"} {
		if _, err := Variants(s, []string{name}); err == nil {
			t.Errorf("other format %s: no error", name)
		}
	}
}

func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	if list, err := Load(dir); err != nil || len(list) != 0 {
		t.Fatalf("%v, %v", list, err)
	}
	d := Difference{Pairs: 10, Gained: 4, Lost: 1, Mean: 0.3, Lo: -0.05, Hi: 0.6, P: 0.375}
	want := Result{Model: "m", Update: 7, Count: 10, Outcomes: []Outcome{{Variant: Plain}, {Variant: "control", Hidden: &d}}}
	want.Outcomes[0].Success.OK, want.Outcomes[0].Success.All = 4, 10
	path, err := want.Save(dir)
	if err != nil || filepath.Base(path) != "000007.json" {
		t.Fatalf("%s, %v", path, err)
	}
	list, err := Load(dir)
	if err != nil || len(list) != 1 || list[0].Outcomes[0].Success.OK != 4 || *list[0].Outcomes[1].Hidden != d {
		t.Errorf("%+v, %v", list, err)
	}
}

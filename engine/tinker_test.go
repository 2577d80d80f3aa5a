package engine

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/loss"
	"ballast/model/served"
	"ballast/tinker/tinkertest"
)

// TestTinkerRefuses: what a server decides or cannot take is an error that names the key.
func TestTinkerRefuses(t *testing.T) {
	for set, key := range map[string]string{
		"lora={rank: 2, alpha: 8}":             "lora.alpha",
		"lora={rank: 2, targets: [q_proj]}":    "lora.targets",
		"lora={rank: 2, start: nowhere}":       "lora.start",
		"guard.do=stop":                        "guard.do",
		"engine.key=BALLAST_NO_SUCH_KEY":       "",
		"engine={kind: tinker, address: x://}": "",
	} {
		r := grpo(t, "engine={kind: tinker, address: 'http://127.0.0.1:1'}", set)
		if err := Check(r); key != "" && (err == nil || !strings.Contains(err.Error(), key+":")) {
			t.Errorf("%s: %v", set, err)
		}
		if _, err := Open(t.Context(), r, tiny(), nil); err == nil {
			t.Errorf("%s: it opens", set)
		}
	}
}

// TestTinkerAddress: an address at which no training server is names its key, in training, in sampling and in what is said of the
// engine here; a key that is not there is not the address's fault.
func TestTinkerAddress(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer page.Close()
	for at, want := range map[string]string{page.URL: "speak the Tinker protocol", "127.0.0.1:8000": "is not the address", "http://u:p@h": "a password"} {
		r := grpo(t, "engine={kind: tinker, address: '"+at+"'}")
		_, opened := Open(t.Context(), r, tiny(), nil)
		_, sampled := Sampler(t.Context(), r, tiny(), nil)
		_, here := Here(r)
		for _, err := range []error{opened, sampled, here} {
			if err == nil || !strings.HasPrefix(err.Error(), "engine.address: ") || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want engine.address and %s", at, err, want)
			}
		}
	}
	if _, err := Open(t.Context(), grpo(t, "engine={kind: tinker, address: '"+page.URL+"', key: BALLAST_NO_SUCH_KEY}"), tiny(), nil); err == nil ||
		!strings.HasPrefix(err.Error(), "engine.key: ") {
		t.Error(err)
	}
}

// TestTinkerBase: the model is the one that the recipe names, the one that the server serves
// alone, or an error that names those that it serves.
func TestTinkerBase(t *testing.T) {
	at := server(t)
	open := func(set ...string) error {
		e, err := Sampler(t.Context(), grpo(t, append([]string{"engine={kind: tinker, address: '" + at + "'}"}, set...)...), tiny(), nil)
		if err == nil {
			must(t, e.Close())
		}
		return err
	}
	if err := open(); err != nil {
		t.Error(err)
	}
	if err := open("engine.model=toy"); err != nil {
		t.Error(err)
	}
	if err := open("model=Qwen/Qwen3-0.6B"); err == nil || !strings.Contains(err.Error(), "engine.model") {
		t.Errorf("another published model is taken for the one that is served: %v", err)
	}
	if err := open("engine.model=another"); err == nil {
		t.Error("a model that the server does not serve is sampled from")
	}
}

// TestTinkerTrainsOn: a checkpoint's folder as the model is what its server keeps: to sample with,
// and to train on with fresh moments.
func TestTinkerTrainsOn(t *testing.T) {
	s := tinkertest.New(tinkertest.Options{Vocab: 50, Order: 2, Seed: 1, Habits: tinkertest.TuFT()})
	defer s.Close()
	r := grpo(t, "engine={kind: tinker, address: '"+s.URL+"', reduction: sum}", "lora.rank=2")
	e, err := Open(t.Context(), r, tiny(), nil)
	must(t, err)
	x := ballast.Sample{Tokens: []int32{1, 2, 3, 4}}
	x.Terms[loss.TermCrossEntropy] = ballast.Term{Weight: []float32{0, 1, 1, 1}, Count: 3}
	_, err = e.Learner().Update(t.Context(), []ballast.Sample{x}, 0.1)
	must(t, err)
	must(t, e.Sync(t.Context()))
	ask := ballast.Request{Append: []int32{1, 2, 3}, Max: 4}
	want := play(t, e, ask)
	dir := filepath.Join(t.TempDir(), "c")
	must(t, e.Learner().Save(dir))
	must(t, e.Close())

	r.Model = dir
	only, err := Sampler(t.Context(), r, tiny(), nil)
	must(t, err)
	if got := play(t, only, ask); !slices.Equal(got.Tokens, want.Tokens) || !slices.Equal(got.LogProb, want.LogProb) {
		t.Errorf("it samples %+v, want %+v", got, want)
	}
	must(t, only.Close())
	on, err := Open(t.Context(), r, tiny(), nil)
	must(t, err)
	if got := play(t, on, ask); !slices.Equal(got.LogProb, want.LogProb) {
		t.Errorf("it trains on from %+v, want %+v", got, want)
	}
	must(t, on.Close())
	must(t, r.Set("lora.rank=4"))
	if _, err := Open(t.Context(), r, tiny(), nil); err == nil || !strings.Contains(err.Error(), "lora.rank") {
		t.Errorf("another rank: %v", err)
	}
}

// habits are those of servers that differ in what becomes of a model's samplers.
var habits = []tinkertest.Habits{tinkertest.SkyRL(), tinkertest.TuFT(), tinkertest.Hosted()}

// TestTinkerResets: the policy samples as before where the optimiser starts afresh, which is
// another model on the server, also where the first one's samplers go with it.
func TestTinkerResets(t *testing.T) {
	for _, h := range habits {
		s := tinkertest.New(tinkertest.Options{Vocab: 50, Order: 2, Seed: 1, Habits: h})
		defer s.Close()
		e, err := Open(t.Context(), grpo(t, "engine={kind: tinker, address: '"+s.URL+"', reduction: sum}", "lora.rank=2"), tiny(), nil)
		must(t, err)
		ask := ballast.Request{Append: []int32{1, 2, 3}, Max: 4}
		want := play(t, e, ask)
		must(t, e.Learner().ResetOptimizer())
		if got := play(t, e, ask); got.Err != nil || !slices.Equal(got.LogProb, want.LogProb) {
			t.Errorf("%s: it samples %+v, want %+v", h.Name, got, want)
		}
		must(t, e.Close())
	}
}

// TestTinkerLost: where the server lost the weights, a play ends with an error that is none of the
// episodes', or its replies are errors; nothing waits for them to come back. What is gone needs no
// leave.
func TestTinkerLost(t *testing.T) {
	for _, h := range habits {
		s := tinkertest.New(tinkertest.Options{Vocab: 50, Order: 2, Seed: 1, Habits: h})
		defer s.Close()
		e, err := Open(t.Context(), grpo(t, "engine={kind: tinker, address: '"+s.URL+"', reduction: sum}", "lora.rank=2"), tiny(), nil)
		must(t, err)
		s.Restart()
		var all []ballast.Conversation
		var talks []*onceAround
		for range 20 { // more than it takes to leave a server out
			c := &onceAround{req: ballast.Request{Append: []int32{1, 2, 3}, Max: 4}}
			all, talks = append(all, c), append(talks, c)
		}
		err = e.Policy().Play(t.Context(), all, ballast.Sampling{})
		if lost := new(served.LostError); err != nil && !errors.As(err, &lost) || errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", h.Name, err)
		}
		for _, c := range talks {
			if err == nil && (c.reply == nil || c.reply.Err == nil) {
				t.Errorf("%s: a reply without weights: %+v", h.Name, c.reply)
			}
		}
		if err := e.Close(); err != nil {
			t.Errorf("%s: %v", h.Name, err)
		}
	}
}

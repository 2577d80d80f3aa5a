//go:build large

package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"ballast"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/recipe/record"
	"ballast/runlog"
	"ballast/supervise"
)

// TestSmolLM2Learns: one supervised phase on 64 gold turns lowers the
// cross-entropy of gold replies in test tasks. BALLAST_SMOLLM2 names a folder or
// GGUF file of SmolLM2-135M-Instruct; it takes minutes.
func TestSmolLM2Learns(t *testing.T) {
	path := os.Getenv("BALLAST_SMOLLM2")
	if path == "" {
		t.Fatal("set BALLAST_SMOLLM2 to SmolLM2-135M-Instruct to run this")
	}
	r, err := recipe.New("sft")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "recipes", "smollm2-135m.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Apply("smollm2-135m.yaml", text); err != nil {
		t.Fatal(err)
	}
	r.Model, r.SFT.Epochs, r.SFT.Batch = path, 1, 4
	r.Tasks.Count, r.Tasks.Test, r.Keep = 40, 8, recipe.Keep{}
	p, err := newRun(t.Context(), &r, loop.State{}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	run := p.run
	for k, n := 0, 0; k < len(run.Train); k++ { // 64 turns, whole dialogues
		if n += supervise.Replies(&run.Train[k]); n >= 64 {
			run.Train = run.Train[:k+1]
			t.Logf("%d gold turns of %d dialogues", n, k+1)
			break
		}
	}
	held := run.Eval
	run.Eval = nil // no evaluation: it would sample
	before := crossEntropy(t, run, held)
	log, err := runlog.Create(filepath.Join(t.TempDir(), "run"), r.YAML())
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	run.Log = record.Log{Run: log, Keep: 1}
	run.Observe = func(u ballast.Update, _ loop.Progress) { t.Logf("update %d: %s", u.Index, line(u, "")) }
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	after := crossEntropy(t, run, held)
	t.Logf("held-out cross-entropy: %.4f before, %.4f after %d updates", before, after, run.State.Update)
	if !(after < before) {
		t.Errorf("it did not fall")
	}
}

// crossEntropy is the mean -log p of gold's tokens, in nats.
func crossEntropy(t *testing.T, run *loop.Run, tasks []ballast.Task) float64 {
	t.Helper()
	var list []*ballast.Task
	for i := range tasks {
		list = append(list, &tasks[i])
	}
	eps, err := supervise.Gold(context.Background(), run.Recipe.Rollout(run.Engine.Renderer), list)
	if err != nil {
		t.Fatal(err)
	}
	var samples []ballast.Sample
	for _, ep := range eps {
		samples = append(samples, ballast.Sample{Tokens: ep.Tokens, Group: ep.Group})
	}
	logp, err := run.Engine.Learner().LogProbs(context.Background(), samples)
	if err != nil {
		t.Fatal(err)
	}
	sum, n := 0.0, 0.0
	for i, ep := range eps {
		for k, o := range ep.Owners {
			if o == ballast.OwnerGold {
				sum -= float64(logp[i][k])
				n++
			}
		}
	}
	return sum / n
}

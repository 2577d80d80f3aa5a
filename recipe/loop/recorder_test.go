package loop

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"ballast"
	"ballast/bounded"
	"ballast/loss"
)

// fake is an engine of a scripted policy and a recorder.
type fake struct {
	policy  ballast.Policy
	learner ballast.Learner
}

func (f *fake) Policy() ballast.Policy     { return f.policy }
func (f *fake) Learner() ballast.Learner   { return f.learner }
func (f *fake) Sync(context.Context) error { return nil }
func (f *fake) Close() error               { return nil }

// Recorder is the deterministic fake of a learner: it keeps what it was given
// and learns nothing, so that a method can be tested as token weights with no
// model.
type Recorder struct {
	Batches [][]ballast.Sample
	Rates   []float64
	Frozen  int // calls of Freeze
	Resets  int // calls of ResetOptimizer
	Stats   ballast.Stats
	LogProb float32 // what LogProbs answers for every token; 0 = certain
}

// Update records. Like the real one it refuses a policy term
// without old log-probabilities.
func (r *Recorder) Update(_ context.Context, samples []ballast.Sample, rate float64) (ballast.Stats, error) {
	if err := check(samples); err != nil {
		return nil, err
	}
	r.Batches = append(r.Batches, samples)
	r.Rates = append(r.Rates, rate)
	return r.Stats, nil
}

func check(samples []ballast.Sample) error {
	for i, s := range samples {
		if s.Terms[loss.TermPolicy].Weight != nil && len(s.OldLogProb) != len(s.Tokens) {
			return fmt.Errorf("sample %d: a policy term needs OldLogProb", i)
		}
	}
	return nil
}

func (r *Recorder) LogProbs(_ context.Context, samples []ballast.Sample) ([][]float32, error) {
	if err := check(samples); err != nil {
		return nil, err
	}
	out := make([][]float32, len(samples))
	for i, s := range samples {
		out[i] = make([]float32, len(s.Tokens))
		for k := range out[i] {
			out[i][k] = r.LogProb
		}
	}
	return out, nil
}

// Reference has none.
func (r *Recorder) Reference(context.Context, []ballast.Sample, []int32) ([][][]float32, error) {
	return nil, nil
}

func (r *Recorder) Freeze() error { r.Frozen++; return nil }

func (r *Recorder) ResetOptimizer() error { r.Resets++; return nil }

// Save writes the number of updates seen.
func (r *Recorder) Save(dir string) error {
	data, err := json.Marshal(len(r.Batches))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "recorder.json"), data, 0o644)
}

// Load restores no batches.
func (r *Recorder) Load(dir string) error {
	_, err := bounded.ReadFile(filepath.Join(dir, "recorder.json"), bounded.KiB)
	return err
}

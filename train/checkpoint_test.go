package train

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"ballast/train/plan"
)

// sameBits compares two learners' weights exactly.
func sameBits(t *testing.T, a, b *Learner) {
	t.Helper()
	for i, s := range a.host().w.specs {
		for k, x := range a.host().w.flat[i] {
			if math.Float32bits(x) != math.Float32bits(b.host().w.flat[i][k]) {
				t.Fatalf("%s differs at %d: %g and %g", s.Name, k, x, b.host().w.flat[i][k])
			}
		}
	}
}

func fresh(t *testing.T, cut plan.Plan) *Learner {
	t.Helper()
	_, _, opts := readGolden(t)
	l := newVariant(t, load(t, "..", "model", "testdata", "qwen2"), opts, cut)
	must(t, l.Freeze())
	return l
}

func steps(t *testing.T, l *Learner, n int) {
	t.Helper()
	_, samples, _ := readGolden(t)
	for range n {
		_, err := l.Update(context.Background(), samples, 1e-3)
		must(t, err)
	}
}

func TestSameBits(t *testing.T) {
	for name, cut := range variants {
		t.Run(name, func(t *testing.T) {
			a, b := fresh(t, cut), fresh(t, cut)
			steps(t, a, 3)
			steps(t, b, 3)
			sameBits(t, a, b)
		})
	}
}

func TestSaveAndLoadContinue(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "checkpoint")
	a, b := fresh(t, variants["kept"]), fresh(t, variants["kept"])
	steps(t, a, 2)
	must(t, a.Save(dir))
	steps(t, b, 1) // leaves traces that Load must wipe
	must(t, b.ResetOptimizer())
	must(t, b.Load(dir))
	sameBits(t, a, b)
	steps(t, a, 2)
	steps(t, b, 2)
	sameBits(t, a, b)
}

func TestLoadRefusesDamage(t *testing.T) {
	a := fresh(t, variants["kept"])
	steps(t, a, 1)
	dir := filepath.Join(t.TempDir(), "checkpoint")
	must(t, a.Save(dir))
	path := filepath.Join(dir, "learner.bin")
	whole, err := os.ReadFile(path)
	must(t, err)
	for name, change := range map[string]func([]byte) []byte{
		"cut":     func(b []byte) []byte { return b[:len(b)-9] },
		"flipped": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"magic":   func(b []byte) []byte { b[0] = 'x'; return b },
		"empty":   func([]byte) []byte { return nil },
	} {
		must(t, os.WriteFile(path, change(append([]byte(nil), whole...)), 0o666))
		before := a.snapshot()
		if err := a.Load(dir); err == nil {
			t.Errorf("%s: loaded", name)
		}
		for i, s := range a.host().w.specs {
			if distance(a.host().w.flat[i], before[s.Name]) != 0 {
				t.Errorf("%s: weights changed", name)
			}
		}
	}
}

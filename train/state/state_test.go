package state

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast/model"
)

var specs = []model.Spec{{Name: "a", Shape: []int{2, 3}}, {Name: "b", Shape: []int{1}}, {Name: "long", Shape: []int{1 << 15}}}

// tensor is one with numbers of every kind, another for each seed.
func tensor(i int, seed float32) []float32 {
	x := make([]float32, specs[i].Shape[0])
	if i == 0 {
		x = make([]float32, 6)
	}
	for k := range x {
		x[k] = seed + float32(i) + float32(k)/7
	}
	x[0] = []float32{float32(math.Copysign(0, -1)), math.SmallestNonzeroFloat32, float32(math.Inf(1))}[i]
	return x
}

func source(reference bool) Source {
	s := Source{Tensors: len(specs), Steps: 1 << 33, Moments: func(i int) (m, v []float32) { return tensor(i, 1), tensor(i, 2) }}
	if reference {
		s.Reference = func(i int) []float32 { return tensor(i, 3) }
	}
	return s
}

func same(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d numbers, want %d", what, len(got), len(want))
	}
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s differs at %d: %v, want %v", what, i, got[i], want[i])
		}
	}
}

// TestRoundTrip: what was saved is loaded to the bit, with a reference or without.
func TestRoundTrip(t *testing.T) {
	for _, reference := range []bool{true, false} {
		dir := t.TempDir()
		if err := Save(dir, source(reference)); err != nil {
			t.Fatal(err)
		}
		opt, ref, err := Load(dir, specs)
		if err != nil {
			t.Fatal(err)
		}
		if opt.Steps != 1<<33 || (ref != nil) != reference {
			t.Errorf("%d steps, reference %t", opt.Steps, ref != nil)
		}
		for i := range specs {
			same(t, "first moment", opt.M[i], tensor(i, 1))
			same(t, "second moment", opt.V[i], tensor(i, 2))
			if reference {
				same(t, "reference", ref[i], tensor(i, 3))
			}
		}
	}
}

// TestDamage: a file that is cut anywhere, changed anywhere or of another model is an
// error that names it.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "learner.bin")
	if _, _, err := Load(dir, specs); err == nil || !strings.Contains(err.Error(), "no optimiser state") {
		t.Errorf("no file: %v", err)
	}
	if err := Save(dir, source(true)); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if sum := binary.LittleEndian.Uint32(whole[len(whole)-4:]); sum != crc32.ChecksumIEEE(whole[:len(whole)-4]) {
		t.Error("the file does not end with the CRC-32 of all before it")
	}
	refused := func(what string, data []byte, specs []model.Spec, want string) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		if opt, ref, err := Load(dir, specs); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) || opt.M != nil || ref != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, n := range []int{0, 5, len(magic), len(magic) + 12, 100, len(whole) / 2, len(whole) - 4, len(whole) - 1} {
		refused("cut", whole[:n], specs, "cut short or damaged")
	}
	for _, at := range []int{len(magic), len(magic) + 8, len(magic) + 30, len(whole) / 2, len(whole) - 1} {
		changed := append([]byte(nil), whole...)
		changed[at] ^= 4
		refused("changed", changed, specs, "cut short or damaged")
	}
	other := append([]model.Spec(nil), specs...)
	other[1].Shape = []int{2}
	refused("another model", whole, other, "tensor b has 1 elements, want 2")
	refused("another version", []byte(strings.Replace(string(whole), "learner 1", "learner 9", 1)), specs, "not a learner state of this version")
}

// TestSaveFails: a folder that is not there is an error, and no part of a file is left.
func TestSaveFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	if err := Save(dir, source(false)); err == nil {
		t.Error("saved into a folder that is not there")
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("something was left")
	}
}

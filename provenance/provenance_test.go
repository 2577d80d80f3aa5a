package provenance

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestAgainst(t *testing.T) {
	was := Program{Version: "v1.2.0", Commit: "0123456789abcdef", Results: 4, Go: "go1.26", System: "linux/amd64", SIMD: true, Kernels: "AVX2", Engine: "cpu", CPU: "A", Cores: 2}
	for _, row := range []struct {
		change   func(*Program)
		refused  string
		rounding string
	}{
		{func(p *Program) {}, "", ""},
		{func(p *Program) { p.CPU, p.Cores, p.Version, p.Commit, p.Modified = "B", 64, "v1.3.0", "fedcba", true }, "", ""},
		{func(p *Program) { p.Kernels = "AVX-512" }, "", "instruction set AVX-512, was AVX2"},
		{func(p *Program) { p.System, p.Go = "darwin/arm64", "go1.27" }, "", "system darwin/arm64, was linux/amd64 Go go1.27, was go1.26"},
		{func(p *Program) { p.Engine = "XLA" }, "", "engine XLA, was cpu"},
		{func(p *Program) { p.Results = 5 }, "v1.2.0 (commit 0123456789ab)", ""},
		{func(p *Program) { p.SIMD = false }, "GOEXPERIMENT=simd", ""},
	} {
		now := was
		row.change(&now)
		refused, rounding := was.Against(&now)
		if (refused == "") != (row.refused == "") || !strings.Contains(refused, row.refused) || strings.Join(rounding, " ") != row.rounding {
			t.Errorf("%+v: %q, %q", now, refused, rounding)
		}
	}
	now := was
	was.SIMD = false
	if refused, _ := was.Against(&now); !strings.Contains(refused, "without vector code") {
		t.Errorf("%q", refused)
	}
}

func TestHere(t *testing.T) {
	p := Here(true, "AVX2", "cpu", "geheim99")
	if p.Results != Results || p.Go == "" || p.Cores < 1 || p.Time.IsZero() || len(p.Command) != len(os.Args) {
		t.Errorf("%+v", p)
	}
	got := command([]string{"ballast", "--set", "judge={url: https://me:geheim00@host/v1?api_key=abcd}", "geheim99", "--set=x=geheim99"}, "geheim99")
	if text := strings.Join(got, " "); strings.Contains(text, "geheim") || strings.Contains(text, "abcd") || !strings.Contains(text, "me:") || !strings.Contains(text, "judge={url: https://") {
		t.Error(text)
	}
}

func TestInputs(t *testing.T) {
	was := Inputs{"a": "1", "b": "2", "c": "3"}
	if got := was.Differs(Inputs{"a": "1", "b": "2", "c": "3"}); got != "" {
		t.Error(got)
	}
	if got := was.Differs(Inputs{"a": "1", "b": "9", "d": "4"}); got != "b has changed, c is gone, d is new" {
		t.Error(got)
	}
	if got := was.Differs(Inputs{"x": "1", "y": "9", "z": "4"}); got != "a is gone, b is gone, c is gone, and 3 more" {
		t.Error(got)
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(path, []byte("abc"), 0o666); err != nil {
		t.Fatal(err)
	}
	sum, size, err := File(path)
	if err != nil || size != 3 || sum != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" || sum != Bytes([]byte("abc")) {
		t.Errorf("%s, %d, %v", sum, size, err)
	}
	if _, _, err := File(filepath.Dir(path)); err == nil {
		t.Error("a folder has a hash")
	}
}

// TestSeal: no flipped bit, no byte more or less goes unseen.
func TestSeal(t *testing.T) {
	data, err := Seal(map[string]any{"a": 1, "b": map[string]any{"sha256": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := Sealed(data); !ok || err != nil {
		t.Fatalf("%v, %v\n%s", ok, err, data)
	}
	for i := range data {
		for bit := range 8 {
			bad := append([]byte(nil), data...)
			bad[i] ^= 1 << bit
			if ok, err := Sealed(bad); ok && !errors.Is(err, errBroken) {
				t.Errorf("byte %d, bit %d: %v", i, bit, err)
			}
		}
		if ok, err := Sealed(data[:i]); ok && err == nil {
			t.Errorf("cut at %d", i)
		}
	}
	if ok, err := Sealed(append(data, '\n')); !ok || !errors.Is(err, errBroken) {
		t.Errorf("one byte more: %v, %v", ok, err)
	}
	if ok, err := Sealed([]byte(`{"a":1}`)); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if _, err := Seal([]int{1}); err == nil {
		t.Error("a list was sealed")
	}
	if !reflect.DeepEqual(sealClose, []byte("\"\n}\n")) {
		t.Error("the end of a sealed file changed")
	}
}

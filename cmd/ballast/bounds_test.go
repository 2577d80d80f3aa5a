package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// each calls f for every command.
func each(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		each(sub, f)
	}
}

// TestNumericFlags: every numeric flag has a range, and a value outside of it is an
// error that names the flag.
func TestNumericFlags(t *testing.T) {
	n := 0
	values := []string{fmt.Sprint(math.MaxInt64), fmt.Sprint(math.MinInt64), "-1", "1e308", "-1e308", "nan", "inf", "-inf", "18446744073709551615", "99999999999999999999", "2000000h", "-1s", "1e309"}
	each(newRoot(), func(c *cobra.Command) {
		if c.PersistentPreRunE != nil && c.HasParent() {
			t.Errorf("%s: it hides the check of flags", c.CommandPath())
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if _, is := number(f); !is || f.Name == "seed" || f.Name == "draw" { // any number is a seed
				return
			}
			n++
			if _, has := flagRanges[f.Name]; !has {
				t.Errorf("%s --%s has no range", c.CommandPath(), f.Name)
			}
			for _, v := range values {
				err := c.Flags().Set(f.Name, v)
				if err == nil {
					err = checkFlags(c, nil)
				}
				if err == nil || !strings.Contains(err.Error(), f.Name) {
					t.Errorf("%s --%s=%s: %v", c.CommandPath(), f.Name, v, err)
				}
			}
			// Put it back: the others of this command are next.
			if err := c.Flags().Set(f.Name, f.DefValue); err != nil {
				t.Fatal(err)
			}
			f.Changed = false
		})
	})
	if n < 20 {
		t.Errorf("only %d numeric flags", n)
	}
}

// quickly runs a command line in this process; it must end within the time.
func quickly(t *testing.T, limit time.Duration, args ...string) error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		root := newRoot()
		root.SetArgs(args)
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		done <- root.ExecuteContext(context.Background())
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		t.Errorf("ballast %.100s: no end after %v", strings.Join(args, " "), limit)
		return fmt.Errorf("no end")
	}
}

// TestPipesAreErrors: whatever names a file or a folder from outside, a pipe there is
// an error at once.
func TestPipesAreErrors(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	folder := func(name string, pipes ...string) string {
		d := filepath.Join(dir, name)
		for _, p := range pipes {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(d, p)), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(filepath.Join(d, p), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		return d
	}
	folder(".", "pipe", "pipe.jsonl", "pipe.parquet", "pipe.gguf", "pipe.yaml")
	config := folder("config", "config.json")
	tokenizer := folder("tokenizer", "tokenizer.json", "model.safetensors")
	if err := os.WriteFile(filepath.Join(tokenizer, "config.json"), []byte(`{"architectures": ["Qwen2ForCausalLM"], "vocab_size": 8, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1}`), 0o666); err != nil {
		t.Fatal(err)
	}
	data := folder("data", "BFCL_v4_multi_turn_base.json", "BFCL_v4_multi_turn_miss_func.json", "BFCL_v4_multi_turn_miss_param.json", "BFCL_v4_multi_turn_long_context.json", "long_context.json")
	for _, args := range [][]string{
		{"train", "quickstart", "--dry-run", "--config", pipe},
		{"train", "sft", "--dry-run", "--model", config},
		{"train", "sft", "--dry-run", "--model", tokenizer},
		{"train", "sft", "--dry-run", "--model", pipe + ".gguf"},
		{"task", "list", "--tasks", "bfcl", "--data", data},
		{"train", "quickstart", "--out", filepath.Join(dir, "out"), "--set", "phases=[{sft: file}]", "--set", "sft.file=" + pipe + ".jsonl"},
		{"train", "quickstart", "--out", filepath.Join(dir, "out2"), "--set", "phases=[{sft: file}]", "--set", "sft.file=" + pipe + ".parquet"},
		{"eval", "--model", config},
		{"eval", "--model", pipe + ".gguf"},
		{"model", "inspect", config},
		{"model", "inspect", tokenizer},
		{"model", "inspect", pipe + ".gguf"},
		{"study", pipe + ".yaml", "--out", filepath.Join(dir, "study")},
		{"world", "replay", "--golden", pipe},
		{"data", "import", "bfcl", "--from", data, "--to", filepath.Join(dir, "to")},
	} {
		err := quickly(t, 20*time.Second, args...)
		if err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("ballast %s: %v", strings.Join(args, " "), err)
		}
	}
}

// TestBombsAsRecipes: YAML that expands or nests without end is an error as a
// configuration, as a setting, and as a plan.
func TestBombsAsRecipes(t *testing.T) {
	dir := t.TempDir()
	laughs := "methods:\n  other:\n    a: &a [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n"
	for c := 'b'; c <= 'i'; c++ {
		laughs += fmt.Sprintf("    %c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), ","))
	}
	for name, text := range map[string]string{"aliases": laughs, "deep": "methods: {x: " + strings.Repeat("[", 200_000), "closed": "methods: {x: " + strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000) + "}"} {
		path := filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"train", "quickstart", "--dry-run", "--config", path}, {"study", path, "--out", filepath.Join(dir, "out")}, {"sweep", "quickstart", "--config", path, "--out", filepath.Join(dir, "sweep")}} {
			if err := quickly(t, 10*time.Second, args...); err == nil || !strings.Contains(err.Error(), "line") {
				t.Errorf("%s %s: %.300v", args[0], name, err)
			}
		}
		if name != "aliases" && name != "deep" {
			value := "rl.kl=" + strings.Repeat("[", 20_000)
			if err := quickly(t, 10*time.Second, "train", "quickstart", "--dry-run", "--set", value); err == nil || len(err.Error()) > 50_000 {
				t.Errorf("--set: %.300v", err)
			}
		}
	}
	if err := quickly(t, 10*time.Second, "train", "quickstart", "--dry-run", "--set", strings.Repeat("a.", 50_000)+"b=1"); err == nil || len(err.Error()) > 1000 {
		t.Errorf("a long key: %.300v", err)
	}
	vary := []string{"sweep", "quickstart", "--out", filepath.Join(dir, "grid")}
	for i := range 40 {
		vary = append(vary, "--vary", fmt.Sprintf("rl.kl%d=1,2", i))
	}
	if err := quickly(t, 10*time.Second, vary...); err == nil || !strings.Contains(err.Error(), "combinations") {
		t.Errorf("a grid of 2^40: %v", err)
	}
}

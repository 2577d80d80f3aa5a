//go:build unix

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ballast"
	"ballast/monitor"
	"ballast/runlog"
	"ballast/safetext/hostile"
)

// TestHostileOutputs runs commands with strangers' texts in whatever they read: nothing of
// them reaches the terminal, a table or a plot raw.
func TestHostileOutputs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes with a race detector")
	}
	for i, text := range []string{strings.Join(hostile.Texts, " "), "\nFORGED: \x1b[31m", "=1|\u202e\u009b31m\r<script>evil()</script>\x1b]0;x\a"} {
		t.Run(fmt.Sprint(i), func(t *testing.T) { hostileOutputs(t, strings.ToValidUTF8(text, "?")) })
	}
}

func hostileOutputs(t *testing.T, text string) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, data []byte) string {
		must(t, os.MkdirAll(filepath.Dir(at(name)), 0o777))
		must(t, os.WriteFile(at(name), data, 0o666))
		return at(name)
	}
	quoted, err := json.Marshal(text)
	must(t, err)
	arg := strings.ReplaceAll(text, "\x00", "")
	name := strings.ReplaceAll(arg[:min(len(arg), 200)], "/", "")

	tensors, config := at("tensors"), at("config")
	for _, m := range []string{tensors, config} {
		must(t, writeModel(m))
	}
	write("tensors/model.safetensors", tensorFile(fmt.Sprintf(`{%s: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}`, quoted), 4))
	write("config/config.json", fmt.Appendf(nil, `{"architectures": [%s], "model_type": %s, "torch_dtype": %s}`, quoted, quoted, quoted))
	key := write("key.jsonl", fmt.Appendf(nil, "{%s: 1}\n", quoted))
	verl := write(name+"/"+name[:min(len(name), 100)]+".jsonl", fmt.Appendf(nil, `{"input": %s, "output": %s, "score": 1, "step": 1, %s: %s}`+"\n{%s", quoted, quoted, quoted, quoted, text))
	recipe := write("recipe.yaml", fmt.Appendf(nil, "{%s: %s}", quoted, quoted))
	value := write("value.yaml", fmt.Appendf(nil, `{"chat": {"format": %s}}`, quoted))
	golden := write("golden.jsonl", fmt.Appendf(nil, "{\"id\": %s, \"kind\": %s}\n", quoted, quoted))
	run := at("runs/" + name)
	hostileRun(t, run, text, quoted)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		w.Write(fmt.Appendf(nil, `{"error": {"message": %s, "type": %s, "code": %s}}`, quoted, quoted, quoted))
	}))
	defer server.Close()

	for _, c := range []struct {
		kind hostile.Kind
		args []string
	}{
		{0, []string{arg}}, {0, []string{"--" + arg}}, {0, []string{"model", arg}},
		{0, []string{"model", "inspect", tensors}}, {0, []string{"model", "inspect", config}}, {0, []string{"model", "inspect", arg}},
		{0, []string{"doctor", key, "--out", at("d1")}}, {0, []string{"doctor", filepath.Dir(verl), "--out", at("d2")}}, {0, []string{"doctor", arg}},
		{hostile.JSON, []string{"doctor", filepath.Dir(verl), "--json", "--out", at("d2")}}, {0, []string{"doctor", run, "--out", at("d3")}}, {0, []string{"doctor", run, "--format", arg}},
		{0, []string{"train", arg}}, {0, []string{"train", "grpo", "--config", recipe}}, {0, []string{"train", "grpo", "--config", value}}, {0, []string{"train", "grpo", "--set", arg}},
		{0, []string{"train", "grpo", "--set", "judge.url=" + arg}}, {0, []string{"train", "grpo", "--model", arg, "--out", at("r")}}, {0, []string{"train", "grpo", "--tasks", arg}},
		{0, []string{"train", "--resume", run}}, {0, []string{"train", "grpo", "--out", run}},
		{0, []string{"task", "show", arg}}, {0, []string{"task", "list", "--tasks", arg}}, {0, []string{"task", "check", "--category", arg}},
		{0, []string{"report", run}}, {0, []string{"report", arg}}, {0, []string{"report", run, "--plot", arg}}, {hostile.SVG, []string{"report", run, "--plot", "reward"}},
		{0, []string{"compare", run}}, {hostile.Markdown, []string{"compare", run, "--format", "markdown"}}, {hostile.CSV, []string{"compare", run, "--format", "csv"}},
		{hostile.JSON, []string{"compare", run, "--format", "json"}}, {0, []string{"compare", run, "--table", arg}}, {0, []string{"compare", arg}},
		{0, []string{"eval", "--run", run}}, {0, []string{"eval", "--model", tensors}}, {0, []string{"eval", "--transcript", at("none/x") + arg}},
		{0, []string{"eval", "--endpoint", server.URL, "--model", arg, "--count", "1", "--retries", "0"}},
		{0, []string{"eval", "--endpoint", "https://user:hunter2@127.0.0.1:1/v1?api_key=hunter3", "--model", "m", "--count", "1", "--retries", "0"}},
		{0, []string{"world", "replay", "--golden", golden}}, {0, []string{"data", "import", "bfcl", "--from", arg, "--to", at("b")}},
		{0, []string{"study", recipe}}, {0, []string{"sweep", "grpo", "--vary", arg}},
	} {
		cmd := exec.Command("ballast", c.args...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr, cmd.Dir = &out, &errs, dir
		began := time.Now()
		err := cmd.Run()
		if d := time.Since(began); d > 30*time.Second {
			t.Errorf("%.80q took %v", c.args, d)
		}
		if out.Len()+errs.Len() == 0 {
			t.Errorf("%.80q printed nothing: %v", c.args, err)
		}
		faults := append(hostile.Faults(c.kind, out.String()), hostile.Faults(hostile.Terminal, errs.String())...)
		if c.kind == hostile.JSON && !json.Valid(out.Bytes()) {
			faults = append(faults, "no JSON")
		}
		if faults != nil || strings.Contains(errs.String(), "panic:") {
			t.Errorf("%.80q: %q\n%.300q", c.args, faults, &errs)
		}
	}
}

// tensorFile is a safetensors file.
func tensorFile(header string, data int) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), make([]byte, data)...)
}

// hostileRun is a run with a text in its recipe, metrics and events.
func hostileRun(t *testing.T, dir, text string, quoted []byte) {
	t.Helper()
	r, err := runlog.Create(dir, fmt.Appendf(nil, `{"method": %s, "model": %s, "chat": {"format": %s}, "tasks": {"set": %s, "eval": %s}}`, quoted, quoted, quoted, quoted, quoted))
	must(t, err)
	defer r.Close()
	for u := 1; u <= 3; u++ {
		must(t, r.Update(ballast.Update{Index: u, Phase: text, Metrics: map[string]float64{text: 1, monitor.RewardMean: 0.5, monitor.WatchPrefix + text + "/start": 0.5}}))
		must(t, r.Event(runlog.Event{Update: u, Text: text, What: runlog.Evaluated{Score: runlog.Score{OK: 1, All: 2, Rates: map[string]float64{text: 0.5}}}}))
	}
	must(t, r.Event(runlog.Event{Update: 3, What: runlog.Done{}, Text: text}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

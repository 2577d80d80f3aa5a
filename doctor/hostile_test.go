package doctor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast"
	"ballast/monitor"
	"ballast/runlog"
	"ballast/safetext/hostile"
)

// hostileFiles are files of rollouts in which a text stands wherever strangers' text
// enters; name is what the files are called.
func hostileFiles(t *testing.T, dir, name, text string) {
	t.Helper()
	quoted, err := json.Marshal(text)
	must(t, err)
	var verl, chat strings.Builder
	for step := 1; step <= 12; step++ {
		for k := range 4 {
			output := text
			if k < 2 && step > 6 {
				output = "<tool_call>" + text
			}
			reply, err := json.Marshal(output)
			must(t, err)
			fmt.Fprintf(&verl, `{"input": %s, "output": %s, "score": %d, "step": %d, "data_source": %s, %s: %s}`+"\n", quoted, reply, k%2, step, quoted, quoted, quoted)
			fmt.Fprintf(&chat, `{"id": %s, "messages": [{"role": "user", "content": %s}, {"role": "assistant", "content": %s, "tool_calls": [{"function": {"name": %s, "arguments": %s}}]}, {"role": %s, "content": %s}]}`+"\n",
				quoted, quoted, quoted, quoted, quoted, quoted, quoted)
		}
	}
	fmt.Fprintf(&verl, "{%s: %s}\n{broken %s\n", quoted, quoted, text)
	must(t, os.Mkdir(dir, 0o777))
	must(t, os.WriteFile(filepath.Join(dir, name+".jsonl"), []byte(verl.String()), 0o666))
	must(t, os.WriteFile(filepath.Join(dir, name+".bin"), []byte(text), 0o666))
	must(t, os.WriteFile(dir+".chat.jsonl", []byte(chat.String()), 0o666))
}

// TestHostileFiles: no text of a file steers the reader's terminal or page.
func TestHostileFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	names := hostile.Names()
	for i, text := range hostile.Texts {
		dir := filepath.Join(t.TempDir(), names[i%len(names)])
		hostileFiles(t, dir, names[(i+1)%len(names)], text)
		run := filepath.Join(t.TempDir(), names[i%len(names)])
		hostileRun(t, run, strings.ToValidUTF8(text, "?"))
		for _, path := range []string{dir, dir + ".chat.jsonl", run} {
			r, err := Examine(path, Options{})
			if err != nil {
				t.Errorf("%q: %v", text, err)
				continue
			}
			var page, data bytes.Buffer
			must(t, r.HTML(&page))
			must(t, r.JSON(&data))
			faults := append(hostile.Faults(hostile.HTML, page.String()), hostile.Faults(hostile.Terminal, r.Text())...)
			if faults = append(faults, hostile.Faults(hostile.JSON, data.String())...); faults != nil {
				t.Errorf("%q: %q", text, faults)
			}
			if !json.Valid(data.Bytes()) || !strings.Contains(page.String(), "Content-Security-Policy") {
				t.Errorf("%q: no JSON or no policy", text)
			}
		}
	}
}

// hostileRun is a run of ours with a text in its metrics, tasks, replies and events.
func hostileRun(t *testing.T, dir, text string) {
	t.Helper()
	r, err := runlog.Create(dir, []byte("method: grpo\n"))
	must(t, err)
	for u := 1; u <= 4; u++ {
		must(t, r.Update(ballast.Update{Index: u, Phase: text, Metrics: map[string]float64{text: 1, monitor.RewardMean: 0.5,
			monitor.WatchPrefix + text + "/start": 0.5, monitor.IllegalAt + text: 0.5, monitor.ReasonFor + text: 0.5}}))
		must(t, r.Event(runlog.Event{Update: u, What: runlog.Alarm{}, Text: text}))
		step := ballast.Step{Text: text, Reason: text, Kind: ballast.KindPolluted, Calls: []ballast.Call{{Name: text}}, Results: []string{text}}
		must(t, r.Episodes(u, []ballast.Episode{{Task: text, Turns: []ballast.Turn{{User: text, Steps: []ballast.Step{step}}}}}))
	}
	must(t, r.Close())
}

// TestWriteTakesNothing: files of these names that the doctor did not write stay.
func TestWriteTakesNothing(t *testing.T) {
	r := examine(t, filepath.Join("testdata", "replies.txt"))
	for _, name := range []string{jsonFile, pageFile} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte("{\"mine\": 1}"), 0o666))
		if _, err := r.Write(dir); err == nil || !strings.Contains(err.Error(), name+" is there and ballast did not write it") {
			t.Error(err)
		}
		if data, _ := os.ReadFile(path); string(data) != "{\"mine\": 1}" {
			t.Errorf("%s holds %q", name, data)
		}
		must(t, os.Remove(path))
		for range 2 {
			_, err := r.Write(dir)
			must(t, err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 2 {
			t.Errorf("%v", entries)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

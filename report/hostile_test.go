package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	htmltext "html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ballast"
	"ballast/monitor"
	"ballast/runlog"
	"ballast/safetext/hostile"
)

// hostileRun is a run in which a text stands wherever strangers' text enters.
func hostileRun(t *testing.T, dir, text string) {
	t.Helper()
	recipe, err := json.Marshal(map[string]any{"method": text, "model": text, "tasks": map[string]any{"set": text, "eval": text},
		"chat": map[string]any{"format": text}, text: text, "judge": map[string]any{"url": text}})
	must(t, err)
	r, err := runlog.Create(dir, recipe)
	must(t, err)
	for u := 1; u <= 3; u++ {
		must(t, r.Update(ballast.Update{Index: u, Phase: text, Metrics: map[string]float64{text: float64(u), monitor.RewardMean: 0.5,
			monitor.WatchPrefix + text + "/start": 0.1, monitor.ReasonFor + text: 0.1, "zero " + text: 0}}))
		score := runlog.Score{OK: 1, All: 2, Rates: map[string]float64{text: 0.5}}
		for _, what := range []runlog.What{runlog.Evaluated{Score: score}, runlog.Tested{Score: score}, runlog.Alarm{}, runlog.Acted{Do: runlog.DoStop},
			runlog.Resumed{Notes: []string{text}, Changed: map[string]string{text: text}}} {
			must(t, r.Event(runlog.Event{Update: u, What: what, Text: text}))
		}
		call := ballast.Call{Name: text, Args: nil}
		word := strings.ReplaceAll(text, "_", "") // shown with spaces for underscores
		step := ballast.Step{Text: text, Reason: word, Calls: []ballast.Call{call}, Results: []string{text}}
		check := ballast.Check{Done: true, Where: text}
		must(t, r.Episodes(u, []ballast.Episode{{Task: text, Error: text, Stop: ballast.Stop(word), Score: ballast.Score{Reason: word},
			Turns: []ballast.Turn{{User: text, Steps: []ballast.Step{step}, Check: check}}}}))
	}
	must(t, r.Close())
}

// TestHostileRun: no text of a run steers the reader's terminal or page.
func TestHostileRun(t *testing.T) {
	names := hostile.Names()
	for i, text := range hostile.Texts {
		dir := filepath.Join(t.TempDir(), names[i%len(names)])
		hostileRun(t, dir, strings.ToValidUTF8(text, "?"))
		page := html(t, dir)
		faults := hostile.Faults(hostile.HTML, page)
		lines, err := Summary(dir)
		must(t, err)
		faults = append(faults, hostile.Faults(hostile.Terminal, lines)...)
		r, err := load(dir)
		must(t, err)
		charts, _ := r.charts()
		for _, c := range charts {
			var b bytes.Buffer
			must(t, Plot(&b, dir, c.ID))
			faults = append(faults, hostile.Faults(hostile.SVG, b.String())...)
		}
		if faults != nil {
			t.Errorf("%q: %q", text, faults)
		}
		policy(t, page)
	}
}

// policy fails unless a page's policy names its one style sheet and its one script.
func policy(t *testing.T, page string) {
	t.Helper()
	var text string
	if m := regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(page); m != nil {
		text = htmltext.UnescapeString(m[1])
	}
	if !strings.HasPrefix(text, "default-src 'none'; ") || strings.Contains(text, "unsafe") {
		t.Errorf("policy %q", text)
	}
	for _, tag := range []string{"style", "script"} {
		parts := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(page, -1)
		if len(parts) != 1 {
			t.Errorf("%d of %s", len(parts), tag)
			continue
		}
		sum := sha256.Sum256([]byte(parts[0][1]))
		if want := tag + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"; !strings.Contains(text, want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	if strings.Contains(page, ` style="`) {
		t.Error("a style attribute, which the policy forbids")
	}
}

// TestOnlyOurPage: a page that somebody else made is not replaced; ours is.
func TestOnlyOurPage(t *testing.T) {
	dir := newRun(t, one(1, monitor.RewardMean, 0.25))
	path := runlog.Dir(dir).Page()
	for range 2 {
		_, err := Write(dir)
		must(t, err)
	}
	whole, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, whole[:40], 0o666)) // cut by a crash
	_, err = Write(dir)
	must(t, err)
	must(t, os.WriteFile(path, []byte("<!DOCTYPE html><title>notes</title>"), 0o666))
	if _, err := Write(dir); err == nil || !strings.Contains(err.Error(), "ballast did not write it") {
		t.Error(err)
	}
	if data, _ := os.ReadFile(path); !strings.Contains(string(data), "notes") {
		t.Error("a user's page is gone")
	}
}

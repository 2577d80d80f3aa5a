// Package doctor examines a training run after the fact, ours or another
// trainer's: when it broke, in which way, which signal moved first, which control
// tokens at which places, and with which replies.
//
// It reads ballast's run directories, verl rollout dumps (JSONL), verl-tool step
// records (JSON), TRL completions (parquet), OpenAI-chat JSONL and plain text of
// replies, one file or a folder of them, and finds out by itself which it has.
// Records become episodes of package ballast; metrics come from package monitor
// and verdicts from monitor/verdict, the code that watches live runs. Foreign
// files hold no probabilities, so control tokens are judged there by what was
// sampled, and lengths are in bytes.
//
// Contract: files are streamed; memory is bounded by one update's records, a few
// episodes for the page, and one line of metrics for every update, whatever the
// size of the files.
//
// Failures: a file that is truncated or broken gives a diagnosis of what could be
// read, with a note that names the file and the place. Only where nothing could be
// read at all there is an error. Nothing panics on what a file holds.
package doctor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"ballast"
	"ballast/chat/format"
	"ballast/doctor/probe"
	"ballast/doctor/rollouts"
	"ballast/durable"
	"ballast/monitor/verdict"
	"ballast/report"
	"ballast/runlog"
	"ballast/safetext"
)

// Options say how to read. The zero value finds everything out.
type Options struct {
	Format string // tool-call format of foreign files, one of format.All; "" chooses by the replies
	Reward string // key or column of the reward in foreign files; "" chooses by its name
}

// Report is what was found.
type Report struct {
	Path      string            `json:"path"`
	Kind      string            `json:"kind"` // what the files are
	Format    string            `json:"format"`
	Files     int               `json:"files"`
	Records   int               `json:"records"`
	Replies   int               `json:"replies"`
	Bytes     int64             `json:"bytes"`
	Notes     []string          `json:"notes,omitempty"` // what could not be read, and what to mind
	Summary   []string          `json:"summary"`
	Diagnosis verdict.Diagnosis `json:"diagnosis"`
	Probes    []probe.Result    `json:"probes,omitempty"`  // of the run's checkpoints
	Reading   *rollouts.Reading `json:"reading,omitempty"` // of foreign files: what was read, and what was decided
	Others    []*Report         `json:"others,omitempty"`  // further runs in the folder, each examined alone

	updates []ballast.Update
	covered []coverage // of these updates, in foreign files
	guessed string     // by what the format was chosen
	shown   []shown
}

// kindRun is the kind of our run directories; package rollouts names the others.
const kindRun = "ballast run"

// mostNotes bounds the notes.
const mostNotes = 20

func (r *Report) note(f string, args ...any) {
	if len(r.Notes) < mostNotes {
		r.Notes = append(r.Notes, fmt.Sprintf(f, args...))
	}
}

// mostMetric bounds a metric, so that neither sums nor squares of them overflow.
const mostMetric = 1e150

// update records one update.
func (r *Report) update(d *verdict.Detector, u ballast.Update) {
	for k, v := range u.Metrics {
		if v > mostMetric || v < -mostMetric {
			u.Metrics[k] = math.Copysign(mostMetric, v)
		}
	}
	d.Add(u)
	r.updates = append(r.updates, u)
}

// Examine reads a run directory, a file or a folder of files.
func Examine(path string, o Options) (*Report, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("doctor: %w; name a run directory, or a file or folder of rollouts (.jsonl, .json, .parquet, .txt)", err)
	}
	var f format.Format
	if o.Format != "" {
		if f, err = format.ByName(o.Format); err != nil {
			return nil, fmt.Errorf("doctor: %w", err)
		}
	}
	r := &Report{Path: path}
	if info.IsDir() {
		if runlog.Dir(path).IsRun() {
			err := r.run(path, f)
			if err != nil {
				return nil, fmt.Errorf("doctor: %w", err)
			}
			r.Summary = r.sentences()
			return r, nil
		}
	}
	if err := r.foreign(path, f, o); err != nil {
		return nil, fmt.Errorf("doctor: %w", err)
	}
	for _, one := range append([]*Report{r}, r.Others...) {
		one.settle()
		one.Summary = one.sentences()
	}
	return r, nil
}

// JSON writes the report as diagnosis.json has it; control characters in it are escaped.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(safetext.Terminal(w))
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// ourJSON knows a diagnosis.json by its beginning.
func ourJSON(head []byte) bool {
	return bytes.HasPrefix(head, []byte("{\n  \"path\": ")) && bytes.Contains(head, []byte("\n  \"kind\": "))
}

// The files that Write makes.
const (
	jsonFile = "diagnosis.json"
	pageFile = "diagnosis.html"
)

// Write writes diagnosis.json and diagnosis.html into dir, which is made where it
// does not exist, and returns the page's path. Files of these names that the doctor did
// not write are an error, before any is written.
func (r *Report) Write(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("doctor: %w", err)
	}
	files := []struct {
		name  string
		ours  func(head []byte) bool
		write func(io.Writer) error
	}{{jsonFile, ourJSON, r.JSON}, {pageFile, report.Ours, r.HTML}}
	for _, file := range files {
		if err := durable.Free(filepath.Join(dir, file.name), file.ours); err != nil {
			return "", fmt.Errorf("doctor: %w", err)
		}
	}
	for _, file := range files {
		if err := durable.Replace(filepath.Join(dir, file.name), file.write); err != nil {
			return "", fmt.Errorf("doctor: write %s: %w", file.name, err)
		}
	}
	return filepath.Join(dir, pageFile), nil
}

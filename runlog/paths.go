package runlog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The names in a run directory. They are spelled here and nowhere else; a test at the root
// holds it.
const (
	headerFile     = "run.json"
	recipeFile     = "recipe.yaml"
	updatesFile    = "updates.jsonl"
	eventsFile     = "events.jsonl"
	episodesDir    = "episodes"
	episodeExt     = ".jsonl.zst"
	checkpointsDir = "checkpoints"
	checkpointFile = "checkpoint.json" // marks a folder of checkpoints/ as complete
	judgeFile      = "judge.jsonl"
	serverFile     = "server.log"
	probesDir      = "probes"
	probeExt       = ".json"
	pageFile       = "report.html"
	lockFile       = "lock"
)

// Dir is the path of a run directory, and knows the paths in it.
type Dir string

// IsRun says whether it holds a run: whether somebody made one there, not whether it can be read.
func (d Dir) IsRun() bool {
	_, err := os.Stat(d.at(headerFile))
	return err == nil
}

// Recipe is the file of the resolved recipe.
func (d Dir) Recipe() string { return d.at(recipeFile) }

// Judge is the file of what requests to a judge's endpoint took.
func (d Dir) Judge() string { return d.at(judgeFile) }

// Server is the file of what the processes of an MCP server wrote to their standard error.
func (d Dir) Server() string { return d.at(serverFile) }

// Page is the file of the report.
func (d Dir) Page() string { return d.at(pageFile) }

// Checkpoint is the folder of an update's checkpoint.
func (d Dir) Checkpoint(update int) string { return d.at(checkpointsDir, name(update)) }

// CheckpointAt takes the path of a checkpoint's folder apart; ok says that it lies in a run.
func CheckpointAt(path string) (run Dir, update int, ok bool) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", 0, false
	}
	run = Dir(filepath.Dir(filepath.Dir(path)))
	update, err = strconv.Atoi(filepath.Base(path))
	return run, update, err == nil && run.IsRun()
}

// Probe is the file of a probe of an update's checkpoint.
func (d Dir) Probe(update int) string { return d.at(probesDir, name(update)+probeExt) }

// Probes lists the probes that there are, by update.
func (d Dir) Probes() ([]int, error) { return updatesIn(d.at(probesDir), probeExt) }

func (d Dir) header() string             { return d.at(headerFile) }
func (d Dir) updates() string            { return d.at(updatesFile) }
func (d Dir) events() string             { return d.at(eventsFile) }
func (d Dir) episodes(update int) string { return d.at(episodesDir, name(update)+episodeExt) }

func (d Dir) at(parts ...string) string { return filepath.Join(string(d), filepath.Join(parts...)) }

// name returns the file name of an update's things, without extension.
func name(update int) string { return fmt.Sprintf("%06d", update) }

// updatesIn lists the updates that a folder has files of, in order; none where it is gone.
// Names that ballast does not give are somebody else's.
func updatesIn(folder, ext string) ([]int, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var list []int
	for _, e := range entries {
		base, ok := strings.CutSuffix(e.Name(), ext)
		if n, err := strconv.Atoi(base); ok && err == nil && n >= 0 && name(n) == base {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list, nil
}

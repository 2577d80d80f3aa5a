package runlog

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ballast"
)

// saveText is the fill of a checkpoint that holds one text.
func saveText(text string) func(string) error {
	return func(dir string) error { return os.WriteFile(filepath.Join(dir, "weights"), []byte(text), 0o666) }
}

func TestCheckpoint(t *testing.T) {
	r := create(t)
	if c, err := r.Latest(); err != nil || c.Dir != "" {
		t.Errorf("before the first: %+v, %v", c, err)
	}
	for u := 1; u <= 2; u++ {
		_, err := r.Checkpoint(u, map[string]int{"cursor": u}, saveText("old"))
		must(t, err)
	}
	_, err := r.Checkpoint(2, map[string]int{"cursor": 22}, saveText("new"))
	must(t, err)
	_, err = r.Checkpoint(3, nil, func(dir string) error {
		must(t, saveText("half")(dir))
		return errors.New("the learner broke")
	})
	wantErr(t, err, "update 3", "the learner broke")
	c, err := r.Latest()
	must(t, err)
	if c.Update != 2 || !strings.Contains(string(c.State), "22") {
		t.Errorf("latest: %d, %s", c.Update, c.State)
	}
	if data, _ := os.ReadFile(filepath.Join(c.Dir, "weights")); string(data) != "new" {
		t.Errorf("weights %q", data)
	}
	if files, _ := os.ReadDir(filepath.Join(r.Dir(), "checkpoints")); len(files) != 2 {
		t.Errorf("checkpoints/ holds %v", files)
	}
}

func TestPrune(t *testing.T) {
	left := func(last int, best string, spare ...int) (list []int) {
		r := create(t)
		for u, score := range []float64{0.1, 0.9, 0.2, 0.9, 0.3, 0.4} {
			must(t, r.Update(ballast.Update{Index: u + 1, Metrics: map[string]float64{"eval": score}}))
			_, err := r.Checkpoint(u+1, nil, saveText(""))
			must(t, err)
		}
		must(t, r.Prune(last, best, spare...))
		all, err := checkpoints(r.Dir())
		must(t, err)
		for _, c := range all {
			list = append(list, c.Update)
		}
		return list
	}
	for _, row := range []struct {
		last int
		best string
		want []int
	}{{2, "", []int{5, 6}}, {0, "", []int{6}}, {2, "eval", []int{4, 5, 6}}, {3, "eval", []int{4, 5, 6}}, {1, "no such", []int{6}}, {9, "", []int{1, 2, 3, 4, 5, 6}}} {
		if got := left(row.last, row.best); !reflect.DeepEqual(got, row.want) {
			t.Errorf("Prune(%d, %q) leaves %v, want %v", row.last, row.best, got, row.want)
		}
	}
	if got, want := left(2, "", 3, 9), []int{3, 5, 6}; !reflect.DeepEqual(got, want) {
		t.Errorf("Prune(2, sparing 3) leaves %v, want %v", got, want)
	}
}

// TestPruneKeepsWhereItWasMeasured: a checkpoint between two evaluations has the
// value of the one before by inheritance only.
func TestPruneKeepsWhereItWasMeasured(t *testing.T) {
	r := create(t)
	for u, metrics := range []map[string]float64{{"eval": 0.1}, {"eval": 0.9}, {}, {}, {"eval": 0.2}, {}} {
		must(t, r.Update(ballast.Update{Index: u + 1, Metrics: metrics}))
		_, err := r.Checkpoint(u+1, nil, saveText(""))
		must(t, err)
	}
	must(t, r.Prune(1, "eval"))
	all, err := checkpoints(r.Dir())
	must(t, err)
	if len(all) != 2 || all[0].Update != 2 {
		t.Errorf("left are %v, want those of updates 2 and 6", all)
	}
	log, err := Read(r.Dir())
	must(t, err)
	for metric, want := range map[string]int{"eval": 2, "no such": 6} {
		if c, err := log.Best(metric); err != nil || c.Update != want {
			t.Errorf("the best by %s is %v (%v), want that of update %d", metric, c, err, want)
		}
	}
}

// TestReplacedCheckpointComesBack: a kill between the two renames that replace a
// checkpoint costs nothing.
func TestReplacedCheckpointComesBack(t *testing.T) {
	r := create(t)
	_, err := r.Checkpoint(7, nil, saveText("x"))
	must(t, err)
	must(t, r.Close())
	must(t, os.Rename(filepath.Join(r.Dir(), "checkpoints", "000007"), filepath.Join(r.Dir(), "checkpoints", ".old-000007")))
	r, err = Open(r.Dir())
	must(t, err)
	defer r.Close()
	if c, err := r.Latest(); err != nil || c.Update != 7 {
		t.Errorf("the newest checkpoint is %v, %v", c, err)
	}
}

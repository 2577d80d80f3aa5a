package eval

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast"
	"ballast/rollout"
	"ballast/value"
)

func open(t *testing.T, dir string, settings map[string]string) *Store {
	t.Helper()
	s, err := OpenStore(dir, settings)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A store gives back the episodes that were added, as far as a table and a
// transcript need them, and takes a line that a crash cut off for none.
func TestStoreKeepsEpisodes(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, map[string]string{"model": "m"})
	_, eps := played()
	odd := episode("odd", ballast.StopMalformed, "state")
	odd.Turns[0].Steps[0].Calls = []ballast.Call{{Name: "not a name("}, {Name: "f", Args: []ballast.Arg{{Value: "\xed\xa0\x80"}, {Name: "k", Value: value.NewList(nil, true, int64(3))}}}}
	odd.Turns[0].Steps[0].Reason, odd.Turns[0].Steps[0].Cut = "cut", true
	for _, ep := range append(eps[:3:3], odd) {
		s.Add(&ep)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "episodes.jsonl")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(whole, `{"task": "x", "st`...), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, map[string]string{"model": "m"})
	if s.Len() != 4 || !s.Torn() {
		t.Fatalf("%d episodes, torn %v", s.Len(), s.Torn())
	}
	for _, want := range append(eps[:3:3], odd) {
		got := s.done[want.Task]
		if got.Stop != want.Stop || len(got.Turns) != len(want.Turns) {
			t.Errorf("%s: %+v", want.Task, got)
			continue
		}
		for i := range want.Turns {
			g, w := got.Turns[i], want.Turns[i]
			if g.Check != w.Check || g.User != w.User || len(g.Steps) != len(w.Steps) || len(g.Steps[0].Calls) != len(w.Steps[0].Calls) ||
				g.Steps[0].Kind != w.Steps[0].Kind || g.Steps[0].Reason != w.Steps[0].Reason || g.Steps[0].Cut != w.Steps[0].Cut {
				t.Errorf("%s turn %d: %+v, want %+v", want.Task, i, g, w)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if now, _ := os.ReadFile(path); string(now) != string(whole) {
		t.Error("the half line is still there")
	}
	if err := os.WriteFile(path, []byte("{\"task\": \"a\"}\nbroken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStore(dir, map[string]string{"model": "m"}); err == nil || !strings.Contains(err.Error(), "episodes.jsonl:2") {
		t.Errorf("got %v", err)
	}
}

// TestOneWriter: the second evaluation of a folder is refused with a sentence, as is a
// file that lies elsewhere, and nothing is changed.
func TestOneWriter(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, map[string]string{"model": "m"})
	s.Add(&ballast.Episode{Task: "a", Stop: ballast.StopDone})
	before, err := os.ReadFile(filepath.Join(dir, "episodes.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStore(dir, map[string]string{"model": "m"}); err == nil || !strings.Contains(err.Error(), "another evaluation writes to "+dir) {
		t.Errorf("the second: %v", err)
	}
	s.Add(&ballast.Episode{Task: "b", Stop: ballast.StopDone})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(filepath.Join(dir, "episodes.jsonl")); !strings.HasPrefix(string(after), string(before)) || strings.Count(string(after), "\n") != 2 {
		t.Errorf("the file: %s", after)
	}
	far := filepath.Join(t.TempDir(), "far")
	if err := os.WriteFile(far, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	linked := t.TempDir()
	if err := os.Symlink(far, filepath.Join(linked, "episodes.jsonl")); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStore(linked, nil); err == nil || !strings.Contains(err.Error(), "link") {
		t.Errorf("a link: %v", err)
	}
	if got, _ := os.ReadFile(far); string(got) != "mine" {
		t.Errorf("the link's file: %q", got)
	}
}

// A folder belongs to its settings: one that differs, is missing or is new is an error.
func TestSettings(t *testing.T) {
	for _, c := range []struct {
		now map[string]string
		ok  bool
	}{
		{map[string]string{"model": "m", "set": "a=1"}, true},
		{map[string]string{"model": "m", "set": "a=1", "other": ""}, true},
		{map[string]string{"model": "m", "set": "a=2"}, false},
		{map[string]string{"model": "m"}, false},
		{map[string]string{"model": "m", "set": "a=1", "other": "x"}, false},
	} {
		dir := t.TempDir()
		if err := open(t, dir, map[string]string{"model": "m", "set": "a=1"}).Close(); err != nil {
			t.Fatal(err)
		}
		s, err := OpenStore(dir, c.now)
		if (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), "use another folder") {
			t.Errorf("%v: %v", c.now, err)
		}
		if s != nil {
			s.Close()
		}
	}
}

// TestSettingsHashes: what was read and is not any more, or is read only now, differs as other content does. A folder of an
// older version, which has no hashes, may go on.
func TestSettingsHashes(t *testing.T) {
	tasks := map[string]string{"tasks" + Hash: "1"}
	config := map[string]string{"tasks" + Hash: "1", "config" + Hash: "2"}
	for _, c := range []struct {
		was, now map[string]string
		says     string
	}{
		{tasks, tasks, ""}, {nil, config, ""},
		{tasks, config, "no config, and now there is one"},
		{config, tasks, "config, and now there is none"},
		{config, map[string]string{"tasks" + Hash: "1", "config" + Hash: "3"}, "other config"},
	} {
		dir := t.TempDir()
		if err := open(t, dir, c.was).Close(); err != nil {
			t.Fatal(err)
		}
		s, err := OpenStore(dir, c.now)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), "was made with "+c.says+": use another folder") &&
			!strings.Contains(err.Error(), c.says+", which changed since: use another folder") {
			t.Errorf("%v, then %v: %v", c.was, c.now, err)
		}
		if s != nil {
			s.Close()
		}
	}
}

// TestSettingsGone: episodes of which nobody knows what they are of belong to no evaluation.
func TestSettingsGone(t *testing.T) {
	_, eps := played()
	dir := t.TempDir()
	s := open(t, dir, nil)
	s.Add(&eps[0])
	file := filepath.Join(dir, "settings.json")
	if err := errors.Join(s.Close(), os.Remove(file)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStore(dir, nil); err == nil || !strings.Contains(err.Error(), "settings.json, which says of what, is gone") {
		t.Error(err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the settings of this evaluation were given to episodes of another")
	}
}

// RunStored plays what the store lacks, and no more.
func TestRunStoredPlaysTheRest(t *testing.T) {
	tasks, eps := played()
	dir := t.TempDir()
	asked := []string{}
	player := func(_ context.Context, plays []rollout.Request, ended func(*ballast.Episode)) ([]ballast.Episode, error) {
		var out []ballast.Episode
		for _, p := range plays {
			asked = append(asked, p.Task.ID)
			ep := eps[p.Group]
			if ended != nil && ep.Stop != ballast.StopInfra {
				ended(&ep)
			}
			out = append(out, ep)
		}
		return out, nil
	}
	want := tally(tasks, eps).Table()
	for run, first := range []string{"a b c d e f", "f"} { // what broke is not kept
		asked = nil
		s := open(t, dir, nil)
		r, err := RunStored(context.Background(), s, tasks, player)
		if err != nil || r.Table() != want || strings.Join(asked, " ") != first {
			t.Errorf("run %d asked for %v: %v\n%s", run, asked, err, r.Table())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, t.TempDir(), nil)
	defer s.Close()
	if _, err := RunStored(context.Background(), s, append(tasks, tasks[0]), player); err == nil || !strings.Contains(err.Error(), "two tasks are named a") {
		t.Errorf("got %v", err)
	}
}

// TestLeftOutIsKept: what could not be played is settled by the next episode that ends
// well, or by the end, and is then no more played until all else is; a machine that is
// down leaves nothing out.
func TestLeftOutIsKept(t *testing.T) {
	tasks, eps := played()
	down := errors.New("the machine is down")
	broken := func(id string) ballast.Episode {
		return ballast.Episode{Task: id, Stop: ballast.StopInfra, Error: "no route to " + id}
	}
	byID := map[string]ballast.Episode{}
	for _, ep := range eps {
		byID[ep.Task] = ep
	}
	byID["b"], byID["f"] = broken("b"), broken("f")
	dir := t.TempDir()
	run := func(stop string) (asked string, r Result, err error) {
		s := open(t, dir, nil)
		defer s.Close()
		missing := s.Missing(tasks)
		r, err = RunStored(context.Background(), s, tasks, func(_ context.Context, plays []rollout.Request, ended func(*ballast.Episode)) ([]ballast.Episode, error) {
			var out []ballast.Episode
			for _, p := range plays {
				asked += p.Task.ID
				if p.Task.ID == stop {
					return nil, down
				}
				ep := byID[p.Task.ID]
				ended(&ep)
				out = append(out, ep)
			}
			return out, nil
		})
		if err == nil && missing != len(asked) {
			t.Errorf("%d are missing, %s were played", missing, asked)
		}
		return asked, r, err
	}
	for _, c := range []struct{ stop, asked string }{
		{"c", "abc"}, // b broke last: not settled
		{"d", "bcd"}, // now it is
		{"", "def"},  // f broke at the end
		{"", "bf"},   // all is there: those are played again
		{"f", "bf"},  // and nothing is lost when that is interrupted
		{"", "bf"},
	} {
		asked, r, err := run(c.stop)
		if asked != c.asked || (err == nil) != (c.stop == "") {
			t.Errorf("stopped at %q: %s were played, %v; want %s", c.stop, asked, err, c.asked)
		}
		if err == nil && (r.Infra != 2 || r.Broken != "b: no route to b" || r.Total.All != 4) {
			t.Errorf("%s", r.Table())
		}
	}
	byID["b"] = eps[1]
	if _, r, err := run(""); err != nil || r.Infra != 1 || r.Total.All != 5 || r.Broken != "f: no route to f" {
		t.Errorf("b is well again: %v\n%s", err, r.Table())
	}
	if asked, _, _ := run(""); asked != "f" {
		t.Errorf("%s were played", asked)
	}
}

// TestStoreThatCannotWrite: an episode whose line was not written is not counted as kept.
func TestStoreThatCannotWrite(t *testing.T) {
	tasks, eps := played()
	s := open(t, t.TempDir(), nil)
	if err := s.log.Close(); err != nil { // as a disk that takes nothing more
		t.Fatal(err)
	}
	s.Add(&eps[0])
	if n := s.Len(); n != 0 || s.Missing(tasks) != len(tasks) || s.Close() == nil {
		t.Errorf("%d episodes are kept, %d of %d are missing", n, s.Missing(tasks), len(tasks))
	}
}

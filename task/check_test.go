package task

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ballast"
	"ballast/env"
	"ballast/env/expect"
)

// shop is a world behind a slow wire: orders that can be read and cancelled. The calls in the first
// sessions of every task fail as infrastructure.
type shop struct {
	wait   time.Duration
	first  int
	opened sync.Map // *atomic.Int64 by task
	calls  atomic.Int64
	now    atomic.Int64 // sessions that are open
	most   atomic.Int64
	closed atomic.Int64
}

func (s *shop) Tools(context.Context, *ballast.Task) ([]ballast.Tool, error) {
	id := []ballast.Param{{Name: "id", Type: "integer", Required: true}}
	return []ballast.Tool{{Name: "get_order", ReadOnly: true, Params: id}, {Name: "cancel_order", Params: id}}, nil
}

func (s *shop) Open(_ context.Context, task *ballast.Task) (ballast.Session, error) {
	opened, _ := s.opened.LoadOrStore(task.ID, new(atomic.Int64))
	n := s.now.Add(1)
	for m := s.most.Load(); n > m && !s.most.CompareAndSwap(m, n); m = s.most.Load() {
	}
	return &visit{shop: s, fails: opened.(*atomic.Int64).Add(1) <= int64(s.first), status: map[any]string{int64(17): "open", int64(18): "sent"}}, nil
}

type visit struct {
	shop   *shop
	fails  bool
	status map[any]string
}

func (v *visit) Call(ctx context.Context, c ballast.Call) (string, error) {
	select {
	case <-time.After(v.shop.wait):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if v.shop.calls.Add(1); v.fails {
		return "", errors.New("the pipe broke")
	}
	var id any
	for _, a := range c.Args {
		id = a.Value
	}
	status, ok := v.status[id]
	switch {
	case !ok:
		return "Error: no such order", nil
	case c.Name == "cancel_order" && status == "sent":
		return "Error: it is sent", nil
	case c.Name == "cancel_order":
		v.status[id] = "cancelled"
		return "ok", nil
	}
	return fmt.Sprintf(`{"id": %v, "status": %q}`, id, status), nil
}

func (v *visit) Close() error {
	v.shop.now.Add(-1)
	v.shop.closed.Add(1)
	return nil
}

func (s *shop) table() *env.Table {
	return &env.Table{
		Worlds: []env.WorldEntry{{Name: "mcp", World: s, Limit: time.Second,
			Failed: func(_ *ballast.Task, answer string) bool { return strings.HasPrefix(answer, "Error: ") }}},
		Graders: []env.GraderEntry{{Name: expect.Name, New: expect.New(expect.Options{})}},
		Users:   env.Builtin.Users,
	}
}

// orders writes a file of tasks and loads it.
func orders(t *testing.T, lines ...string) []ballast.Task {
	t.Helper()
	path := filepath.Join(t.TempDir(), "orders.jsonl")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return load(t, Spec{Name: path})
}

const cancel = `"user":"Cancel order 17.","gold":[{"name":"cancel_order","arguments":{"id":17}}]`

// TestCheckOfFile: what does not hold in a world is named, by file and line, and what holds is not.
func TestCheckOfFile(t *testing.T) {
	found := Checking{Table: (&shop{}).table()}.Run(t.Context(), orders(t,
		`{"id":"good","turns":[{`+cancel+`}]}`,
		`{"id":"state","turns":[{`+cancel+`,"expect":{"state":[{"call":{"name":"get_order","arguments":{"id":17}},"returns":{"status":"cancelled"}}]}}]}`,
		`{"id":"fails","turns":[{"user":"u","gold":[{"name":"cancel_order","arguments":{"id":18}}]}]}`,
		`{"id":"other state","turns":[{`+cancel+`,"expect":{"state":[{"call":{"name":"get_order","arguments":{"id":17}},"returns":{"status":"gone"}}]}}]}`,
		`{"id":"silence wins","turns":[{`+cancel+`,"expect":{"state":[{"call":{"name":"get_order","arguments":{"id":18}},"returns":{"status":"sent"}}]}}]}`,
		`{"id":"nothing","turns":[{"user":"u"}]}`,
		`{"id":"abstain","turns":[{"user":"Sing.","reply":"I cannot sing.","expect":{"calls":{"calls":[]}}}]}`,
		`{"id":"unknown","turns":[{"user":"u","gold":[{"name":"pay"}]}]}`,
		`{"id":"results","turns":[{`+cancel+`,"expect":{"results":[{"returns":"done"}]}}]}`,
		`{"id":"asks","turns":[{`+cancel+`,"expect":{"judge":{"question":"q"}}}]}`,
	))
	want := []string{
		`2 orders.jsonl:3: fails: the gold answer fails at turn 0: cancel_order(id=18) answers "Error: it is sent"`,
		`3 orders.jsonl:4: other state: the gold answer fails at turn 0: state: get_order(id=17): status is 'cancelled', wanted 'gone'; cancel_order(id=17) answers "ok"`,
		`4 orders.jsonl:5: silence wins: an answer without calls passes`,
		`5 orders.jsonl:6: nothing: an answer without calls passes`,
		`7 orders.jsonl:8: unknown: turn 0: gold calls pay, which is not among the tools`,
		`8 orders.jsonl:9: results: the gold answer fails at turn 0: results: no result is as wanted; the first: "ok", wanted "done"; cancel_order(id=17) answers "ok"`,
		`9 orders.jsonl:10: asks: the gold answer cannot be played: expect: task asks, turn 0 wants a judge, and there is none: set judge.url and judge.model`,
	}
	for i := range max(len(found), len(want)) {
		got, wanted := "", ""
		if i < len(found) {
			text := found[i].Error()
			got = fmt.Sprintf("%d %s", found[i].Index, text[strings.Index(text, "orders.jsonl"):])
		}
		if i < len(want) {
			wanted = want[i]
		}
		if got != wanted {
			t.Errorf("\n got %s\nwant %s", got, wanted)
		}
	}
}

// TestCheckOfSlowWorld: tasks are checked side by side, a machine that fails now and then costs no
// task, and one that always fails is a finding of its own kind.
func TestCheckOfSlowWorld(t *testing.T) {
	var lines []string
	for i := range 40 {
		lines = append(lines, fmt.Sprintf(`{"id":"t%d","turns":[{%s}]}`, i, cancel))
	}
	tasks := orders(t, lines...)
	slow := &shop{wait: 5 * time.Millisecond, first: tries - 1}
	if found := (Checking{Table: slow.table(), Beside: 8}).Run(t.Context(), tasks); len(found) > 0 {
		t.Errorf("%d tasks do not hold, the first: %v", len(found), &found[0])
	}
	if slow.most.Load() < 2 || slow.most.Load() > 8 || slow.now.Load() != 0 || slow.closed.Load() < 80 {
		t.Errorf("%d sessions at a time, %d open, %d closed", slow.most.Load(), slow.now.Load(), slow.closed.Load())
	}
	broken := &shop{first: 99}
	found := Checking{Table: broken.table()}.Run(t.Context(), tasks[:2])
	if len(found) != 2 || !found[0].Infra || !strings.Contains(found[0].Error(), "orders.jsonl:1: t0: the gold answer cannot be played: world mcp: cancel_order: the pipe broke") ||
		broken.calls.Load() != 2*tries {
		t.Errorf("%+v after %d calls", found, broken.calls.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if found := (Checking{Table: slow.table()}).Run(ctx, tasks); len(found) != len(tasks) || !found[0].Infra {
		t.Errorf("a context that has ended leaves %d findings", len(found))
	}
}

// TestFiles: a path is a file of tasks, and what does not go with one is an error.
func TestFiles(t *testing.T) {
	tasks := orders(t, `{"id":"a","split":"train","turns":[{`+cancel+`}]}`, `{"id":"b","split":"test","category":"hard","turns":[{`+cancel+`}]}`,
		`{"id":"c","split":"train","category":"hard","turns":[{`+cancel+`}]}`, `{"id":"d","split":"train","turns":[{`+cancel+`}]}`)
	path, _, _ := strings.Cut(tasks[0].Source, ".jsonl:")
	path += ".jsonl"
	ids := func(spec Spec) string {
		spec.Name = path
		var out []string
		for _, x := range load(t, spec) {
			out = append(out, x.ID)
		}
		return strings.Join(out, " ")
	}
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{}, "a b c d"}, {Spec{Split: "train"}, "a c d"}, {Spec{Split: "test"}, "b"}, {Spec{Split: "train", Seed: 7}, "a c d"}, {Spec{Split: "train", Count: 2}, "a c"},
		{Spec{Count: 99}, "a b c d"}, {Spec{Categories: []string{"hard"}}, "b c"}, {Spec{Split: "train", Categories: []string{"hard", "base"}, Count: 3}, "a c d"},
	} {
		if got := ids(c.spec); got != c.want {
			t.Errorf("%+v: %s, want %s", c.spec, got, c.want)
		}
	}
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{Name: path, Split: "valid"}, "has no task of split valid: it has train 3, test 1"},
		{Spec{Name: path, Split: "dev"}, "no split"},
		{Spec{Name: path, Split: "test", Categories: []string{"base"}}, `has no task of category "base" in split test; there are hard`},
		{Spec{Name: path, Level: map[string]int{"calls": 3}}, "has no level: its tasks are read"},
		{Spec{Name: path, Worlds: []string{"files"}}, "has no worlds to choose from"},
		{Spec{Name: path, Data: "x"}, "needs no folder of data"},
		{Spec{Name: "orders.jsonl"}, "orders.jsonl"},
		{Spec{Name: "no/where"}, "no/where"},
		{Spec{Name: "orders"}, `no set of tasks is named "orders"; there are desk, desk-ood, worlds, worlds-renamed, worlds-bare, worlds-none, bfcl, acebench, acebench-own, FILE.jsonl, and a file of tasks is named by its path, such as ./orders.jsonl`},
	} {
		if _, err := Load(c.spec); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one with %q", c.spec, err, c.want)
		}
	}
	for name, want := range map[string]bool{"desk": false, "a.jsonl": true, "a.json": true, "./a": true, "/a/b": true, "a": false, "": false, "jsonl": false} {
		if IsFile(name) != want {
			t.Errorf("%q is a path: %t", name, !want)
		}
	}
	if Held(path) != "test" {
		t.Error(Held(path))
	}
}

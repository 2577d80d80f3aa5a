package synthesize

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/task/file"
	"ballast/task/livetest"
	"ballast/task/survey"
	"ballast/value"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// worlds are servers that tasks can be made of.
func worlds() map[string]*livetest.World {
	return map[string]*livetest.World{"orders": livetest.Orders(), "files": livetest.Files(), "memory": livetest.Memory(), "drawn": livetest.Drawn()}
}

// make makes tasks that may change things.
func made(t *testing.T, w ballast.World, o Options) ([]Task, *Report) {
	t.Helper()
	o.Writes = true
	tasks, report, err := Synthesize(t.Context(), w, o)
	if err != nil {
		t.Fatal(err)
	}
	return tasks, report
}

// told is a task as text.
func told(x *Task) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s", x.ID, x.Split, x.Category)
	if x.Init != nil {
		fmt.Fprintf(&b, "  hold %s", value.Repr(x.Init["hold"]))
	}
	b.WriteString("\n")
	for _, turn := range x.Turns {
		fmt.Fprintf(&b, "  user: %s\n", turn.User)
		if len(turn.Reveal) > 0 {
			fmt.Fprintf(&b, "  reveal: %v\n", turn.Reveal)
		}
		for _, c := range turn.Gold {
			fmt.Fprintf(&b, "    %s\n", value.FormatCall(c))
		}
		if turn.Reply != "" {
			fmt.Fprintf(&b, "  reply: %s\n", turn.Reply)
		}
		fmt.Fprintf(&b, "  expect: %s\n", value.Repr(turn.Want))
	}
	return b.String()
}

// TestGolden: the same seed gives the same tasks.
func TestGolden(t *testing.T) {
	for name, w := range worlds() {
		if name == "drawn" {
			continue
		}
		tasks, report := made(t, w, Options{Seed: 3, Count: 16, Name: name})
		var b strings.Builder
		for i := range tasks {
			b.WriteString(told(&tasks[i]) + "\n")
		}
		b.WriteString(report.String())
		path := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if b.String() != string(want) {
			t.Errorf("%s: other tasks than in %s; run with -update if that is meant", name, path)
		}
	}
}

// values are those of a call's arguments that are no objects and no lists.
func values(v any, out []any) []any {
	switch v := v.(type) {
	case *value.Dict:
		for i := range v.Len() {
			_, x := v.At(i)
			out = values(x, out)
		}
		return out
	case *value.List:
		for _, x := range v.Items {
			out = values(x, out)
		}
		return out
	}
	return append(out, v)
}

// TestSplits: no value that names something is in the calls of both splits, and each of them stands in
// a request or is found by a call before.
func TestSplits(t *testing.T) {
	for name, w := range worlds() {
		tasks, _ := made(t, w, Options{Seed: 5, Count: 120, Name: name})
		in := map[string]map[string]bool{Train: {}, Test: {}}
		count := map[string]int{}
		for i := range tasks {
			x := &tasks[i]
			count[x.Split]++
			for _, turn := range x.Turns {
				for _, c := range turn.Gold {
					leaves := map[string]*survey.Param{}
					for _, tool := range w.List {
						for _, p := range survey.Params(tool) {
							if tool.Name == c.Name {
								leaves[p.Name] = p
							}
						}
					}
					for _, a := range c.Args {
						if p := leaves[a.Name]; len(p.Enum) > 0 || a.Name == "head" {
							continue // words of the tool, and how much is read
						}
						for _, v := range values(a.Value, nil) {
							in[x.Split][fmt.Sprint(v)] = true
						}
					}
				}
			}
		}
		if count[Train] == 0 || count[Test] == 0 {
			t.Errorf("%s: %v", name, count)
		}
		for v := range in[Test] {
			if in[Train][v] {
				t.Errorf("%s: %q is in both splits", name, v)
			}
		}
	}
}

// TestRequestsSayTheValues: the user says every value of gold that no call before returns.
func TestRequestsSayTheValues(t *testing.T) {
	for name, w := range worlds() {
		tasks, _ := made(t, w, Options{Seed: 9, Count: 80, Name: name})
		frames := map[string]bool{}
		for i := range tasks {
			x := &tasks[i]
			said := ""
			s, err := w.Open(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, turn := range x.Turns {
				said += turn.User + "\n"
				first, _, _ := strings.Cut(turn.User, " ")
				frames[first] = true
				for _, c := range turn.Gold {
					for _, a := range c.Args {
						for _, v := range values(a.Value, nil) {
							_, base, _ := strings.Cut(fmt.Sprint(v), "/data/")
							if !strings.Contains(said, fmt.Sprint(v)) && (base == "" || !strings.Contains(said, filepath.Base(base))) {
								t.Errorf("%s: %v of %s is not said:\n%s", x.ID, v, value.FormatCall(c), told(x))
							}
						}
					}
					text, err := s.Call(t.Context(), c)
					if err != nil {
						t.Fatal(err)
					}
					said += text + "\n"
				}
			}
			s.Close()
		}
		if len(frames) < 8 {
			t.Errorf("%s: requests begin in %d ways", name, len(frames))
		}
	}
}

// TestNothingVolatile: what differs from play to play is in no expectation, and in no request.
func TestNothingVolatile(t *testing.T) {
	tasks, report := made(t, livetest.Drawn(), Options{Seed: 2, Count: 40})
	for i := range tasks {
		if text := told(&tasks[i]); strings.Contains(text, "'reply'") || strings.Contains(text, "'state'") {
			t.Error(text)
		}
	}
	if !strings.Contains(report.String(), "changes from play to play") {
		t.Error(report)
	}
}

// TestReading: without leave nothing that writes is called.
func TestReading(t *testing.T) {
	w := livetest.Orders()
	writes := 0
	for i := range w.List {
		if !w.List[i].ReadOnly {
			writes++
		}
	}
	tasks, report, err := Synthesize(t.Context(), w, Options{Seed: 1, Count: 30})
	if err != nil || len(tasks) != 30 {
		t.Fatal(err, len(tasks))
	}
	for i := range tasks {
		for _, turn := range tasks[i].Turns {
			for _, c := range turn.Gold {
				if slices.Contains([]string{"cancel_order", "set_note", "create_order"}, c.Name) {
					t.Errorf("%s calls %s", tasks[i].ID, c.Name)
				}
			}
		}
	}
	if writes != 3 || strings.Count(report.String(), "calls that write were not allowed") != 3 {
		t.Error(report)
	}
	bare := livetest.Orders().Bare()
	if _, _, err := Synthesize(t.Context(), bare, Options{Seed: 1, Count: 5}); err == nil || !strings.Contains(err.Error(), "says that it only reads") {
		t.Errorf("a server without annotations: %v", err)
	}
	if bare.Opened.Load() != 0 {
		t.Error("it was called all the same")
	}
	tasks, _, err = Synthesize(t.Context(), bare, Options{Seed: 1, Count: 5, Reads: []string{"list_orders", "get_order"}})
	if err != nil || len(tasks) != 5 || !strings.Contains(told(&tasks[0]), "'match': 'subset'") {
		t.Errorf("with a list of tools that read: %v, %d tasks", err, len(tasks))
	}
	if _, _, err := Synthesize(t.Context(), bare, Options{Reads: []string{"moon"}}); err == nil || !strings.Contains(err.Error(), "moon") {
		t.Errorf("a tool that is not there: %v", err)
	}
	tasks, report = made(t, bare, Options{Seed: 1, Count: 10})
	if len(tasks) != 10 || !strings.Contains(report.String(), "by their names list_orders, get_order, list_customers, get_customer do") {
		t.Error(report)
	}
}

// TestLeak: where sessions share what tools change, one change is made at most by each tool, and no
// task changes anything.
func TestLeak(t *testing.T) {
	w := livetest.Orders()
	w.Shared = true
	tasks, report := made(t, w, Options{Seed: 4, Count: 30})
	for i := range tasks {
		if text := told(&tasks[i]); strings.Contains(text, "'state'") {
			t.Error(text)
		}
	}
	if len(tasks) < 20 || !strings.Contains(report.String(), "is seen in other sessions") {
		t.Error(report)
	}
	before := w.Calls.Load()
	if before == 0 || strings.Count(report.String(), "a change outlives its session") != 1 {
		t.Error(report)
	}
}

// TestProgress: what is told grows to what is asked for, and every task is told of that is played again.
func TestProgress(t *testing.T) {
	last, calls := map[string]int{}, map[string]int{}
	tasks, _ := made(t, livetest.Orders(), Options{Seed: 4, Count: 12, Progress: func(what string, done, of int) {
		if done < last[what] || done >= of || of != 12 {
			t.Errorf("%s %d of %d after %d", what, done, of, last[what])
		}
		last[what] = done
		calls[what]++
	}})
	if len(tasks) != 12 || last[Making] != 11 || last[Proving] != 11 || calls[Making] < 12 || calls[Proving] != 12 {
		t.Errorf("%d tasks: %v, told %v", len(tasks), last, calls)
	}
}

// TestBroken: a machine that fails now and then costs tasks and no run; one that fails always ends it.
func TestBroken(t *testing.T) {
	w := livetest.Orders()
	w.Broken = func(n int64) error {
		if n > 60 && n%150 == 0 {
			return errors.New("the server is gone")
		}
		return nil
	}
	tasks, report := made(t, w, Options{Seed: 6, Count: 20})
	if len(tasks) < 15 || !strings.Contains(report.String(), "the server failed") {
		t.Errorf("%d tasks\n%s", len(tasks), report)
	}
	w = livetest.Orders()
	w.Broken = func(n int64) error {
		if n > 60 {
			return errors.New("the server is gone")
		}
		return nil
	}
	if _, _, err := Synthesize(t.Context(), w, Options{Seed: 6, Count: 20}); err == nil || !strings.Contains(err.Error(), "5 times in a row") {
		t.Errorf("a dead server: %v", err)
	}
	tasks, report, err := Synthesize(t.Context(), livetest.Refusing(), Options{Seed: 1, Count: 5})
	if err != nil || len(tasks) != 0 || !strings.Contains(report.String(), "Error: not now") || !strings.Contains(report.String(), "thing_id") {
		t.Errorf("a server that refuses: %v, %d tasks\n%s", err, len(tasks), report)
	}
}

// TestOptions: what cannot be is refused.
func TestOptions(t *testing.T) {
	for _, o := range []Options{{Categories: []string{"long"}}, {Count: -1}, {Tests: 2}} {
		if _, _, err := Synthesize(t.Context(), livetest.Orders(), o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	tasks, _ := made(t, livetest.Orders(), Options{Seed: 1, Count: 12, Categories: []string{"miss_param"}})
	for i := range tasks {
		if tasks[i].Category != "miss_param" || len(tasks[i].Turns) < 2 {
			t.Error(told(&tasks[i]))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Synthesize(ctx, livetest.Orders(), Options{}); err == nil {
		t.Error("a context that has ended")
	}
}

// TestWord: another wording is taken where it keeps the values.
func TestWord(t *testing.T) {
	tasks, report := made(t, livetest.Orders(), Options{Seed: 1, Count: 20, Word: func(_ context.Context, text string, calls []ballast.Call) (string, error) {
		switch len(text) % 3 {
		case 0:
			return "", errors.New("no answer")
		case 1:
			return "Do it.", nil
		}
		return "So: " + text, nil
	}})
	so, lost := 0, 0
	for i := range tasks {
		for _, turn := range tasks[i].Turns {
			if strings.HasPrefix(turn.User, "So: ") {
				so++
			}
			if turn.User == "Do it." {
				for _, c := range turn.Gold {
					lost += len(c.Args)
				}
			}
		}
	}
	if so == 0 || lost > 0 || !strings.Contains(report.String(), "lost a value") || !strings.Contains(report.String(), "no answer") {
		t.Errorf("%d reworded, %d values lost\n%s", so, lost, report)
	}
}

// TestGraded: with the grader of tasks files gold passes and silence does not, in every task, and what
// is written is read back the same.
func TestGraded(t *testing.T) {
	for name, w := range worlds() {
		tasks, _ := made(t, w, Options{Seed: 11, Count: 60, Name: name})
		plain, split := make([]ballast.Task, len(tasks)), make([]string, len(tasks))
		for i := range tasks {
			plain[i], split[i] = tasks[i].Task, tasks[i].Split
			if failed, err := livetest.Play(t.Context(), w, &tasks[i].Task, true); failed != "" || err != nil {
				t.Errorf("gold fails: %s %v\n%s", failed, err, told(&tasks[i]))
			}
			if failed, err := livetest.Play(t.Context(), w, &tasks[i].Task, false); failed == "" || err != nil {
				t.Errorf("silence passes (%v):\n%s", err, told(&tasks[i]))
			}
		}
		var b strings.Builder
		if err := file.Write(&b, plain, split); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "tasks.jsonl")
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := file.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		var again strings.Builder
		if err := file.Write(&again, f.Tasks, f.Split); err != nil || again.String() != b.String() || len(f.Tasks) != len(tasks) {
			t.Errorf("%s: %v: other lines after reading", name, err)
		}
	}
}

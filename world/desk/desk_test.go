package desk

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast/value"
	"ballast/world"
)

var update = flag.Bool("update", false, "write the golden files anew")

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// worldByName finds a world of the table.
func worldByName(t *testing.T, name string) world.API {
	t.Helper()
	for _, w := range All {
		if w.Name() == name {
			return w
		}
	}
	t.Fatalf("no world %s", name)
	return nil
}

// TestScripts plays testdata/*.txt: the first line is a world and its
// configuration, each further line a call and, below it, the expected answer.
func TestScripts(t *testing.T) {
	paths := must(filepath.Glob("testdata/*.txt"))
	if len(paths) != len(All) {
		t.Fatalf("%d scripts for %d worlds", len(paths), len(All))
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			old := string(must(os.ReadFile(path)))
			lines := strings.Split(strings.TrimSpace(old), "\n")
			name := strings.TrimSuffix(filepath.Base(path), ".txt")
			config := must(value.ParseJSON([]byte(lines[0])))
			st := must(worldByName(t, name).New(config, ""))
			var b strings.Builder
			b.WriteString(lines[0] + "\n")
			for _, line := range lines[1:] {
				if line == "" || strings.HasPrefix(line, "  ") {
					continue
				}
				b.WriteString(line + "\n  " + st.Call(must(value.ParseCall(line))) + "\n")
			}
			b.WriteString("\n  " + must(value.JSON(st.Dump())) + "\n")
			if *update {
				if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if b.String() != old {
				t.Errorf("got\n%swant\n%s", b.String(), old)
			}
		})
	}
}

// TestOrderDoesNotCount: the same things done in another order are equal states.
func TestOrderDoesNotCount(t *testing.T) {
	for name, calls := range map[string][]string{
		"files":    {"write('b', 'x')", "write('a', 'y')", "mkdir('q')", "mkdir('p')"},
		"messages": {"save('a', 1)", "save('b', 2)"},
		"calendar": {"book('b', 'mon', 9)", "book('a', 'fri', 9)"},
		"shop":     {"fund(3)", "fund(5)"},
		"notes":    {"jot('b', 'x')", "jot('a', 'y')"},
		"lights":   {"dim('hall', 3)", "paint('attic', 'red')"},
	} {
		config := value.NewDict("rooms", value.NewDict("hall", value.NewList(int64(1), "blue"), "attic", value.NewList(int64(1), "blue")))
		a, b := must(worldByName(t, name).New(config, "")), must(worldByName(t, name).New(config, ""))
		for i := range calls {
			for _, x := range []string{a.Call(must(value.ParseCall(calls[i]))), b.Call(must(value.ParseCall(calls[len(calls)-1-i])))} {
				if x != "ok" {
					t.Errorf("%s: answer %q", name, x)
				}
			}
		}
		if where := a.Equal(b); where != "" {
			t.Errorf("%s: states differ in %s", name, where)
		}
	}
}

// TestEqualNamesTheAttribute makes one change and looks at what differs.
func TestEqualNamesTheAttribute(t *testing.T) {
	const config = `{"folders": {"docs": {"a": "x"}}, "contacts": {"ann": 1}, "inbox": {"ann": "x"}, "events": {"e": ["mon", 9]},
		"items": {"red cup": [1, 2]}, "money": 5, "notes": {"n": ["x", "work"]}, "rooms": {"hall": [0, "red"]}}`
	for _, c := range [][3]string{
		{"files", "delete('a')", "files"}, {"files", "mkdir('q')", "folders"},
		{"messages", "save('bob', 2)", "contacts"}, {"messages", "clear('ann')", "inbox"},
		{"messages", "send('ann', 'y')", "sent"}, {"messages", "block('ann')", "blocked"},
		{"calendar", "delay('e', 1)", "events"}, {"calendar", "invite('e', 'ann')", "guests"},
		{"shop", "add('red cup', 1)", "cart"}, {"shop", "wish('red cup')", "wishes"}, {"shop", "fund(1)", "money"},
		{"notes", "pin('n')", "notes"}, {"lights", "on('hall')", "rooms"},
	} {
		a, b := must(worldByName(t, c[0]).New(must(value.ParseJSON([]byte(config))), "")), must(worldByName(t, c[0]).New(must(value.ParseJSON([]byte(config))), ""))
		if answer := a.Call(must(value.ParseCall(c[1]))); answer != "ok" {
			t.Errorf("%s answers %q", c[1], answer)
		}
		if got := a.Equal(b); got != c[2] {
			t.Errorf("%s: differs in %q, want %q", c[1], got, c[2])
		}
	}
	if a, b := must(files.New(nil, "")), must(shop.New(nil, "")); a.Equal(b) != "kind" {
		t.Error("states of two worlds are compared")
	}
}

// TestLong: the long variant answers with a log line, but not to failed calls.
func TestLong(t *testing.T) {
	st := must(files.New(nil, world.LongContext))
	if got := st.Call(must(value.ParseCall("mkdir('a')"))); !strings.HasPrefix(got, "ok\nlog: ") {
		t.Errorf("answer %q", got)
	}
	if got := st.Call(must(value.ParseCall("mkdir('a')"))); got != "error: a exists" {
		t.Errorf("answer %q", got)
	}
}

func TestBadConfigurations(t *testing.T) {
	for _, c := range [][3]string{
		{"files", `[]`, "want a mapping"},
		{"files", `{"folders": []}`, "folders is a"},
		{"files", `{"folders": {"docs": 1}}`, "folders.docs"},
		{"files", `{"folders": {"docs": {"a": 1}}}`, "entry a"},
		{"files", `{"folders": {"docs": {"a": "x"}, "work": {"a": "y"}}}`, "file a occurs twice"},
		{"messages", `{"contacts": {"ann": "1"}}`, "contacts.ann"},
		{"messages", `{"inbox": {"ann": "x"}}`, "inbox.ann: is no contact"},
		{"calendar", `{"events": {"e": ["mon"]}}`, "events.e"},
		{"calendar", `{"events": {"e": ["sun", 9]}}`, "no day sun"},
		{"calendar", `{"events": {"e": ["mon", 30]}}`, "no hour 30"},
		{"calendar", `{"events": {"e": ["mon", 9, 1]}}`, "want a string"},
		{"shop", `{"items": {"red cup": [1]}}`, "items.red cup"},
		{"shop", `{"items": {"red cup": [1, -1]}}`, "out of range"},
		{"shop", `{"cart": {"red cup": 1}}`, "not in stock"},
		{"shop", `{"money": -1}`, "money is -1"},
		{"notes", `{"notes": {"n": ["x"]}}`, "notes.n"},
		{"lights", `{"rooms": {"hall": [1, "mauve"]}}`, "rooms.hall"},
	} {
		if _, err := worldByName(t, c[0]).New(must(value.ParseJSON([]byte(c[1]))), ""); err == nil || !strings.Contains(err.Error(), c[2]) || !strings.Contains(err.Error(), c[0]) {
			t.Errorf("%s: error %v, want one with %q", c[1], err, c[2])
		}
	}
}

func FuzzCall(f *testing.F) {
	f.Add("move(file='a', folder='docs')")
	f.Add("add('red cup', 99999999999999999999)")
	f.Add("delay('e', -9223372036854775808)")
	config := must(value.ParseJSON([]byte(`{"folders": {"docs": {"a": "x"}}, "events": {"e": ["mon", 9]}, "items": {"red cup": [1, 2]}}`)))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := value.ParseCall(text)
		if err != nil {
			return
		}
		for _, w := range All {
			a, b := must(w.New(config, "")), must(w.New(config, ""))
			if answer := a.Call(c); strings.HasPrefix(answer, "error: ") && a.Equal(b) != "" || len(answer) > 200 {
				t.Errorf("%s answers %q and changes %q", text, answer, a.Equal(b))
			}
		}
	})
}

package runlog

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ballast/monitor/verdict"
	"ballast/provenance"
)

var update = flag.Bool("update", false, "write the golden files")

// whats has a value of every kind, no field of which is zero.
var whats = []What{
	PhaseBegun{"rl", 40}, Saved{"checkpoints/000040"}, Examples{8, 1, 9, 2, map[string]int{"too long": 2}},
	Judged{4, 3, 2, 1, 500, 0.25, map[string]int{"refusal": 1}},
	Evaluated{Score{3, 4, 1, map[string]float64{"ok": 0.75}}, true}, Tested{Score{1, 2, 1, map[string]float64{"left_out": 0.5}}},
	SuiteTested{"id", Score{1, 2, 1, map[string]float64{"suite": 0.5}}, "c0ffee"},
	Warned{verdict.Drifting}, Alarm{verdict.Polluted, 12}, Acted{DoStop, new(10), 0.5, 10, 2},
	EngineSaid{}, Interrupted{}, Resumed{[]string{"a note"}, map[string]string{"go": "1.27"}}, Lengthened{40}, Cost{1.5, 2.5}, Done{3, 4},
}

// TestEvents: what is written is read, of every kind, and no field is lost.
func TestEvents(t *testing.T) {
	seen := map[Kind]bool{}
	for _, what := range whats {
		e := Event{Update: 40, What: what, Text: "<tool_call> in words"}
		line, err := encodeEvent(e)
		must(t, err)
		if bytes.Count(line, []byte("\n")) != 1 || bytes.Contains(line, []byte("u003c")) {
			t.Errorf("%s", line)
		}
		if got, err := decodeEvent(line); err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%s: %+v, %v", line, got, err)
		}
		for i := range reflect.TypeOf(what).NumField() {
			if reflect.ValueOf(what).Field(i).IsZero() {
				t.Errorf("%T.%s is not tested", what, reflect.TypeOf(what).Field(i).Name)
			}
		}
		seen[e.Kind()] = true
	}
	for k := range kinds {
		if !seen[k] {
			t.Errorf("kind %s is not tested", k)
		}
	}
}

// TestUnsoundEvents: what a program could take for something else is not read, nor written.
func TestUnsoundEvents(t *testing.T) {
	for _, row := range []struct{ line, want string }{
		{`{"update":1,"version":3,"kind":"done","text":""}`, "use a newer ballast"},
		{`{"update":1,"version":2,"kind":"merged","text":""}`, "use a newer ballast"},
		{`{"update":1,"version":2,"kind":"action","text":"stop: x","data":{"do":"merge"}}`, `"merge" that no guard takes: use a newer ballast`},
		{`{"update":1,"version":2,"kind":"action","text":"stop: x"}`, `"" that no guard takes`},
		{`{"update":1,"version":2,"kind":"phase","text":"rl, 4 updates"}`, "it names no phase"},
		{`{"update":1,"version":2,"kind":"eval","text":"","data":{"ok":3,"all":2}}`, "3 of 2 tasks"},
		{`{"update":1,"version":2,"kind":"suite","text":"","data":{"ok":1,"all":2}}`, "it names no suite"},
		{`{"update":1,"version":2,"kind":"eval","text":"","data":{"ok":"many"}}`, "kind eval"},
		{`{"update":1,"kind":"merged","text":""}`, "no event of ballast"},
		{`{"update":1,"version":1,"kind":"done","text":""}`, "no event of ballast"},
		{`{"update":1,"kind":"action","text":"merge: x"}`, "nothing that a guard does"},
		{`{"update":1,"kind":"phase","text":"rl"}`, "names no phase and its updates"},
		{`{"update":1,"kind":"eval","text":"","data":{"ok":1,"all":2,"base":"half"}}`, `"base" is no rate`},
		{`{"update":1,"kind":"eval","text":"","data":{"ok":1,"all":2,"base":7}}`, `the rate of "base" is 7`},
		{`{"update":-1,"version":2,"kind":"interrupt","text":""}`, `its update is -1`},
		{`{"update":1,"kind":"eval","text":"","data":{"ok":"1","all":2,"base":0.5}}`, `"ok" is no rate`},
		{`{"update":1,"kind":"suite","text":"","data":{"ok":1,"all":2}}`, "it names no suite"},
		{`[]`, "array"},
	} {
		_, err := decodeEvent([]byte(row.line))
		wantErr(t, err, row.want)
	}
	r := create(t)
	for _, what := range []What{Acted{Do: "merge"}, PhaseBegun{}, SuiteTested{}, Tested{Score{OK: 3, All: 2}}} {
		if err := r.Event(Event{What: what}); err == nil {
			t.Errorf("%+v is written", what)
		}
	}
}

// TestOlderEvents: lines that programs before typed events wrote, of every kind.
func TestOlderEvents(t *testing.T) {
	data, err := os.ReadFile("testdata/events-v2.jsonl")
	must(t, err)
	var golden bytes.Buffer
	seen := map[Kind]bool{}
	for line := range bytes.Lines(data) {
		e, err := decodeEvent(line)
		if err != nil {
			t.Errorf("%s%v", line, err)
			continue
		}
		seen[e.Kind()] = true
		what, err := json.Marshal(e.What)
		must(t, err)
		golden.WriteString(string(e.Kind()) + " " + string(what) + "\n")
	}
	for k := range kinds {
		if !seen[k] && k != KindEngine { // which they did not have
			t.Errorf("no line of kind %s", k)
		}
	}
	if *update {
		must(t, os.WriteFile("testdata/events-v2.golden", golden.Bytes(), 0o666))
	}
	want, err := os.ReadFile("testdata/events-v2.golden")
	must(t, err)
	if golden.String() != string(want) {
		t.Errorf("read as\n%swant\n%s", &golden, want)
	}
}

// TestVersion2: a run of version 2 is read; opened to be written it is of this version, since
// a program of version 2 would misread what follows.
func TestVersion2(t *testing.T) {
	r := create(t)
	h := r.Header()
	must(t, r.Close())
	h.Version = 2
	data, err := provenance.Seal(h)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(r.Dir(), headerFile), data, 0o666))
	old, err := os.ReadFile("testdata/events-v2.jsonl")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(r.Dir(), eventsFile), old, 0o666))
	l, err := Read(r.Dir())
	must(t, err)
	if l.Header.Version != 2 {
		t.Errorf("version %d", l.Header.Version)
	}
	n := len(collect(t, l.Events()))
	r, err = Open(r.Dir())
	must(t, err)
	must(t, r.Event(Event{What: Interrupted{}}))
	must(t, r.Close())
	l, err = Read(r.Dir())
	must(t, err)
	if l.Header.Version != Version || l.Header.Recipe != h.Recipe || l.Header.Pending != nil || len(collect(t, l.Events())) != n+1 {
		t.Errorf("%+v", l.Header)
	}
}

func FuzzEvents(f *testing.F) {
	for _, what := range whats {
		line, err := encodeEvent(Event{What: what})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	old, err := os.ReadFile("testdata/events-v2.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(old)) {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := decodeEvent(line)
		if err != nil {
			return
		}
		first, err := encodeEvent(e)
		if err != nil {
			t.Fatalf("%+v does not encode: %v", e, err)
		}
		again, err := decodeEvent(first)
		if err != nil {
			t.Fatalf("%s does not decode: %v", first, err)
		}
		if second, err := encodeEvent(again); err != nil || !bytes.Equal(first, second) {
			t.Errorf("%s\nbecame\n%s, %v", first, second, err)
		}
	})
}

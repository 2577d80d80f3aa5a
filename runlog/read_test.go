package runlog

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"ballast"
)

func TestTornLine(t *testing.T) {
	r := create(t)
	must(t, r.Update(ballast.Update{Index: 1}))
	must(t, r.Close())
	path := filepath.Join(r.Dir(), "updates.jsonl")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	f.WriteString(`{"update":2,"pha` + strings.Repeat("x", 200<<10)) // more than one buffer
	must(t, f.Close())
	l, err := Read(r.Dir())
	must(t, err)
	if n := len(collect(t, l.Updates())); n != 1 {
		t.Errorf("a reader of the torn file sees %d updates", n)
	}
	r, err = Open(r.Dir())
	must(t, err)
	defer r.Close()
	must(t, r.Update(ballast.Update{Index: 2}))
	if us := collect(t, l.Updates()); len(us) != 2 || us[1].Index != 2 {
		t.Errorf("after reopening: %+v", us)
	}
}

func TestBadLine(t *testing.T) {
	r := create(t)
	must(t, os.WriteFile(filepath.Join(r.Dir(), "updates.jsonl"), []byte("{}\n{oops\n{}\n"), 0o666))
	l, err := Read(r.Dir())
	must(t, err)
	n := 0
	for _, err = range l.Updates() {
		n++
	}
	wantErr(t, err, "updates.jsonl:2: ")
	if n != 2 {
		t.Errorf("%d yields, want one update and one error", n)
	}
}

// TestLongLines: a line that no run writes is an error, and not its weight in memory.
func TestLongLines(t *testing.T) {
	r := create(t)
	must(t, r.Close())
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed)
	must(t, err)
	for range 80 {
		_, err := z.Write(bytes.Repeat([]byte("x"), 1<<20))
		must(t, err)
	}
	must(t, z.Close())
	must(t, os.WriteFile(filepath.Join(r.Dir(), episodesDir, name(1)+episodeExt), packed.Bytes(), 0o666))
	must(t, os.WriteFile(filepath.Join(r.Dir(), eventsFile), append(bytes.Repeat([]byte("x"), 20<<20), '\n'), 0o666))
	log, err := Read(r.Dir())
	must(t, err)
	for _, err := range log.Episodes(1) {
		if err == nil || !strings.Contains(err.Error(), "more than") {
			t.Errorf("an episode of 80 MiB: %v", err)
		}
	}
	for _, err := range log.Events() {
		if err == nil || !strings.Contains(err.Error(), "more than") {
			t.Errorf("an event of 20 MiB: %v", err)
		}
	}
}

// TestMetricsOfEarlierVersions: a metric that had another name is read under today's.
func TestMetricsOfEarlierVersions(t *testing.T) {
	for old, want := range map[string]string{"form/call": "reply/call", "reply/call": "reply/call", "form": "form", "transition/call/polluted": "transition/call/polluted"} {
		if got := today(old); got != want {
			t.Errorf("%s is read as %s, want %s", old, got, want)
		}
	}
}

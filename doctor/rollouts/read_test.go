package rollouts

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	pqzstd "github.com/parquet-go/parquet-go/compress/zstd"
)

func gz(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

func zst(s string) string {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return string(w.EncodeAll([]byte(s), nil))
}

func wide16(s string, order binary.AppendByteOrder, mark bool) string {
	var b []byte
	if mark {
		b = order.AppendUint16(b, 0xfeff)
	}
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

// TestShapes: records are found however trainers write, wrap, pack and encode them,
// and what cannot be read is said with its place.
func TestShapes(t *testing.T) {
	const a, b, c = `{"output": "a", "score": 1, "step": 3}`, `{"score": 0, "output": "b\n", "step": 3}`, `{"step": 4, "output": "é", "score": null}`
	lines := a + "\n" + b + "\n" + c + "\n"
	for _, x := range []struct {
		name, file, content string
		replies             string // of all records, joined by |
		fault               string
	}{
		{"lines", "a.jsonl", lines, "a|b\n|é", ""},
		{"no last newline", "a.jsonl", strings.TrimSpace(lines), "a|b\n|é", ""},
		{"crlf", "a.jsonl", strings.ReplaceAll(lines, "\n", "\r\n"), "a|b\n|é", ""},
		{"empty lines", "a.jsonl", "\n\n" + strings.ReplaceAll(lines, "\n", "\n \n"), "a|b\n|é", ""},
		{"byte order mark", "a.jsonl", "\xef\xbb\xbf" + lines, "a|b\n|é", ""},
		{"utf-16 le", "a.jsonl", wide16(lines, binary.LittleEndian, true), "a|b\n|é", ""},
		{"utf-16 be", "a.jsonl", wide16(lines, binary.BigEndian, true), "a|b\n|é", ""},
		{"utf-16 without a mark", "a.jsonl", wide16(lines, binary.LittleEndian, false), "a|b\n|é", ""},
		{"utf-16 be without a mark", "a.jsonl", wide16(lines, binary.BigEndian, false), "a|b\n|é", ""},
		{"gzip", "a.jsonl.gz", gz(lines), "a|b\n|é", ""},
		{"gzip of two parts", "a.jsonl.gz", gz(a+"\n") + gz(b+"\n"+c), "a|b\n|é", ""},
		{"zstd", "a.jsonl.zst", zst(lines), "a|b\n|é", ""},
		{"gzip of a marked file", "a.jsonl", gz("\xef\xbb\xbf" + lines), "a|b\n|é", ""},
		{"cut gzip", "a.jsonl.gz", gz(lines)[:len(gz(lines))-9], "a|b\n|é", "after line 3: unexpected EOF"},
		{"list", "a.json", "[" + a + "," + b + ",\n" + c + "]", "a|b\n|é", ""},
		{"marked list", "a.json", "\xef\xbb\xbf[" + a + "," + b + "]", "a|b\n", ""},
		{"indented", "a.json", "[\n  {\n    \"output\": \"a\"\n  },\n  {\n    \"output\": \"b\"\n  }\n]\n", "a|b", ""},
		{"indented objects", "a.json", "{\n  \"output\": \"a\"\n}\n{\n  \"output\": \"b\"\n}\n", "a|b", ""},
		{"wrapped", "a.json", `{"rollouts": [` + a + "," + b + `]}`, "a|b\n", ""},
		{"wrapped behind other keys", "a.json", `{"config": {"a": [1]}, "step": 9, "samples": [{"response": "a"}, {"response": "b"}]}`, "a|b", ""},
		{"wrapped in lines", "a.jsonl", `{"step": 1, "rollouts": [` + a + "]}\n" + `{"step": 2, "rollouts": [` + b + "]}\n", "a|b\n", ""},
		{"table", "a.table.json", `{"columns": ["step", "completion", "reward"], "data": [[1, "a", 1.0], [2, "b", 0.0]]}`, "a|b", ""},
		{"table with a short row", "a.table.json", `{"columns": ["step", "completion", "reward"], "data": [[1, "a", 1.0], [2, "b"]]}`, "a", "data, record 2: 2 values for 3 columns"},
		{"two on a line", "a.jsonl", a + b + "\n" + c, "a|b\n|é", ""},
		{"two on a line with a comma", "a.jsonl", a + ", " + b + ",\n" + c, "a|b\n|é", ""},
		{"a list on a line", "a.jsonl", "[" + a + "," + b + "]\n" + c, "a|b\n|é", ""},
		{"killed, then appended to", "a.jsonl", a + "\n" + b[:20] + a + "\n" + c, "a|a|é", "line 2: not a JSON object: it breaks off"},
		{"cut", "a.jsonl", lines[:len(lines)-9], "a|b\n", "line 3"},
		{"zero bytes at the end", "a.jsonl", lines + strings.Repeat("\x00", 4096), "a|b\n|é", "line 4: 4096 zero bytes"},
		{"zero bytes, then more", "a.jsonl", a + "\n" + strings.Repeat("\x00", 40) + b + "\n" + c, "a|b\n|é", "line 2: 40 zero bytes"},
		{"broken first line", "a.jsonl", "oken\": 1}\n" + lines, "a|b\n|é", "line 1"},
		{"broken lines", "a.jsonl", a + "\n{\"a\": \n[\n" + b + "\n}\n", "a|b\n", "line 2: not a JSON object: it breaks off; and 2 more bad lines"},
		{"many broken lines", "a.jsonl", a + "\n" + strings.Repeat("{\n", 500) + b, "a|b\n", "and 499 more bad lines"},
		{"other records between", "a.jsonl", a + "\n{\"loss\": 1}\n" + b, "a|b\n", "line 2: no reply in it"},
		{"a number on a line", "a.jsonl", a + "\n7\n" + b, "a|b\n", "line 2: not a JSON object"},
		{"text", "a.txt", "one\ntwo\n", "one|two", ""},
		{"text in brackets", "a.txt", "[ls(a='b')]\n[cd()]\n", "[ls(a='b')]|[cd()]", ""},
		{"calls", "a.txt", `{"name": "f", "arguments": {}}` + "\n", `{"name": "f", "arguments": {}}`, ""},
		{"a log of metrics", "train.log", strings.Repeat("{'loss': 0.0, 'reward': 0.8}\n", 9), "", "the log of a program"},
		{"a log with times", "train.txt", strings.Repeat("2026-11-03 12:00:01,123 - INFO - step\n", 9), "", "the log of a program"},
		{"a log of processes", "train.log", strings.Repeat("(TaskRunner pid=12) step:3 - actor/loss:0.1\n", 9), "", "the log of a program"},
		{"deep", "a.jsonl", `{"x": ` + strings.Repeat("[", 1e6) + strings.Repeat("]", 1e6) + `, "output": "a"}`, "a", ""},
		{"deep messages", "a.jsonl", `{"messages": ` + strings.Repeat("[", 1e5) + strings.Repeat("]", 1e5) + "}\n" + a, "a", "line 1"},
		{"deep calls", "a.jsonl", `{"messages": [{"role": "assistant", "tool_calls": [` + strings.Repeat(`{"function":`, 1e6) + "1" + strings.Repeat("}", 1e6) + `]}]}`, "<tool_call>\n{\"name\": \"\", \"arguments\": {}}\n</tool_call>", ""},
		{"pickle", "a.pt", "PK\x03\x04\x14\x00 and so on", "", "pickle"},
		{"bare pickle", "a.jsonl", "\x80\x04\x95\x10", "", "pickle"},
		{"bytes", "a.jsonl", "{\x00\x01\xff\xfe" + strings.Repeat("\xff\x00\x00", 50), "", "line 1"},
		{"bytes by another name", "a.bin", "{\x00\x01\xff\xfe" + strings.Repeat("\xff\x00\x00", 50), "", "neither JSON"},
		{"two lists", "a.json", "[" + a + "]\n[" + b + "]", "a|b\n", ""},
		{"a list and an object", "a.json", "[" + a + "]\n" + b, "a|b\n", ""},
		{"a list and garbage", "a.json", "[" + a + "]\n}", "a", "record"},
		{"empty", "a.jsonl", " \n\n", "", "empty"},
		{"zeros alone", "a.jsonl", strings.Repeat("\x00", 500), "", "empty"},
	} {
		list, err := read(t, x.file, x.content, Options{})
		var got []string
		for _, r := range list {
			got = append(got, r.Replies...)
		}
		if strings.Join(got, "|") != x.replies || (err != nil) != (x.fault != "") || err != nil && !strings.Contains(err.Error(), x.fault) {
			t.Errorf("%s: %.200q, %v; want %q and %q", x.name, got, err, x.replies, x.fault)
		}
		light, lerr := read(t, x.file, x.content, Options{Light: true})
		if same := len(light) == len(list); !same && x.name != "deep messages" || lerr == nil && err != nil && x.name != "deep messages" {
			t.Errorf("%s: %d records without replies, %d with; %v", x.name, len(light), len(list), lerr)
		}
		for i := range min(len(light), len(list)) {
			if x.name != "deep messages" && (light[i].Step != list[i].Step || light[i].Seq != list[i].Seq || len(light[i].Values) != len(list[i].Values)) {
				t.Errorf("%s: %+v and %+v", x.name, light[i], list[i])
			}
		}
	}
}

// TestLongLine: a line beyond the bound is named, and the lines after it are read.
func TestLongLine(t *testing.T) {
	big := `{"output": "` + strings.Repeat("x", 12<<20) + `"}`
	list, err := read(t, "a.jsonl", big+"\n"+`{"output": "`+strings.Repeat("x", maxRecord)+"\"}\n"+`{"output": "a"}`, Options{})
	if len(list) != 2 || len(list[0].Replies[0]) != 12<<20 || err == nil || !strings.Contains(err.Error(), "line 2: longer than") {
		t.Errorf("%d records, %v", len(list), err)
	}
}

// grown is by how much the process may grow while f runs.
func grown(f func()) uint64 {
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.Sys - min(before.Sys, after.Sys)
}

// TestBombs: small files that unpack to much end with a sentence, in little memory.
func TestBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	packed := func(line string, n int) string {
		var b bytes.Buffer
		w, err := zstd.NewWriter(&b, zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			t.Fatal(err)
		}
		block := []byte(strings.Repeat(line, 1<<20/len(line)))
		for range n {
			w.Write(block)
		}
		w.Close()
		return b.String()
	}
	for _, c := range []struct{ name, content, fault string }{
		{"objects without a reply", packed("{}\n", 200), "the rest was not read"},
		{"records", packed(`{"output": "`+strings.Repeat("a", 4000)+"\"}\n", 200), "too large"},
		{"one line", packed(strings.Repeat("a", 1000), 200), "more than"},
		{"gzip", gz(strings.Repeat(`{"output": "`+strings.Repeat("a", 40000)+"\"}\n", 5000)), "too large"},
	} {
		n := 0
		var err error
		path := filepath.Join(t.TempDir(), "a.jsonl.zst")
		if e := os.WriteFile(path, []byte(c.content), 0o666); e != nil {
			t.Fatal(e)
		}
		memory := grown(func() { err = Read(path, Options{}, func(Record) { n++ }) })
		if err == nil || !strings.Contains(err.Error(), c.fault) || memory > 300<<20 {
			t.Errorf("%s (%d bytes): %d records, %v, %d MB", c.name, len(c.content), n, err, memory>>20)
		}
	}
}

// TestNotFiles: pipes and devices are refused at once.
func TestNotFiles(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.jsonl")
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero", t.TempDir()} {
		done := make(chan error, 1)
		go func() { done <- Read(path, Options{}, func(Record) {}) }()
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), "no regular file") {
				t.Errorf("%s: %v", path, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: it is waited for", path)
		}
	}
}

// TestLinear: time grows with the size, not with its square.
func TestLinear(t *testing.T) {
	for name, piece := range map[string]string{
		"stray headers": "<|im_start|>x", "headers": "<|im_start|>assistant\nx", "names": "a\nassistant\n", "llama": "<|start_header_id|>", "quotes": `\"`, "slashes": `\\`,
	} {
		start := time.Now()
		n := 2_000_000 / len(piece)
		list, err := read(t, "a.jsonl", `{"output": "<|im_start|>assistant\n<|start_header_id|>assistant<|end_header_id|>`+
			strings.ReplaceAll(strings.Repeat(piece, n), "\n", `\n`)+`"}`, Options{})
		if took := time.Since(start); err != nil || len(list) != 1 || took > 20*time.Second {
			t.Errorf("%s: %d records, %v, %v", name, len(list), err, took)
		}
	}
}

func parquetFile[T any](t testing.TB, rows []T, o ...parquet.WriterOption) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "completions_00001.parquet")
	if err := parquet.WriteFile(path, rows, o...); err != nil {
		t.Fatal(err)
	}
	return path
}

type pqRow struct {
	Step       int64    `parquet:"step"`
	Completion string   `parquet:"completion"`
	Reward     *float64 `parquet:"reward,optional"`
	Format     *float32 `parquet:"format_reward,optional"`
	Latency    float64  `parquet:"latency_s"`
	Acc        bool     `parquet:"acc"`
	Text       string   `parquet:"score"`
	Rewards    struct {
		Correct float64 `parquet:"correct"`
		Style   float64 `parquet:"style"`
	} `parquet:"rewards"`
	List []float64 `parquet:"scores,list"`
}

// TestParquetColumns: every kind of column that holds rewards, and those that do not.
func TestParquetColumns(t *testing.T) {
	one, nan := 1.0, float32(math.NaN())
	row := pqRow{Step: 3, Completion: "a", Reward: &one, Format: &nan, Latency: 2.5, Acc: true, Text: "0.25", List: []float64{1, 2}}
	row.Rewards.Correct, row.Rewards.Style = 1, 0.5
	without := row
	without.Reward, without.Format, without.List = nil, nil, nil
	path := parquetFile(t, []pqRow{row, without})
	var list []Record
	var columns []string
	if err := Read(path, Options{Columns: func(n []string) { columns = n }}, func(r Record) { list = append(list, r) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(columns, []string{"latency_s"}) {
		t.Errorf("columns that are not read: %q", columns)
	}
	get := func(i int, top string) Value {
		for _, v := range list[i].Values {
			if v.Top == top {
				return v
			}
		}
		return Value{}
	}
	for _, c := range []struct {
		i     int
		top   string
		num   float64
		state State
	}{
		{0, "reward", 1, Present}, {0, "format_reward", 0, Missing}, {0, "acc", 1, Present}, {0, "score", 0.25, Present},
		{0, "rewards", 1.5, Present}, {0, "scores", 3, Present}, {1, "reward", 0, Missing}, {1, "format_reward", 0, Missing},
		{0, "latency_s", 0, Absent}, {1, "scores", 0, Missing},
	} {
		if v := get(c.i, c.top); v.Num != c.num || v.State != c.state {
			t.Errorf("row %d, %s: %+v, want %v, state %d", c.i, c.top, v, c.num, c.state)
		}
	}
	if list[0].Step != 3 || list[0].StepKey != "step" || list[1].Seq != 2 {
		t.Errorf("%+v", list)
	}
	list = nil
	if err := Read(path, Options{Also: "latency_s"}, func(r Record) { list = append(list, r) }); err != nil || get(0, "latency_s").Num != 2.5 {
		t.Errorf("a column that is asked for: %+v, %v", list, err)
	}
}

// TestParquetBomb: dictionaries and runs make much of little.
func TestParquetBomb(t *testing.T) {
	type row struct {
		Completion string `parquet:"completion,dict"`
	}
	big := strings.Repeat("a", 8<<20)
	path := filepath.Join(t.TempDir(), "a.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := parquet.NewGenericWriter[row](f, parquet.Compression(&pqzstd.Codec{}), parquet.SkipPageBounds("completion"), parquet.DataPageStatistics(false))
	for range 16 {
		if _, err := w.Write([]row{{big}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() > 100_000 {
		t.Fatalf("the bomb has %d bytes, %v", info.Size(), err)
	}
	n := 0
	memory := grown(func() { err = Read(path, Options{}, func(Record) { n++ }) })
	if err == nil || !strings.Contains(err.Error(), "too large") || memory > 500<<20 {
		t.Errorf("%d records, %v, %d MB", n, err, memory>>20)
	}
}

// TestParquetBroken: files whose sizes lie are refused, whatever bit is wrong.
func TestParquetBroken(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	one := 1.0
	data, err := os.ReadFile(parquetFile(t, []pqRow{{Step: 1, Completion: "a", Reward: &one}, {Step: 2, Completion: "b"}}, parquet.Compression(&pqzstd.Codec{})))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a.parquet")
	for i := 0; i < len(data); i += 1 + len(data)/200 {
		for _, flip := range []byte{0xff, 0x40} {
			bad := slices.Clone(data)
			bad[i] ^= flip
			if err := os.WriteFile(path, bad, 0o666); err != nil {
				t.Fatal(err)
			}
			if memory := grown(func() { Read(path, Options{}, func(Record) {}) }); memory > 600<<20 {
				t.Fatalf("byte %d: %d MB", i, memory>>20)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	for i, s := range []string{"[{\"response\": \"a\"}]", "{\"output\": \"<tool_call>\", \"step\": 3}\n{", "\xff\xfe{\x00", "\x00a\x00b", gz("{}"), zst("{\"output\": 1}"),
		`{"columns": ["completion"], "data": [["a"]]}`, `{"completions": ["a"], "rewards": [1]}`, "{\n\"output\": \"<|im_start|>assistant\\n<|im_start|>\"}"} {
		f.Add(fmt.Sprint("a", []string{".jsonl", ".json", ".txt"}[i%3]), s)
	}
	one := 1.0
	for _, o := range [][]parquet.WriterOption{nil, {parquet.Compression(&pqzstd.Codec{})}, {parquet.Compression(&parquet.Gzip)}} {
		data, err := os.ReadFile(parquetFile(f, []pqRow{{Step: 1, Completion: "a", Reward: &one}, {Step: 2, Completion: "b", List: []float64{1, 2}}}, o...))
		if err != nil {
			f.Fatal(err)
		}
		f.Add("a.parquet", string(data))
	}
	f.Fuzz(func(t *testing.T, name, s string) {
		if strings.ContainsAny(name, "/\x00") || name == "" || len(name) > 50 || name == "." || name == ".." {
			return
		}
		start := time.Now()
		list, _ := read(t, name, s, Options{})
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%v for %d bytes", took, len(s))
		}
		light, _ := read(t, name, s, Options{Light: true})
		if len(list) > len(light) {
			t.Errorf("%d records, %d without replies", len(list), len(light))
		}
	})
}

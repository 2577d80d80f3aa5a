package imports

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"

	"ballast/bounded"
	"ballast/supervise"
	"ballast/value"
)

const short = `{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}`

// TestFileForms: what a file is shows in its bytes; a broken row costs itself, and a file
// that cannot be read to its end is an error.
func TestFileForms(t *testing.T) {
	for _, c := range []struct {
		text string
		rows int // -1 is an error
		used int
		left string
	}{
		{short, 1, 1, ""},
		{short + "\n\n \r\n" + short + "\r\n", 2, 2, ""},
		{"\ufeff" + short + "\n" + short, 2, 2, ""},
		{" [" + short + ",\n" + short + "]\n", 2, 2, ""},
		{"\ufeff\n[" + short + "]", 1, 1, ""},
		{short + "\n{\"messages\": [\n" + short, 3, 2, "line 2"},
		{short + "\n" + short + short, 2, 1, "line 2"},
		{short + "\n\"\xff\"", 2, 1, "line 2"},
		{"\n" + short + "\n[]", 2, 1, "line 3"},
		{"[\n" + short + ",\n{\"a\": nope}\n,\n" + short + "]", 3, 2, "row 2 (line 3)"},
		{"[" + short + ",{\"a\": 1}]", 2, 1, "row 2 (line 1)"},
		{"[" + short + "," + short, -1, 0, "cut off"},
		{"[" + short + "," + `{"messages": "` + "]", -1, 0, "cut off"},
		{"[" + short + " " + short + "]", -1, 0, "none of its 1 rows"},
		{"[" + short + ",]", -1, 0, "comma"},
		{"[" + short + "] x", -1, 0, "after the array"},
		{"[]", -1, 0, "no rows"}, {"", -1, 0, "no rows"}, {"[", -1, 0, "cut off"}, {" \n", -1, 0, "no rows"},
		{"{\n" + short[1:], -1, 0, "none of its 2 rows"},
		{strings.Repeat("[", 1<<20), -1, 0, "cut off"},
		{"PAR1 nothing", -1, 0, "parquet"},
	} {
		f, err := file(t, "x.txt", c.text)
		switch {
		case c.rows < 0:
			if err == nil || !strings.Contains(err.Error(), c.left) {
				t.Errorf("%.60q: %v", c.text, err)
			}
		case err != nil || f.Rows != c.rows || len(f.Dialogues) != c.used || f.Left.Rows() != c.rows-c.used || !strings.Contains(f.Left.String(), c.left):
			t.Errorf("%.60q: %d rows, %d used, %s, %v", c.text, f.Rows, len(f.Dialogues), f.Left.String(), err)
		}
	}
	pipe := filepath.Join(t.TempDir(), "pipe.jsonl")
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(pipe); err == nil {
		t.Error("a pipe is accepted")
	}
}

// twoRows is short twice, a line each, as bzip2 packs it.
const twoRows = "QlpoOTFBWSZTWRce0w4AAFJbgAAQUAQAEAAKKqe+CiAAcFABiNNNGgVU9QghoDMploaEUjpyjhEdNxlEIw9ODwii6qrVuqp+Kln1y3WYNlnBY8nJouhGrKKtmGVLoaunxhlc/i7kinChIC49phw="

// TestPacked: gzip, zstd and bzip2 are found by the bytes.
func TestPacked(t *testing.T) {
	two := short + "\n" + short + "\n"
	var gz bytes.Buffer
	for _, part := range []string{short + "\n", short + "\n"} { // two members
		w := gzip.NewWriter(&gz)
		w.Write([]byte(part))
		w.Close()
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bz, err := base64.StdEncoding.DecodeString(twoRows)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"gzip": gz.String(), "zstd": string(enc.EncodeAll([]byte(two), nil)), "bzip2": string(bz), "plain": two} {
		f, err := file(t, "x.parquet", text)
		if err != nil || len(f.Dialogues) != 2 || f.Dialogues[1].ID != "line-2" {
			t.Errorf("%s: %v", name, err)
		}
		if name == "plain" {
			continue
		}
		if _, err := file(t, "x.jsonl", text[:len(text)-12]); err == nil {
			t.Errorf("%s: a file that is cut off is accepted", name)
		}
	}
	if _, err := file(t, "x.jsonl", string(enc.EncodeAll([]byte("PAR1 nothing"), nil))); err == nil || !strings.Contains(err.Error(), "unpack it") {
		t.Errorf("parquet inside of zstd: %v", err)
	}
	bomb := enc.EncodeAll(bytes.Repeat([]byte("{"), 65<<20), nil)
	if _, err := file(t, "x.jsonl", string(bomb)); err == nil {
		t.Error("a line of 65 MiB is accepted")
	}
}

// pack writes rows as parquet.
func pack[T any](t testing.TB, rows ...T) string {
	t.Helper()
	var buf bytes.Buffer
	w := parquet.NewGenericWriter[T](&buf, parquet.Compression(&parquet.Zstd))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// TestTable: structs of a column have the members of all rows, absent ones null, in the
// order of the file.
func TestTable(t *testing.T) {
	type arguments struct {
		City *string `parquet:"city,optional"`
		Days *int64  `parquet:"days,optional"`
	}
	type function struct {
		Name      string     `parquet:"name"`
		Arguments *arguments `parquet:"arguments,optional"`
	}
	type call struct {
		Type     string   `parquet:"type"`
		Function function `parquet:"function"`
	}
	type message struct {
		Role    string  `parquet:"role"`
		Content *string `parquet:"content,optional"`
		Calls   []call  `parquet:"tool_calls,list"`
		Thought *string `parquet:"reasoning_content,optional"`
	}
	type property struct {
		Type    string  `parquet:"type"`
		Default *string `parquet:"default,optional"`
	}
	type properties struct {
		City *property `parquet:"city,optional"`
		Days *property `parquet:"days,optional"`
		On   *property `parquet:"on,optional"`
	}
	type schema struct {
		Type       string     `parquet:"type"`
		Properties properties `parquet:"properties"`
	}
	type tool struct {
		Name       string `parquet:"name"`
		Doc        string `parquet:"description"`
		Parameters schema `parquet:"parameters"`
	}
	type row struct {
		Tools    []tool    `parquet:"tools,list"`
		Messages []message `parquet:"messages,list"`
		Thinking bool      `parquet:"enable_thinking"`
		Source   string    `parquet:"source"`
	}
	s := func(x string) *string { return &x }
	days := int64(3)
	tools := []tool{{"f", "x", schema{"object", properties{City: &property{"string", nil}, Days: &property{"integer", nil}}}}}
	talk := func(a ...*arguments) row {
		r := row{Tools: tools, Source: "x", Messages: []message{{Role: "user", Content: s("q")}, {Role: "assistant"}}}
		for _, x := range a {
			r.Messages[1].Calls = append(r.Messages[1].Calls, call{"function", function{"f", x}})
			r.Messages = append(r.Messages, message{Role: "tool", Content: s("r")})
		}
		r.Messages = append(r.Messages, message{Role: "assistant", Content: s("a"), Thought: s("t")})
		return r
	}
	f, err := file(t, "x.jsonl", pack(t, talk(&arguments{City: s("x")}, &arguments{Days: &days}, &arguments{}), talk(nil)))
	if err != nil || len(f.Dialogues) != 1 || f.Rows != 2 || f.Passed["source"] != 1 {
		t.Fatalf("%+v %v", f, err)
	}
	d := f.Dialogues[0]
	if got := outline(d); got != "tools f; user q; assistant f(city='x') f(days=3) f(); tool r|r|r; assistant <t> a" {
		t.Error(got)
	}
	if got, _ := value.JSON(d.Tools[0].Schema); got != `{"name": "f", "description": "x", "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}}` {
		t.Error(got)
	}
	if got := f.Left.String(); got != "1: arguments that are no object (first: row 2, messages[1].tool_calls[0].function.arguments: null)" {
		t.Error(got)
	}
}

// TestStrangeColumns: columns that the library makes other values of are passed over where
// they carry no words, read as text where they are, and else leave the row out.
func TestStrangeColumns(t *testing.T) {
	type message struct {
		Role    string `parquet:"role"`
		Content string `parquet:"content"`
	}
	type extra struct {
		Price int64  `parquet:"price,optional,decimal(2:9)"`
		Big   uint64 `parquet:"big,optional"`
	}
	type row struct {
		ID       [16]byte          `parquet:"id,uuid"`
		Created  time.Time         `parquet:"created_at,timestamp"`
		Score    float64           `parquet:"score"`
		Messages []message         `parquet:"messages,list"`
		Tools    string            `parquet:"tools,json"`
		Map      map[string]string `parquet:"notes,optional"`
		Extra    *extra            `parquet:"extra,optional"`
	}
	talk := []message{{"user", "q"}, {"assistant", "a"}}
	tools := `[{"name": "z", "a": 1}, {"name": "f", "parameters": {}}]`
	f, err := file(t, "x", pack(t, row{ID: [16]byte{0xff}, Messages: talk, Tools: tools}, row{Messages: talk, Tools: "[]", Map: map[string]string{"k": "v"}},
		row{Messages: talk, Tools: "[]", Extra: &extra{Price: 5, Big: 1 << 63}}, row{Messages: talk, Tools: "[]", Extra: &extra{Big: 1 << 63}}))
	if err != nil || len(f.Dialogues) != 1 {
		t.Fatalf("%+v %v", f, err)
	}
	if got, _ := value.JSON(f.Dialogues[0].Tools[0].Schema); got != `{"name": "z", "a": 1}` {
		t.Error(got)
	}
	if got := f.Left.String(); f.Left.Rows() != 3 || !strings.Contains(got, "row 2, notes: a column of the kind map") {
		t.Error(got)
	}
}

// TestTableBomb: a few KB that unpack to gigabytes are an error that names the column.
func TestTableBomb(t *testing.T) {
	type row struct {
		Prompt string `parquet:"prompt"`
		Text   string `parquet:"response,dict"`
	}
	var buf bytes.Buffer
	w := parquet.NewGenericWriter[row](&buf, parquet.Compression(&parquet.Zstd), parquet.SkipPageBounds("response"), parquet.DataPageStatistics(false))
	rows := make([]row, 20)
	for i := range rows {
		rows[i] = row{"p", strings.Repeat("a", 17<<20)}
		if i > 0 {
			rows[i] = rows[0]
		}
	}
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := file(t, "x.parquet", buf.String()); buf.Len() > 20_000 || !errors.Is(err, bounded.ErrTooLarge) || !strings.Contains(err.Error(), "column response") {
		t.Errorf("%d bytes: %v", buf.Len(), err)
	}
}

// TestManyOfEverything: rows with many results, tools or tags are read in linear time,
// and a file of many faults has a short ledger.
func TestManyOfEverything(t *testing.T) {
	const n = 20_000
	var calls, results, tools strings.Builder
	for i := range n {
		fmt.Fprintf(&calls, `{"id": "c%d", "function": {"name": "f", "arguments": "{}"}},`, i)
		fmt.Fprintf(&results, `{"role": "tool", "tool_call_id": "c%d", "content": "r%d"},`, n-1-i, n-1-i)
		fmt.Fprintf(&tools, `{"name": "tool %d x"},`, i)
	}
	trim := func(b *strings.Builder) string { return strings.TrimSuffix(b.String(), ",") }
	for name, row := range map[string]string{
		"results": `{"tools": [{"name": "f"}], "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "tool_calls": [` + trim(&calls) + `]}, ` + results.String() + `{"role": "assistant", "content": "a"}]}`,
		"tools": `{"system": ` + quoted("Here is a list of functions: ["+trim(&tools)+"]") + `, "conversations": [` +
			strings.Repeat(`{"from": "human", "value": "q"}, {"from": "gpt", "value": "[tool 7 x(a=1)]"}, {"from": "tool", "value": "1"}, {"from": "gpt", "value": "a"}, `, 2_000) + `{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}`,
		"tags": `{"prompt": "` + strings.Repeat(`<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n`, n) + `<|im_start|>user\nq<|im_end|>\n", "response": "a"}`,
	} {
		start := time.Now()
		f, err := file(t, "x.jsonl", row)
		if err != nil || len(f.Dialogues) != 1 {
			t.Errorf("%s: %.300v", name, err)
			continue
		}
		if took := time.Since(start); took > time.Minute { // 1 s; minutes where it is quadratic
			t.Errorf("%s: %v", name, took)
		}
		if name == "results" {
			if r := f.Dialogues[0].Messages[2].Results; len(r) != n || r[0] != "r0" || r[n-1] != fmt.Sprint("r", n-1) {
				t.Errorf("results are not in the order of their calls: %d, %q", len(r), r[0])
			}
		}
	}
	var all strings.Builder
	all.WriteString(strings.Repeat(short+"\n", 2_000))
	for i := range 1_000 {
		fmt.Fprintf(&all, `{"messages": [{"role": "role %d %s"}]}`+"\n", i, strings.Repeat("x", 5_000))
		fmt.Fprintf(&all, `{"key %d %s": "x", "messages": []}`+"\n", i, strings.Repeat("x", 5_000))
	}
	f, err := file(t, "x.jsonl", all.String())
	if size := len(f.Left.String()); err != nil || f.Left.Rows() != 2_000 || len(f.Left.Sorted()) > 3 || size > 2_000 {
		t.Errorf("%v: %d bytes", err, size)
	}
}

// TestReasons: every reason and every shape stands in the documentation.
func TestReasons(t *testing.T) {
	text, err := os.ReadFile("../docs/dialogues.md")
	if err != nil {
		t.Fatal(err)
	}
	all := append([]reason{supervise.UnfitThought, supervise.UnfitCall, supervise.UnfitReply, supervise.UnfitTemplate}, reasons...)
	for _, r := range all {
		if !strings.Contains(string(text), "| "+string(r)+" |") {
			t.Errorf("docs/dialogues.md has no row for: %s", r)
		}
	}
	for _, k := range passable {
		if !strings.Contains(string(text), "`"+k+"`") {
			t.Errorf("docs/dialogues.md does not list the key %s", k)
		}
	}
	for _, s := range Shapes {
		if !strings.Contains(string(text), "| `"+s.Name+"` |") {
			t.Errorf("docs/dialogues.md has no row for the shape %s", s.Name)
		}
	}
}

// TestLedgerPlaces: a reason names its first row in full and says where the next ones stand,
// also in a clone to which another phase adds.
func TestLedgerPlaces(t *testing.T) {
	var l Ledger
	for i := range maxNext + 3 {
		l.Add("r", fmt.Sprintf("line %d", i), "k", "d")
	}
	x := l.Sorted()[0]
	if x.First() != "line 0, k: d" || !strings.HasPrefix(x.Others(), "line 1, line 2, ") || !strings.HasSuffix(x.Others(), ", line 20 and 2 more") {
		t.Errorf("%q, %q", x.First(), x.Others())
	}
	l = Ledger{}
	l.Add("r", "line 1", "", "")
	l.Add("r", "line 2", "", "")
	a, b := l.Clone(), l.Clone()
	a.Add("r", "line 3", "", "")
	b.Add("r", "line 4", "", "")
	if a.Sorted()[0].Others() != "line 2, line 3" || b.Sorted()[0].Others() != "line 2, line 4" || l.Sorted()[0].Others() != "line 2" {
		t.Error(a, b, l)
	}
}

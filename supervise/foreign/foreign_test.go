package foreign

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"ballast"
	"ballast/bounded"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/supervise"
	"ballast/value"
)

const aceRow = `{"system": "You compose functions. Here is a list of functions in JSON format that you can invoke:\n[{\"name\": \"Market Trends API\", \"description\": \"d\", \"parameters\": {\"type\": \"dict\", \"properties\": {\"kind\": {\"type\": \"string\"}}, \"required\": [\"kind\"]}}]. \nShould you decide to call, put it in [func(a=1)].",
 "conversations": [{"from": "user", "value": "trends?"}, {"from": "assistant", "value": "[Market Trends API(kind=\"x\", n=2)]"},
 {"from": "tool", "value": "[{\"name\": \"Market Trends API\", \"results\": {\"a\": 1}}]"}, {"from": "assistant", "value": "Here."}]}`

const openAIRow = `{"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "q"},
 {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": [1, 2]}"}}, {"id": "2", "type": "function", "function": {"name": "g", "arguments": "{}"}}]},
 {"role": "tool", "content": "r1"}, {"role": "tool", "content": "r2"}, {"role": "assistant", "content": "done"}],
 "tools": [{"type": "function", "function": {"name": "f", "description": "x", "parameters": {"type": "object", "properties": {"a": {"type": "array"}}}}}]}`

const verlRow = `{"prompt": "<|im_start|>system\n# Tools\n\nYou may call\n<tools>\n{\"name\": \"f\", \"description\": \"x\", \"parameters\": {}}\n</tools>\n\nFor each call<|im_end|>\n<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call><|im_end|>\n<|im_start|>user\n<tool_response>\nr\n</tool_response><|im_end|>\n<|im_start|>assistant\n", "response": "done<|im_end|>"}`

// style is chatml and hermes over a tokenizer of bytes and control tokens.
func style(t testing.TB) chat.Style {
	t.Helper()
	tmpl := chat.Templates["chatml"]
	control := chat.ControlTokens(tmpl)
	tok, err := bpe.Train(func(func(string) bool) {}, 256+len(control), control, bpe.Qwen2)
	if err != nil {
		t.Fatal(err)
	}
	return chat.Style{Tok: tok, Template: tmpl, Format: chat.Formats["hermes"]}
}

// dialogueShape is a dialogue in one line: roles, calls and numbers of results.
func dialogueShape(d supervise.Dialogue) string {
	var out []string
	for _, m := range d.Messages {
		s := string(m.Role)
		for _, c := range m.Calls {
			s += " " + value.FormatCall(c)
		}
		if m.Role == supervise.Tool {
			s += " " + strings.Join(m.Results, "|")
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func importText(t *testing.T, name, text string) (Imported, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return Import(path)
}

func TestImport(t *testing.T) {
	lines := func(rows ...string) string {
		for i := range rows {
			rows[i] = strings.ReplaceAll(rows[i], "\n", "")
		}
		return strings.Join(rows, "\n")
	}
	for _, c := range []struct{ name, text, want string }{
		{"ace.json", "[" + aceRow + "]", `user; assistant Market_Trends_API(kind='x', n=2); tool {"name": "Market Trends API", "results": {"a": 1}}; assistant`},
		{"ace.jsonl", lines(aceRow), `user; assistant Market_Trends_API(kind='x', n=2); tool {"name": "Market Trends API", "results": {"a": 1}}; assistant`},
		{"openai.jsonl", lines(openAIRow), "user; assistant f(a=[1, 2]) g(); tool r1|r2; assistant"},
		{"verl.jsonl", verlRow, "user; assistant f(a=1); tool r; assistant"},
		{"verl.jsonl", `{"prompt": [{"role": "user", "content": "q"}], "response": "a"}`, "user; assistant"},
		// OpenAI: parts, developer, answers out of order, no arguments.
		{"openai.jsonl", `{"messages": [{"role": "developer", "content": [{"type": "text", "text": "be brief"}]}, {"role": "user", "content": [{"type": "text", "text": "q"}]},
 {"role": "assistant", "tool_calls": [{"id": "x", "function": {"name": "f", "arguments": ""}}, {"id": "y", "function": {"name": "g", "arguments": {"a": null}}}]},
 {"role": "tool", "tool_call_id": "y", "content": "r2"}, {"role": "tool", "tool_call_id": "x", "content": [{"type": "text", "text": "r1"}]}, {"role": "assistant", "content": "done"}], "parallel_tool_calls": false}`,
			"user; assistant f() g(a=None); tool r1|r2; assistant"},
		// OpenAI before tools: functions and function_call.
		{"openai.jsonl", `{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{\"a\": 1}"}},
 {"role": "function", "name": "f", "content": "r"}, {"role": "assistant", "content": "done"}], "functions": [{"name": "f", "parameters": {"type": "object", "properties": {}}}]}`,
			"user; assistant f(a=1); tool r; assistant"},
		// Columns that hold JSON text.
		{"text.jsonl", `{"messages": "[{\"role\": \"user\", \"content\": \"q\"}, {\"role\": \"assistant\", \"content\": \"a\"}]", "tools_json": "[{\"type\": \"function\", \"function\": {\"name\": \"f\"}}]"}`,
			"user; assistant"},
		// ShareGPT: calls and results in messages of their own, parallel ones in a row.
		{"share.json", `[{"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "q"}, {"from": "gpt", "value": "let me see"},
 {"from": "function_call", "value": "{\"name\": \"get weather\", \"arguments\": {\"city\": \"x\"}}"}, {"from": "function_call", "value": "[{\"name\": \"g\", \"arguments\": {}}]"},
 {"from": "observation", "value": "[1, 2]"}, {"from": "observation", "value": "{}"}, {"from": "gpt", "value": "done [1]"}],
 "tools": "[{\"name\": \"get weather\", \"parameters\": {\"type\": \"object\", \"properties\": {}}}]"}]`,
			"user; assistant get_weather(city='x') g(); tool [1, 2]|{}; assistant"},
		// ToolACE: one name ends another, words of JSON, lists in a row, brackets and
		// names inside of strings, an answer that is no list of answers.
		{"ace.json", `[{"system": "Here is a list:\n[{\"name\": \"Get All\", \"parameters\": {}}, {\"name\": \"Get\", \"parameters\": {}}, {\"name\": \"v1/Do Get All\", \"parameters\": {}}]. Should you decide",
 "conversations": [{"from": "user", "value": "q"}, {"from": "assistant", "value": "[v1/Do Get All(a=true, b=\"it's [null](\", c=[null, False])]\n[Get All(x={\"k\": false})]"},
 {"from": "tool", "value": "[{\"name\": \"one\"}]"}, {"from": "assistant", "value": "[sic]"}]}]`,
			"user; assistant v1_Do_Get_All(a=True, b=\"it's [null](\", c=[None, False]) Get_All(x={'k': False}); tool [{\"name\": \"one\"}]; assistant"},
	} {
		in, err := importText(t, c.name, c.text)
		if err != nil || len(in.Dialogues) != 1 {
			t.Errorf("%s: %d dialogues, %v, %v", c.name, len(in.Dialogues), in.Skipped, err)
			continue
		}
		d := in.Dialogues[0]
		if got := dialogueShape(d); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if strings.Contains(c.text, `"tools`) && len(d.Tools) != 1 {
			t.Errorf("%s: %d tools", c.name, len(d.Tools))
		}
		if _, err := d.Episode(style(t)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestImportParquet(t *testing.T) {
	type message struct {
		Role    string `parquet:"role"`
		Content string `parquet:"content"`
	}
	type row struct {
		Messages []message `parquet:"messages,list"`
		ID       string    `parquet:"id"`
	}
	var buf bytes.Buffer
	w := parquet.NewGenericWriter[row](&buf)
	if _, err := w.Write([]row{{ID: "a", Messages: []message{{"user", "q"}, {"assistant", "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>"}, {"tool", "r"}, {"assistant", "a"}}}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	in, err := importText(t, "x.parquet", buf.String())
	if err != nil || len(in.Dialogues) != 1 || dialogueShape(in.Dialogues[0]) != "user; assistant f(); tool r; assistant" {
		t.Errorf("%+v %v", in, err)
	}
	if _, err := importText(t, "x.parquet", "PAR1 nothing"); err == nil {
		t.Error("a broken file is accepted")
	}
}

// TestWeightZeroIsContext: an assistant message that OpenAI's format excludes from
// training is seen and has no gold token.
func TestWeightZeroIsContext(t *testing.T) {
	in, err := importText(t, "x.jsonl", `{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "wrong", "weight": 0}, {"role": "user", "content": "no"}, {"role": "assistant", "content": "right", "weight": 1}]}`)
	if err != nil {
		t.Fatal(err)
	}
	s := style(t)
	ep, err := in.Dialogues[0].Episode(s)
	if err != nil {
		t.Fatal(err)
	}
	var gold []int32
	for i, o := range ep.Owners {
		if o == ballast.OwnerGold {
			gold = append(gold, ep.Tokens[i])
		}
	}
	if text := s.Tok.Decode(gold); text != "right<|im_end|>" || !strings.Contains(s.Tok.Decode(ep.Tokens), "wrong<|im_end|>") {
		t.Errorf("trained on %q", text)
	}
	if _, err := importText(t, "x.jsonl", `{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "wrong", "weight": 0}]}`); err == nil {
		t.Error("a dialogue without anything to train on is accepted")
	}
}

// TestParquetStructsHoldEveryMember: calls in one struct column have the members of
// all calls, absent ones null, as Arrow writes verl's multi-turn rows.
func TestParquetStructsHoldEveryMember(t *testing.T) {
	type arguments struct {
		City *string `parquet:"city,optional"`
		Days *int64  `parquet:"days,optional"`
	}
	type function struct {
		Name      string    `parquet:"name"`
		Arguments arguments `parquet:"arguments"`
	}
	type call struct {
		Type     string   `parquet:"type"`
		Function function `parquet:"function"`
	}
	type message struct {
		Role      string  `parquet:"role"`
		Content   *string `parquet:"content,optional"`
		ToolCalls []call  `parquet:"tool_calls,list"`
	}
	type row struct {
		Messages []message `parquet:"messages,list"`
		Tools    string    `parquet:"tools"`
		Thinking bool      `parquet:"enable_thinking"`
	}
	s := func(x string) *string { return &x }
	days := int64(3)
	var buf bytes.Buffer
	w := parquet.NewGenericWriter[row](&buf)
	if _, err := w.Write([]row{{Tools: `[{"type": "function", "function": {"name": "f", "parameters": {}}}]`, Messages: []message{
		{Role: "user", Content: s("q")},
		{Role: "assistant", ToolCalls: []call{{"function", function{"f", arguments{City: s("x")}}}, {"function", function{"f", arguments{Days: &days}}}}},
		{Role: "tool", Content: s("r")}, {Role: "assistant", Content: s("a")}}}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	in, err := importText(t, "x.parquet", buf.String())
	if err != nil || dialogueShape(in.Dialogues[0]) != "user; assistant f(city='x') f(days=3); tool r; assistant" || len(in.Dialogues[0].Tools) != 1 {
		t.Errorf("%+v %v", in, err)
	}
}

func TestImportCountsWhatItSkips(t *testing.T) {
	bad := `{"messages": [{"role": "assistant", "content": "first"}]}`
	good := `{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}`
	in, err := importText(t, "x.jsonl", strings.Join([]string{good, bad, good}, "\n"))
	if err != nil || len(in.Dialogues) != 2 || len(in.Skipped) != 1 {
		t.Errorf("%+v %v", in, err)
	}
	if _, err := importText(t, "x.jsonl", bad); err == nil {
		t.Error("a file without any usable row is accepted")
	}
	if _, err := importText(t, "x.jsonl", good+"\n{"); err == nil || !strings.Contains(err.Error(), "row 2") {
		t.Errorf("got %v", err)
	}
}

func FuzzConvert(f *testing.F) {
	for _, s := range []string{aceRow, openAIRow, verlRow, `{"conversations": [{"from": "human", "value": "q"}, {"from": "function_call", "value": "{\"name\": \"f\"}"}, {"from": "gpt", "value": "[f(a=true)][g()]"}]}`, `{"prompt": "x", "response": "y"}`, `{"messages": [null]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := value.ParseJSON(data)
		if err != nil {
			return
		}
		if d, err := convert(v); err == nil {
			if d.Check() != nil {
				t.Errorf("accepted a dialogue that is none: %s", dialogueShape(d))
			}
		}
	})
}

// TestParquetBomb: a few KB that unpack to gigabytes are an error that names the
// column.
func TestParquetBomb(t *testing.T) {
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
	if _, err := importText(t, "x.parquet", buf.String()); buf.Len() > 20_000 || !errors.Is(err, bounded.ErrTooLarge) || !strings.Contains(err.Error(), "column response") {
		t.Errorf("%d bytes: %v", buf.Len(), err)
	}
}

// TestManyOfEverything: rows with many results, tools, tags or reasons are read in
// linear time and bounded memory.
func TestManyOfEverything(t *testing.T) {
	const n = 100_000
	var calls, results, tools strings.Builder
	for i := range n {
		fmt.Fprintf(&calls, `{"id": "c%d", "function": {"name": "f", "arguments": "{}"}},`, i)
		fmt.Fprintf(&results, `{"role": "tool", "tool_call_id": "c%d", "content": "r%d"},`, n-1-i, n-1-i)
		fmt.Fprintf(&tools, `{"name": "tool %d x"},`, i)
	}
	trim := func(b *strings.Builder) string { return strings.TrimSuffix(b.String(), ",") }
	for name, row := range map[string]string{
		"results": `{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "tool_calls": [` + trim(&calls) + `]}, ` + results.String() + `{"role": "assistant", "content": "a"}]}`,
		"tools":   `{"tools": [` + trim(&tools) + `], "conversations": [` + strings.Repeat(`{"from": "human", "value": "q"}, {"from": "gpt", "value": "[tool 7 x(a=1)]"}, `, 2_000) + `{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}`,
		"tags":    `{"prompt": "` + strings.Repeat(`<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n`, n) + `<|im_start|>user\nq", "response": "a"}`,
		"stray":   `{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "` + strings.Repeat("<tool_call>", n) + `"}]}`,
	} {
		start := time.Now()
		in, err := importText(t, "x.jsonl", row)
		if err != nil || len(in.Dialogues) != 1 {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if took := time.Since(start); took > time.Minute { // 1 s; minutes where it is quadratic
			t.Errorf("%s: %v", name, took)
		}
		if name == "results" {
			if r := in.Dialogues[0].Messages[2].Results; len(r) != n || r[0] != "r0" || r[n-1] != fmt.Sprint("r", n-1) {
				t.Errorf("results are not in the order of their calls: %d, %q", len(r), r[0])
			}
		}
	}
	rows := `{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}` + "\n"
	all := strings.Repeat(rows, 2_000)
	for i := range 1_000 {
		all += fmt.Sprintf(`{"messages": [{"role": "role %d %s"}]}`+"\n", i, strings.Repeat("x", 5_000))
	}
	in, err := importText(t, "x.jsonl", all)
	if size := len(fmt.Sprint(in.Skipped)); err != nil || len(in.Skipped) > maxReasons+1 || size > 20_000 {
		t.Errorf("%v: %d reasons, %d bytes", err, len(in.Skipped), size)
	}
}

// TestJSONForms: arrays are read row by row like lines; what is cut is an error.
func TestJSONForms(t *testing.T) {
	row := `{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}`
	for text, want := range map[string]int{
		row: 1, row + "\n" + row: 2, " [" + row + ",\n" + row + "]\n": 2, "\ufeff" + row + row: 2, "\ufeff[" + row + "]": 1,
		"[" + row + "," + row: -1, "[" + row + " " + row + "]": -1, row + "\n{": -1, "[": -1, "": -1, strings.Repeat("[", 1<<20): -1,
	} {
		in, err := importText(t, "x.json", text)
		if want < 0 && err == nil || want >= 0 && (err != nil || len(in.Dialogues) != want) {
			t.Errorf("%.60q: %d dialogues, %v", text, len(in.Dialogues), err)
		}
	}
	pipe := filepath.Join(t.TempDir(), "pipe.jsonl")
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Import(pipe); err == nil {
		t.Error("a pipe is accepted")
	}
}

// FuzzImport: a file of any bytes is an error or dialogues.
func FuzzImport(f *testing.F) {
	row := `{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}`
	for _, s := range []string{row, "[" + row + ", " + row + "]", "\ufeff" + row + row, "[1, {}, null]", "[", aceRow} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		in, err := importText(t, "x.json", text)
		if err == nil && len(in.Dialogues) == 0 {
			t.Error("nothing was read, and it is no error")
		}
	})
}

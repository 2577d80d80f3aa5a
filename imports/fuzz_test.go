package imports

import (
	"errors"
	"strings"
	"testing"

	"ballast/supervise"
	"ballast/value"
)

// FuzzRow: a row of any shape is read or refused; what is read and can be rendered has
// replies that parse as the same calls.
func FuzzRow(f *testing.F) {
	for _, s := range []string{
		talk(ask, call, three, said), share("["+wx+"]", human, turn("function_call", `{"name": "wx", "arguments": {"city": "Oslo"}}`), turn("observation", "3"), gpt),
		ace(turn("user", "q"), turn("assistant", `[Wx (v2) now(city="a", on=true)][Wx (v2) now()]`), turn("tool", "[1, 2]"), gpt),
		glaive("USER: q\n\n\nASSISTANT: <functioncall> {\"name\": \"wx\", \"arguments\": '{\"city\": \"O's\"}'} <|endoftext|>\n\n\nFUNCTION RESPONSE: 3\n\n\nASSISTANT: a"),
		blocks(claude, ask, `{"role": "assistant", "content": [{"type": "thinking", "thinking": "x"}, {"type": "tool_use", "id": "a", "name": "wx", "input": {}}]}`),
		`{"query": "q", "answers": "[{\"name\": \"wx\", \"arguments\": {\"a\": [1, null]}}]", "tools": "[{\"name\": \"wx\"}]"}`,
		share("", turn("system", "Use <tools>["+wx+"]</tools>."), human, turn("gpt", "<tool_call>{\"name\": \"wx\", \"arguments\": {}}</tool_call>"), turn("tool", "<tool_response>3</tool_response>"), gpt),
		`{"prompt": "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n", "completion": "<think>\nx\n</think>\n\na"}`, `{"messages": [null]}`,
	} {
		f.Add([]byte(s), uint8(0), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, which uint8, asTable bool) {
		v, err := value.ParseExact(data)
		if err != nil {
			return
		}
		d, _, err := read(v, asTable, nil)
		if err != nil {
			if x := new(fault); !errors.As(err, &x) || x.Reason == "" || len(x.Error()) > 20_000 && !strings.Contains(x.Error(), "...") {
				t.Errorf("%T %v", err, err)
			}
			return
		}
		s := style(t, []string{"qwen3", "chatml", "llama3", "compact"}[which%4], []string{"hermes", "pythonic", "llama3", "xml"}[which/4%4])
		ep, err := d.Episode(s)
		if x := new(supervise.Unfit); errors.As(err, &x) {
			return
		}
		if err != nil {
			t.Fatalf("%v: %s", err, outline(d))
		}
		again(t, s, &d, &ep)
	})
}

// FuzzFile: a file of any bytes is an error or has dialogues, and every row is counted.
func FuzzFile(f *testing.F) {
	for _, s := range []string{short, "[" + short + ", " + short + "]", "\ufeff" + short + "\n" + short, "[1, {}, null]", "[", "PAR1", "BZh91AY&SY", "\x1f\x8b", "\x28\xb5\x2f\xfd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		in, err := file(t, "x", text)
		if err == nil && (len(in.Dialogues) == 0 || in.Rows != len(in.Dialogues)+in.Left.Rows()) {
			t.Errorf("%d rows, %d used, %d left out", in.Rows, len(in.Dialogues), in.Left.Rows())
		}
	})
}

package mcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	for _, c := range []struct {
		line string
		want []string
	}{
		{"python server.py", []string{"python", "server.py"}},
		{"  a\t b \n", []string{"a", "b"}},
		{`a 'b c' "d e" f\ g`, []string{"a", "b c", "d e", "f g"}},
		{`a ""`, []string{"a", ""}},
		{`a b'c'"d"e`, []string{"a", "bcde"}},
		{`a "\"\\\$\x" '\n|'`, []string{"a", `"\$\x`, `\n|`}},
		{"npx -y @scope/server-x@1.0 /data#1 x~", []string{"npx", "-y", "@scope/server-x@1.0", "/data#1", "x~"}},
		{"sh -c 'a | b > c'", []string{"sh", "-c", "a | b > c"}},
	} {
		if got, err := Words(c.line); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, %v", c.line, got, err)
		}
	}
	for line, want := range map[string]string{
		"": "no program", " ": "no program", "a 'b": "a quote (') is not closed", `a "b\"`: `a quote (") is not closed`, `a \`: "backslash",
		"a | b": "'|' is for a shell", "a $HOME": "'$' is for a shell", "a ~/x": "'~' is for a shell", "a *.py": "'*'", "a # b": "'#'", "a; b": "';'",
	} {
		if got, err := Words(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v, want %s", line, got, err, want)
		}
	}
}

// FuzzWords: words in single quotes come back.
func FuzzWords(f *testing.F) {
	f.Add(`a 'b' "c" \d`)
	f.Fuzz(func(t *testing.T, line string) {
		words, err := Words(line)
		if err != nil {
			return
		}
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		if again, err := Words(strings.Join(quoted, " ")); err != nil || !slices.Equal(again, words) {
			t.Errorf("%q: %q, then %q, %v", line, words, again, err)
		}
	})
}

// FuzzOrdered: a message means the same but for what was kept in _meta.
func FuzzOrdered(f *testing.F) {
	f.Add([]byte(`{"id":1,"result":{"tools":[{"name":"a","inputSchema":{"b":1,"a":2}}]}}`))
	f.Add([]byte(`{"id":1,"result":{"structuredContent":{"b":1},"_meta":null}}`))
	f.Add([]byte(`{"id":1,"result":{"structuredContent":[1.0],"_meta":{"x":1}}}`))
	f.Add([]byte(`{"result":{"tools":[null,{"inputSchema":{},"_meta":3}]}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		out := ordered(bytes.Clone(line))
		var before, after any
		if json.Unmarshal(line, &before) != nil {
			if !bytes.Equal(out, line) {
				t.Errorf("%q became %q", line, out)
			}
			return
		}
		if err := json.Unmarshal(out, &after); err != nil {
			t.Fatalf("%q became %q", line, out)
		}
		if a, b := stripped(before), stripped(after); !reflect.DeepEqual(a, b) {
			t.Errorf("%q became %q", line, out)
		}
	})
}

// stripped is a message without the _meta of its result and of its tools.
func stripped(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	result, ok := m["result"].(map[string]any)
	if !ok {
		return v
	}
	delete(result, "_meta")
	if tools, ok := result["tools"].([]any); ok {
		for _, t := range tools {
			if tool, ok := t.(map[string]any); ok {
				delete(tool, "_meta")
			}
		}
	}
	return v
}

func TestMessages(t *testing.T) {
	var said []byte
	garbage := func(line []byte) error {
		said = bytes.Clone(line)
		return errors.New("garbage")
	}
	long := `{"a":"` + strings.Repeat("x", 100_000) + `"}`
	for _, c := range []struct{ in, out, err, garbage string }{
		{"{\"a\":1}\n\n  \r\n{\"b\":2}\r\n", "{\"a\":1}\n{\"b\":2}\n", "", ""},
		{long + "\n", long + "\n", "", ""},
		{`{"result":{"structuredContent":{"b":1, "a":2}}}` + "\n",
			`{"result":{"_meta":{"ballast/raw":"{\"b\":1, \"a\":2}"},"structuredContent":{"b":1,"a":2}}}` + "\n", "", ""},
		{"{}\nhello\n{}\n", "{}\n", "garbage", "hello"},
		{"12\n", "", "garbage", "12"},
		{"{}\nPanic: cut o", "{}\n", "garbage", "Panic: cut o"},
		{strings.Repeat("x", 300_000), "", "a message of more than", ""},
	} {
		said = nil
		got, err := io.ReadAll(newMessages(io.NopCloser(strings.NewReader(c.in)), 200_000, garbage))
		if string(got) != c.out || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) || string(said) != c.garbage {
			t.Errorf("%.40q: %.200q, %v, %q", c.in, got, err, said)
		}
	}
}

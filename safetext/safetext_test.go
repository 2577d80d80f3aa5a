package safetext

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"plain, Grüße 漢字 🙂 <|im_end|>": "plain, Grüße 漢字 🙂 <|im_end|>",
		"a\x1b[31mred\x07":             `a\x1b[31mred\a`,
		"two\nlines\tand\r":            `two\nlines\tand\r`,
		"bad \xff utf":                 `bad \xff utf`,
		"right\u202eleft\u200b":        `right\u202eleft\u200b`,
		"\u009b31m":                    `\u009b31m`,
		"\x7f\x00":                     `\u007f\x00`,
	} {
		if got := Line(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	if got := Block("a\n\tb\x1b"); got != "a\n\tb\\x1b" {
		t.Errorf("%q", got)
	}
}

func TestTerminalJoinsRunes(t *testing.T) {
	var b strings.Builder
	w := Terminal(&b)
	for _, c := range []byte("漢\x1b字🙂\n") {
		if n, err := w.Write([]byte{c}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if b.String() != "漢\\x1b字🙂\n" {
		t.Errorf("%q", b.String())
	}
}

func TestCell(t *testing.T) {
	for text, want := range map[string]string{
		"=1+1": "'=1+1", "@x": "'@x", "+x": "'+x", "-x": "'-x", "-1.5": "-1.5", "+3": "+3", "-1e-6": "-1e-6", " =x": "' =x", "a=b": "a=b", "": "",
		"\t=x": `\t=x`, "\r=x": `\r=x`, "a\nb": `a\nb`, "-inf": "-inf", "-": "-", "--": "'--",
	} {
		if got := Cell(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestMarkdown(t *testing.T) {
	if got := Markdown("a|b\n<script>`x`[y](z)"); strings.ContainsAny(got, "\n<>") || strings.Contains(got, "a|b") || strings.Contains(got, " [") {
		t.Errorf("%q", got)
	}
}

func TestURL(t *testing.T) {
	for text, want := range map[string]string{
		"http://localhost:8000/v1":             "http://localhost:8000/v1",
		"https://me:pass@host/v1":              "https://me:xxxxx@host/v1",
		"https://ghp_abc@host/v1":              "https://xxxxx@host/v1",
		"https://host/v1?api_key=abc&x=1":      "https://host/v1?api_key=xxxxx&x=1",
		"https://host/v1?X-Amz-Signature=abcd": "https://host/v1?X-Amz-Signature=xxxxx",
	} {
		if got := URL(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	if got := URL("http://u:p@h:bad/\x1b"); strings.Contains(got, ":p@") || strings.Contains(got, "\x1b") {
		t.Error(got)
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		`Post "https://me:pa@ss@host:8000/v1": EOF`:       `Post "https://me:xxxxx@host:8000/v1": EOF`,
		"url: https://me:pass@host:8000: refused":         "url: https://me:xxxxx@host:8000: refused",
		"https://tok@h/a and http://b/?x=1&api-Key=v&y=2": "https://xxxxx@h/a and http://b/?x=1&api-Key=xxxxx&y=2",
		`{"u":"http://b/?x=1\u0026token=v\u0026y=2"}`:     `{"u":"http://b/?x=1\u0026token=xxxxx\u0026y=2"}`,
		"mail a@b.c, see http://b/x@y and http://b":       "mail a@b.c, see http://b/x@y and http://b",
	} {
		if got := Line(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	for address, want := range map[string]bool{"http://h/v1": false, "http://a@h": true, "http://a:b@h": true, "http://h?token=a": true, "http://h?x=1": false} {
		if Secret(address) != want {
			t.Errorf("%s: secret is not %v", address, want)
		}
	}
}

// TestBlockKeepsJSON: what is printed for programs holds the same texts.
func TestBlockKeepsJSON(t *testing.T) {
	in := "a\x1b[0m\u007f\u009b\u202e\U000e0041\n\t\"\\<\u2028漢🙂"
	data, err := json.Marshal(map[string]string{in: in})
	if err != nil {
		t.Fatal(err)
	}
	safe := Block(string(data))
	var out map[string]string
	if err := json.Unmarshal([]byte(safe), &out); err != nil || out[in] != in {
		t.Errorf("%s: %v, %q", safe, err, out)
	}
	if Line(safe) != safe {
		t.Errorf("%q", safe)
	}
}

func TestIndent(t *testing.T) {
	if got := Indent("a\nuser: b\r\x1b", "  "); got != "a\n  user: b\\r\\x1b" {
		t.Errorf("%q", got)
	}
}

func TestRedact(t *testing.T) {
	key := `sk-"a/b c`
	for _, text := range []string{"key " + key + " is wrong", `{"k":"sk-\"a/b c"}`, "?k=sk-%22a%2Fb+c"} {
		if got := Redact(text, key, "", "ab"); !strings.Contains(got, "[secret]") || strings.Contains(got, "a/b c") || strings.Contains(got, "a%2Fb") {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a\x1b[0m\u202e")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range Line(text) {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
				t.Errorf("%q: %q", text, r)
			}
		}
	})
}

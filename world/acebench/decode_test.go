package acebench

import (
	"strings"
	"testing"

	"ballast/value"
	"ballast/world/python"
)

// What the original makes of the constructs of format ast; the wants are its own.
func TestReadAST(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"[f(a=1)]", "[{'f': {'a': 1}}]"},
		{"[f(1, a=2)]", "[{'f': {'a': 2}}]"},
		{"[a.b.c(x=1)]", "[{'a.b.c': {'x': 1}}]"},
		{"[f(a=+1)]", "[{'f': {'a': -1}}]"},
		{"[f(a=not True)]", "[{'f': {'a': -1}}]"},
		{"[f(a=1+2)]", "[{'f': {'a': 3}}]"},
		{"[f(a='a'+'b')]", "[{'f': {'a': 'ab'}}]"},
		{"[f(a=2**70)]", "[{'f': {'a': 1180591620717411303424}}]"},
		{"[f(a=true, b=...)]", "[{'f': {'a': 'true', 'b': '...'}}]"},
		{"[f(**x)]", "[{'f': {None: 'x'}}]"},
		{"[f(a=--1)]", "AttributeError: 'UnaryOp' object has no attribute 'value'"},
		{"[f(a=-'x')]", "TypeError: bad operand type for unary -: 'str'"},
		{"[f(a=x.y)]", "Exception: Unsupported AST type: <class 'ast.Attribute'>"},
		{"[f(a={**x})]", "Exception: Unsupported AST type: <class 'NoneType'>"},
		{"[f(a=lambda: 1)]", "TypeError: 'Constant' object is not subscriptable"},
		{"[f(a={[1]: 2})]", "TypeError: unhashable type: 'list'"},
		{"[f(a=1/0)]", "ZeroDivisionError: division by zero"},
		{"[f(a=1+x)]", "NameError: name 'x' is not defined"},
		{"[f(a=5^3, b=6&3, c=True|False, d=1<<70, e=-9>>1)]", "[{'f': {'a': 6, 'b': 2, 'c': True, 'd': 1180591620717411303424, 'e': -5}}]"},
		{"[f(a=1<<-1)]", "ValueError: negative shift count"},
		{"[f(a='x'&1)]", "TypeError: unsupported operand type(s) for &: 'str' and 'int'"},
		{"[f(a=-2j)]", "[{'f': {'a': (-0-2j)}}]"},
		{"[ﬁ.Ａ(e\u0301=ſ)]", "[{'fi.A': {'é': 's'}}]"}, // names are in normal form
		{"[f]", "AssertionError: "},
		{"f(a=1)", "AttributeError: 'Call' object has no attribute 'elts'"},
		{"[f(a=1 b=2)]", "SyntaxError: invalid syntax. Perhaps you forgot a comma? (<unknown>, line 1)"},
		{"[f(a='it's')]", "SyntaxError: unterminated string literal (detected at line 1) (<unknown>, line 1)"},
	} {
		if got := readText(ReadAST(c.text)); got != c.want {
			t.Errorf("%s: %s, want %s", c.text, got, c.want)
		}
	}
}

func readText(l *value.List, err error) string {
	if err != nil {
		e := err.(*python.Exception)
		return e.Kind + ": " + e.Text
	}
	return value.Repr(l)
}

func TestReadTool(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`<tool_call>{"name": "f", "arguments": {"a": NaN}}</tool_call> x <tool_call>` + "\n{\"name\": \"g\"}\n</tool_call>",
			"[{'f': {'a': nan}}, {'g': {}}]"},
		{`<tool_call>{"name": null, "arguments": [1]}</tool_call>`, "[{None: [1]}]"},
		{`no call`, "[]"},
		{`<tool_call>{"name": "f"}`, "[]"},
		{`<tool_call></tool_call>`, "ValueError: Invalid tool_call JSON: "},
		{`<tool_call>{"name": "</tool_call>"}</tool_call>`, `ValueError: Invalid tool_call JSON: {"name": "`},
		{`<tool_call>{"arguments": {}}</tool_call>`, "KeyError: 'name'"},
		{`<tool_call>[]</tool_call>`, "TypeError: list indices must be integers or slices, not str"},
		{`<tool_call>"x"</tool_call>`, "TypeError: string indices must be integers"},
		{`<tool_call>5</tool_call>`, "TypeError: 'int' object is not subscriptable"},
		{`<tool_call>{"name": {}}</tool_call>`, "TypeError: unhashable type: 'dict'"},
	} {
		if got := readText(ReadTool(c.text)); got != c.want {
			t.Errorf("%s: %s, want %s", c.text, got, c.want)
		}
	}
}

func TestBracketed(t *testing.T) {
	for text, want := range map[string]string{"a [b [c] d] e [f]": "[b [c] d]", "none": "", "[open": "", "] [a]": "", "['[', x]": ""} {
		if got, ok := Bracketed(text); got != want || ok != (want != "") {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// Hostile messages are answered in bounded time and memory.
func TestHostile(t *testing.T) {
	for name, message := range map[string]string{
		"powers":      "[check_balance(user_name=9**9**9**9)]",
		"repeats":     "[" + strings.Repeat("check_balance(user_name='a'*1000000), ", 1000) + "]",
		"many powers": "[" + strings.Repeat("check_balance(user_name=2**1000000), ", 1000) + "]",
		"brackets":    "[check_balance(user_name=" + strings.Repeat("[", 1<<18) + ")]",
		"calls":       "[" + strings.Repeat("check_balance(user_name='Eve'), ", 1<<13) + "]",
		"words":       strings.Repeat("a ", 1<<18),
		"code":        "[check_balance(user_name=__import__('os').getcwd())]",
		"nested":      "[check_balance(user_name=" + strings.Repeat("a(b=", 100) + "1" + strings.Repeat(")", 100) + ")]",
	} {
		for _, role := range []Role{Step, Turn} {
			s, err := NewScene(role, AST, []string{"BaseApi", "FoodPlatform"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			s.Called(message)
			if e := s.Execute(message, true); len(e.Feed()) > 1<<21 {
				t.Errorf("%s: %d bytes are told", name, len(e.Feed()))
			}
		}
	}
}

// FuzzExecute plays any text in both roles and formats: it is answered, and equal scenes answer the same.
func FuzzExecute(f *testing.F) {
	for _, s := range []string{
		"[send_message(sender_name='Eve', receiver_name='Frank', message='x'), turn_on_wifi()]",
		`<tool_call>{"name": "add_reminder", "arguments": {"title": [1], "description": {"a": {"b": 1}}, "time": 1e999}}</tool_call>`,
		"[check_balance(user_name=-x ** 2)]", "[x.check_balance(user_name='a')]", "[check_balance(**{'user_name': 'Eve'})]",
		`<tool_call>{"name": "turn_on_wifi ", "arguments": {"class": 1}}</tool_call>`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, role := range []Role{Step, Turn} {
			for _, format := range []Format{AST, Tool} {
				var feeds [2]string
				for i := range feeds {
					s, err := NewScene(role, format, []string{"BaseApi", "MessageApi", "ReminderApi", "FoodPlatform", "Travel"}, nil)
					if err != nil {
						t.Fatal(err)
					}
					s.Called(text)
					e := s.Execute(text, true)
					feeds[i] = e.Feed() + value.Repr(s.Dump())
				}
				if feeds[0] != feeds[1] {
					t.Errorf("%q: %s and %s", text, feeds[0], feeds[1])
				}
			}
		}
	})
}

// FuzzReadAST reads any text as the evaluator does.
func FuzzReadAST(f *testing.F) {
	for _, s := range []string{"[f(a=1, b={'k': [2]})]", "[f(a=1+2*3 // 4 % 5)]", "[f(a=x[1:2], b=g(1))]"} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		if l, err := ReadAST(text); err == nil {
			value.JSON(l) // whether it has JSON or not
		}
		if b, ok := Bracketed(text); ok {
			ReadAST(b)
		}
		ReadTool(text)
	})
}

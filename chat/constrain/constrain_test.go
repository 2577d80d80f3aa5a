package constrain

import (
	"math/rand/v2"
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/chat/format"
	"ballast/model"
	"ballast/value"
)

// style is that of the embedded model: single-token tags, 512 tokens.
func style(t testing.TB, f chat.Format) chat.Renderer {
	t.Helper()
	m, err := model.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	return chat.Renderer{Tokenizer: m.Tokenizer, Template: chat.Compact, Format: f}
}

func maker(t testing.TB, s chat.Renderer, how Strength) Maker {
	t.Helper()
	m, err := New(s, how)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var offered = []string{"ls", "lsof", "move_file", `quote"d`}

// healthy replies pass the masks of both strengths token by token.
func TestHealthyRepliesPass(t *testing.T) {
	s := style(t, chat.Hermes)
	deep := value.NewDict()
	deep.Set("a", value.NewList(int64(1), -2.5e-3, true, nil, "x<tool_call>\n\u00e9", value.NewDict(), value.NewList()))
	deep.Set("", int64(0))
	call := func(name string, args ...ballast.Arg) string {
		return chat.Hermes.Render([]ballast.Call{{Name: name, Args: args}}, nil)
	}
	for _, reply := range []string{
		"Done.<|im_end|>",
		"I will look.\n" + call("ls") + "<|im_end|>",
		call("lsof", ballast.Arg{Name: "p", Value: deep}) + "\n" + call("ls") + "<|im_end|>",
		call(`quote"d`, ballast.Arg{Name: "path", Value: "a < b, <to"}) + " <|im_end|>",
		`<tool_call>{"name":"move_file","arguments":{"n":0,"m":-0.5E+7}}</tool_call><|im_end|>`,
	} {
		for _, how := range []Strength{Control, Grammar} {
			m := maker(t, s, how)(offered)
			var text string
			for _, id := range s.Tokenizer.Encode(reply) {
				if !m.Allows(id) {
					t.Errorf("%s: %q is forbidden after %q", how, s.Tokenizer.Token(id), text)
					break
				}
				m.Advance(id)
				text += s.Tokenizer.Token(id)
			}
		}
	}
}

func TestForbidden(t *testing.T) {
	s := style(t, chat.Hermes)
	for _, c := range []struct {
		how           Strength
		reply, forbid string // after reply, the tokens of forbid, separated by spaces
	}{
		{Control, "", "<|im_end|> </tool_call> <|im_start|>"},
		{Control, "<tool_call>", "<tool_call> </tool_call> <|im_end|>"},
		{Control, `<tool_call>{"name": "ls`, "<tool_call> </tool_call> <|im_end|> <|im_start|>"},
		{Control, "Done.", "</tool_call> <|im_start|>"},
		{Grammar, "<tool_call>", "a [ \" }"},
		{Grammar, `<tool_call>{"name": "`, "x \""},
		{Grammar, `<tool_call>{"name": "ls`, "a ,"},
		{Grammar, `<tool_call>{"name": "ls"`, "} a </tool_call>"},
		{Grammar, `<tool_call>{"name": "ls", "arguments": `, "[ \" 1"},
		{Grammar, `<tool_call>{"name": "ls", "arguments": {`, "1 a ,"},
		{Grammar, `<tool_call>{"name": "ls", "arguments": {"`, "\""},
		{Grammar, `<tool_call>{"name": "ls", "arguments": {"a": 1`, "a ] </tool_call>"},
		{Grammar, `<tool_call>{"name": "ls", "arguments": {"a": 01`, "1"},
		{Grammar, `<tool_call>{"name": "ls", "arguments": {}}</tool_call>`, "a . {"},
	} {
		m := maker(t, s, c.how)(offered)
		stuck := false
		for _, id := range s.Tokenizer.Encode(c.reply) {
			stuck = stuck || !m.Allows(id)
			m.Advance(id)
		}
		if want := strings.Contains(c.reply, "01"); stuck != want {
			t.Errorf("%s: stuck before the end of %q: %v", c.how, c.reply, stuck)
		}
		for _, tok := range strings.Fields(c.forbid) {
			if id, ok := s.Tokenizer.ID(tok); !ok || m.Allows(id) {
				t.Errorf("%s: %s is allowed after %q (in the vocabulary: %v)", c.how, tok, c.reply, ok)
			}
		}
	}
}

// walk draws allowed tokens at random, closing brackets and ending when it can
// with some preference, and returns the reply with its end, "" if it is too long.
func walk(t testing.TB, s chat.Renderer, m ballast.Mask, first string, r *rand.Rand) string {
	var ids []int32
	take := func(id int32) {
		m.Advance(id)
		ids = append(ids, id)
	}
	for _, id := range s.Tokenizer.Encode(first) {
		if !m.Allows(id) {
			t.Fatalf("%q is not allowed at the start", first)
		}
		take(id)
	}
	stop := s.Stops()[0]
	for len(ids) < 150 {
		var allowed, closing []int32
		for id := range int32(s.Tokenizer.Size()) {
			if m.Allows(id) {
				allowed = append(allowed, id)
				if strings.ContainsAny(s.Tokenizer.Token(id), "\"}]>") {
					closing = append(closing, id)
				}
			}
		}
		if len(allowed) == 0 {
			t.Fatalf("nothing is allowed after %q", s.Tokenizer.Decode(ids))
		}
		if r.IntN(3) > 0 && len(closing) > 0 {
			allowed = closing
		}
		id := allowed[r.IntN(len(allowed))]
		take(id)
		if id == stop {
			return s.Tokenizer.Decode(ids)
		}
	}
	return ""
}

// TestGrammarEndsInCalls: whatever is drawn under the grammar, once a call was
// opened, is a healthy call of an offered function when the reply ends.
func TestGrammarEndsInCalls(t *testing.T) {
	s := style(t, chat.Hermes)
	var known []ballast.Tool
	for _, o := range offered {
		known = append(known, ballast.Tool{Name: o})
	}
	ended := 0
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		reply := walk(t, s, maker(t, s, Grammar)(offered), "<tool_call>", r)
		if reply == "" {
			continue
		}
		ended++
		if p := s.Format.Parse(reply, format.Tools(known)); p.Kind != ballast.KindCall || p.Reason != "" {
			t.Errorf("%s %s: %q", p.Kind, p.Reason, reply)
		}
	}
	if ended < 10 {
		t.Errorf("only %d of 30 replies came to an end", ended)
	}
}

// TestControlHoldsOnlyLegalTokens, in every format: what is drawn holds no control
// token that a monitor would call forbidden.
func TestControlHoldsOnlyLegalTokens(t *testing.T) {
	for name, f := range chat.Formats {
		s := style(t, f)
		for seed := range uint64(4) {
			reply := walk(t, s, maker(t, s, Control)(nil), "", rand.New(rand.NewPCG(seed, 2)))
			var state format.State
			for _, p := range f.Split(reply) {
				if p.Control && !f.Legal(state, p.Text) {
					t.Errorf("%s: %s is forbidden in %q", name, p.Text, reply)
				}
				state = f.Next(state, p.Text)
			}
		}
	}
}

func TestUnknownStrength(t *testing.T) {
	if _, err := New(style(t, chat.Hermes), "iron"); err == nil || !strings.Contains(err.Error(), "iron") {
		t.Errorf("error %v", err)
	}
	if _, err := New(style(t, chat.Pythonic), Grammar); err == nil || !strings.Contains(err.Error(), "pythonic") {
		t.Errorf("error %v", err)
	}
}

// FuzzGrammar: what the grammar reads to the end of a call parses as a call.
func FuzzGrammar(f *testing.F) {
	f.Add(`{"name": "ls", "arguments": {"a": [1, -0.5e3, "x\u00e9", null, true, {}]}}`)
	f.Fuzz(func(t *testing.T, body string) {
		g := &grammar{language: &language{format: format.Hermes}}
		g.offer(offered)
		reply := "<tool_call>" + strings.ToValidUTF8(body, "?") + "</tool_call>"
		at := position{}
		for i := range len(reply) { // byte by byte, as the worst vocabulary would
			var ok bool
			if at, ok = g.read(at, reply[i:i+1]); !ok {
				return
			}
		}
		if p := format.Hermes.Parse(reply, nil); p.Kind != ballast.KindCall {
			t.Errorf("%s %s: %q", p.Kind, p.Reason, reply)
		}
	})
}

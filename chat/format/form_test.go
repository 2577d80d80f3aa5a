package format

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"ballast"
	"ballast/value"
)

const (
	call      = ballast.KindCall
	response  = ballast.KindResponse
	polluted  = ballast.KindPolluted
	collapse  = ballast.KindCollapsed
	goodCall  = "<tool_call>\n{\"name\": \"mv\", \"arguments\": {\"a\": 1}}\n</tool_call>"
	goodXML   = "<tool_call>\n<function=mv>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>"
	goodLlama = `{"name": "mv", "parameters": {"a": 1}}`
)

// offered are the functions that exist in these tests.
var offered = Tools([]ballast.Tool{{Name: "mv"}, {Name: "ls"}})

var sampleCalls = []ballast.Call{
	{Name: "mv", Args: []ballast.Arg{{Name: "source", Value: "a b.txt"}, {Name: "count", Value: int64(2)}}}, {Name: "ls"},
}

// labelled are replies with their form and reason, by format.
var labelled = []struct {
	format, reply string
	form          ballast.ReplyKind
	reason        Reason
	calls         int
}{
	// Healthy in every format.
	{"*", "Done.", response, "", 0},
	{"*", "Done.<|im_end|>", response, "", 0},
	{"*", "Done.<|eot_id|>\n", response, "", 0},
	{"*", "Use a < b and b > a, or x <- y.", response, "", 0},
	{"*", "A rule:\n----------------------------------------------------------------\nand dots ..........", response, "", 0},
	{"*", "The list [a, b] and the call of mv (it moves files) are fine.", response, "", 0},
	{"*", "[mv](docs) explains it", response, "", 0},
	{"*", "\U0001F44D", response, "", 0},
	{"*", "<think>\nmv or ls?\n</think>\n\nDone.", response, "", 0},
	{"*", "<html> and </html> are tags", response, "", 0},
	{"hermes", "{\"name\": \"Bob\"}", response, "", 0},
	{"*", "0, 0, 0, 0, 0, 0, 0, 0, 0, 0", response, "", 0},
	// Collapsed in every format.
	{"*", "", collapse, ReasonEmpty, 0},
	{"*", " \n\t", collapse, ReasonEmpty, 0},
	{"*", "<|im_end|>", collapse, ReasonEmpty, 0},
	{"*", "<|im_end|><|im_end|>", collapse, ReasonOnlyControl, 0},
	{"*", "<tool_call><|im_end|>", collapse, ReasonOnlyControl, 0},
	{"*", "<tool_call>\n{\"<|im_end|>", collapse, ReasonOnlyControl, 0},
	{"*", "<tool_call></tool_call>", collapse, ReasonOnlyControl, 0},
	{"*", strings.Repeat("<tool_call>\n", 50), collapse, ReasonOnlyControl, 0},
	{"*", "<think>\n\n</think>\n\n", collapse, ReasonOnlyControl, 0},
	{"*", "[]", collapse, ReasonNoWords, 0},
	{"*", "...", collapse, ReasonNoWords, 0},
	// Polluted in every format.
	{"*", "Done.<|im_end|>More.", polluted, ReasonControlInText, 0},
	{"*", "Done.<|im_end|><|im_end|>", polluted, ReasonControlInText, 0},
	{"*", "Done.<|endoftext|><|im_end|>", polluted, ReasonControlInText, 0},
	{"*", "Done.<|im_start|>user\nthanks", polluted, ReasonControlInText, 0},
	{"*", "Done.</tool_call>", polluted, ReasonStrayClose, 0},
	{"*", "</think>Done.", polluted, ReasonStrayClose, 0},
	{"*", "Done <think>", polluted, ReasonControlInText, 0},
	{"*", "<think>\nhm, hm", polluted, ReasonUnclosedTag, 0},
	{"*", "<think>hm</think>", polluted, ReasonEmpty, 0},
	{"*", "<think>hm</think>.", polluted, ReasonEmpty, 0},
	{"*", "<tool_response>\nok\n</tool_response>", polluted, ReasonControlInText, 0},
	{"*", "I write <tool_call now", polluted, ReasonBrokenTag, 0},
	{"*", "I call <TOOL_CALL> now", polluted, ReasonBrokenTag, 0},
	{"*", "I call <toolcall>x</toolcall>", polluted, ReasonBrokenTag, 0},
	{"*", "tool_call>mv", polluted, ReasonBrokenTag, 0},
	{"*", "Sure <tool_ca", polluted, ReasonBrokenTag, 0},
	{"*", "Sure <|im_end", polluted, ReasonBrokenTag, 0},
	{"*", strings.Repeat("move the file ", 40), polluted, ReasonRepetition, 0},
	{"*", "I think " + strings.Repeat("the ", 60) + "th", polluted, ReasonRepetition, 0},
	{"*", "mv(a=1)", polluted, ReasonOtherSyntax, 0},
	{"*", "I do: [mv(a=1)]", polluted, ReasonOtherSyntax, 0},
	{"*", "rm(a=1)", response, "", 0},

	{"hermes", goodCall, call, "", 1},
	{"hermes", goodCall + "<|im_end|>", call, "", 1},
	{"hermes", goodCall + "\n" + goodCall, call, "", 2},
	{"hermes", "I move it.\n" + goodCall, call, "", 1},
	{"hermes", "<think>\nok\n</think>\n\n" + goodCall, call, "", 1},
	{"hermes", "<tool_call>{\"arguments\": {}, \"id\": 3, \"name\": \"ls\"}</tool_call>", call, "", 1},
	{"hermes", "<tool_call>{\"name\": \"rm\", \"arguments\": {}}</tool_call>", call, ReasonUnknownTool, 1},
	{"hermes", goodCall + " done", polluted, ReasonTextAroundCall, 1},
	{"hermes", goodCall + " and " + goodCall, polluted, ReasonTextAroundCall, 2},
	{"hermes", goodCall + "<|im_end|>" + goodCall, polluted, ReasonControlInText, 2},
	{"hermes", goodCall + "</tool_call>", polluted, ReasonStrayClose, 1},
	{"hermes", goodCall + "<tool_call>", polluted, ReasonUnclosedTag, 1},
	{"hermes", "<tool_call>" + goodCall, polluted, ReasonNestedTag, 1},
	{"hermes", "<think><tool_call>{}</tool_call></think>x", response, "", 0},
	{"hermes", "<tool_call>\n{\"name\": \"mv\", \"argu", polluted, ReasonUnclosedTag, 0},
	{"hermes", "<tool_call>\nmv a b\n</tool_call>", polluted, ReasonBadJSON, 0},
	{"hermes", "<tool_call>{\"name\": \"mv\", \"arguments\": {}</tool_call>", polluted, ReasonBadJSON, 0},
	{"hermes", "<tool_call>{'name': 'mv', 'arguments': {}}</tool_call>", polluted, ReasonBadJSON, 0},
	{"hermes", "<tool_call>{\"name\": \"mv\", \"arguments\": {}} {}</tool_call>", polluted, ReasonBadJSON, 0},
	{"hermes", "x<tool_call></tool_call>", polluted, ReasonBadCall, 0},
	{"hermes", "<tool_call>[{\"name\": \"mv\", \"arguments\": {}}]</tool_call>", polluted, ReasonNotAnObject, 0},
	{"hermes", "<tool_call>3</tool_call>", polluted, ReasonNotAnObject, 0},
	{"hermes", "<tool_call>{\"arguments\": {}}</tool_call>", polluted, ReasonMissingName, 0},
	{"hermes", "<tool_call>{\"name\": \" \", \"arguments\": {}}</tool_call>", polluted, ReasonMissingName, 0},
	{"hermes", "<tool_call>{\"name\": 3, \"arguments\": {}}</tool_call>", polluted, ReasonMissingName, 0},
	{"hermes", "<tool_call>{\"name\": \"mv\"}</tool_call>", polluted, ReasonMissingArguments, 0},
	{"hermes", "<tool_call>{\"name\": \"mv\", \"parameters\": {}}</tool_call>", polluted, ReasonMissingArguments, 0},
	{"hermes", "<tool_call>{\"name\": \"mv\", \"arguments\": \"{}\"}</tool_call>", polluted, ReasonBadArguments, 0},
	{"hermes", "<tool_call>{\"name\": \"mv\", \"arguments\": {\"\": 1}}</tool_call>", polluted, ReasonBadArguments, 0},
	{"hermes", "<tool_call>{\"name\": \"mv\", \"arguments\": {\"a\": \"<|im_end|>\"}}</tool_call>", polluted, ReasonControlInText, 1},
	{"hermes", "[mv(a=1)]", polluted, ReasonOtherSyntax, 0},
	{"hermes", "[mv(a=", polluted, ReasonOtherSyntax, 0},
	{"hermes", "[rm(a=1)]", polluted, ReasonOtherSyntax, 0},
	{"hermes", goodLlama, polluted, ReasonOtherSyntax, 0},
	{"hermes", "{\"name\": \"mv\", \"arguments\": {}}", polluted, ReasonOtherSyntax, 0},
	{"hermes", "```json\n{\"name\": \"mv\", \"arguments\": {\n", polluted, ReasonOtherSyntax, 0},
	{"hermes", goodXML, polluted, ReasonOtherSyntax, 0},

	{"pythonic", "[mv(a=1)]", call, "", 1},
	{"pythonic", "[mv(a=1)]<|im_end|>", call, "", 1},
	{"pythonic", "[mv('x', a=1), ls()]", call, "", 2},
	{"pythonic", "I move it.\n [mv(a='it]s (')]", call, "", 1},
	{"pythonic", "[mv(\n  a='''it's \"so\"'''  # why\n)\n]", call, "", 1},
	{"pythonic", "<think>ok</think>[ mv (a='')]", call, "", 1},
	{"pythonic", "[rm()]", call, ReasonUnknownTool, 1},
	{"pythonic", "[mv(a=1)] done", polluted, ReasonTextAroundCall, 1},
	{"pythonic", "[mv(a=1)]\n[ls()]", polluted, ReasonTextAroundCall, 1},
	{"pythonic", "```python\n[mv(a=1)]\n```", polluted, ReasonTextAroundCall, 1},
	{"pythonic", "[mv(a=1)", polluted, ReasonUnclosedTag, 0},
	{"pythonic", "[mv(a='1)]", polluted, ReasonUnclosedTag, 0},
	{"pythonic", "[mv(a=b)]", polluted, ReasonBadCall, 0},
	{"pythonic", "[mv(a=1, 2)]", polluted, ReasonBadCall, 0},
	{"pythonic", "[mv(a=1) ls()]", polluted, ReasonBadCall, 0},
	{"pythonic", "[mv(a=open('x'))]", polluted, ReasonBadCall, 0},
	{"pythonic", "[mv(a='<|im_end|>')]", polluted, ReasonControlInText, 1},
	{"pythonic", goodCall, polluted, ReasonOtherSyntax, 0},
	{"pythonic", goodLlama, polluted, ReasonOtherSyntax, 0},

	{"llama3", goodLlama, call, "", 1},
	{"llama3", "<|python_tag|>" + goodLlama + "<|eom_id|>", call, "", 1},
	{"llama3", goodLlama + "; " + goodLlama, call, "", 2},
	{"llama3", "I move it.\n" + goodLlama, call, "", 1},
	{"llama3", "{\n  \"name\": \"mv\",\n  \"parameters\": {\"a\": \"}{\"}\n}", call, "", 1},
	{"llama3", `{"name": "rm", "parameters": {}}`, call, ReasonUnknownTool, 1},
	{"llama3", goodLlama + " done", polluted, ReasonTextAroundCall, 1},
	{"llama3", goodLlama + "\n" + goodLlama, polluted, ReasonTextAroundCall, 1},
	{"llama3", goodLlama + ";", polluted, ReasonTextAroundCall, 1},
	{"llama3", "x<|python_tag|>" + goodLlama, polluted, ReasonControlInText, 0},
	{"llama3", `{"name": "mv", "parameters": {`, polluted, ReasonUnclosedTag, 0},
	{"llama3", `{"name": mv, "parameters": {}}`, polluted, ReasonBadJSON, 0},
	{"llama3", `{"name": "mv", "arguments": {}}`, polluted, ReasonMissingArguments, 0},
	{"llama3", "I do: " + goodLlama, polluted, ReasonOtherSyntax, 0},
	{"llama3", goodCall, polluted, ReasonOtherSyntax, 0},
	{"llama3", "[mv(a=1)]", polluted, ReasonOtherSyntax, 0},

	{"xml", goodXML, call, "", 1},
	{"xml", "I move it.\n" + goodXML + "\n" + goodXML, call, "", 2},
	{"xml", "<tool_call><function=ls></function></tool_call>", call, "", 1},
	{"xml", strings.ReplaceAll(goodXML, "mv", "rm"), call, ReasonUnknownTool, 1},
	{"xml", goodXML + "x", polluted, ReasonTextAroundCall, 1},
	{"xml", goodCall, polluted, ReasonOtherSyntax, 0},
	{"xml", strings.ReplaceAll(goodXML, "</function>", ""), polluted, ReasonBadCall, 0},
	{"xml", strings.ReplaceAll(goodXML, "</parameter>", ""), polluted, ReasonBadCall, 0},
	{"xml", strings.ReplaceAll(goodXML, "=mv", "="), polluted, ReasonMissingName, 0},
	{"xml", strings.ReplaceAll(goodXML, "=a", "="), polluted, ReasonBadArguments, 0},
}

func TestForms(t *testing.T) {
	for _, c := range labelled {
		for name, f := range All {
			if c.format != name && c.format != "*" {
				continue
			}
			got := f.Parse(c.reply, offered)
			if got.Kind != c.form || got.Reason != c.reason || len(got.Calls) != c.calls {
				t.Errorf("%s %q: %s %q with %d calls, want %s %q with %d", name, c.reply, got.Kind, got.Reason, len(got.Calls), c.form, c.reason, c.calls)
			}
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		reply  string
		form   ballast.ReplyKind
		reason Reason
	}{
		{goodCall, polluted, ReasonCut}, {"I move", polluted, ReasonCut}, {"<tool_call>\n{\"name", polluted, ReasonCut},
		{"I say <tool_c", polluted, ReasonCut}, {"<think>hm", polluted, ReasonCut},
		{"a</tool_call>", polluted, ReasonStrayClose}, {strings.Repeat("move it ", 99), polluted, ReasonRepetition},
		{"<tool_call><tool_call>", collapse, ReasonOnlyControl}, {"", collapse, ReasonEmpty},
	} {
		if got := Hermes.Parse(c.reply, nil).Cut(); got.Kind != c.form || got.Reason != c.reason {
			t.Errorf("%q: %s %s, want %s %s", c.reply, got.Kind, got.Reason, c.form, c.reason)
		}
	}
}

func TestParsedTexts(t *testing.T) {
	for name, f := range All {
		p := f.Parse("<think>\nwhy\n</think>\n\n First.\n"+f.Render(sampleCalls, nil)+"<|im_end|>", nil)
		if p.Thought != "why" || p.Text != "First." || !sameCalls(p.Calls, sampleCalls) {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func sameCalls(a, b []ballast.Call) bool {
	return slices.EqualFunc(a, b, func(x, y ballast.Call) bool {
		return x.Name == y.Name && slices.EqualFunc(x.Args, y.Args, func(p, q ballast.Arg) bool {
			return p.Name == q.Name && value.Repr(p.Value) == value.Repr(q.Value)
		})
	})
}

// randomCall makes the i-th call of a reply, of a function of its own, out of hostile
// strings. Every format can write it, but xml no string with a tag.
func randomCall(r *rand.Rand, i int, hostile []string) ballast.Call {
	c := ballast.Call{Name: []string{"mv", "a.b_c", "x1"}[r.IntN(3)] + strconv.Itoa(i)}
	for _, name := range []string{"a", "b_2", "self", "C"}[:r.IntN(5)] {
		c.Args = append(c.Args, ballast.Arg{Name: name, Value: randomValue(r, hostile, 3)})
	}
	return c
}

func randomValue(r *rand.Rand, hostile []string, depth int) any {
	str := func() string { return hostile[r.IntN(len(hostile))] + hostile[r.IntN(len(hostile))] }
	switch n := r.IntN(10); {
	case n < 4 || depth == 0:
		return str()
	case n == 4:
		return []any{nil, true, false, int64(-5), int64(math.MaxInt64), value.Int(new(big.Int).Lsh(big.NewInt(3), 90))}[r.IntN(6)]
	case n == 5:
		return []any{0.1, -1e300, 3.0, 5e-324}[r.IntN(4)]
	case n < 8:
		l := value.NewList()
		for range r.IntN(4) {
			l.Items = append(l.Items, randomValue(r, hostile, depth-1))
		}
		return l
	}
	d := value.NewDict()
	for range r.IntN(4) {
		d.Set(str(), randomValue(r, hostile, depth-1))
	}
	return d
}

var hostileStrings = []string{"", "a", " ", "\n", "'", "\"", "\\", "\\u003c", "<", ">", "<tool_call>", "</tool_call>", "<|im_end|>", "</parameter>", "</function>",
	"5", "true", "null", "[1]", "{", "}", ")]", "#", "\u00e9", "e\u0301", "\U0001F600", "\u2028", "\x00", "\x7f", "\r\n", "<think>", "<tool_", "call>", "\xed\xa0\x80", "'''", "mv(", "[mv(",
	"[TOOL_CALLS]", "[ARGS]", "</s>", "[TOOL_", "</arg_value>", "<arg_key>", deepCut, deepStop, "<|call|>", "<|channel|>", "to=functions.x", "[THINK]", "[/THINK]"}

// typed offers the functions of calls with the types of their arguments.
func typed(calls []ballast.Call) Offered {
	types := map[kinds]string{kindString: "string", kindInteger: "integer", kindFraction: "number", kindBoolean: "boolean", kindNull: "null", kindArray: "array", kindObject: "object"}
	var tools []ballast.Tool
	for _, c := range calls {
		tool := ballast.Tool{Name: c.Name}
		for _, a := range c.Args {
			tool.Params = append(tool.Params, ballast.Param{Name: a.Name, Type: types[kindOf(a.Value)]})
		}
		tools = append(tools, tool)
	}
	return Tools(tools)
}

// holdsTag reports whether an argument is a string that a format without escapes cannot write.
func holdsTag(f Format, calls []ballast.Call) bool {
	if f.Name() != "xml" && f.Name() != "glm" {
		return false
	}
	for _, c := range calls {
		for _, a := range c.Args {
			s, _ := a.Value.(string)
			if slices.ContainsFunc(f.Split(s), func(p Piece) bool { return p.Control }) {
				return true
			}
			if f.Name() == "xml" && slices.ContainsFunc(xmlTags[:], func(tag string) bool { return strings.Contains(s, tag) }) {
				return true
			}
		}
	}
	return false
}

// roundTrip fails if the rendered calls do not parse as themselves, alone, after
// prose and with an end token, or if a control token in them was illegal.
func roundTrip(t *testing.T, f Format, calls []ballast.Call) {
	t.Helper()
	offered := typed(calls)
	text, err := f.Write(calls, offered)
	if err != nil {
		if !holdsTag(f, calls) {
			t.Fatalf("%s: %v", f.Name(), err)
		}
		return
	}
	for _, reply := range []string{text, "I do it.\n" + text + "<|im_end|>"} {
		p := f.Parse(reply, offered)
		if p.Kind != call || p.Reason != "" || !sameCalls(p.Calls, calls) {
			t.Fatalf("%s %q: %s %s %v", f.Name(), reply, p.Kind, p.Reason, p.Calls)
		}
		legal(t, f, reply)
	}
}

// endless is a reply without its end token, which may be one of the format's own.
func endless(f Format, reply string) string {
	return f.(interface{ withoutEnd(string) string }).withoutEnd(reply)
}

// legal fails unless every control token of a healthy reply is legal and an end
// token is legal at its end, however the reply is cut into tokens.
func legal(t *testing.T, f Format, reply string) {
	t.Helper()
	var s State
	for _, p := range f.Split(endless(f, reply)) {
		if p.Control && !f.Legal(s, p.Text) {
			t.Fatalf("%s %q: %s is illegal in place %s of a healthy reply", f.Name(), reply, p.Text, s.Place)
		}
		next := f.Next(s, p.Text)
		if half := len(p.Text) / 2; f.Next(f.Next(s, p.Text[:half]), p.Text[half:]) != next {
			t.Fatalf("%s %q: the automaton depends on where tokens are cut", f.Name(), reply)
		}
		s = next
	}
	if !f.Legal(s, "<|im_end|>") {
		t.Fatalf("%s %q: the end is illegal in place %s of a healthy reply", f.Name(), reply, s.Place)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, f := range All {
		r := rand.New(rand.NewPCG(3, 4))
		for range 300 {
			var calls []ballast.Call
			for i := range 1 + r.IntN(3) {
				calls = append(calls, randomCall(r, i, hostileStrings))
			}
			roundTrip(t, f, calls)
		}
	}
}

// checkReply holds the properties of every reply.
func checkReply(t *testing.T, reply string) {
	t.Helper()
	for _, f := range All {
		checkIn(t, f, reply)
	}
}

// checkIn is checkReply in one format.
func checkIn(t *testing.T, f Format, reply string) {
	t.Helper()
	p := f.Parse(reply, offered)
	healthy := p.Kind == call || p.Kind == response
	if healthy != (p.Reason == "" || p.Reason == ReasonUnknownTool) {
		t.Fatalf("%s %q: form %s with reason %q", f.Name(), reply, p.Kind, p.Reason)
	}
	if (p.Kind == call) != (len(p.Calls) > 0) && p.Kind != polluted {
		t.Fatalf("%s %q: form %s with %d calls", f.Name(), reply, p.Kind, len(p.Calls))
	}
	if healthy {
		legal(t, f, reply)
	}
	for _, c := range p.Calls { // no call of a tool that is not offered goes without a remark
		if !has(offered, c.Name) && p.Reason == "" {
			t.Fatalf("%s %q: a call of %s, which is not offered", f.Name(), reply, c.Name)
		}
	}
	if end := strings.TrimRight(reply, blanks); end == endless(f, reply) && controlAt("<"+reply) != -1 {
		if q := f.Parse(end+"<|im_end|>", offered); q.Kind != p.Kind || q.Reason != p.Reason {
			t.Fatalf("%s %q: %s %s, with its end token %s %s", f.Name(), reply, p.Kind, p.Reason, q.Kind, q.Reason)
		}
	}
	var state State
	for i := range min(len(reply), 200) { // any prefix may be asked about
		f.Legal(state, closeCall)
		state = f.Next(state, reply[i:i+1])
	}
}

func TestLabelledProperties(t *testing.T) {
	for _, c := range labelled {
		checkReply(t, c.reply)
		checkReply(t, c.reply+c.reply)
	}
}

// TestRandomReplies joins fragments of replies at random: near misses of all
// kinds in numbers.
func TestRandomReplies(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var parts []string
	for _, c := range labelled {
		parts = append(parts, c.reply)
	}
	for _, c := range battery {
		parts = append(parts, c.reply)
	}
	parts = append(append(parts, hostileStrings...), tags[:]...)
	for _, f := range All {
		parts = append(parts, f.Control()...)
	}
	for range 600 {
		var b strings.Builder
		for range 1 + r.IntN(5) {
			p := parts[r.IntN(len(parts))]
			if r.IntN(3) == 0 {
				p = p[:r.IntN(len(p)+1)]
			}
			b.WriteString(p)
		}
		checkReply(t, b.String())
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range labelled {
		f.Add(c.reply)
	}
	for _, c := range battery {
		f.Add(c.reply)
	}
	f.Fuzz(func(t *testing.T, reply string) { checkReply(t, reply) })
}

func FuzzRoundTrip(f *testing.F) {
	for i, s := range hostileStrings {
		f.Add(uint64(i), s, "x")
	}
	f.Fuzz(func(t *testing.T, seed uint64, a, b string) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			t.Skip("value strings are UTF-8")
		}
		r := rand.New(rand.NewPCG(seed, 0))
		calls := []ballast.Call{randomCall(r, 0, []string{a, b, "", "<tool_call>"}), randomCall(r, 1, []string{a, b})}
		anyName := []ballast.Call{{Name: a, Args: []ballast.Arg{{Name: b, Value: a + b}}}, {Name: b}}
		for _, format := range All {
			roundTrip(t, format, calls)
			writtenReads(t, format, anyName)
		}
	})
}

// writtenReads fails if Write writes calls, of any names, that do not read as themselves.
func writtenReads(t *testing.T, f Format, calls []ballast.Call) {
	t.Helper()
	text, err := f.Write(calls, typed(calls))
	if err != nil {
		return
	}
	if p := f.Parse("I do it.\n"+text+"<|im_end|>", typed(calls)); p.Kind != call || !sameCalls(p.Calls, calls) {
		t.Fatalf("%s %q: %s %s %v", f.Name(), text, p.Kind, p.Reason, p.Calls)
	}
}

// TestNames: a name that a format cannot write is an error that names the call.
func TestNames(t *testing.T) {
	json := []string{"hermes", "llama3", "xlam", "mistral"} // the name is a string
	raw := append([]string{"mistral-v11", "deepseek-v3", "deepseek-v3.1", "glm"}, json...)
	with := func(list []string, more ...string) []string { return append(more, list...) }
	writes := map[string][]string{"get-weather": with(raw, "xml", "harmony"), "a b": with(raw, "xml"), "f>": with(raw, "harmony"), "": {},
		"f.g": with(raw, "pythonic", "xml", "harmony"), "<tool_call>": json, "f\n": json,
		"[TOOL_CALLS]": with(json, "xml", "deepseek-v3", "deepseek-v3.1", "glm", "harmony"),
		"f[ARGS]":      with(json, "xml", "deepseek-v3", "deepseek-v3.1", "glm", "harmony"),
		deepSep:        with(json, "mistral-v11", "glm", "harmony"), "<|message|>": json}
	for name, formats := range writes {
		for _, f := range All {
			for _, c := range []ballast.Call{{Name: name}, {Name: "f", Args: []ballast.Arg{{Name: name, Value: "x"}}}} {
				calls := []ballast.Call{c}
				writtenReads(t, f, calls)
				_, err := f.Write(calls, typed(calls))
				if want := slices.Contains(formats, f.Name()); c.Name == name && (err == nil) != want {
					t.Errorf("%s writes %q: error %v", f.Name(), name, err)
				}
				if err != nil && !strings.Contains(err.Error(), c.Name) {
					t.Errorf("%s: %v does not name %q", f.Name(), err, c.Name)
				}
			}
		}
	}
}

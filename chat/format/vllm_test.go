package format

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/value"
)

// peerFile is testdata/vllm.json: replies, and what the tool parsers of vLLM read in them.
type peerFile struct {
	VLLM    string
	Tools   []json.RawMessage
	Formats []struct {
		Format, Parser string
		Cases          []peerCase
	}
}

// peerCase is one reply. Without Calls vLLM found none.
type peerCase struct {
	Name, Text string
	Raises     string
	Calls      [][2]string // name, arguments as the text that a client gets
	Content    string      // the text beside calls
}

// The kinds of what this package makes of a reply that vLLM reads otherwise.
const (
	refuses = "refuses" // polluted, vLLM reads calls
	reads   = "reads"   // calls, vLLM reads none
	other   = "other"   // other calls than vLLM's
	beside  = "beside"  // the same calls, other text beside them
	asProse = "prose"   // prose, vLLM reads calls: never meant
)

// apart are the differences that are meant. The first words of a line are formats, the rest are names of cases.
var apart = []struct {
	kind, what, why string
	cases           string
}{
	{"no JSON", refuses, "vLLM hands text that is no JSON to its client; a world could not run it", `
		mistral-v11: trailing comma; single quotes; Python's constants; line end in a string; unknown escape; leading zero; unquoted key
		mistral-v11: bracket too few; second call broken
		deepseek-v3: trailing comma; single quotes; Python's constants; no arguments at all; unknown escape; leading zero; unquoted key
		deepseek-v3: bracket too few; bracket too many; other white space; second call broken
		deepseek-v3.1: trailing comma; single quotes; Python's constants; no arguments at all; unknown escape; leading zero; unquoted key
		deepseek-v3.1: bracket too few; bracket too many; other white space; second call broken; own marks in a string
		harmony: trailing comma; single quotes; Python's constants; no arguments at all; line end in a string; unknown escape; leading zero
		harmony: unquoted key; bracket too few; bracket too many; other white space; cut behind the call; second call broken`},
	{"no object", refuses, "arguments are an object with names: vLLM hands on others, takes none for {}, or decodes a text once more", `
		hermes llama3 mistral deepseek-v3 deepseek-v3.1 harmony: arguments as a string; arguments null; arguments a list; empty key
		xlam: arguments as a string; empty key
		mistral: no key for arguments
		mistral-v11: arguments as a string; arguments null; arguments a list; no arguments at all; empty key; other white space
		xml glm: empty key`},
	{"no name", refuses, "vLLM hands on calls whose name is empty, and drops members of a list that are no calls", `
		hermes llama3 mistral-v11 deepseek-v3 deepseek-v3.1: empty name
		xlam: empty name; not only calls
		mistral: empty name; no name; name a number`},
	{"text around", refuses, "text, marks and further calls between or behind calls are faults here: vLLM drops them, and some calls with them", `
		hermes: text after; prose between calls; fence around
		llama3: bracket too many; text after; prose between calls; fence around; commas between; line end between
		xlam: fence around
		mistral: text after; fence around; two begin tags; two lists
		mistral-v11: bracket too many; text after; prose between calls; fence around; own marks in a string; two begin tags
		deepseek-v3 deepseek-v3.1: text after; prose between calls; fence around; two begin tags; two lists
		harmony: text after; prose between calls; end for call; text behind calls; unknown channel; no start between
		pythonic: two lists
		xml: text after; prose between calls; close missing between; begin missing; two begin tags; fence around
		glm: text after; prose between calls; close missing between; fence around`},
	{"not closed", refuses, "a reply that was cut is no call: vLLM ends it, and drops arguments that were cut", `
		hermes: close missing
		mistral-v11: cut in a string; cut in the name; cut behind the call
		deepseek-v3 deepseek-v3.1: end missing
		harmony: cut in a string
		xml: cut in a string; cut in the name; close missing
		glm: cut in a string; close missing`},
	{"other syntax", refuses, "the call has the keys or marks of another format, or none: one way to write is rewarded", `
		llama3: other key for arguments; a list for the object; in brackets; sentence on the line
		xlam: own marks in a string; tag around
		mistral: other key for arguments; no brackets
		mistral-v11: no mark of arguments; a list behind the mark
		deepseek-v3: own marks in a string
		harmony: another type; no namespace; call on final
		pythonic: f-string; JSON's constants; set`},
	{"given twice", refuses, "in tags, in Python and under two keys a value that is given twice is a fault: vLLM takes the last one", `
		llama3: both keys for arguments
		pythonic xml glm: duplicated keys`},
	{"broken tags", refuses, "vLLM takes what is left of a call with broken tags; arguments get lost, or begin inside of another one", `
		xml: own marks in a string; wrong close; close of a parameter missing; close of the function missing; tag in a string
		xml: text between tags; two functions in a call
		glm: own marks in a string; wrong close; value missing; value's close missing; text between tags`},
	{"another type", refuses, "the value is not of its declared type: vLLM hands it on, or makes a value of that type of it", `
		xml glm: word for an integer; fraction for an integer; number in quotes; list with single quotes; list with a trailing comma
		xml glm: object for an array; number for a boolean; word for a boolean; null for an integer; capital boolean; line in a number
		xml glm: digit of another script`},
	{"no type", other, "nothing declares a type: JSON is read as JSON here, and as text by vLLM", `
		xml: nothing declared; nothing declared, list; unknown argument, number; name in quotes
		glm: nothing declared; nothing declared, list; unknown argument, number`},
	{"changed value", other, "vLLM changes what stands there: null for the text, text for false and for numbers too large, 1 for 1.0, marks in names", `
		mistral-v11: constants; text of other types; NaN; number too large; an identity
		xml: whole number for a number; Python's constants; capital null; blanks around a key; number too large
		glm: whole number for a number; capital null; number too large`},
	{"drafts", other, "a call that is drafted in a thought is none; vLLM's other parser, of thoughts, has to run before", `
		hermes llama3 mistral mistral-v11 deepseek-v3 deepseek-v3.1 xml glm: draft in a thought`},
	{"overlooked", reads, "well-formed calls that vLLM's patterns miss: on several lines, behind text, with Python that is no JSON", `
		xlam: text before
		deepseek-v3 deepseek-v3.1: several lines
		pythonic: bytes; several lines; positional; keyword for a name; several lines of list; list ends in a comma; text before
		pythonic: thought before; dotted name; name begins with a line; blank before`},
	{"other tools", reads, "a call of a tool that is not offered is a call, which the world answers: vLLM drops it", `
		harmony: another namespace
		glm: unknown tool`},
	{"lost text", beside, "vLLM drops the text before calls, or a tag of a thought", `
		llama3: text before
		xml: thought before`},
}

// meant are the kinds of apart by format and case.
func meant(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, row := range apart {
		for _, line := range strings.Split(strings.TrimSpace(row.cases), "\n") {
			formats, names, ok := strings.Cut(strings.TrimSpace(line), ": ")
			if !ok {
				t.Fatalf("%s: %q names no formats", row.kind, line)
			}
			for _, f := range strings.Fields(formats) {
				for _, name := range strings.Split(names, "; ") {
					if out[f+": "+name] != "" {
						t.Errorf("%s: %s stands in two rows", f, name)
					}
					out[f+": "+name] = row.kind
				}
			}
		}
	}
	return out
}

// peerCalls are vLLM's calls; ok is false where one is none: its arguments are no JSON, no object, or it has no name.
func (c *peerCase) peerCalls() (calls []ballast.Call, ok bool) {
	for _, x := range c.Calls {
		v, err := value.ParseJSON([]byte(x[1]))
		if err != nil {
			return nil, false
		}
		call, fault := callOf(x[0], v)
		if fault != "" || call.Name == "" {
			return nil, false
		}
		calls = append(calls, call)
	}
	return calls, true
}

// differs says in what p differs from what vLLM read, "" for nothing.
func (c *peerCase) differs(p Parsed) string {
	calls, ok := c.peerCalls()
	switch same := func(a, b ballast.Call) bool { return differ(a, b) == "" }; {
	case p.Kind != ballast.KindCall && len(c.Calls) == 0:
		return ""
	case p.Kind == ballast.KindResponse:
		return asProse
	case p.Kind != ballast.KindCall:
		return refuses
	case len(c.Calls) == 0:
		return reads
	case !ok || !slices.EqualFunc(calls, p.Calls, same):
		return other
	case trim(Spoken(c.Content)) != p.Text:
		return beside
	}
	return ""
}

// TestPeer: every reply is read as vLLM reads it, but for differences that are listed. The tables of
// docs/formats.md count them, by format and by kind.
func TestPeer(t *testing.T) {
	data, err := os.ReadFile("testdata/vllm.json")
	if err != nil {
		t.Fatal(err)
	}
	var file peerFile
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	var tools []ballast.Tool
	for _, raw := range file.Tools {
		doc := parsed(t, raw)
		name, _ := asDict(member(doc, "function")).Get("name")
		tools = append(tools, ballast.Tool{Name: name.(string), Schema: doc})
	}
	what := map[string]string{"": ""}
	for _, row := range apart {
		what[row.kind] = row.what
	}
	docs, err := os.ReadFile("../../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	kinds, covered, replies, perKind := meant(t), map[string]bool{}, 0, map[string]int{}
	for _, f := range file.Formats {
		counts := map[string]int{}
		for _, c := range f.Cases {
			p := All[f.Format].Parse(c.Text, Tools(tools))
			key := f.Format + ": " + c.Name
			kind := kinds[key]
			delete(kinds, key)
			if got := c.differs(p); got != what[kind] {
				t.Errorf("%s differs in %q, listed in %q\n%q\nis %s %s %s %v, for vLLM %q %s", key, got, kind, c.Text, p.Kind, p.Reason, p.Detail,
					p.Calls, c.Calls, c.Raises)
			}
			counts[what[kind]]++
			perKind[kind]++
			covered[f.Format] = true
		}
		replies += len(f.Cases)
		row := fmt.Sprintf("| `%s` | `%s` | %d | %d | %d | %d | %d |", f.Format, f.Parser, len(f.Cases), counts[""], counts[refuses],
			counts[other]+counts[beside], counts[reads])
		if !strings.Contains(string(docs), row+"\n") {
			t.Errorf("docs/formats.md has no row\n%s", row)
		}
	}
	if said := fmt.Sprintf("has %d replies", replies); !strings.Contains(string(docs), said) {
		t.Errorf("docs/formats.md does not say that the fixture %s", said)
	}
	for _, row := range apart {
		if said := fmt.Sprintf("| %s | %d | ", row.kind, perKind[row.kind]); !strings.Contains(string(docs), said) {
			t.Errorf("docs/formats.md has no row %s", said)
		}
	}
	for key := range kinds {
		t.Errorf("%s is listed and no case", key)
	}
	for name := range All {
		if !covered[name] {
			t.Errorf("%s: nothing is compared", name)
		}
	}
	if file.VLLM == "" || !strings.Contains(string(docs), "vLLM "+file.VLLM) {
		t.Errorf("docs/formats.md does not name vLLM %q, of which the fixture is", file.VLLM)
	}
}

package expect

import (
	"context"
	"encoding/json"
	"fmt"

	"ballast"
	"ballast/chat/tooldoc"
	"ballast/safetext"
	"ballast/value"
)

// Runner runs a program that somebody else wrote, with limits, and returns what it wrote to its
// standard output. An error is that it could not be started, took too long, wrote too much or
// ended with another status than 0.
type Runner func(ctx context.Context, p *Program, stdin []byte) (stdout []byte, err error)

// run has the program score a transcript.
func (p *Program) run(ctx context.Context, run Runner, transcript []byte) (score float64, why string, err error) {
	out, err := run(ctx, p, transcript)
	if err != nil {
		return 0, "", fmt.Errorf("program %s: %w", brief(p.Command[0]), err)
	}
	score, why, err = verdict(out)
	if err != nil {
		err = fmt.Errorf("program %s: %w: it answered %q, want {\"score\": 0 to 1, \"reason\": text}", brief(p.Command[0]), err,
			safetext.Brief(string(out), 100))
	}
	return score, why, err
}

// verdict reads a program's answer.
func verdict(out []byte) (score float64, why string, err error) {
	v, err := value.ParseExact(out)
	if err != nil {
		return 0, "", err
	}
	d, ok := v.(*value.Dict)
	if !ok {
		return 0, "", fmt.Errorf("its answer is no object")
	}
	for i := range d.Len() {
		switch k, x := d.At(i); k {
		case "score":
			if kind := value.TypeName(x); kind != "int" && kind != "float" {
				return 0, "", fmt.Errorf("score is no number")
			}
			score = float(x)
		case "reason":
			if why, ok = x.(string); !ok {
				return 0, "", fmt.Errorf("reason is no text")
			}
		default:
			return 0, "", fmt.Errorf("%q is no key of an answer", safetext.Brief(k.(string), 40))
		}
	}
	if _, ok := d.GetString("score"); !ok {
		return 0, "", fmt.Errorf("score is missing")
	}
	if !(score >= 0 && score <= 1) {
		return 0, "", fmt.Errorf("score is not in 0 to 1")
	}
	return score, brief(why), nil
}

// wire is the transcript as programs and judges read it.
type wire struct {
	Version  int       `json:"version"`
	Task     string    `json:"task"`
	Category string    `json:"category"`
	Turn     int       `json:"turn"`
	Messages []message `json:"messages"`
	Gold     gold      `json:"gold"`
}

// message is one of OpenAI's chat completions.
type message struct {
	Role    string     `json:"role"`
	Content string     `json:"content"`
	Calls   []toolCall `json:"tool_calls,omitempty"`
	ID      string     `json:"tool_call_id,omitempty"`
}

type toolCall struct {
	ID       string   `json:"id"`
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"` // JSON, as text
}

type gold struct {
	Calls []goldCall `json:"calls"`
	Reply string     `json:"reply"`
}

type goldCall struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

// version is that of the transcript's layout.
const version = 1

// Transcript is an episode up to its turn i as JSON: the messages as OpenAI's chat completions
// have them, and the gold answer of the turn. Arguments that JSON cannot write stand there as
// text in Python's syntax.
func Transcript(t *ballast.Task, ep *ballast.Episode, i int) []byte {
	w := wire{Version: version, Task: t.ID, Category: t.Category, Turn: i, Gold: gold{Calls: []goldCall{}}}
	calls := 0
	for k := range ep.Turns[:i+1] {
		turn := &ep.Turns[k]
		w.Messages = append(w.Messages, message{Role: "user", Content: turn.User})
		for _, s := range turn.Steps {
			m := message{Role: "assistant", Content: s.Said}
			var results []message
			for j := range min(len(s.Calls), len(s.Results)) {
				calls++
				id := fmt.Sprintf("call_%d", calls)
				m.Calls = append(m.Calls, toolCall{id, "function", function{s.Calls[j].Name, string(arguments(t, s.Calls[j]))}})
				results = append(results, message{Role: "tool", Content: s.Results[j], ID: id})
			}
			w.Messages = append(append(w.Messages, m), results...)
		}
	}
	if i < len(t.Turns) {
		w.Gold.Reply = t.Turns[i].Reply
		for _, c := range t.Turns[i].Gold {
			w.Gold.Calls = append(w.Gold.Calls, goldCall{c.Name, arguments(t, c)})
		}
	}
	text, err := json.Marshal(w)
	if err != nil {
		panic(err) // texts and valid JSON always marshal
	}
	return text
}

// arguments are a call's as a JSON object.
func arguments(t *ballast.Task, c ballast.Call) json.RawMessage {
	if named, err := tooldoc.Named(c, t.Tools); err == nil {
		c = named
	}
	d := &value.Dict{}
	for i, a := range c.Args {
		name := a.Name
		if name == "" {
			name = fmt.Sprintf("argument %d", i+1)
		}
		text, err := value.JSON(a.Value)
		if err != nil || !json.Valid([]byte(text)) { // NaN, bytes
			d.Set(name, value.Repr(a.Value))
		} else {
			d.Set(name, a.Value)
		}
	}
	text, err := value.JSON(d)
	if err != nil {
		panic(err) // all that JSON cannot write is text
	}
	return json.RawMessage(text)
}

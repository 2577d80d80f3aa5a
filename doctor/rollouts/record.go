package rollouts

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"strings"
)

// Record is one rollout of a foreign file: what a trainer wrote about one sample.
type Record struct {
	Kind    string // what wrote it, guessed from the keys
	ID      string
	Step    int    // the trainer's update; -1 where it does not say
	Group   uint64 // hash of the prompt; 0 without one
	Reward  float64
	Scored  bool // reward is known
	Success bool
	Judged  bool // success is known
	Replies []string
}

// seed makes hashes of prompts; they live in memory only.
var seed = maphash.MakeSeed()

// The kinds of foreign records.
const (
	KindVerl     = "verl rollout dump"
	KindVerlTool = "verl-tool step records"
	KindTRL      = "TRL completions"
	KindChat     = "OpenAI chat"
	KindText     = "plain text"
)

// decode reads one JSON object by its keys. Values of unknown keys are not looked
// at. A record without any reply is an error that names the keys it has.
func decode(object []byte) (Record, error) {
	r := Record{Step: -1}
	var seen []string
	found := false
	err := fields(object, func(key string, raw []byte) error {
		if len(seen) < 12 {
			seen = append(seen, key)
		}
		var err error
		switch key {
		case "output", "response", "completion", "completions", "generated_text":
			found = true
			err = r.response(key, raw)
		case "messages", "conversations", "conversation":
			found = true
			r.Kind = KindChat
			r.Replies, err = messages(raw)
		case "input", "prompt", "question":
			r.Group = maphash.Bytes(seed, raw)
		case "score", "reward", "rewards":
			r.Reward, r.Scored = number(raw)
		case "acc", "success", "is_correct", "correct":
			var v float64
			v, r.Judged = number(raw)
			r.Success = v >= 1
		case "step", "global_step", "global_steps":
			if v, ok := number(raw); ok && v >= 0 && v < 1<<31 {
				r.Step = int(v)
			}
		case "tool_interact_info":
			r.Kind = KindVerlTool
		case "id", "uid", "traj_ids", "task_id":
			r.ID, err = text(raw)
		}
		if err != nil {
			return fmt.Errorf("key %q: %w", key, err)
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	if !found {
		return r, fmt.Errorf("no reply in it: of the keys output, response, completion, messages it has none, but %s", strings.Join(seen, ", "))
	}
	return r, nil
}

// response reads the value of a key that holds a whole response.
func (r *Record) response(key string, raw []byte) (err error) {
	switch key {
	case "output":
		r.Kind = KindVerl
	case "completion", "completions":
		r.Kind = KindTRL
	case "response":
		if r.Kind == "" {
			r.Kind = KindVerlTool
		}
	default:
		r.Kind = KindText
	}
	if len(raw) > 0 && raw[0] == '[' {
		r.Replies, err = messages(raw)
		return err
	}
	s, err := text(raw)
	r.Replies = replies(s)
	return err
}

// number reads a JSON number, true or false, or a one-element list of those.
func number(raw []byte) (float64, bool) {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return 0, false
	}
	if list, ok := v.([]any); ok && len(list) == 1 {
		v = list[0]
	}
	switch v := v.(type) {
	case float64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// message is one message of an OpenAI chat, or of the older "from, value" form.
type message struct {
	Role    string          `json:"role"`
	From    string          `json:"from"`
	Content json.RawMessage `json:"content"`
	Value   string          `json:"value"`
	Calls   []struct {
		Function struct {
			Name      string          `json:"name"`
			Arguments json.RawMessage `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

// messages returns the assistant's messages as replies. Calls that the endpoint
// had parsed out of the text are written back in the syntax of Hermes, with their
// arguments as they are, so that broken ones stay broken.
func messages(raw []byte) ([]string, error) {
	var list []message
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("not a list of messages: %w", err)
	}
	var out []string
	for _, m := range list {
		if m.Role != "assistant" && m.From != "gpt" && m.From != "assistant" {
			continue
		}
		var b strings.Builder
		b.WriteString(m.Value + content(m.Content))
		for _, c := range m.Calls {
			args, err := text(c.Function.Arguments)
			if err != nil || args == "" {
				args = "{}"
			}
			name, _ := json.Marshal(c.Function.Name)
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "<tool_call>\n{\"name\": %s, \"arguments\": %s}\n</tool_call>", name, args)
		}
		out = append(out, b.String())
	}
	return out, nil
}

// content is a message's text: a string, or the text parts of a list.
func content(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(raw, &parts) != nil {
		return ""
	}
	for _, p := range parts {
		s += p.Text
	}
	return s
}

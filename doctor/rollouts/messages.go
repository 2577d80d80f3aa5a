package rollouts

import (
	"encoding/json"
	"fmt"
	"strings"
)

// assistants are the names of the policy's role.
var assistants = set("assistant", "gpt", "function_call", "model", "agent")

// messages returns the assistant's messages as replies. Calls that the endpoint
// had parsed out of the text are written back in the syntax of Hermes, with their
// arguments as they are, so that broken ones stay broken.
func messages(raw []byte) ([]string, error) {
	var out []string
	err := items(raw, func(raw []byte) error {
		reply, policy, err := message(raw)
		if policy {
			out = append(out, reply)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("not a list of messages: %w", err)
	}
	return out, nil
}

// message reads one message of an OpenAI chat, of Anthropic's blocks, or of the older
// "from, value" form; policy says whether the assistant wrote it.
func message(raw []byte) (reply string, policy bool, err error) {
	var body, calls strings.Builder
	role := ""
	err = fields(raw, func(key string, raw []byte) error {
		switch key {
		case "role", "from":
			role, _ = text(raw)
			policy = policy || assistants[role]
		case "content", "value":
			return content(raw, &body, &calls)
		case "tool_calls":
			if len(raw) == 0 || raw[0] != '[' {
				return nil // null
			}
			return items(raw, func(raw []byte) error { return call(raw, &calls) })
		}
		return nil
	})
	if role == "function_call" { // the text is the call
		return "<tool_call>\n" + body.String() + "\n</tool_call>", policy, err
	}
	if body.Len() > 0 && calls.Len() > 0 {
		body.WriteByte('\n')
	}
	return body.String() + calls.String(), policy, err
}

// content reads a message's text: a string, or a list of parts, in which calls may
// stand too.
func content(raw []byte, body, calls *strings.Builder) error {
	if len(raw) == 0 || raw[0] != '[' {
		if string(raw) == "null" {
			return nil
		}
		s, err := text(raw)
		body.WriteString(s)
		return err
	}
	return items(raw, func(raw []byte) error {
		if raw[0] == '"' {
			s, err := text(raw)
			body.WriteString(s)
			return err
		}
		kind := ""
		var said string
		err := fields(raw, func(key string, raw []byte) (err error) {
			switch key {
			case "type":
				kind, err = text(raw)
			case "text":
				said, err = text(raw)
			}
			return err
		})
		if kind == "tool_use" {
			return call(raw, calls)
		}
		body.WriteString(said)
		return err
	})
}

// call writes a call that an endpoint parsed: with its name and arguments in an
// object "function", or beside the id, or the whole as a text of JSON.
func call(raw []byte, b *strings.Builder) error {
	if len(raw) > 0 && raw[0] == '"' {
		s, err := text(raw)
		if err != nil {
			return err
		}
		raw = []byte(s)
	}
	name, args := "", "{}"
	read := func(key string, raw []byte) (err error) {
		switch key {
		case "name", "function_name":
			name, err = text(raw)
		case "arguments", "input":
			var s string
			if s, err = text(raw); s != "" && s != "null" {
				args = s
			}
		}
		return err
	}
	err := fields(raw, func(key string, raw []byte) error {
		if key == "function" && len(raw) > 0 && raw[0] == '{' {
			return fields(raw, read)
		}
		return read(key, raw)
	})
	if err != nil {
		return fmt.Errorf("a call: %w", err)
	}
	quoted, _ := json.Marshal(name) // a string always has an encoding
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	fmt.Fprintf(b, "<tool_call>\n{\"name\": %s, \"arguments\": %s}\n</tool_call>", quoted, args)
	return nil
}

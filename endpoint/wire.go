package endpoint

import (
	"cmp"
	"encoding/json"
	"fmt"
)

// Chat is a request to the chat endpoint. The order of its fields is part of what
// journals know a request by.
type Chat struct {
	Messages            []Message     `json:"messages,omitempty"`
	Model               string        `json:"model,omitempty"`
	MaxCompletionTokens int           `json:"max_completion_tokens,omitempty"`
	MaxTokens           int           `json:"max_tokens,omitempty"`
	Seed                *int64        `json:"seed,omitempty"`
	Temperature         *float64      `json:"temperature,omitempty"`
	TopP                *float64      `json:"top_p,omitempty"`
	StreamOptions       *streamOption `json:"stream_options,omitempty"`
	Tools               []Tool        `json:"tools,omitempty"`
	Stream              bool          `json:"stream,omitempty"` // set by Client.Chat
}

type streamOption struct {
	IncludeUsage bool `json:"include_usage"`
}

// Message is one message of a conversation.
type Message struct {
	Content    *string       `json:"content,omitempty"`
	ToolCallID string        `json:"tool_call_id,omitempty"`
	ToolCalls  []MessageCall `json:"tool_calls,omitempty"`
	Role       string        `json:"role"`
}

// System is a message of the system.
func System(text string) Message { return Message{Content: &text, Role: "system"} }

// User is a message of the user.
func User(text string) Message { return Message{Content: &text, Role: "user"} }

// Answer is the result of the call of that id.
func Answer(text, id string) Message { return Message{Content: &text, ToolCallID: id, Role: "tool"} }

// MessageCall is a call in an assistant's message; Arguments are JSON.
type MessageCall struct {
	ID       string `json:"id"`
	Function struct {
		Arguments string `json:"arguments"`
		Name      string `json:"name"`
	} `json:"function"`
	Type string `json:"type"`
}

// NewCall is a call for an assistant's message.
func NewCall(id, name, arguments string) MessageCall {
	c := MessageCall{ID: id, Type: "function"}
	c.Function.Name, c.Function.Arguments = name, arguments
	return c
}

// Tool is a function that the model may call. Parameters are a JSON schema.
type Tool struct {
	Function Function `json:"function"`
	Type     string   `json:"type"` // "function"
}

// Function documents a tool.
type Function struct {
	Name        string                     `json:"name"`
	Description string                     `json:"description"`
	Parameters  map[string]json.RawMessage `json:"parameters,omitempty"`
}

// Completion is a request to the completions endpoint.
type Completion struct {
	Prompt        any           `json:"prompt,omitempty"` // a string, or token ids
	Model         string        `json:"model,omitempty"`
	MaxTokens     int           `json:"max_tokens"`
	Seed          *int64        `json:"seed,omitempty"`
	Temperature   *float64      `json:"temperature,omitempty"`
	TopP          *float64      `json:"top_p,omitempty"`
	Stop          []string      `json:"stop,omitempty"`
	StreamOptions *streamOption `json:"stream_options,omitempty"`
	Stream        bool          `json:"stream,omitempty"` // set by Client.Complete
}

// Reply is what a server wrote, however it sent it.
type Reply struct {
	Content string `json:"content,omitempty"`
	Calls   []Call `json:"calls,omitempty"`
	Finish  string `json:"finish"`
	// Tokens of prompt and reply together, and of each, as the server counts them; 0
	// where it does not, or says what cannot be.
	Tokens  int64  `json:"tokens,omitempty"`
	In, Out int64  `json:"-"`
	Refusal string `json:"-"` // the model's, where the server keeps it apart
	// Full says that it was cut by the end of the model's context, and not by the bound
	// that was asked for.
	Full bool `json:"full,omitempty"`
}

// Call is a native tool call as the server sent it.
type Call struct {
	ID        string `json:"id,omitempty"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// completion is a reply, or a piece of one, on the wire.
type completion struct {
	Choices sole[first[choice]] `json:"choices"`
	Usage   sole[usage]         `json:"usage"`
	Error   sole[raw]           `json:"error"`
	// Errors that stand flat; a completion has none of these but object.
	Object  sole[raw] `json:"object"`
	Message sole[raw] `json:"message"`
	Detail  sole[raw] `json:"detail"`
	Errors  sole[raw] `json:"errors"` // Cloudflare
	Msg     sole[raw] `json:"msg"`    // gateways
}

type choice struct {
	Message sole[said]   `json:"message"` // of chat
	Delta   sole[said]   `json:"delta"`   // of chat, in pieces
	Text    sole[string] `json:"text"`    // of completions
	Finish  sole[string] `json:"finish_reason"`
	Error   sole[raw]    `json:"error"` // OpenRouter: of the provider
}

type said struct {
	Content   sole[content]    `json:"content"`
	Refusal   sole[string]     `json:"refusal"`
	Calls     sole[list[call]] `json:"tool_calls"`
	Function  sole[calledWith] `json:"function_call"` // before there were tools
	Role      sole[raw]        `json:"role"`
	Reasoning sole[raw]        `json:"reasoning_content"` // DeepSeek, vLLM, SGLang, llama.cpp
	Thought   sole[raw]        `json:"reasoning"`         // OpenRouter, Ollama, vLLM since 0.12
}

type call struct {
	Index    sole[int64] `json:"index"`
	ID       arguments   `json:"id"`
	Function calledWith  `json:"function"`
	// Without the wrapper, as some servers write a call.
	Name       arguments `json:"name"`
	Arguments  arguments `json:"arguments"`
	Parameters arguments `json:"parameters"`
}

type calledWith struct {
	Name       string    `json:"name"`
	Arguments  arguments `json:"arguments"`
	Parameters arguments `json:"parameters"` // TGI before 2.0
}

// settle puts a call's name and arguments where OpenAI has them.
func (t *call) settle() {
	f := &t.Function
	f.Name = cmp.Or(f.Name, string(t.Name))
	f.Arguments = cmp.Or(f.Arguments, f.Parameters, t.Arguments, t.Parameters)
}

// content is a text, or a list of parts of which one kind is text and another a thought.
type content struct{ text, thought string }

// UnmarshalJSON refuses parts that are neither: a reply is read whole.
func (c *content) UnmarshalJSON(data []byte) error {
	if len(data) == 0 || data[0] != '[' {
		return json.Unmarshal(data, &c.text)
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	for _, raw := range parts {
		var text string
		if json.Unmarshal(raw, &text) == nil {
			c.text += text
			continue
		}
		var p struct{ Type, Text string }
		switch err := json.Unmarshal(raw, &p); {
		case err != nil:
			return err
		case p.Type == "text" || p.Type == "output_text":
			c.text += p.Text
		case p.Type == "thinking" || p.Type == "reasoning": // Mistral
			c.thought += string(raw)
		default:
			return fmt.Errorf("a part of the content is of type %q, which is neither text nor a thought", p.Type)
		}
	}
	return nil
}

// raw is JSON as it came.
type raw []byte

// UnmarshalJSON keeps a copy.
func (r *raw) UnmarshalJSON(data []byte) error {
	*r = append((*r)[:0], data...)
	return nil
}

// arguments are a text of JSON; servers that send the object itself mean the same.
type arguments string

// UnmarshalJSON keeps a string's text, and other values as they are written.
func (a *arguments) UnmarshalJSON(data []byte) error {
	*a = arguments(plain(data))
	return nil
}

// sole is a value that may stand in an object once: of two, nobody knows which is
// meant. null is as if it were absent.
type sole[T any] struct {
	v   T
	set bool
}

// UnmarshalJSON refuses the second value.
func (s *sole[T]) UnmarshalJSON(data []byte) error {
	if s.set {
		return fmt.Errorf("a key stands twice in one object")
	}
	if string(data) == "null" {
		return nil
	}
	s.set = true
	return json.Unmarshal(data, &s.v)
}

// usage counts tokens. What cannot be a number of tokens is unknown, and no reason to
// lose a reply.
type usage struct {
	In    count `json:"prompt_tokens"`
	Out   count `json:"completion_tokens"`
	Total count `json:"total_tokens"`
}

// UnmarshalJSON reads an object; anything else counts nothing.
func (u *usage) UnmarshalJSON(data []byte) error {
	type fields usage
	var f fields
	if json.Unmarshal(data, &f) == nil {
		*u = usage(f)
	}
	return nil
}

type count int64

// maxCount bounds what is believed.
const maxCount = 1 << 30

// UnmarshalJSON reads a number of tokens, or 0.
func (c *count) UnmarshalJSON(data []byte) error {
	var f float64
	if json.Unmarshal(data, &f) == nil && f > 0 && f <= maxCount {
		*c = count(f)
	}
	return nil
}

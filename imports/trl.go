package imports

import (
	"regexp"
	"strings"
)

// isTRL: a prompt, and no messages beside it.
func isTRL(o *object) bool {
	return o.has("prompt") && !o.has("messages") && !o.has("conversations") && !o.has("conversation")
}

// trl reads a prompt and its completion, each messages or a text; verl calls the latter
// response. Only the completion is trained.
func (r *reader) trl(o *object) error {
	if err := r.head(o); err != nil {
		return err
	}
	key := "completion"
	if !o.has(key) {
		key = "response"
	}
	if !o.has(key) {
		return &fault{reasonCompletion, "", ""}
	}
	r.context = true
	if err := r.part(o, "prompt"); err != nil {
		return err
	}
	r.context = false
	return r.part(o, key)
}

// foreign finds the marks of templates other than ChatML in a text: that text is no
// user's message and no reply, but messages of which the borders are not known.
var foreign = regexp.MustCompile(`<\|(start_header_id|end_header_id|eot_id|begin_of_text|end_of_text|user|assistant|system|end|endoftext)\|>` +
	`|\[/?INST\]|<(start|end)_of_turn>|^\s*<(s|bos)>|</?s>\s*$|<eos>\s*$|<<SYS>>`)

// part reads one side of a row.
func (r *reader) part(o *object, key string) error {
	text, is := o.peek(key).(string)
	if !is || strings.HasPrefix(strings.TrimSpace(text), "[{") {
		list, packed, _, err := o.list(key)
		if err != nil {
			return err
		}
		for i, m := range list {
			if err := r.message(m, index(key, i), packed); err != nil {
				return err
			}
		}
		return nil
	}
	o.take(key)
	if mark := foreign.FindString(text); mark != "" {
		return &fault{reasonChat, key, "it is written in another template: " + mark}
	}
	switch {
	case key != "prompt":
		body := strings.TrimSuffix(strings.TrimSpace(text), "<|im_end|>")
		if body == strings.TrimSpace(text) {
			body = text
		}
		return r.spoke(body, key)
	case strings.Contains(text, "<|im_start|>"):
		return r.chatML(text)
	}
	return r.user(text, key)
}

// chatML reads a prompt that ChatML's template wrote, up to the header of the reply.
func (r *reader) chatML(prompt string) error {
	before, rest, _ := strings.Cut(prompt, "<|im_start|>")
	if strings.TrimSpace(before) != "" {
		return &fault{reasonChat, "prompt", "text before the first message"}
	}
	for parts := strings.Split(rest, "<|im_start|>"); len(parts) > 0; parts = parts[1:] {
		role, body, ok := strings.Cut(parts[0], "\n")
		body, after, closed := strings.Cut(body, "<|im_end|>")
		if len(parts) == 1 && role == "assistant" && !closed && strings.TrimSpace(body) == "" {
			return nil
		}
		if !ok || !closed || strings.TrimSpace(after) != "" {
			return &fault{reasonChat, "prompt", "a message without its end"}
		}
		var err error
		switch role {
		case "system":
			err = r.system(body, "prompt", &hermesText)
		case "user":
			err = r.asked(body, "prompt")
		case "tool":
			err = r.answers(body, "", "", "prompt")
		case "assistant":
			err = r.spoke(body, "prompt")
		default:
			err = &fault{reasonRole, "prompt", role}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

package rollouts

import "strings"

// role markers of the common templates: what stands before a role's name, and
// between it and the text.
var headers = [...]struct{ before, after string }{
	{"<|im_start|>", "\n"},
	{"<|start_header_id|>", "<|end_header_id|>"},
}

// mostRole bounds the name of a role; what is further from a header is none.
const mostRole = 20

// replies cuts a response of several steps into the policy's replies. Trainers
// write such a response as one text: reply, tool results, reply, and so on, with
// role headers, or with the bare names of roles where special tokens were left
// out of the text. A header that the policy made up cannot be told from one that
// the environment wrote; only where no assistant's turn follows it stays part of
// the reply.
func replies(response string) []string {
	for _, h := range headers {
		if strings.Contains(response, h.before+"assistant"+h.after) {
			return byHeader(response, h.before, h.after)
		}
	}
	if strings.Contains(response, "\nassistant\n") {
		return byName(response)
	}
	return []string{response}
}

// byHeader cuts at role headers; text before the first is a reply.
func byHeader(s, before, after string) []string {
	var out []string
	role := "assistant"
	for s != "" {
		i := strings.Index(s, before)
		part, rest := s, ""
		next := ""
		if i >= 0 {
			part, rest = s[:i], s[i+len(before):]
			j := strings.Index(rest[:min(len(rest), mostRole+len(after))], after)
			if j < 0 { // no role: a stray token
				j = 0
			}
			next = strings.TrimSpace(rest[:j])
			rest = strings.TrimLeft(rest[min(len(rest), j+len(after)):], "\n")
		}
		if role == "assistant" && (len(out) > 0 || strings.TrimSpace(part) != "" || i < 0) {
			out = append(out, strings.TrimRight(part, "\n"))
		}
		role, s = next, rest
		if i >= 0 && rest == "" && next == "assistant" { // an empty last reply
			out = append(out, "")
		}
	}
	return out
}

// byName cuts at lines that are the name of a role.
func byName(s string) []string {
	var out []string
	for {
		i := strings.Index(s, "\nassistant\n")
		if i < 0 {
			return append(out, s)
		}
		part := s[:i]
		for _, role := range []string{"\nuser\n", "\ntool\n"} {
			if j := strings.Index(part, role); j >= 0 {
				part = part[:j]
			}
		}
		if part = strings.TrimPrefix(part, "user\n"); !strings.HasPrefix(s, "user\n") && part != "" {
			out = append(out, part)
		}
		s = s[i+len("\nassistant\n"):]
	}
}

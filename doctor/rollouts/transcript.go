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

// byHeader cuts at role headers; text before the first is a reply. A marker that no
// role follows is a stray token: part of the text it stands in.
func byHeader(s, before, after string) []string {
	var out []string
	role, text := "assistant", 0 // of the part that begins at text
	take := func(end int) {
		part := s[text:end]
		if role == "assistant" && (text > 0 || strings.TrimSpace(part) != "") {
			out = append(out, strings.TrimRight(part, "\n"))
		}
	}
	for at := 0; ; {
		i := strings.Index(s[at:], before)
		if i < 0 {
			take(len(s))
			return out
		}
		i += at
		at = i + len(before)
		name := roleAt(s[at:], after)
		if name == "" {
			continue
		}
		take(i)
		at += len(name) + len(after)
		for at < len(s) && s[at] == '\n' {
			at++
		}
		role, text = strings.TrimSpace(name), at
	}
}

// roleAt is the name of a role that stands between a marker and what ends it, "" of none.
func roleAt(s, after string) string {
	j := strings.Index(s[:min(len(s), mostRole+len(after))], after)
	if j < 0 {
		return ""
	}
	for _, c := range strings.TrimSpace(s[:j]) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && c != '-' && c != ' ' {
			return ""
		}
	}
	return s[:j]
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

package survey

import (
	"slices"
	"strings"
	"unicode"
)

// Words are the words of a name in small letters: order_id, orderId and order-id are order and
// id.
func Words(name string) (out []string) {
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			out = append(out, strings.ToLower(b.String()))
			b.Reset()
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			flush()
			continue
		}
		if unicode.IsUpper(r) && i > 0 {
			next := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if !unicode.IsUpper(runes[i-1]) || next { // orderId, and HTTPServer
				flush()
			}
		}
		b.WriteRune(r)
	}
	flush()
	return out
}

// Singular is a word without the ending of its plural: orders is order.
func Singular(word string) string {
	cut := func(n int, end string) string { return word[:len(word)-n] + end }
	switch {
	case len(word) < 4:
	case strings.HasSuffix(word, "ies") && len(word) > 4:
		return cut(3, "y")
	case strings.HasSuffix(word, "ses") && !strings.HasSuffix(word, "uses") && !strings.HasSuffix(word, "ases"),
		strings.HasSuffix(word, "xes"), strings.HasSuffix(word, "ches"), strings.HasSuffix(word, "shes"):
		return cut(2, "")
	case strings.HasSuffix(word, "ss"), strings.HasSuffix(word, "us"), strings.HasSuffix(word, "is"):
	case strings.HasSuffix(word, "s"):
		return cut(1, "")
	}
	return word
}

// singulars are the words of a name, each without the ending of its plural.
func singulars(name string) []string {
	out := Words(name)
	for i, w := range out {
		out[i] = Singular(w)
	}
	return out
}

// Verbs of the names of tools. Tools whose verb is among the first only read, as far as a
// name tells; those of the second make something new.
var (
	reading = strings.Fields(`get list read search find show describe fetch lookup look view query count open check retrieve tell
		return convert compute calculate compare summarize display inspect browse head tail cat stat info select resolve validate`)
	creating = strings.Fields(`create add insert new write register make append put save store book schedule post send upload record log
		draft import begin generate`)
	changing = strings.Fields(`set start update edit change modify delete remove cancel move rename close clear drop reset mark complete finish assign
		unassign archive restore replace refund pay ship approve reject stop pause resume enable disable lock unlock toggle push pop
		increment decrement merge split copy link unlink join leave invite subscribe unsubscribe reply forward patch`)
)

// Verb is a word that names of tools begin with, or "".
func Verb(word string) string {
	for _, list := range [][]string{reading, creating, changing} {
		if slices.Contains(list, word) {
			return word
		}
	}
	return ""
}

// Reading says whether a tool only reads, as far as its name tells.
func Reading(name string) bool {
	words := Words(name)
	verb := ""
	for _, w := range words {
		if v := Verb(w); v != "" && verb == "" {
			verb = v
		}
		if slices.Contains(creating, w) || slices.Contains(changing, w) {
			return false
		}
	}
	return slices.Contains(reading, verb)
}

// Creating says whether a tool makes something new, as far as its name tells.
func Creating(name string) bool {
	words := Words(name)
	return len(words) > 0 && slices.Contains(creating, words[0])
}

// nouns are the words of a tool's name that are no verbs, singular: of list_orders, order.
func nouns(name string) (out []string) {
	for _, w := range Words(name) {
		if Verb(w) == "" && !slices.Contains(small, w) {
			out = append(out, Singular(w))
		}
	}
	return out
}

// small are words that say nothing of what a value is.
var small = strings.Fields("the a an of to in on for by with and or all my is it as at from")

// PathLike says whether a text looks like the path of a file or a folder.
func PathLike(s string) bool {
	if s == "" || len(s) > 260 || strings.ContainsAny(s, "\n\t\"'<>|*?") || strings.Contains(s, "://") {
		return false
	}
	for _, head := range []string{"/", "./", "../", "~/", `\\`} {
		if strings.HasPrefix(s, head) {
			return !strings.Contains(s, ", ")
		}
	}
	if len(s) > 3 && s[1] == ':' && (s[2] == '\\' || s[2] == '/') {
		return true
	}
	if strings.ContainsRune(s, ' ') {
		return false
	}
	return strings.Contains(s, "/") && strings.IndexFunc(s, unicode.IsLetter) >= 0 || fileName(s)
}

// fileName says whether a text without a slash is the name of a file: it has an ending.
func fileName(s string) bool {
	name, ext, ok := strings.Cut(s, ".")
	if i := strings.LastIndexByte(s, '.'); ok {
		name, ext = s[:i], s[i+1:]
	}
	if !ok || name == "" || len(ext) < 1 || len(ext) > 5 || strings.ContainsAny(s, " @:,;/") {
		return false
	}
	letters := false
	for _, r := range ext {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return false
		}
		letters = letters || unicode.IsLetter(r)
	}
	return letters
}

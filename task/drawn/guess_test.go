package drawn

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ballast"
	"ballast/env/sim"
	"ballast/task/compose"
	"ballast/value"
)

// guesser is a player that reads no documentation. It knows the sentences of the set, how names that
// tell are made, and the order in which tools usually take what they take. It goes by names, types and
// the user's words alone.
type guesser struct {
	session *sim.Session
	tools   []ballast.Tool // shown in the open turn
	subject string         // the name that the last request was about
	kind    string
	text    string // of the last request
}

// wish is what the user's sentence says: how each part is found in it.
type wish struct {
	operation          string
	verb               string
	kind, field, value string
	on                 string // the subject, as the user says it
	more               string // of a new entity: its fields
}

// sentences are the forms of requests, in the order in which they are tried.
var sentences = []struct {
	operation string
	form      *regexp.Regexp
}{
	{"total", regexp.MustCompile(`^(?:what is|i want) the (?:total|sum of the) (?P<field>\w+) of all (?P<kind>\w+)$`)},
	{"total", regexp.MustCompile(`^(?P<verb>\w+)(?: up)? the (?P<field>\w+) of each (?P<kind>\w+)$`)},
	{"count", regexp.MustCompile(`^how many (?P<kind>\w+) (?:are there|have the (?P<field>\w+) (?P<value>.+))$`)},
	{"count", regexp.MustCompile(`^(?P<verb>count) each (?P<kind>\w+)(?: with the (?P<field>\w+) (?P<value>.+))?$`)},
	{"find", regexp.MustCompile(`^(?:which|who of the|(?P<verb>\w+) each) (?P<kind>\w+) (?:has|with) the (?P<field>\w+) (?P<value>.+)$`)},
	{"most", regexp.MustCompile(`^(?:which is|name|find|tell me) the (?P<kind>\w+) with the highest (?P<field>\w+)$`)},
	{"least", regexp.MustCompile(`^(?:which is|name|find|tell me) the (?P<kind>\w+) with the lowest (?P<field>\w+)$`)},
	{"add", regexp.MustCompile(`^(?P<verb>\w+) the (?P<field>\w+) of (?P<on>.+) by (?P<value>\d+)$`)},
	{"add", regexp.MustCompile(`^(?P<verb>\w+) (?P<value>\d+) to the (?P<field>\w+) of (?P<on>.+)$`)},
	{"set", regexp.MustCompile(`^(?P<verb>\w+) the (?P<field>\w+) of (?P<on>.+?)(?: to|, make it) (?P<value>.+)$`)},
	{"read", regexp.MustCompile(`^(?:what is|tell me|look up|i want to know|(?P<verb>\w+)) the (?P<field>\w+) of (?P<on>.+)$`)},
	{"create", regexp.MustCompile(`^(?P<verb>\w+) a (?P<kind>\w+) named (?P<on>.+?)(?: with (?P<more>.+))?$`)},
	{"create", regexp.MustCompile(`^(?P<verb>make|create|add) the (?P<kind>\w+) (?P<on>.+?)(?: with (?P<more>.+))?$`)},
	{"create", regexp.MustCompile(`^(?P<verb>\w+) the (?P<kind>\w+) (?P<on>.+?) with (?P<more>[^t].+)$`)},
	{"delete", regexp.MustCompile(`^(?P<verb>\w+) (?P<on>.+)$`)},
}

func understood(sentence string) (w wish, ok bool) {
	sentence = strings.TrimRight(sentence, ".?")
	for _, s := range sentences {
		m := s.form.FindStringSubmatch(sentence)
		if m == nil {
			continue
		}
		w.operation = s.operation
		for i, name := range s.form.SubexpNames() {
			to := map[string]*string{"verb": &w.verb, "kind": &w.kind, "field": &w.field, "value": &w.value, "on": &w.on, "more": &w.more}
			if at := to[name]; at != nil {
				*at = m[i]
			}
		}
		return w, true
	}
	return w, false
}

// turn acts on what the user says.
func (g *guesser) turn(text string) {
	open := strings.Contains(g.text, " with some ") || strings.HasPrefix(g.text, "set ") || strings.HasPrefix(g.text, "change ") ||
		strings.HasPrefix(g.text, "update ")
	switch words := strings.Fields(text); {
	case text == "try again.":
		text = g.text
	case len(words) > 2 || !open && len(words) == 2:
	case strings.Contains(g.text, " with some "):
		text = strings.Replace(strings.TrimSuffix(g.text, "."), " with some ", " with the ", 1) + " " + text
	default:
		text = strings.TrimSuffix(g.text, ".") + " to " + text
	}
	g.text = text
	w, ok := understood(text)
	if !ok || w.operation == "read" && slices.Contains([]string{"set", "change", "update"}, w.verb) || strings.Contains(text, " with some ") {
		return // something was left out
	}
	if w.operation == "create" {
		g.subject, g.kind = w.on, w.kind
	} else if w.on != "" {
		g.look(&w)
	}
	answer := g.call(w)
	if w.operation == "most" || w.operation == "least" || w.operation == "find" {
		g.subject, g.kind = answer, w.kind
	}
}

var (
	byExtreme = regexp.MustCompile(`^the (\w+) with the (highest|lowest) (\w+)$`)
	byValue   = regexp.MustCompile(`^the (\w+) with the (\w+) (.+)$`)
	byLink    = regexp.MustCompile(`^the (\w+) of the (\w+) (.+)$`)
	byName    = regexp.MustCompile(`^(?:the )?(\w+) (.+)$`)
)

// look finds the subject out, by a call where the user does not name it.
func (g *guesser) look(w *wish) {
	if m := byExtreme.FindStringSubmatch(w.on); m != nil {
		operation := map[string]string{"highest": "most", "lowest": "least"}[m[2]]
		g.kind, g.subject = m[1], g.call(wish{operation: operation, kind: m[1], field: m[3]})
	} else if m := byLink.FindStringSubmatch(w.on); m != nil {
		g.kind, g.subject = "", g.call(wish{operation: "read", kind: m[2], field: m[1], on: m[3]})
	} else if m := byValue.FindStringSubmatch(w.on); m != nil {
		g.kind, g.subject = m[1], g.call(wish{operation: "find", kind: m[1], field: m[2], value: m[3]})
	} else if m := byName.FindStringSubmatch(w.on); m != nil && w.on != "it" {
		g.kind, g.subject = m[1], m[2]
	}
	w.kind, w.on = g.kind, g.subject
}

// call makes the call that a wish seems to want, and returns what it answers.
func (g *guesser) call(w wish) string {
	var best ballast.Call
	most := -1
	for _, t := range g.tools {
		if c, points := w.fit(t); points > most {
			best, most = c, points
		}
	}
	if most >= 4 {
		return g.session.Run(best)
	}
	for _, name := range w.names() { // a function that does not exist costs nothing
		if answer := g.session.Run(ballast.Call{Name: name, Args: w.inOrder()}); !strings.HasPrefix(answer, "error: no tool") {
			return answer
		}
	}
	if most >= 0 {
		return g.session.Run(best)
	}
	return ""
}

// names are those that tell what is wished.
func (w wish) names() (out []string) {
	for _, verb := range []string{"", w.verb} {
		words := strings.Fields(strings.NewReplacer("K", w.kind, "F", w.field).Replace(wordings[w.operation].call))
		if w.kind == "" && strings.Contains(wordings[w.operation].call, "K") {
			return nil
		}
		if verb != "" {
			words[0] = verb
		}
		out = append(out, strings.Join(words, "_"), camel(words), words[len(words)-1]+"_"+words[0]+suffix(words[1:len(words)-1]),
			w.kind+"_"+words[0]+suffix(without(words[1:], w.kind)))
	}
	return out
}

// inOrder are the values of a wish in the usual order, without names.
func (w wish) inOrder() (args []ballast.Arg) {
	for _, v := range []any{w.on, number(w.value)} {
		if v != "" {
			args = append(args, ballast.Arg{Value: v})
		}
	}
	for _, f := range w.fields() {
		args = append(args, ballast.Arg{Value: f[1]})
	}
	return args
}

// fields are those that a new entity is given: names and values.
func (w wish) fields() (out [][2]any) {
	for _, f := range strings.Split(w.more, " and ") {
		if name, v, ok := strings.Cut(f, " "); ok {
			out = append(out, [2]any{name, number(v)})
		}
	}
	return out
}

// number is a text that is one as the number.
func number(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	return text
}

// fit makes a call of a tool and says how well its names and types fit a wish, less than 0 for not at all.
func (w wish) fit(t ballast.Tool) (ballast.Call, int) {
	words := strings.FieldsFunc(strings.ToLower(capital.ReplaceAllString(t.Name, " $0")), func(r rune) bool { return r == '_' || r == ' ' })
	points := 0
	for _, word := range words {
		switch {
		case word == strings.Fields(wordings[w.operation].call)[0], word == w.verb:
			points += 3
		case word == w.kind || word == w.field:
			points += 2
		case grammar[word] && word != "by":
			points -= 3
		}
	}
	c := ballast.Call{Name: t.Name}
	left := map[string]any{"value": number(w.value), "on": w.on}
	for _, f := range w.fields() {
		left[f[0].(string)] = f[1]
	}
	if w.value == "" {
		delete(left, "value")
	}
	if w.on == "" {
		delete(left, "on")
	}
	for _, p := range t.Params {
		v, more := w.take(p, t.Schema, left)
		if v == nil && p.Required {
			return c, -1
		}
		if points += more; v != nil {
			c.Args = append(c.Args, ballast.Arg{Name: p.Name, Value: v})
		}
	}
	return c, points - 4*len(left) + 4
}

// take takes the value for a parameter out of those that are left.
func (w wish) take(p ballast.Param, schema any, left map[string]any) (any, int) {
	use := func(key string, points int) (any, int) {
		v := left[key]
		delete(left, key)
		return v, points
	}
	if p.Type == "object" {
		group, points := &value.Dict{}, 0
		for _, param := range nested(schema, p.Name) {
			if v, more := w.take(param, nil, left); v != nil {
				group.Set(param.Name, v)
				points += more
			}
		}
		return group, points
	}
	fits := func(key string) bool {
		v, ok := left[key]
		_, integer := v.(int64)
		return ok && integer == (p.Type == "integer") && (len(p.Enum) == 0 || slices.Contains(p.Enum, fmt.Sprint(v)))
	}
	switch {
	case fits(p.Name):
		return use(p.Name, 3)
	case (p.Name == w.field || len(p.Enum) > 0 || p.Type == "integer") && fits("value"):
		more := 2
		if (w.operation == "add") == slices.Contains([]string{"amount", "by", "plus", "more"}, p.Name) || p.Name == w.field {
			more = 3
		}
		return use("value", more)
	case fits("on"):
		if p.Name == w.kind || slices.Contains([]string{"name", "id", "which", "target", "item"}, p.Name) {
			return use("on", 3)
		}
		return use("on", 1)
	case fits("value"):
		return use("value", 1)
	}
	for _, f := range w.fields() {
		if key := f[0].(string); fits(key) {
			return use(key, 1)
		}
	}
	return nil, 0
}

// nested are the parameters in a group.
func nested(schema any, group string) (out []ballast.Param) {
	at, _ := schema.(*value.Dict)
	for _, key := range []string{"parameters", "properties", group, "properties"} {
		if at == nil {
			return out
		}
		v, _ := at.Get(key)
		at, _ = v.(*value.Dict)
	}
	for i := range at.Len() {
		k, v := at.At(i)
		p := ballast.Param{Name: k.(string)}
		typ, _ := v.(*value.Dict).Get("type")
		p.Type, _ = typ.(string)
		if l, ok := v.(*value.Dict).Get("enum"); ok {
			for _, x := range l.(*value.List).Items {
				p.Enum = append(p.Enum, x.(string))
			}
		}
		out = append(out, p)
	}
	return out
}

// guessed plays a task with the guesser and returns the turns that it wins of those that are compared.
func guessed(t *testing.T, task *ballast.Task) (won, of int) {
	t.Helper()
	s, err := sim.NewSession(task)
	if err != nil {
		t.Fatal(err)
	}
	g := guesser{session: s}
	for i, turn := range task.Turns {
		g.tools = slices.DeleteFunc(slices.Clone(task.Tools), func(tool ballast.Tool) bool {
			for _, later := range task.Turns[i+1:] {
				if slices.Contains(later.Reveal, tool.Name) {
					return true
				}
			}
			return false
		})
		g.turn(turn.User)
		if v := s.CloseTurn(); len(turn.Gold) > 0 {
			if of++; v.Check().Passed {
				won++
			}
		}
	}
	return won, of
}

// TestGuesser: who reads no documentation wins so much and no more: of 400 test tasks of each set 18.8% of
// worlds-renamed, 4.8% of worlds-none, and 34.8% of worlds-bare, hence of worlds too, of which it sees the
// same. Success above that alone can come of reading.
func TestGuesser(t *testing.T) {
	for _, c := range []struct {
		docs      Docs
		low, high float64 // of tasks won, in percent
	}{
		{Renamed, 10, 28}, {Bare, 25, 45}, {None, 1, 12},
	} {
		tasks, _ := several(t, compose.Test, 160, Options{Docs: c.docs})
		whole, won, of := 0, 0, 0
		for _, task := range tasks {
			w, n := guessed(t, task)
			if won, of = won+w, of+n; w == n {
				whole++
			}
		}
		share := 100 * float64(whole) / float64(len(tasks))
		t.Logf("%s: %d of %d tasks (%.1f%%), %d of %d turns", c.docs.Set(), whole, len(tasks), share, won, of)
		if !testing.Short() && (share < c.low || share > c.high) {
			t.Errorf("%s: guessing wins %.1f%% of tasks, want %v to %v", c.docs.Set(), share, c.low, c.high)
		}
	}
}

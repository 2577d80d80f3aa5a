package synthesize

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"

	"ballast"
	"ballast/chat/tooldoc"
	"ballast/task/survey"
	"ballast/value"
)

// word is an argument as the user says it.
type word struct {
	path  string // of the parameter
	label string
	raw   string // the parameter's own name
	text  string
	free  bool // text says it all: "the same order"
}

// wording are the words of one call.
type wording struct {
	rng    *rand.Rand
	phrase string // get the order
	noun   string // of the phrase: order
	words  []word
	ask    string // what is asked of the answer: status
}

func pick[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }

// wording finds words for a call. instead has texts for values by the path of their parameter; ""
// leaves one out. nil: a value cannot be said.
func (s *scene) wording(t ballast.Tool, args []survey.Arg, instead map[string]string) *wording {
	w := &wording{rng: s.rng}
	w.phrase, w.noun = s.phrase(t)
	at := map[string]int{}
	several := map[string]int{} // parameters that have a label
	for _, a := range args {
		if _, again := at[a.Param.Path]; !again {
			several[a.Param.Label()]++
		}
		at[a.Param.Path] = 0
	}
	clear(at)
	for _, a := range args {
		text, other := instead[a.Param.Path]
		if other && text == "" {
			continue
		}
		if !other {
			if s, ok := a.Value.(string); ok && !sayable(s) {
				return nil
			}
			text = say(s.rng, a.Value)
		}
		if i, again := at[a.Param.Path]; again {
			w.words[i].text += " and " + text
			continue
		}
		at[a.Param.Path] = len(w.words)
		label := a.Param.Label()
		if several[label] > 1 {
			label = strings.Join(survey.Words(strings.ReplaceAll(a.Param.Path, "[]", "")), " ")
		}
		w.words = append(w.words, word{a.Param.Path, label, a.Param.Name, text, other})
	}
	return w
}

// phrase is what a tool does as an order to do it, and the noun in it: "get the order". It comes from
// the tool's name, or from the first words of its documentation.
func (s *scene) phrase(t ballast.Tool) (phrase, noun string) {
	words := survey.Words(t.Name)
	var ways []string
	doc := strings.Fields(description(t))
	if len(words) > 1 && len(doc) > 0 && strings.EqualFold(doc[0], words[0]) && survey.Verb(words[0]) == "" {
		ways = append(ways, strings.Join(words, " ")) // its documentation takes the first word for a verb, too
	}
	if i := slices.IndexFunc(words, func(w string) bool { return survey.Verb(w) != "" }); i > 0 { // order_get
		words = append([]string{words[i]}, slices.Delete(slices.Clone(words), i, i+1)...)
	}
	name := strings.Join(words, " ")
	if len(words) > 0 && survey.Verb(words[0]) != "" {
		ways = append(ways, name, name)
		if len(words) > 1 {
			noun = strings.Join(words[1:], " ")
			ways = append(ways, words[0]+" the "+noun)
		}
	}
	if doc := imperative(description(t), words); doc != "" {
		ways = append(ways, doc)
	}
	if len(ways) == 0 {
		return "use " + t.Name, ""
	}
	return pick(s.rng, ways), noun
}

// description is the documentation of a tool.
func description(t ballast.Tool) string {
	if t.Doc != "" {
		return t.Doc
	}
	d, _ := tooldoc.Doc(t).(*value.Dict)
	if d == nil {
		return ""
	}
	if f, ok := d.GetString("function"); ok {
		d, _ = f.(*value.Dict)
	}
	text, _ := d.GetString("description")
	out, _ := text.(string)
	return out
}

// imperative is the first sentence of a documentation, if it says what to do in a few words: "Returns
// the list." is "return the list".
func imperative(doc string, name []string) string {
	doc = strings.TrimSpace(doc)
	if i := strings.IndexAny(doc, ".\n(;:,"); i >= 0 {
		doc = doc[:i]
	}
	words := strings.Fields(doc)
	if len(words) < 2 || len(words) > 9 {
		return ""
	}
	verb := strings.ToLower(words[0])
	for _, base := range []string{verb, strings.TrimSuffix(verb, "s"), strings.TrimSuffix(verb, "es")} {
		if survey.Verb(base) != "" || len(name) > 1 && base == name[0] {
			return strings.Join(append([]string{base}, words[1:]...), " ")
		}
	}
	return ""
}

// sayable says whether a text can stand in a sentence and be read out of it again.
func sayable(s string) bool {
	if strings.TrimSpace(s) != s || s == "" || len(s) > 160 || strings.Contains(s, `"`) && strings.Contains(s, "'") {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar })
}

// say is a value in a sentence.
func say(rng *rand.Rand, v any) string {
	switch v := v.(type) {
	case string:
		return quote(rng, v)
	case int64, float64:
		return number(v)
	case bool:
		return fmt.Sprint(v)
	}
	text, err := value.JSON(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return text
}

// number is a number as it is written in JSON.
func number(v any) string {
	text, err := value.JSON(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return text
}

// quote puts a text in quotes, unless it reads well without.
func quote(rng *rand.Rand, s string) string {
	plain := !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_/@:.", r)
	})
	if plain && !strings.ContainsRune(".:", rune(s[len(s)-1])) && (survey.PathLike(s) || rng.IntN(2) == 0) {
		return s
	}
	if strings.Contains(s, `"`) {
		return "'" + s + "'"
	}
	return `"` + s + `"`
}

// arguments are the words of the arguments as the end of a sentence.
func (w *wording) arguments(words []word) string {
	if len(words) == 0 {
		return ""
	}
	var parts []string
	style := w.rng.IntN(5)
	if len(words) == 1 && !words[0].free && w.rng.IntN(3) == 0 {
		named := slices.Contains([]string{"id", "name", "number"}, lastWord(words[0].label))
		if named && w.noun != "" && strings.HasSuffix(w.phrase, w.noun) {
			return " " + words[0].text
		}
	}
	for _, x := range words {
		label := x.label
		if style == 1 {
			label = x.raw
		}
		switch {
		case x.free:
			parts = append(parts, x.text)
		case style == 2:
			parts = append(parts, x.text+" as "+article(label))
		case style == 3:
			parts = append(parts, article(label)+" "+x.text)
		case style == 4:
			parts = append(parts, label+": "+x.text)
		default:
			parts = append(parts, label+" "+x.text)
		}
	}
	free := words[0].free
	switch {
	case style == 4 && !free:
		return " (" + strings.Join(parts, ", ") + ")"
	case style == 2:
		return " using " + joined(parts)
	case len(words) == 1 && style == 3:
		return " for " + parts[0]
	}
	return " with " + joined(parts)
}

func article(label string) string { return "the " + label }

func lastWord(s string) string { return s[strings.LastIndexByte(s, ' ')+1:] }

// joined lists parts: a, b and c.
func joined(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}

// frames are sentences around an order; the verb is in %s, the question's end in the second.
var frames = []string{"%s%s.", "%s%s.", "Please %s%s.", "Can you %s%s?", "Could you %s%s, please?", "I need you to %s%s.",
	"I would like you to %s%s.",
	"%s%s, please.", "Go ahead and %s%s.", "Now %s%s.", "Would you %s%s?", "I want you to %s%s.", "Your next job: %s%s."}

// sentence is the request as the user says it.
func (w *wording) sentence() string {
	return w.framed(w.phrase+w.arguments(w.words), w.ask)
}

// framed puts an order into a sentence, with what is asked about its answer.
func (w *wording) framed(order, ask string) string {
	tail := ""
	if ask != "" {
		switch w.rng.IntN(4) {
		case 0:
			return "What " + is(ask) + " the " + ask + "? " + upper(order) + " to find out."
		case 1:
			return upper(fmt.Sprintf(pick(w.rng, frames), order, "")) + " What " + is(ask) + " the " + ask + "?"
		case 2:
			tail = " and tell me the " + ask
		default:
			tail = " and give me the " + ask
		}
	}
	return upper(fmt.Sprintf(pick(w.rng, frames), order, tail))
}

// is is the verb for one thing or several.
func is(label string) string {
	if last := lastWord(label); survey.Singular(last) != last {
		return "are"
	}
	return "is"
}

func upper(s string) string {
	for i, r := range s {
		return string(unicode.ToUpper(r)) + s[i+len(string(r)):]
	}
	return s
}

// chained is a request whose second call needs a value that the first returns.
func chained(rng *rand.Rand, first, second *wording, which, field, param string) string {
	one, two := first.phrase+first.arguments(first.words), second.phrase
	rest := second.arguments(second.words)
	its := "its " + field
	if which == its {
		switch rng.IntN(3) {
		case 0:
			return second.framed(fmt.Sprintf("%s, then take %s and %s with it as the %s%s", one, which, two, param, also(rest)), second.ask)
		case 1:
			return upper(one) + ". " + second.framed(fmt.Sprintf("use the %s you find to %s%s", field, two, also(rest)), second.ask)
		}
		return second.framed(fmt.Sprintf("%s and, with %s as the %s, %s%s", one, which, param, two, rest), second.ask)
	}
	switch rng.IntN(4) {
	case 0:
		return upper(one) + ". " + second.framed(fmt.Sprintf("find %s there and %s for it%s", which, two, also(rest)), second.ask)
	case 1:
		return second.framed(fmt.Sprintf("%s for %s%s (to find it, %s)", two, which, also(rest), one), second.ask)
	case 2:
		return second.framed(fmt.Sprintf("%s, then %s with the %s of %s%s", one, two, param, which, also(rest)), second.ask)
	}
	return "I mean " + which + ": " + one + " to find it. " + second.framed("then "+two+" for it"+also(rest), second.ask)
}

// also joins further arguments to a sentence that has some already.
func also(rest string) string { return strings.Replace(rest, " with ", ", with ", 1) }

// question asks for a short value of the answer, where it has one.
func (s *scene) question(r *request, w *wording) {
	if r.changes || s.rng.IntN(5) < 2 {
		return
	}
	c := survey.Observe(r.last, r.results[len(r.results)-1])
	var fit []*survey.Fact
	for i := range c.Result.Facts {
		f := &c.Result.Facts[i]
		text, isText := f.Value.(string)
		_, isBool := f.Value.(bool)
		deep := strings.Contains(f.Path, "[") && !strings.HasPrefix(f.Path, "line[")
		guess := isBool || strings.EqualFold(text, "true") || strings.EqualFold(text, "false")
		if f.Key == "" || f.Joined || guess || deep || isText && (len(text) > 40 || !sayable(text)) || says(r.last.Args, f.Value) {
			continue
		}
		same := 0
		for k := range c.Result.Facts {
			if c.Result.Facts[k].Label() == f.Label() {
				same++
			}
		}
		if same == 1 {
			fit = append(fit, f)
		}
	}
	if text := strings.TrimSpace(c.Result.Text); len(fit) == 0 && len(c.Result.Facts) == 1 && c.Result.Facts[0].Key == "" && len(text) <= 60 &&
		plainText(c.Result.Facts[0].Value) == text && sayable(text) {
		f := &c.Result.Facts[0]
		w.ask, r.answer, r.reply = "text", f.Value, "The text is "+text
		r.finds = append(r.finds, find{len(r.gold) - 1, f.Path, f.Value})
	}
	if len(fit) == 0 {
		return
	}
	f := pick(s.rng, fit)
	w.ask = f.Label()
	r.answer = f.Value
	r.reply = "The " + f.Label() + " " + is(f.Label()) + " " + plainText(f.Value) + "."
	r.finds = append(r.finds, find{len(r.gold) - 1, f.Path, f.Value})
}

// plainText is a value in an answer.
func plainText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return number(v)
}

// partial fills in how the request is made with a value left out at first.
func (s *scene) partial(r *request, t ballast.Tool, filled survey.Filled, w *wording) {
	var can []int
	for i := range w.words {
		for _, a := range filled.Args {
			own := a.Origin == survey.Seen || a.Origin == survey.Made
			if a.Param.Path == w.words[i].path && a.Param.Required && own && !strings.ContainsAny(a.Path, ".[") {
				can = append(can, i)
			}
		}
	}
	if len(can) == 0 {
		return
	}
	i := pick(s.rng, can)
	lacks := w.words[i]
	r.part = w.framed(w.phrase+w.arguments(slices.Delete(slices.Clone(w.words), i, i+1)), w.ask)
	r.ask = "Which " + lacks.label + "?"
	r.fill = pick(s.rng, []string{"The " + lacks.label + " is " + lacks.text + ".", upper(lacks.label) + ": " + lacks.text,
		"It is " + lacks.text + ".",
		"Take " + lacks.text + " as the " + lacks.label + "."})
}

package drawn

import (
	"strings"
	"unicode"

	"ballast"
	"ballast/value"
)

// tool is one function of a world: what it does, and how it is named and documented.
type tool struct {
	operation string // in package world/drawn
	kind      *kind
	field     *field // nil where the operation has none
	verb      string // an invented word for the operation, "" for none
	name      string
	doc       string
	params    []param
}

// param is one parameter of a tool.
type param struct {
	name, doc string
	means     string // as package world/drawn has it
	field     *field // whose values it takes; nil for the name of an entity, and for a group
	plain     bool   // an integer whatever the field's words are
	optional  bool
	group     []param
}

// wording is how the documentation speaks of an operation. K, F and V stand for the kind, the
// field and the value; a lower-case telling name is made of the words of call.
type wording struct {
	docs []string
	call string
}

var wordings = map[string]wording{
	"read": {[]string{"get the F of a K", "look up the F of one K", "tell the F of a K", "the F that a K has", "show what F a K has"},
		"get K F"},
	"set":    {[]string{"set the F of a K", "change the F of a K", "give a K another F", "update the F of one K"}, "set K F"},
	"add":    {[]string{"raise the F of a K", "add to the F of a K", "let the F of a K grow", "increase the F of one K"}, "raise K F"},
	"create": {[]string{"make a K", "add a new K", "create a K", "register a K that is new"}, "create K"},
	"delete": {[]string{"delete a K", "remove one K", "drop a K", "take a K away for good"}, "delete K"},
	"find": {[]string{"find each K with some F", "list each K that has a given F", "name each K of one F", "search for a K by F"},
		"find K by F"},
	"count": {[]string{"count each K with some F", "how many K have a given F", "number of K with one F"}, "count K by F"},
	"total": {[]string{"total F of all K", "add up the F of each K", "sum of the F of all K"}, "total K F"},
	"most":  {[]string{"the K with the highest F", "find the K that has most F", "name the K of the largest F"}, "highest K F"},
	"least": {[]string{"the K with the lowest F", "find the K that has least F", "name the K of the smallest F"}, "lowest K F"},
}

// fill puts a tool's words into a text.
func (t *tool) fill(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		bare := strings.TrimRight(w, ".,?")
		switch {
		case bare == "K":
			words[i] = t.kind.noun + w[1:]
		case bare == "F" && t.field != nil:
			words[i] = t.field.noun + w[1:]
		}
	}
	return strings.Join(words, " ")
}

// drawTools draws every function that the world could have, named and documented.
func (w *scene) drawTools() {
	for _, k := range w.kinds {
		w.tools = append(w.tools, &tool{operation: "create", kind: k}, &tool{operation: "delete", kind: k})
		for _, f := range k.fields {
			operations := []string{"read", "set", "find", "count"}
			if f.fieldType == amount {
				operations = []string{"read", "set", "add", "total", "most", "least"}
			}
			for _, d := range operations {
				w.tools = append(w.tools, &tool{operation: d, kind: k, field: f})
			}
		}
	}
	style := pick(w.rng, []func(w *scene, t *tool) string{telling, arbitrary, arbitrary, mixed})
	for _, t := range w.tools {
		if w.rng.IntN(4) == 0 {
			t.verb = w.invented()
		}
		t.doc = t.fill(pick(w.rng, wordings[t.operation].docs))
		if t.verb != "" {
			t.doc = t.verb + ": " + t.doc
		}
		for t.name = ""; t.name == "" || w.named(t); {
			t.name = style(w, t)
		}
		w.drawParams(t)
	}
	if w.rng.IntN(4) == 0 { // names that mislead: only the documentation is right
		w.misname(w.tools)
	}
}

// misname deals the tools' names anew.
func (w *scene) misname(tools []*tool) {
	order := w.rng.Perm(len(tools))
	names := make([]string, len(tools))
	for i, t := range tools {
		names[i] = t.name
	}
	for i, t := range tools {
		t.name = names[order[i]]
	}
}

// named reports whether another tool has the name.
func (w *scene) named(t *tool) bool {
	for _, o := range w.tools {
		if o != t && o.name == t.name {
			return true
		}
	}
	return false
}

// telling is a name that says what the tool does, written in one of four ways.
func telling(w *scene, t *tool) string {
	words := strings.Fields(t.fill(wordings[t.operation].call))
	if t.verb != "" {
		words[0] = t.verb
	}
	switch w.rng.IntN(4) {
	case 0:
		return camel(words)
	case 1:
		return words[len(words)-1] + "_" + words[0] + suffix(words[1:len(words)-1])
	case 2:
		return t.kind.noun + "_" + words[0] + suffix(without(words[1:], t.kind.noun))
	}
	return strings.Join(words, "_")
}

func suffix(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return "_" + strings.Join(words, "_")
}

func without(words []string, word string) (out []string) {
	for _, w := range words {
		if w != word {
			out = append(out, w)
		}
	}
	return out
}

func camel(words []string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			w = string(unicode.ToUpper(rune(w[0]))) + w[1:]
		}
		b.WriteString(w)
	}
	return b.String()
}

// arbitrary is a name that says nothing.
func arbitrary(w *scene, _ *tool) string {
	switch w.rng.IntN(3) {
	case 0:
		return w.invented() + "_" + w.invented()
	case 1:
		return w.invented() + "_" + pick(w.rng, []string{"run", "do", "go", "op", "call", "api"})
	}
	return w.invented()
}

// mixed is either.
func mixed(w *scene, t *tool) string {
	if w.rng.IntN(2) == 0 {
		return telling(w, t)
	}
	return arbitrary(w, t)
}

// drawParams draws what a tool takes.
func (w *scene) drawParams(t *tool) {
	style := w.rng.IntN(3)
	name := param{means: "name", doc: "the " + t.kind.noun}
	name.name = w.paramName(style, t.kind.noun, "name", "id", "which", "target", "item")
	v := param{means: "value", field: t.field}
	if t.field != nil {
		v.name = w.paramName(style, t.field.noun, "value", "to", "new", "level")
		v.doc = "the new " + t.field.noun
	}
	switch t.operation {
	case "read", "delete":
		t.params = []param{name}
	case "set":
		t.params = []param{name, v}
	case "add":
		v.name, v.doc, v.plain = w.paramName(style, "amount", "by", "plus", "more"), "how much more", true
		t.params = []param{name, v}
	case "find", "count":
		v.doc = "the " + t.field.noun
		v.optional = t.operation == "count"
		t.params = []param{v}
	case "create":
		w.createParams(t, name, style)
	}
	// An invented name says nothing without its documentation.
	say := style == invented || w.rng.IntN(3) == 0
	for i := range t.params {
		if !say {
			t.params[i].doc = ""
		}
	}
	if t.operation != "create" && w.rng.IntN(3) == 0 {
		w.rng.Shuffle(len(t.params), func(i, j int) { t.params[i], t.params[j] = t.params[j], t.params[i] })
	}
}

// createParams gives a tool that makes entities some fields, at times in a group.
func (w *scene) createParams(t *tool, name param, style int) {
	var fields []param
	for _, i := range w.rng.Perm(len(t.kind.fields))[:1+w.rng.IntN(2)] {
		f := t.kind.fields[i]
		fields = append(fields, param{means: "." + f.noun, field: f, name: f.noun, optional: w.rng.IntN(2) == 0})
		if style == invented && w.rng.IntN(2) == 0 {
			p := &fields[len(fields)-1]
			p.name, p.doc = w.invented(), "its "+f.noun
		}
	}
	if w.rng.IntN(3) == 0 {
		group := param{name: w.paramName(style, "info", "details", "fields", "about"), doc: "what it is like", group: fields}
		group.optional = true
		for i := range group.group {
			group.group[i].name, group.group[i].doc = group.group[i].field.noun, ""
			group.optional = group.optional && group.group[i].optional
		}
		fields = []param{group}
	}
	t.params = append([]param{name}, fields...)
}

// invented is the style of parameters whose names are invented.
const invented = 2

// paramName draws a name for a parameter: one of the usual ones, the entity's noun, or a new word.
func (w *scene) paramName(style int, noun string, usual ...string) string {
	switch style {
	case 0:
		return pick(w.rng, usual)
	case 1:
		return noun
	}
	return w.invented()
}

// config writes the tool as package world/drawn reads it.
func (t *tool) config() any {
	d := value.NewDict("does", t.operation, "kind", t.kind.noun)
	if t.field != nil {
		d.Set("field", t.field.noun)
	}
	d.Set("takes", takes(t.params))
	return d
}

func takes(params []param) *value.Dict {
	d := &value.Dict{}
	for _, p := range params {
		name := p.name
		if p.optional {
			name += "?"
		}
		if p.group != nil {
			d.Set(name, takes(p.group))
		} else {
			d.Set(name, p.means)
		}
	}
	return d
}

// document writes the tool's documentation.
func (t *tool) document() ballast.Tool {
	out := ballast.Tool{Name: t.name, Doc: t.doc}
	nested := false
	for _, p := range t.params {
		out.Params = append(out.Params, p.document())
		nested = nested || p.group != nil
	}
	if nested {
		out.Schema = value.ToolSchema(t.name, t.doc, schema(t.params))
	}
	return out
}

func (p *param) document() ballast.Param {
	out := ballast.Param{Name: p.name, Type: "string", Doc: p.doc, Required: !p.optional}
	switch {
	case p.group != nil:
		out.Type = "object"
	case p.plain || p.field != nil && p.field.fieldType == amount:
		out.Type = "integer"
	case p.field != nil:
		out.Enum = p.field.words
	}
	return out
}

// schema writes parameters as JSON schema does.
func schema(params []param) *value.Dict {
	properties, groups := make([]ballast.Param, len(params)), map[string]*value.Dict{}
	for i := range params {
		properties[i] = params[i].document()
		if params[i].group != nil {
			groups[params[i].name] = schema(params[i].group)
		}
	}
	return value.ObjectSchema(properties, groups)
}

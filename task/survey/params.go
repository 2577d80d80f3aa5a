package survey

import (
	"fmt"
	"slices"
	"strings"

	"ballast"
	"ballast/chat/tooldoc"
	"ballast/value"
)

// Param is one parameter of a tool, or a part of one: a field of an object, the item of a list.
type Param struct {
	Name     string // the item of a list has the list's
	Path     string // in the arguments: order.lines[].sku
	Type     string // of JSON Schema, "" where the schema does not say
	Doc      string
	Required bool
	Enum     []any
	Examples []any // default, const, examples, and what the documentation quotes
	Min, Max any   // numbers, nil where there is no bound
	Fields   []*Param
	Item     *Param
	// Given says that the schema itself names a value: a default or a constant.
	Given bool
	words []string // of the name, singular
	near  []string // of the names around it and of the tool's, singular
	about []string // of the documentation, singular
}

// Leaf says whether a parameter takes one value and no parts.
func (p *Param) Leaf() bool { return p.Type != "object" && p.Type != "array" }

// Label is the words of a parameter's name.
func (p *Param) Label() string { return strings.Join(Words(p.Name), " ") }

// Params are the parameters of a tool from its documentation.
func Params(t ballast.Tool) []*Param {
	doc, _ := tooldoc.Doc(t).(*value.Dict)
	if f, ok := get(doc, "function").(*value.Dict); ok {
		doc = f
	}
	schema, _ := get(doc, "parameters").(*value.Dict)
	if schema == nil {
		schema, _ = get(doc, "inputSchema").(*value.Dict)
	}
	r := reader{root: schema}
	top := &Param{near: nouns(t.Name)}
	r.fields(top, schema, 0)
	return top.Fields
}

// reader reads one schema.
type reader struct{ root *value.Dict }

func get(d *value.Dict, key string) any {
	if d == nil {
		return nil
	}
	v, _ := d.GetString(key)
	return v
}

// fields reads the properties of an object.
func (r *reader) fields(p *Param, schema *value.Dict, depth int) {
	props, _ := get(schema, "properties").(*value.Dict)
	if props == nil || depth > maxDepth {
		return
	}
	var must []any
	if l, ok := get(schema, "required").(*value.List); ok {
		must = l.Items
	}
	for i := range props.Len() {
		k, v := props.At(i)
		name, _ := k.(string)
		part, _ := v.(*value.Dict)
		f := &Param{Name: name, Path: join(p.Path, name), Required: slices.Contains(must, any(name))}
		f.near = append(append([]string{}, p.words...), p.near...)
		r.read(f, part, depth+1)
		p.Fields = append(p.Fields, f)
	}
}

// read reads the schema of one parameter.
func (r *reader) read(p *Param, schema *value.Dict, depth int) {
	schema = r.resolve(schema)
	p.words = singulars(p.Name)
	p.Type = typeOf(schema)
	if text, ok := get(schema, "description").(string); ok {
		p.Doc = strings.Join(strings.Fields(text), " ")
		p.about = singulars(p.Doc)
	}
	if l, ok := get(schema, "enum").(*value.List); ok {
		p.Enum = l.Items
	}
	for _, key := range []string{"default", "const"} {
		if v := get(schema, key); v != nil {
			p.Examples, p.Given = append(p.Examples, v), true
		}
	}
	if l, ok := get(schema, "examples").(*value.List); ok {
		p.Examples = append(p.Examples, l.Items...)
	}
	if v := get(schema, "example"); v != nil {
		p.Examples = append(p.Examples, v)
	}
	if p.Type == "string" || p.Type == "" {
		for _, s := range quoted(p.Doc) {
			p.Examples = append(p.Examples, s)
		}
	}
	p.Min, p.Max = get(schema, "minimum"), get(schema, "maximum")
	switch p.Type {
	case "object":
		r.fields(p, schema, depth)
	case "array":
		items, _ := get(schema, "items").(*value.Dict)
		p.Item = &Param{Name: p.Name, Path: p.Path + "[]", Required: true, near: p.near, Doc: p.Doc}
		if depth <= maxDepth {
			r.read(p.Item, items, depth+1)
			if p.Item.about == nil {
				p.Item.about = p.about
			}
		}
	}
}

// resolve follows a reference and takes the first alternative that is not null.
func (r *reader) resolve(schema *value.Dict) *value.Dict {
	for range maxDepth {
		ref, ok := get(schema, "$ref").(string)
		if ok {
			at := r.root
			for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
				at, _ = get(at, part).(*value.Dict)
			}
			if at == nil {
				return schema
			}
			schema = at
			continue
		}
		picked := false
		for _, key := range []string{"anyOf", "oneOf", "allOf"} {
			list, ok := get(schema, key).(*value.List)
			if !ok {
				continue
			}
			for _, x := range list.Items {
				if d, ok := x.(*value.Dict); ok && get(d, "type") != "null" {
					merged := d.Copy()
					for i := range schema.Len() {
						if k, v := schema.At(i); k != key {
							if _, has := merged.Get(k); !has {
								merged.Set(k, v)
							}
						}
					}
					schema, picked = merged, true
					break
				}
			}
			if picked {
				break
			}
		}
		if !picked {
			return schema
		}
	}
	return schema
}

// typeOf is the type of a schema, with JSON's names.
func typeOf(schema *value.Dict) string {
	var name string
	switch t := get(schema, "type").(type) {
	case string:
		name = t
	case *value.List:
		for _, x := range t.Items {
			if s, ok := x.(string); ok && s != "null" && name == "" {
				name = s
			}
		}
	}
	switch name {
	case "dict":
		return "object"
	case "list", "tuple":
		return "array"
	case "float":
		return "number"
	case "str":
		return "string"
	case "int":
		return "integer"
	case "bool":
		return "boolean"
	case "":
		if get(schema, "properties") != nil {
			return "object"
		}
		if get(schema, "items") != nil {
			return "array"
		}
	}
	return name
}

// quoted are short texts between quotes in a documentation: its examples.
func quoted(doc string) (out []string) {
	for _, q := range []string{"'", `"`, "`"} {
		parts := strings.Split(doc, q)
		for i := 1; i+1 < len(parts); i += 2 {
			s := parts[i]
			before, after := parts[i-1], parts[i+1]
			apart := (before == "" || strings.IndexByte(" (=:,[", before[len(before)-1]) >= 0) &&
				(after == "" || strings.IndexByte(" ),.;:]", after[0]) >= 0)
			if apart && s != "" && len(s) <= 40 && strings.TrimSpace(s) == s {
				out = append(out, s)
			}
		}
	}
	return out
}

// Fit says how well a value that was seen fits a parameter: 0 not at all, 10 by its name.
func (p *Param) Fit(f *Fact) int {
	if _, ok := p.take(f.Value); !ok {
		return 0
	}
	if _, is := f.Value.(bool); is && p.Type != "boolean" {
		return 0
	}
	if len(p.Enum) > 0 && !slices.ContainsFunc(p.Enum, func(v any) bool { return value.Equal(v, f.Value) }) {
		return 0
	}
	if n := p.fitPath(f); n >= 0 {
		return n
	}
	if len(p.words) == 0 {
		return 0
	}
	if len(f.key) == 0 {
		return p.fitBare(f)
	}
	last := p.words[len(p.words)-1]
	at := f.key[len(f.key)-1]
	inContext := func(w string) bool { return slices.Contains(f.key, w) || slices.Contains(f.above, w) }
	shared := slices.ContainsFunc(f.above, func(w string) bool { return slices.Contains(p.near, w) || slices.Contains(p.words, w) })
	all := len(p.words) > 1 && !slices.ContainsFunc(p.words, func(w string) bool { return !inContext(w) })
	inside := !slices.ContainsFunc(f.key, func(w string) bool { return !slices.Contains(p.words, w) && !slices.Contains(p.near, w) })
	switch {
	case slices.Equal(p.words, f.key) && (shared || len(p.words) > 1):
		return 10
	case all && slices.Contains(f.key, last):
		return 9
	case last == at && inside && shared && len(p.words) == 1:
		return 9
	case slices.Equal(p.words, f.key) && last != "id" && (len(f.above) == 0 || last != "name"):
		return 6
	case last == at && inside && len(f.above) == 0:
		return 5
	}
	return p.fitDoc(f)
}

// fitBare is Fit for a value without a key: an item of a list, a line.
func (p *Param) fitBare(f *Fact) int {
	switch {
	case len(f.above) == 0:
		return 0
	case !slices.ContainsFunc(p.words, func(w string) bool { return !slices.Contains(f.above, w) && w != "name" && w != "id" }):
		return 8
	case slices.ContainsFunc(f.above, func(w string) bool { return slices.Contains(p.words, w) }):
		return 6
	}
	return p.fitDoc(f)
}

// fitDoc is Fit by the documentation: "the name of the entity where the relation starts".
func (p *Param) fitDoc(f *Fact) int {
	known := func(w string) bool { return slices.Contains(p.about, w) }
	if len(p.about) == 0 || len(f.key)+len(f.above) == 0 {
		return 0
	}
	for _, w := range f.key {
		if !known(w) {
			return 0
		}
	}
	for _, w := range f.above {
		if !known(w) {
			return 0
		}
	}
	return 6
}

// fitPath is Fit for parameters that take the path of a file or a folder, and -1 for others.
func (p *Param) fitPath(f *Fact) int {
	folder, file, ok := p.wantsPath()
	if !ok {
		return -1
	}
	s, isText := f.Value.(string)
	if !isText || !PathLike(s) {
		return 0
	}
	if !strings.ContainsAny(s, `/\\`) { // a name in a folder that is not told
		return Least
	}
	if len(f.key) == 1 && slices.Equal(f.key, p.words) && p.Name != "path" {
		return 10
	}
	isFolder, isFile := f.Has("directory") || f.Has("folder") || f.Has("root"), f.Has("file") || fileName(s[strings.LastIndexByte(s, '/')+1:])
	switch {
	case folder && isFolder && !isFile, file && isFile && !folder:
		return 9
	case folder && isFile || file && !folder && isFolder:
		return 3
	}
	return 7
}

// wantsPath says whether a parameter takes a path, and of what its tool speaks.
func (p *Param) wantsPath() (folder, file, ok bool) {
	if p.Type != "string" && p.Type != "" {
		return false, false, false
	}
	for _, w := range p.words {
		ok = ok || slices.Contains([]string{"path", "file", "filepath", "filename", "directory", "dir", "folder"}, w)
	}
	speaks := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(p.words, w) || slices.Contains(p.near, w) })
	}
	folder, file = speaks("directory", "dir", "folder", "tree"), speaks("file", "filepath", "filename", "text", "media", "image")
	if !ok && (folder || file) {
		for _, w := range p.words {
			ok = ok || slices.Contains([]string{"source", "src", "destination", "dest", "target", "from", "to"}, w)
		}
	}
	return folder, file, ok
}

// take is a value as a parameter's type has it: a number as text, a text of digits as a number.
func (p *Param) take(v any) (any, bool) {
	switch p.Type {
	case "string":
		switch v := v.(type) {
		case string:
			return v, true
		case int64:
			return fmt.Sprint(v), true
		}
		return nil, false
	case "integer":
		switch v := v.(type) {
		case int64:
			return v, true
		case float64:
			if v == float64(int64(v)) {
				return int64(v), true
			}
		case string:
			if n, ok := scalar(v).(int64); ok && strings.TrimSpace(v) == v && v != "" && v[0] != '"' {
				return n, true
			}
		}
		return nil, false
	case "number":
		switch v.(type) {
		case int64, float64:
			return v, true
		}
		return nil, false
	case "boolean":
		_, ok := v.(bool)
		return v, ok
	case "":
		return v, true
	}
	return nil, false
}

package bfcl

import (
	"slices"
	"strconv"
	"strings"

	"ballast"
	"ballast/value"
)

// fsFile is a file. tail is what the long context appends to the content; the
// two are one text.
type fsFile struct {
	name    any
	content any
	tail    string
}

// fsDir is a directory. contents is shared where mv and cp share it.
type fsDir struct {
	name     any
	parent   *fsDir
	contents *value.Dict // name -> *fsFile or *fsDir
}

// The nodes of the tree are kinds of value so that a Dict can hold them.
func (*fsFile) TypeName() string { return "File" }
func (*fsDir) TypeName() string  { return "Directory" }

// AppendRepr never shows in an answer.
func (f *fsFile) AppendRepr(dst []byte) []byte { return append(dst, "<File>"...) }

// AppendRepr never shows in an answer.
func (d *fsDir) AppendRepr(dst []byte) []byte { return append(dst, "<Directory>"...) }

// EqualTo compares names and contents.
func (f *fsFile) EqualTo(other any) bool {
	g, ok := other.(*fsFile)
	if !ok {
		return false
	}
	if f.tail == g.tail {
		return value.Equal(f.name, g.name) && value.Equal(f.content, g.content)
	}
	return value.Equal(f.name, g.name) && value.Equal(f.read(), g.read())
}

// EqualTo compares names and contents, without regard to order.
func (d *fsDir) EqualTo(other any) bool {
	e, ok := other.(*fsDir)
	return ok && new(treeCompare).equal(d, e)
}

// treeCompare compares trees that cp may have made cyclic: pairs that are being
// compared, or were, count as equal once the walk is long.
type treeCompare struct {
	steps int
	seen  map[[2]*fsDir]bool
}

func (t *treeCompare) equal(a, b *fsDir) bool {
	if a == b {
		return true
	}
	if t.steps++; t.steps > 200 {
		if t.seen == nil {
			t.seen = make(map[[2]*fsDir]bool)
		}
		if t.seen[[2]*fsDir{a, b}] {
			return true
		}
		t.seen[[2]*fsDir{a, b}] = true
	}
	if !value.Equal(a.name, b.name) || a.contents.Len() != b.contents.Len() {
		return false
	}
	for i := range a.contents.Len() {
		name, x := a.contents.At(i)
		bn, y := b.contents.At(i) // the same order is the usual case
		if bn != name {
			var ok bool
			if y, ok = b.contents.Get(name); !ok {
				return false
			}
		}
		xd, xIsDir := x.(*fsDir)
		yd, yIsDir := y.(*fsDir)
		if xIsDir != yIsDir || xIsDir && !t.equal(xd, yd) || !xIsDir && !x.(*fsFile).EqualTo(y) {
			return false
		}
	}
	return true
}

// read returns the content of a file.
func (f *fsFile) read() any {
	if f.tail != "" {
		f.content = f.content.(string) + f.tail
		f.tail = ""
	}
	return f.content
}

// text returns the content where a method of strings is needed.
func (f *fsFile) text(method string) string {
	s, ok := f.read().(string)
	if !ok {
		attribute(f.content, method)
	}
	return s
}

// fileSystem is a GorillaFileSystem.
type fileSystem struct {
	core
	long bool
	root *fsDir
	cwd  *fsDir
}

func newFileSystem(config *value.Dict, long bool) *fileSystem {
	s := &fileSystem{long: long}
	s.root = &fsDir{name: "/", contents: &value.Dict{}}
	if r, ok := config.Get("root"); ok {
		root, ok := r.(*value.Dict)
		if !ok {
			attribute(r, "keys")
		}
		if root.Len() == 0 {
			raise("IndexError", "list index out of range")
		}
		name, top := root.At(0) // the original reads the first root only
		s.root.name = name
		s.load(item(top, "contents"), s.root)
	}
	s.cwd = s.root
	return s
}

// load fills a directory from its configuration.
func (s *fileSystem) load(config any, dir *fsDir) {
	entries, ok := config.(*value.Dict)
	if !ok {
		attribute(config, "items")
	}
	leaf := true
	dir.contents = value.MakeDict(entries.Len() + 1)
	var files []fsFile // of this directory, in one piece
	for i := range entries.Len() {
		name, entry := entries.At(i)
		switch item(entry, "type") {
		case "directory":
			leaf = false
			d := &fsDir{name: name, parent: dir}
			s.load(item(entry, "contents"), d)
			dir.contents.Add(name, d)
		case "file":
			if files == nil {
				files = make([]fsFile, 0, entries.Len()-i)
			}
			files = append(files, fsFile{name: name, content: item(entry, "content")})
			f := &files[len(files)-1]
			if s.long && indexOf(constants().tailUsed, name) < 0 {
				if _, ok := f.content.(string); !ok {
					add("+=", f.content, "")
				}
				f.tail = constants().fileContent
			}
			dir.contents.Add(name, f)
		}
	}
	if leaf && s.long {
		images := constants().populate
		files := make([]fsFile, len(images))
		more := value.MakeDict(len(images))
		for i, name := range images {
			dir.absent("File", name)
			files[i] = fsFile{name: name, content: emptyText}
			more.Add(name, &files[i])
		}
		dir.contents.Merge(more)
	}
}

var emptyText any = ""

// absent raises the error of adding a name that is taken.
func (d *fsDir) absent(kind string, name any) {
	if _, ok := lookup(d.contents, name); ok {
		raise(valueError, "%s", str(kind, " '", name, "' already exists in directory '", d.name, "'."))
	}
}

func (d *fsDir) addFile(name, content any) {
	d.absent("File", name)
	d.contents.Set(name, &fsFile{name: name, content: content})
}

func (d *fsDir) addDir(name any, contents *value.Dict) {
	d.absent("Directory", name)
	d.contents.Set(name, &fsDir{name: name, parent: d, contents: contents})
}

// get returns the item of a name that is in the directory; "." is the directory
// itself, whatever is in it.
func (d *fsDir) get(name any) any {
	if name == "." {
		return d
	}
	x, _ := d.contents.Get(name)
	return x
}

// has is name in contents.
func (d *fsDir) has(name any) bool {
	_, ok := lookup(d.contents, name)
	return ok
}

// file returns the file of that name, or nil if there is none.
func (d *fsDir) file(name any) *fsFile {
	if !d.has(name) {
		return nil
	}
	f, _ := d.get(name).(*fsFile)
	return f
}

// invalidName reports whether a name has characters that names must not have.
func invalidName(name any) bool {
	const bad = `|/\?%*:"><`
	if s, ok := name.(string); ok {
		return strings.ContainsAny(s, bad)
	}
	for i := range bad {
		if contains(name, bad[i:i+1]) {
			return true
		}
	}
	return false
}

// Call implements ballast.State.
func (s *fileSystem) Call(c ballast.Call) string { return fileSystemClass.call(s, &s.core, c) }

// Equal implements ballast.State: the tree counts, the current directory not.
func (s *fileSystem) Equal(other ballast.State) string { return firstDifferingOf(s, other) }

func (s *fileSystem) public() []any { return s.attributes("long_context", s.long, "root", s.root) }

// Dump implements ballast.State.
func (s *fileSystem) Dump() any {
	left := maxVisits
	return value.NewDict("long_context", s.long, "root", s.root.dump(&left, nil))
}

// dump encodes a directory as the golden corpus does; above are the directories
// on the way to it.
func (d *fsDir) dump(left *int, above []*fsDir) any {
	for _, a := range above {
		if a == d {
			return value.NewDict("$cycle", true)
		}
	}
	if *left--; *left < 0 {
		return value.NewDict("$cycle", true)
	}
	contents := &value.Dict{}
	for i := range d.contents.Len() {
		name, x := d.contents.At(i)
		if f, ok := x.(*fsFile); ok {
			contents.Set(name, value.NewDict("$file", f.name, "content", f.read()))
		} else {
			contents.Set(name, x.(*fsDir).dump(left, append(above, d)))
		}
	}
	var parent any
	if d.parent != nil {
		parent = d.parent.name
	}
	return value.NewDict("$dir", d.name, "parent", parent, "contents", contents)
}

// maxVisits and maxDepth bound walks over trees that cp made exponential or
// cyclic; the depth is about where Python's recursion limit strikes.
const (
	maxVisits = 1 << 17
	maxDepth  = 980
)

func recursionError() {
	raise("RecursionError", "maximum recursion depth exceeded")
}

// navigate follows a path; it answers the path's error, if any, for the tool.
func (s *fileSystem) navigate(tool string, path any) (*fsDir, string) {
	switch path {
	case nil, ".":
		return s.cwd, ""
	case "/":
		return s.root, ""
	}
	p, ok := path.(string)
	if !ok {
		stripArgument(path, "strip")
	}
	dir := s.cwd
	if strings.HasPrefix(p, "/") {
		dir = s.root
	}
	for _, name := range strings.Split(strings.Trim(p, "/"), "/") {
		next, ok := dir.get(name).(*fsDir)
		if !ok {
			return nil, s.error(tool, ": '", path, "': No such file or directory")
		}
		dir = next
	}
	return dir, ""
}

// stripArgument raises the error of v.strip("/") and the like for v that is no
// text.
func stripArgument(v any, method string) {
	if _, ok := v.(value.Bytes); ok {
		raise(typeError, "a bytes-like object is required, not 'str'")
	}
	attribute(v, method)
}

func (s *fileSystem) pwd([]any) string {
	var path []any
	for d := s.cwd; d != nil; d = d.parent {
		path = append(path, d.name)
	}
	slices.Reverse(path)
	joinText(path)
	b := s.text[:0]
	for _, name := range path {
		b = append(append(b, '/'), name.(string)...)
	}
	s.text = b
	return s.line("current_working_directory", string(b))
}

// joinText checks the items of sep.join(items) and raises its error.
func joinText(items []any) {
	for i, x := range items {
		if _, ok := x.(string); !ok {
			raise(typeError, "sequence item %s: expected str instance, %s found", strconv.Itoa(i), value.TypeName(x))
		}
	}
}

func (s *fileSystem) ls(a []any) string {
	all := truth(a[0])
	b := append(s.buf[:0], `{"current_directory_content": [`...)
	first := true
	for i := range s.cwd.contents.Len() {
		name, _ := s.cwd.contents.At(i)
		if !all {
			text, ok := name.(string)
			if !ok {
				attribute(name, "startswith")
			}
			if strings.HasPrefix(text, ".") {
				continue
			}
		}
		if !first {
			b = append(b, ", "...)
		}
		first = false
		var err error
		if b, err = value.AppendJSON(b, name); err != nil {
			return value.Repr(value.NewDict("current_directory_content", value.NewList(s.cwd.contents.Keys()...)))
		}
	}
	s.buf = append(b, "]}"...)
	return string(s.buf)
}

func (s *fileSystem) cd(a []any) string {
	folder, ok := a[0].(string)
	if !ok {
		stripArgument(a[0], "rstrip")
	}
	if trimmed := strings.TrimRight(folder, "/"); trimmed != folder || folder == "" {
		if folder = trimmed; folder == "" {
			folder = "/"
		}
		a[0] = folder
	}
	if folder != "/" && strings.Contains(folder, "/") {
		return s.error("cd: ", folder, ": Unsupported path. Only one folder level at a time is supported.")
	}
	if folder == ".." {
		if s.cwd.parent == nil {
			return s.error("Current directory is already the root. Cannot go back.")
		}
		s.cwd = s.cwd.parent
		return "{}"
	}
	dir, err := s.navigate("cd", a[0])
	if dir == nil {
		return err
	}
	s.cwd = dir
	return s.dict("current_working_directory", dir.name)
}

func (s *fileSystem) mkdir(a []any) string {
	switch name := a[0]; {
	case invalidName(name):
		return s.error("mkdir: cannot create directory '", name, "': Invalid character")
	case s.cwd.has(name):
		return s.error("mkdir: cannot create directory '", name, "': File exists")
	default:
		s.cwd.addDir(own(name), &value.Dict{})
	}
	return none
}

// own returns a value that the caller may keep.
func own(v any) any {
	switch v.(type) {
	case *value.List, *value.Dict, *value.Tuple:
		return value.Clone(v)
	}
	return v
}

func (s *fileSystem) touch(a []any) string {
	switch name := a[0]; {
	case invalidName(name):
		return s.error("touch: cannot touch '", name, "': Invalid character")
	case s.cwd.has(name):
		return s.error("touch: cannot touch '", name, "': File exists")
	default:
		s.cwd.addFile(own(name), emptyText)
	}
	return none
}

func (s *fileSystem) echo(a []any) string {
	content, name := a[0], a[1]
	if name == nil {
		return s.dict("terminal_output", content)
	}
	if invalidName(name) {
		return s.error("echo: cannot write to '", name, "': Invalid character")
	}
	if !truth(name) {
		return s.dict("terminal_output", content)
	}
	if !s.cwd.has(name) {
		return s.error("echo: cannot write to '", name, "': No such file")
	}
	switch x := s.cwd.get(name).(type) {
	case *fsFile:
		x.content, x.tail = own(content), ""
	default:
		attribute(x, "_write")
	}
	return none
}

func (s *fileSystem) cat(a []any) string {
	name := a[0]
	if invalidName(name) {
		return s.error("cat: '", name, "': Invalid character")
	}
	if !s.cwd.has(name) {
		return s.error("cat: '", name, "': No such file or directory")
	}
	f, ok := s.cwd.get(name).(*fsFile)
	if !ok {
		return s.error("cat: '", name, "': Is a directory")
	}
	if f.tail == "" {
		return s.dict("file_content", f.content)
	}
	b := append(s.buf[:0], `{"file_content": `...)
	b = value.AppendQuoted(b, f.content.(string))
	b = append(b[:len(b)-1], constants().fileContentJSON[1:]...)
	s.buf = append(b, '}')
	return string(s.buf)
}

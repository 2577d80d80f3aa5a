package bfcl

import (
	"slices"
	"strconv"
	"strings"

	"ballast"
	"ballast/value"
	"ballast/world/python"
)

// absent raises the error of adding a name that is taken.
func (s *fileSystem) absent(kind string, d *fsDir, name any) {
	if s.has(d, name) {
		python.Raise(python.ValueError, "%s", str(kind, " '", name, "' already exists in directory '", d.name, "'."))
	}
}

// put adds a file or a directory, which are this state's own.
func (s *fileSystem) put(d *fsDir, name, x any) {
	l := s.write(d)
	if _, ok := x.(*fsDir); ok {
		l.directories++
	}
	l.Add(name, x)
}

func (s *fileSystem) addFile(d *fsDir, name, content any, long bool) {
	s.absent("File", d, name)
	s.put(d, name, &fsFile{owner: s, name: name, content: content, long: long})
}

func (s *fileSystem) addDir(d *fsDir, name any, contents *fsList) {
	s.absent("Directory", d, name)
	s.put(d, name, &fsDir{name: name, parent: d, contents: contents})
}

// get returns the item of a name that is in the directory; "." is the directory
// itself, whatever is in it.
func (s *fileSystem) get(d *fsDir, name any) any {
	if name == "." {
		return d
	}
	x, _ := s.in(d).Get(name)
	return x
}

// has is name in contents.
func (s *fileSystem) has(d *fsDir, name any) bool {
	_, ok := python.Lookup(&s.in(d).Dict, name)
	return ok
}

// hasText is has for the parts' str() put together.
func (s *fileSystem) hasText(d *fsDir, parts ...any) bool {
	s.text = appendStr(s.text[:0], parts...)
	_, ok := s.in(d).GetString(string(s.text))
	return ok
}

// file returns the file of that name in the current directory, or nil if there is
// none.
func (s *fileSystem) file(name any) *fsFile {
	if !s.has(s.cwd, name) {
		return nil
	}
	if f, ok := s.get(s.cwd, name).(*fsFile); ok {
		return s.now(f)
	}
	return nil
}

// invalidName reports whether a name has characters that names must not have.
func invalidName(name any) bool {
	const bad = `|/\?%*:"><`
	if s, ok := name.(string); ok {
		return strings.ContainsAny(s, bad)
	}
	for i := range bad {
		if python.Contains(name, bad[i:i+1]) {
			return true
		}
	}
	return false
}

// Call runs one call.
func (s *fileSystem) Call(c ballast.Call) string { return fileSystemClass.call(s, &s.core, c) }

// maxVisits and maxDepth bound walks over trees that cp made exponential or
// cyclic; the depth is about where Python's recursion limit strikes.
const (
	maxVisits = 1 << 17
	maxDepth  = 980
)

func recursionError() {
	python.Raise("RecursionError", "maximum recursion depth exceeded")
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
	for name := range strings.SplitSeq(strings.Trim(p, "/"), "/") {
		x, _ := s.in(dir).GetString(name)
		next, ok := x.(*fsDir)
		if name == "." {
			next, ok = dir, true
		}
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
		python.Raise(python.TypeError, "a bytes-like object is required, not 'str'")
	}
	python.Attribute(v, method)
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
			python.Raise(python.TypeError, "sequence item %s: expected str instance, %s found", strconv.Itoa(i), value.TypeName(x))
		}
	}
}

func (s *fileSystem) ls(a []any) string {
	all := value.Truth(a[0])
	b := append(s.begin(), `{"current_directory_content": [`...)
	first := true
	list := s.in(s.cwd)
	for i := range list.Len() {
		name, _ := list.At(i)
		if !all {
			text, ok := name.(string)
			if !ok {
				python.Attribute(name, "startswith")
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
			return value.Repr(value.NewDict("current_directory_content", value.NewList(list.Keys()...)))
		}
	}
	return s.said(append(b, "]}"...))
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
	case s.has(s.cwd, name):
		return s.error("mkdir: cannot create directory '", name, "': File exists")
	default:
		s.addDir(s.cwd, own(name), &fsList{owner: s})
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
	case s.has(s.cwd, name):
		return s.error("touch: cannot touch '", name, "': File exists")
	default:
		s.addFile(s.cwd, own(name), emptyText, false)
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
	if !value.Truth(name) {
		return s.dict("terminal_output", content)
	}
	if !s.has(s.cwd, name) {
		return s.error("echo: cannot write to '", name, "': No such file")
	}
	switch x := s.get(s.cwd, name).(type) {
	case *fsFile:
		s.overwrite(x, own(content))
	default:
		python.Attribute(x, "_write")
	}
	return none
}

func (s *fileSystem) cat(a []any) string {
	name := a[0]
	if invalidName(name) {
		return s.error("cat: '", name, "': Invalid character")
	}
	if !s.has(s.cwd, name) {
		return s.error("cat: '", name, "': No such file or directory")
	}
	f := s.file(name)
	if f == nil {
		return s.error("cat: '", name, "': Is a directory")
	}
	if !f.long {
		return s.dict("file_content", f.content)
	}
	long := constants() // whose part is quoted already
	text := f.content.(string)
	b := append(s.begin(), `{"file_content": `...)
	b = value.AppendQuoted(b, text[:len(text)-len(long.fileContent)])
	b = append(b[:len(b)-1], long.fileContentJSON[1:]...)
	return s.said(append(b, '}'))
}

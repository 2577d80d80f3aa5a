package bfcl

import (
	"math/big"
	"slices"
	"strings"

	"ballast/value"
	"ballast/world/python"
)

// fileSystemClass is the table of GorillaFileSystem.
var fileSystemClass = newClass("GorillaFileSystem",
	method[*fileSystem]{name: "cat", params: []string{"file_name"}, run: (*fileSystem).cat},
	method[*fileSystem]{name: "cd", params: []string{"folder"}, run: (*fileSystem).cd},
	method[*fileSystem]{name: "cp", params: []string{"source", "destination"}, run: (*fileSystem).cp},
	method[*fileSystem]{name: "diff", params: []string{"file_name1", "file_name2"}, run: (*fileSystem).diff},
	method[*fileSystem]{name: "du", params: []string{"human_readable"}, defaults: []any{false}, run: (*fileSystem).du},
	method[*fileSystem]{name: "echo", params: []string{"content", "file_name"}, defaults: []any{nil}, run: (*fileSystem).echo},
	method[*fileSystem]{name: "find", params: []string{"path", "name"}, defaults: []any{".", nil}, run: (*fileSystem).find},
	method[*fileSystem]{name: "grep", params: []string{"file_name", "pattern"}, run: (*fileSystem).grep},
	method[*fileSystem]{name: "ls", params: []string{"a"}, defaults: []any{false}, run: (*fileSystem).ls},
	method[*fileSystem]{name: "mkdir", params: []string{"dir_name"}, run: (*fileSystem).mkdir},
	method[*fileSystem]{name: "mv", params: []string{"source", "destination"}, run: (*fileSystem).mv},
	method[*fileSystem]{name: "pwd", run: (*fileSystem).pwd},
	method[*fileSystem]{name: "rm", params: []string{"file_name"}, run: (*fileSystem).rm},
	method[*fileSystem]{name: "rmdir", params: []string{"dir_name"}, run: (*fileSystem).rmdir},
	method[*fileSystem]{name: "sort", params: []string{"file_name"}, run: (*fileSystem).sort},
	method[*fileSystem]{name: "tail", params: []string{"file_name", "lines"}, defaults: []any{int64(10)}, run: (*fileSystem).tail},
	method[*fileSystem]{name: "touch", params: []string{"file_name"}, run: (*fileSystem).touch},
	method[*fileSystem]{name: "wc", params: []string{"file_name", "mode"}, defaults: []any{"l"}, run: (*fileSystem).wc},
)

func (s *fileSystem) find(a []any) string {
	path, name := a[0], a[1]
	dir, err := s.navigate("find", path)
	if dir == nil {
		return err
	}
	base, ok := path.(string)
	if !ok {
		stripArgument(path, "rstrip")
	}
	w := walk{s: s, left: maxVisits, name: name, answer: append(s.begin(), `{"matches": [`...)}
	s.text = append(s.text[:0], strings.TrimRight(base, "/")...)
	w.find(dir, 0)
	return s.said(append(w.answer, "]}"...))
}

// walk is one bounded walk over a tree.
type walk struct {
	s      *fileSystem
	left   int
	name   any
	answer []byte
	size   int // of the matches
}

// step counts one visit at a depth.
func (w *walk) step(depth int) {
	if w.left--; w.left < 0 || depth > maxDepth {
		recursionError()
	}
}

// find answers what matches below a directory, whose path is the text of the call.
func (w *walk) find(d *fsDir, depth int) {
	w.step(depth)
	base := len(w.s.text)
	list := w.s.in(d)
	for i := range list.Len() {
		name, x := list.At(i)
		sub, isDir := x.(*fsDir)
		match := w.name == nil || python.Contains(name, w.name)
		if !match && !isDir {
			continue
		}
		path := appendStr(append(w.s.text[:base], '/'), name)
		w.s.text = path
		if match {
			if w.size > 0 {
				w.answer = append(w.answer, ", "...)
			}
			w.answer = value.AppendQuotedBytes(w.answer, path)
			if w.size += len(path); w.size > maxVisits<<7 {
				recursionError()
			}
		}
		if isDir {
			w.find(sub, depth+1)
		}
	}
}

func (s *fileSystem) du(a []any) string {
	w := walk{s: s, left: maxVisits}
	n := w.du(s.cwd, 0)
	if !value.Truth(a[0]) {
		return s.line("disk_usage", n, " bytes")
	}
	units := [...]string{"B", "KB", "MB", "GB", "TB"}
	size, unit := float64(n), 0
	for unit < len(units) && size >= 1024 {
		size /= 1024
		unit++
	}
	if unit == len(units) {
		return s.line("disk_usage", fixed2(size), " PB")
	}
	return s.line("disk_usage", fixed2(size), " ", units[unit])
}

func (w *walk) du(d *fsDir, depth int) (size int64) {
	w.step(depth)
	list := w.s.in(d)
	for i := range list.Len() {
		switch _, x := list.At(i); x := x.(type) {
		case *fsDir:
			size += w.du(x, depth+1)
		case *fsFile:
			size += int64(len(w.s.now(x).text("encode")))
		}
	}
	return size
}

func (s *fileSystem) wc(a []any) string {
	name, mode := a[0], a[1]
	if mode != "l" && mode != "w" && mode != "c" {
		return s.error("wc: invalid mode '", mode, "'")
	}
	f := s.file(name)
	if f == nil {
		return s.error("wc: ", name, ": No such file or directory")
	}
	switch mode {
	case "l":
		return s.dict("count", int64(len(s.split(f))), "type", "lines")
	case "w":
		return s.dict("count", countWords(f.text("split")), "type", "words")
	}
	return s.dict("count", python.Length(f.content), "type", "characters")
}

// split returns the lines of a file, in room that lasts as long as the call.
func (s *fileSystem) split(f *fsFile) []string {
	s.scratch.lines = splitLines(s.scratch.lines[:0], f.text("splitlines"))
	return s.scratch.lines
}

func (s *fileSystem) sort(a []any) string {
	f := s.file(a[0])
	if f == nil {
		return s.error("sort: ", a[0], ": No such file or directory")
	}
	lines := s.split(f)
	slices.Sort(lines) // bytes of UTF-8 sort as code points
	return s.lines("sorted_content", lines)
}

// lines answers {key: the lines joined}.
func (s *fileSystem) lines(key string, lines []string) string {
	b := s.text[:0]
	for i, l := range lines {
		if i > 0 {
			b = append(b, '\n')
		}
		b = append(b, l...)
	}
	s.text = b
	out := append(s.begin(), '{')
	out = value.AppendQuoted(out, key)
	out = append(out, ": "...)
	out = value.AppendQuotedBytes(out, b)
	return s.said(append(out, '}'))
}

func (s *fileSystem) grep(a []any) string {
	f := s.file(a[0])
	if f == nil {
		return s.error("grep: ", a[0], ": No such file or directory")
	}
	b := append(s.begin(), `{"matching_lines": [`...)
	first := true
	for _, line := range s.split(f) {
		if p, ok := a[1].(string); ok && !strings.Contains(line, p) || !ok && !python.Contains(line, a[1]) {
			continue
		}
		if !first {
			b = append(b, ", "...)
		}
		first = false
		b = value.AppendQuoted(b, line)
	}
	return s.said(append(b, "]}"...))
}

func (s *fileSystem) tail(a []any) string {
	f := s.file(a[0])
	if f == nil {
		return s.error("tail: ", a[0], ": No such file or directory")
	}
	lines := s.split(f)
	count := a[1]
	if python.Greater(count, int64(len(lines))) {
		count = int64(len(lines))
	}
	n, ok := python.Integer(count)
	if !ok {
		switch c := count.(type) {
		case float64:
			python.Raise(python.TypeError, "slice indices must be integers or None or have an __index__ method")
		case *big.Int:
			n = int64(-len(lines)) // negative, as large ones were cut: everything is dropped
			if c.Sign() < 0 {
				n--
			}
		}
	}
	switch { // lines[-n:]
	case n > 0:
		lines = lines[max(0, len(lines)-int(n)):]
	case n < 0:
		lines = lines[min(int64(len(lines)), -max(n, -1<<40)):]
	}
	return s.lines("last_lines", lines)
}

func (s *fileSystem) diff(a []any) string {
	missing := func() string {
		return s.error("diff: ", a[0], " or ", a[1], ": No such file or directory")
	}
	if !s.has(s.cwd, a[0]) || !s.has(s.cwd, a[1]) {
		return missing()
	}
	f, g := s.file(a[0]), s.file(a[1])
	if f == nil || g == nil {
		return missing()
	}
	lines := s.split(f)
	n := len(lines)
	lines = splitLines(lines, g.text("splitlines"))
	s.scratch.lines = lines
	one, two := lines[:n], lines[n:]
	b := s.text[:0]
	for i := range min(len(one), len(two)) {
		if one[i] != two[i] {
			if len(b) > 0 {
				b = append(b, '\n')
			}
			b = append(append(b, "- "...), one[i]...)
			b = append(append(b, "\n+ "...), two[i]...)
		}
	}
	s.text = b
	return s.dict("diff_lines", (*told)(s.scratch))
}

// transfer is what mv and cp have in common; it returns the destination
// directory (the current one for a new name), or an answer.
func (s *fileSystem) transfer(tool, verb string, source, dest any) (x any, into *fsDir, answer string) {
	if !s.has(s.cwd, source) {
		return nil, nil, s.error(tool, ": cannot ", verb, " '", source, "': No such file or directory")
	}
	x = s.get(s.cwd, source)
	if python.Contains(dest, "/") {
		return nil, nil, s.error(tool, ": path not allowed in destination. Provide only a file or directory name.")
	}
	if !s.has(s.cwd, dest) {
		return x, nil, ""
	}
	into, ok := s.get(s.cwd, dest).(*fsDir)
	if !ok {
		return nil, nil, s.error(tool, ": cannot ", verb, " '", source, "' to '", dest, "': Not a directory")
	}
	return x, into, ""
}

func (s *fileSystem) mv(a []any) string {
	source, dest := a[0], a[1]
	x, into, answer := s.transfer("mv", "move", source, dest)
	if answer != "" {
		return answer
	}
	if into == nil {
		s.write(s.cwd).Delete(source)
		s.place(s.cwd, dest, x, false)
		return s.line("result", "'", source, "' moved to '", dest, "'")
	}
	if s.hasText(into, source) {
		return s.error("mv: cannot move '", source, "' to '", dest, "/", source, "': File exists")
	}
	s.write(s.cwd).Delete(source)
	s.place(into, source, x, false)
	return s.line("result", "'", source, "' moved to '", dest, "/", source, "'")
}

// place adds a file's content, or a directory with the same contents (a shallow
// copy of them if asked), under a new name.
func (s *fileSystem) place(d *fsDir, name, x any, shallow bool) {
	name = own(name)
	switch x := x.(type) {
	case *fsFile:
		f := s.now(x)
		s.addFile(d, name, f.content, f.long)
	case *fsDir:
		if !shallow {
			s.addDir(d, name, x.contents)
			return
		}
		contents := &fsList{owner: s}
		s.addDir(d, name, contents)
		*contents = *s.copyList(s.in(x)) // after adding: x may be d itself
	}
}

func (s *fileSystem) cp(a []any) string {
	source, dest := a[0], a[1]
	x, into, answer := s.transfer("cp", "copy", source, dest)
	if answer != "" {
		return answer
	}
	if into == nil {
		s.place(s.cwd, dest, x, true)
		return s.line("result", "'", source, "' copied to '", dest, "'")
	}
	if s.hasText(into, dest, "/", source) {
		return s.error("cp: cannot copy '", source, "' to '", dest, "/", source, "': File exists")
	}
	s.place(into, source, x, true)
	return s.line("result", "'", source, "' copied to '", dest, "/", source, "'")
}

func (s *fileSystem) rm(a []any) string {
	if !s.has(s.cwd, a[0]) {
		return s.error("rm: cannot remove '", a[0], "': No such file or directory")
	}
	s.write(s.cwd).Delete(a[0])
	return s.line("result", "'", a[0], "' removed")
}

func (s *fileSystem) rmdir(a []any) string {
	name := a[0]
	if !s.has(s.cwd, name) {
		return s.error("rmdir: cannot remove '", name, "': No such file or directory")
	}
	dir, ok := s.get(s.cwd, name).(*fsDir)
	switch {
	case !ok:
		return s.error("rmdir: cannot remove '", name, "': Not a directory")
	case s.in(dir).Len() > 0:
		return s.error("rmdir: cannot remove '", name, "': Directory not empty")
	}
	s.write(s.cwd).Delete(name)
	return s.line("result", "'", name, "' removed")
}

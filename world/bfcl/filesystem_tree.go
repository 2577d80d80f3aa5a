package bfcl

import (
	"slices"

	"ballast/value"
	"ballast/world"
	"ballast/world/python"
)

// fsFile is a file. It belongs to the state that made it and is not changed by
// the copies of that state.
type fsFile struct {
	owner   *fileSystem
	name    any
	content any
	long    bool // the content ends with what the long context appends
}

// fsDir is a directory. Neither its name, its parent nor its list is ever
// replaced; mv and cp make directories of their own.
type fsDir struct {
	name     any
	parent   *fsDir
	contents *fsList
}

// fsList is what is in a directory; mv lets two directories have the same one.
// It belongs to the state that made it, as a file does.
type fsList struct {
	value.Dict  // name -> *fsFile or *fsDir
	owner       *fileSystem
	directories int // how many of the entries were directories when it was made or copied, and more
}

// The nodes of the tree are kinds of value so that a Dict can hold them.
func (*fsFile) TypeName() string { return "File" }
func (*fsDir) TypeName() string  { return "Directory" }

// AppendRepr never shows in an answer.
func (f *fsFile) AppendRepr(dst []byte) []byte { return append(dst, "<File>"...) }

// AppendRepr never shows in an answer.
func (d *fsDir) AppendRepr(dst []byte) []byte { return append(dst, "<Directory>"...) }

// EqualTo is never asked: trees are compared by states, which know what is in them.
func (f *fsFile) EqualTo(other any) bool { return other == any(f) }

// EqualTo is never asked, like that of files.
func (d *fsDir) EqualTo(other any) bool { return other == any(d) }

// text returns the content where a method of strings is needed.
func (f *fsFile) text(method string) string {
	s, ok := f.content.(string)
	if !ok {
		python.Attribute(f.content, method)
	}
	return s
}

// fileSystem is a GorillaFileSystem. A copy shares the tree with its original and
// notes here what it changed: the directories and files of the tree are names for
// what the lists say they are now.
type fileSystem struct {
	core
	long  bool
	root  *fsDir
	cwd   *fsDir
	lists []changed[*fsList]
	files []changed[*fsFile]
	room  [2]changed[*fsList]
}

// changed says which version of a part of the tree a state has.
type changed[T any] struct{ was, is T }

// Copy returns a state that goes on from here.
func (s *fileSystem) Copy() world.State {
	c := &fileSystem{long: s.long, root: s.root, cwd: s.cwd, files: slices.Clone(s.files)}
	c.lists = append(c.room[:0], s.lists...)
	return c
}

// in returns what is in a directory, for reading.
func (s *fileSystem) in(d *fsDir) *fsList {
	for i := range s.lists {
		if s.lists[i].was == d.contents {
			return s.lists[i].is
		}
	}
	return d.contents
}

// write returns what is in a directory, for writing.
func (s *fileSystem) write(d *fsDir) *fsList {
	l := s.in(d)
	if l.owner == s {
		return l
	}
	mine := s.copyList(l)
	for i := range s.lists {
		if s.lists[i].was == d.contents {
			s.lists[i].is = mine
			return mine
		}
	}
	s.lists = append(s.lists, changed[*fsList]{d.contents, mine})
	return mine
}

// copyList returns a list of the same files and directories.
func (s *fileSystem) copyList(l *fsList) *fsList {
	c := &fsList{owner: s, directories: l.directories}
	c.Assign(&l.Dict)
	return c
}

// now returns the version of a file that this state has.
func (s *fileSystem) now(f *fsFile) *fsFile {
	for i := range s.files {
		if s.files[i].was == f {
			return s.files[i].is
		}
	}
	return f
}

// overwrite gives a file a new content.
func (s *fileSystem) overwrite(f *fsFile, content any) {
	mine := s.now(f)
	if mine.owner == s {
		mine.content, mine.long = content, false
		return
	}
	mine = &fsFile{owner: s, name: f.name, content: content}
	for i := range s.files {
		if s.files[i].was == f {
			s.files[i].is = mine
			return
		}
	}
	s.files = append(s.files, changed[*fsFile]{f, mine})
}

// newDir is an empty directory with its list.
func newDir(s *fileSystem, name any, parent *fsDir) *fsDir {
	m := new(struct {
		fsDir
		fsList
	})
	m.fsDir = fsDir{name, parent, &m.fsList}
	m.owner = s
	return &m.fsDir
}

func newFileSystem(config *value.Dict, long bool) *fileSystem {
	s := &fileSystem{long: long}
	s.root = newDir(s, "/", nil)
	if r, ok := config.Get("root"); ok {
		root, ok := r.(*value.Dict)
		if !ok {
			python.Attribute(r, "keys")
		}
		if root.Len() == 0 {
			python.Raise("IndexError", "list index out of range")
		}
		name, top := root.At(0) // the original reads the first root only
		s.root.name = name
		s.load(python.Item(top, "contents"), s.root)
	}
	s.cwd = s.root
	return s
}

// load fills a directory from its configuration.
func (s *fileSystem) load(config any, dir *fsDir) {
	entries, ok := config.(*value.Dict)
	if !ok {
		python.Attribute(config, "items")
	}
	list := dir.contents
	list.Reserve(entries.Len())
	files := make([]fsFile, 0, entries.Len()) // those of a configuration live together
	for i := range entries.Len() {
		name, entry := entries.At(i)
		switch python.Item(entry, "type") {
		case "directory":
			list.directories++
			d := newDir(s, name, dir)
			s.load(python.Item(entry, "contents"), d)
			list.Add(name, d)
		case "file":
			files = append(files, fsFile{owner: s, name: name, content: python.Item(entry, "content")})
			f := &files[len(files)-1]
			if s.long && python.IndexOf(constants().tailUsed, name) < 0 {
				f.content, f.long = python.Add("+=", f.content, constants().fileContent), true
			}
			list.Add(name, f)
		}
	}
	if list.directories == 0 && s.long {
		for _, name := range constants().populate {
			s.absent("File", dir, name)
			list.Add(name, &fsFile{owner: s, name: name, content: emptyText})
		}
	}
}

var emptyText any = ""

// Equal names the first attribute that differs: the tree counts, the current directory not.
func (s *fileSystem) Equal(other world.State) string {
	o := other.(*fileSystem)
	switch {
	case s.long != o.long:
		return "long_context"
	case !fsTree{s}.EqualTo(fsTree{o}):
		return "root"
	}
	return ""
}

// treeCompare compares the trees of two states without regard to the order in
// directories. Cp may have made them cyclic: pairs of directories that are being
// compared, or were, count as equal once the walk is long.
type treeCompare struct {
	a, b  *fileSystem
	steps int
	seen  map[[2]*fsDir]bool
}

func (t *treeCompare) equal(a, b *fsDir) bool {
	if a == b && (t.a == t.b || t.untouched()) {
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
	x, y := t.a.in(a), t.b.in(b)
	if x == y && x.directories == 0 && len(t.a.files)+len(t.b.files) == 0 {
		return value.Equal(a.name, b.name)
	}
	if !value.Equal(a.name, b.name) || x.Len() != y.Len() {
		return false
	}
	for i := range x.Len() {
		name, mine := x.At(i)
		other, its := y.At(i) // the same order is the usual case
		if other != name {
			var ok bool
			if its, ok = y.Get(name); !ok {
				return false
			}
		}
		if !t.equalNodes(mine, its) {
			return false
		}
	}
	return true
}

// untouched reports whether both states have the tree as it was loaded.
func (t *treeCompare) untouched() bool {
	return len(t.a.lists)+len(t.b.lists)+len(t.a.files)+len(t.b.files) == 0
}

func (t *treeCompare) equalNodes(x, y any) bool {
	switch x := x.(type) {
	case *fsDir:
		d, ok := y.(*fsDir)
		return ok && t.equal(x, d)
	case *fsFile:
		f, ok := y.(*fsFile)
		if !ok {
			return false
		}
		x, f = t.a.now(x), t.b.now(f)
		return x == f || value.Equal(x.name, f.name) && value.Equal(x.content, f.content)
	}
	return false
}

func (s *fileSystem) public() []any { return []any{"long_context", s.long, "root", fsTree{s}} }

// fsTree is the tree of a state as a value.
type fsTree struct{ s *fileSystem }

func (fsTree) TypeName() string             { return "Directory" }
func (fsTree) AppendRepr(dst []byte) []byte { return append(dst, "<Directory>"...) }

// EqualTo compares the trees.
func (t fsTree) EqualTo(other any) bool {
	o, ok := other.(fsTree)
	return ok && (&treeCompare{a: t.s, b: o.s}).equal(t.s.root, o.s.root)
}

// Dump returns the public attributes.
func (s *fileSystem) Dump() any {
	left := maxVisits
	return value.NewDict("long_context", s.long, "root", s.dumpDir(s.root, &left, nil))
}

// dump encodes a directory as the golden corpus does; above are the directories
// on the way to it.
func (s *fileSystem) dumpDir(d *fsDir, left *int, above []*fsDir) any {
	if slices.Contains(above, d) {
		return value.NewDict("$cycle", true)
	}
	if *left--; *left < 0 {
		return value.NewDict("$cycle", true)
	}
	list, contents := s.in(d), &value.Dict{}
	for i := range list.Len() {
		switch name, x := list.At(i); x := x.(type) {
		case *fsFile:
			f := s.now(x)
			contents.Set(name, value.NewDict("$file", f.name, "content", f.content))
		case *fsDir:
			contents.Set(name, s.dumpDir(x, left, append(above, d)))
		}
	}
	var parent any
	if d.parent != nil {
		parent = d.parent.name
	}
	return value.NewDict("$dir", d.name, "parent", parent, "contents", contents)
}

package desk

import (
	"fmt"
	"slices"

	"ballast/value"
)

// files is a flat drawer: folders hold files, a file's name is unique over all
// folders, its content is one line. Configuration:
//
//	{"folders": {"docs": {"tax.txt": "pay rent"}, "work": {}}}
//
// A file that is written without being there yet goes to the folder "home".
var files = newAPI("files", func() *filesState { return &filesState{} },
	fn[*filesState]{tool("list(folder)", "names of the files in a folder"), (*filesState).list},
	fn[*filesState]{tool("find(file)", "folder of a file"), with(aFile, (*filesState).find)},
	fn[*filesState]{tool("search(text)", "name of the file with this text"), (*filesState).search},
	fn[*filesState]{tool("read(file)", "text of a file"), with(aFile, (*filesState).read)},
	fn[*filesState]{tool("write(file, text)", "set the text of a new or old file"), (*filesState).write},
	fn[*filesState]{tool("move(file, folder)", "move a file to a folder"), with(aFile, (*filesState).move)},
	fn[*filesState]{tool("copy(file, name)", "copy a file under a new name"), with(aFile, (*filesState).copy)},
	fn[*filesState]{tool("rename(file, name)", "give a file a new name"), with(aFile, (*filesState).rename)},
	fn[*filesState]{tool("delete(file)", "delete a file"), remove(aFile)},
	fn[*filesState]{tool("mkdir(folder)", "make a folder"), (*filesState).mkdir},
)

const home = "home"

type file struct{ name, folder, text string }

func (f file) key() string { return f.name }

type filesState struct {
	files   table[file]
	folders bag
}

// What the first argument of a call names.
var aFile = set[*filesState, file]{"file", func(s *filesState) *table[file] { return &s.files }}

func (s *filesState) load(c *value.Dict) error {
	return each(c, "folders", func(folder string, v any) error {
		d, ok := v.(*value.Dict)
		if !ok {
			return fmt.Errorf("is a %T, want a mapping of files", v)
		}
		s.folders.add(folder)
		for i := range d.Len() {
			k, v := d.At(i)
			name, ok := k.(string)
			content, ok2 := v.(string)
			if !ok || !ok2 {
				return fmt.Errorf("entry %v: %v, want a name and a text", k, v)
			}
			if !s.files.add(file{name, folder, content}) {
				return fmt.Errorf("file %s occurs twice", name)
			}
		}
		return nil
	})
}

func (s *filesState) twin() *filesState {
	return &filesState{files: slices.Clone(s.files), folders: slices.Clone(s.folders)}
}

func (s *filesState) diff(o *filesState) string {
	switch {
	case !s.files.equal(o.files):
		return "files"
	case !slices.Equal(s.folders, o.folders):
		return "folders"
	}
	return ""
}

func (s *filesState) dump() *value.Dict {
	folders := &value.Dict{}
	for _, name := range s.folders {
		in := &value.Dict{}
		for _, f := range s.files {
			if f.folder == name {
				in.Set(f.name, f.text)
			}
		}
		folders.Set(name, in)
	}
	out := &value.Dict{}
	out.Set("folders", folders)
	return out
}

func (s *filesState) list(a args) string {
	if !s.folders.has(a[0].str) {
		return missing("folder", a[0].str)
	}
	return s.files.names(func(f file) bool { return f.folder == a[0].str })
}

func (*filesState) find(f *file, _ args) string {
	return f.folder
}

func (s *filesState) search(a args) string {
	return s.files.names(func(f file) bool { return f.text == a[0].str })
}

func (*filesState) read(f *file, _ args) string {
	return f.text
}

func (s *filesState) write(a args) string {
	if i, ok := s.files.at(a[0].str); ok {
		s.files[i].text = a[1].str
		return "ok"
	}
	if !s.folders.has(home) {
		s.folders.add(home)
	}
	s.files.add(file{a[0].str, home, a[1].str})
	return "ok"
}

func (s *filesState) move(f *file, a args) string {
	if !s.folders.has(a[1].str) {
		return missing("folder", a[1].str)
	}
	f.folder = a[1].str
	return "ok"
}

// copy puts the copy beside the original.
func (s *filesState) copy(f *file, a args) string {
	twin := *f
	twin.name = a[1].str
	if !s.files.add(twin) {
		return exists(twin.name)
	}
	return "ok"
}

func (s *filesState) rename(f *file, a args) string {
	answer := s.copy(f, a)
	if answer == "ok" {
		s.files.remove(a[0].str)
	}
	return answer
}

func (s *filesState) mkdir(a args) string {
	if s.folders.has(a[0].str) {
		return exists(a[0].str)
	}
	s.folders.add(a[0].str)
	return "ok"
}

package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"ballast/model"
	"ballast/safetext"
)

// file is one of a repository.
type file struct {
	Path string // with slashes, below the repository's root
	Size int64  // bytes
	// Etag names the content: the SHA-256 of a large file (LFS), and Git's SHA-1 of the
	// blob of a small one, in hexadecimal digits.
	Etag string
	LFS  bool
}

// entry is an element of a page of the tree, as the hub writes it.
type entry struct {
	Type string `json:"type"`
	OID  string `json:"oid"`
	Size *int64 `json:"size"`
	Path string `json:"path"`
	LFS  *struct {
		OID  string `json:"oid"`
		Size *int64 `json:"size"`
	} `json:"lfs"`
}

// listing reads one page of a repository's tree, a JSON array. Folders are left out, and so
// are files whose names some system cannot have: no model needs one. A name that would leave
// the folder is an error, and so is a file without a size or hash.
func listing(data []byte) ([]file, error) {
	var list []entry
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("the list of files is none: %w", err)
	}
	var out []file
	for _, e := range list {
		if e.Type == "directory" || goodPath(e.Path) && odd(e.Path) {
			continue
		}
		f := file{Path: e.Path, Etag: e.OID}
		size := e.Size
		if e.LFS != nil {
			f.Etag, f.LFS, size = e.LFS.OID, true, e.LFS.Size
			f.Etag = strings.TrimPrefix(f.Etag, "sha256:")
		}
		switch {
		case !goodPath(f.Path):
			return nil, fmt.Errorf("the list of files names %q, which is no path of a file here", safetext.Line(cut(f.Path, 200)))
		case e.Type != "file":
			return nil, fmt.Errorf("the list of files has %s as a %q", safetext.Line(f.Path), safetext.Line(cut(e.Type, 40)))
		case size == nil || *size < 0:
			return nil, fmt.Errorf("the list of files says no size of %s", f.Path)
		case !goodHash(f.Etag, f.LFS):
			return nil, fmt.Errorf("the list of files has no hash of %s", f.Path)
		}
		f.Size = *size
		out = append(out, f)
	}
	return out, nil
}

// odd says whether a path has characters that not every system's names have.
func odd(p string) bool { return strings.ContainsAny(p, `:*?"<>|`) }

// goodPath says whether a path of a listing stays below the folder it is put in, on every
// system.
func goodPath(p string) bool {
	if p == "" || len(p) > 500 || path.IsAbs(p) || path.Clean(p) != p || strings.Contains(p, "\\") {
		return false
	}
	for name := range strings.SplitSeq(p, "/") {
		odd := func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' }
		if name == ".." || name == "." || name == "" || strings.ContainsFunc(name, odd) {
			return false
		}
	}
	return true
}

// goodHash says whether a text is the hash of such a file.
func goodHash(text string, lfs bool) bool {
	want := 40
	if lfs {
		want = 64
	}
	return len(text) == want && strings.Trim(text, "0123456789abcdef") == ""
}

// indexed reads the names of the shards in a model.safetensors.index.json, in order.
func indexed(data []byte) ([]string, error) {
	out, err := model.Shards(data, indexFile)
	if err != nil {
		return nil, err
	}
	for _, name := range out {
		if !goodPath(name) || odd(name) {
			return nil, fmt.Errorf("%s names %q, which is no path of a file here", indexFile, safetext.Line(cut(name, 200)))
		}
	}
	return out, nil
}

// The files that a model is made of.
const (
	configFile, tokenizerFile = "config.json", "tokenizer.json"
	singleFile, indexFile     = "model.safetensors", "model.safetensors.index.json"
	templateFile              = "chat_template.jinja"
	tokenizerConfig           = "tokenizer_config.json"
	generationFile            = "generation_config.json"
	adapterFile               = "adapter_config.json"
)

// maxText bounds a file beside the weights, in bytes.
const maxText = 64 << 20

// beside says whether a file is one of those beside the weights that a model needs, or
// that others who load it from the cache want.
func beside(name string) bool {
	switch name {
	case configFile, generationFile, templateFile, adapterFile, "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt":
		return true
	}
	dir, file := path.Split(name)
	return dir == "" && strings.HasPrefix(file, "tokenizer") || dir == "additional_chat_templates/" && strings.HasSuffix(file, ".jinja")
}

// plan says which of a repository's files are wanted: those beside the weights, and the one
// file of weights or the index of several.
func plan(files []file) (small []file, weights file, err error) {
	has := map[string]file{}
	for _, f := range files {
		has[f.Path] = f
		if beside(f.Path) {
			if f.Size > maxText {
				return nil, file{}, fmt.Errorf("%s has %d bytes, more than such a file has", f.Path, f.Size)
			}
			small = append(small, f)
		}
	}
	weights, ok := has[singleFile]
	if !ok {
		weights, ok = has[indexFile]
	}
	_, config := has[configFile]
	if _, text := has[tokenizerFile]; config && ok && !text {
		return nil, file{}, fmt.Errorf("it has no %s: its text could not be read; convert its tokenizer with transformers (AutoTokenizer, "+
			"save_pretrained)", tokenizerFile)
	}
	if config && ok {
		return small, weights, nil
	}
	if _, adapter := has[adapterFile]; adapter {
		return small, file{}, errAdapter
	}
	return nil, file{}, lacking(files, config)
}

// errAdapter says that a repository holds an adapter.
var errAdapter = errors.New("an adapter")

// lacking says what a repository without a model's files has, and what to do.
func lacking(files []file, config bool) error {
	kinds := map[string][]string{}
	for _, f := range files {
		ext := strings.ToLower(path.Ext(f.Path))
		kinds[ext] = append(kinds[ext], safetext.Line(f.Path))
	}
	for _, row := range []struct{ ext, do string }{
		{".gguf", "download one of them and name its path"},
		{".safetensors", "they are not named " + singleFile + " or " + indexFile + "; take a repository in the layout of transformers"},
		{".bin", "pickled weights are not read; take a revision or a repository with safetensors, or convert them with transformers " +
			"(save_pretrained)"},
		{".pt", "pickled weights are not read"}, {".pth", "pickled weights are not read"},
	} {
		if names := kinds[row.ext]; len(names) > 0 {
			what := "has no " + singleFile
			if !config {
				what = "has no " + configFile
			}
			return fmt.Errorf("it %s, only %s: %s", what, some(names), row.do)
		}
	}
	if !config {
		return fmt.Errorf("it has no %s: it is no model that can be read", configFile)
	}
	return fmt.Errorf("it has neither %s nor %s: it holds no weights that can be read", singleFile, indexFile)
}

// some lists the first few of many names.
func some(names []string) string {
	const few = 4
	text := strings.Join(names[:min(few, len(names))], ", ")
	if n := len(names) - few; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// cut is the beginning of a text.
func cut(text string, n int) string { return strings.ToValidUTF8(text[:min(n, len(text))], "") }

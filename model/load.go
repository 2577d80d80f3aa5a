package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ballast/bounded"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/model/tensorfile"
)

// Load reads a model with its tokenizer from a Hugging Face directory
// (config.json, *.safetensors single or sharded, tokenizer.json) or a .gguf file.
// Weights of any storage type become float32; memory stays near 4 bytes per
// parameter. Errors name the file and the key or tensor.
func Load(path string) (*Model, error) {
	a, err := open(path)
	if err != nil {
		return nil, err
	}
	return a.load(true)
}

// loadFS reads a Hugging Face directory from a file system, such as one that is
// embedded in the binary; origin names it in messages.
func loadFS(fsys fs.FS, origin string) (*Model, error) {
	a, err := openDir(fsys, origin)
	if err != nil {
		return nil, err
	}
	return a.load(true)
}

// LoadWeights is Load for uses without text: no tokenizer is read or needed, and
// Model.Tok is nil.
func LoadWeights(path string) (*Model, error) {
	a, err := open(path)
	if err != nil {
		return nil, err
	}
	return a.load(false)
}

// LoadText is Load without the weights, of a directory that may have none yet: Model.Weights
// is nil.
func LoadText(dir string) (*Model, error) {
	a, err := openText(bounded.Dir(dir), dir)
	if err != nil {
		return nil, err
	}
	a.dir = dir
	m := &Model{Config: a.config, Origin: a.origin, Extra: a.extra}
	err = a.text(m)
	return m, err
}

// text reads the tokenizer and what says how conversations are written.
func (a *archive) text(m *Model) (err error) {
	if m.Tokenizer, err = a.readTokenizer(); err != nil {
		return err
	}
	m.Source, err = a.source(m.Tokenizer)
	m.Warnings = a.warnings
	return err
}

// load reads what the headers promise, and closes the archive.
func (a *archive) load(text bool) (*Model, error) {
	defer a.close()
	m := &Model{Config: a.config, Origin: a.origin, Extra: a.extra}
	m.Warnings = a.warnings
	if text {
		if err := a.text(m); err != nil {
			return nil, err
		}
	}
	w, err := a.weights()
	if err != nil {
		return nil, err
	}
	m.Weights = w
	return m, nil
}

// readTokenizer reads the tokenizer and makes sure that every id has a row in
// the embedding; rows without an id are common padding. Added tokens without a row, such
// as a [PAD] that was never trained, are left out with a warning.
func (a *archive) readTokenizer() (*bpe.Tokenizer, error) {
	tok, err := a.tokenizer()
	if err != nil {
		return nil, err
	}
	within, dropped, err := tok.Within(a.config.Vocab)
	if err != nil {
		return nil, fmt.Errorf("%s: the tokenizer has %d ids, but the embedding only %d rows (vocab_size): they do not belong together: %w",
			a.origin, tok.Size(), a.config.Vocab, err)
	}
	if len(dropped) > 0 {
		a.warn("the tokenizer's added tokens %s have no row in the embedding of %d (vocab_size): they are never produced, and their text is "+
			"read as plain text",
			quoted(dropped), a.config.Vocab)
	}
	return within, a.endTokens()
}

// open reads the headers of a model on disk.
func open(path string) (*archive, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("model: %w; give a Hugging Face directory (config.json, *.safetensors, tokenizer.json), a .gguf file, an "+
			"embedded model (%s), or a name on the hub (ORG/NAME)", err, strings.Join(inProgram.Names(), ", "))
	case info.IsDir():
		a, err := openDir(bounded.Dir(path), path)
		if err == nil {
			a.dir = path
		}
		return a, err
	case strings.EqualFold(filepath.Ext(path), ".gguf"):
		return openGGUF(path)
	}
	return nil, fmt.Errorf("model: %s is neither a directory nor a .gguf file; give a Hugging Face directory (config.json, "+
		"*.safetensors, tokenizer.json), a .gguf file, or a name on the hub (ORG/NAME)", path)
}

// The files of a Hugging Face directory that are carried over unchanged when a
// model is saved again.
const (
	tokenizerFile, templateFile, generationFile = "tokenizer.json", "chat_template.jinja", "generation_config.json"
	tokenizerConfigFile, specialTokensFile      = "tokenizer_config.json", "special_tokens_map.json"
)

// indexFile names the shards of a model whose weights are in several files.
const indexFile = "model.safetensors.index.json"

var carried = []string{tokenizerFile, tokenizerConfigFile, specialTokensFile, templateFile, generationFile}

// Bounds on the files beside the weights. A tokenizer.json has 35 MB at most, an index
// 150 bytes for each tensor.
const maxTemplates, maxConfig, maxCarried, maxIndex = 64, bounded.MiB, 64 * bounded.MiB, 32 * bounded.MiB

// openText reads the files beside the weights of a Hugging Face directory.
func openText(fsys fs.FS, origin string) (*archive, error) {
	name := path.Join(origin, "config.json")
	data, err := readText(fsys, "config.json", maxConfig)
	if err != nil {
		return nil, noModel(fsys, origin, "config.json", err)
	}
	a := &archive{origin: origin, tensors: map[string]*stored{}, extra: map[string][]byte{}}
	if a.config, err = ParseConfig(data, name); err != nil {
		return nil, err
	}
	if a.extra, err = carriedFiles(fsys, origin); err != nil {
		return nil, err
	}
	// The end tokens of generation_config.json are the ones generation honours.
	var gen struct {
		EOS json.RawMessage `json:"eos_token_id"`
	}
	if data := a.extra[generationFile]; data != nil && json.Unmarshal(data, &gen) == nil && !null(gen.EOS) {
		if a.config.EOS, err = tokenIDs(gen.EOS, path.Join(origin, generationFile)+": eos_token_id"); err != nil {
			return nil, err
		}
	}
	a.tokenizer = func() (*bpe.Tokenizer, error) {
		data := a.extra[tokenizerFile]
		if data == nil {
			return nil, fmt.Errorf("%s: file does not exist; a model without tokenizer.json cannot read text", path.Join(origin, tokenizerFile))
		}
		return bpe.Parse(data, path.Join(origin, tokenizerFile))
	}
	return a, nil
}

// openDir reads the headers of a Hugging Face directory.
func openDir(fsys fs.FS, origin string) (*archive, error) {
	a, err := openText(fsys, origin)
	if err != nil {
		return nil, err
	}
	files, err := weightFiles(fsys, origin)
	if err != nil {
		return nil, err
	}
	if what := Adapter(fsys); what != "" {
		a.warn("%s lies beside the model and is not applied: %s; if it is meant, %s", AdapterConfig, what, HowToMerge)
	}
	for _, f := range files {
		if err := a.addFile(fsys, f); err != nil {
			a.close()
			return nil, err
		}
	}
	return a, nil
}

// carriedNames are the files that are carried over where they are there, with those in the
// folder of chat templates.
func carriedNames(fsys fs.FS, origin string) ([]string, error) {
	names, err := fs.Glob(fsys, chat.TemplateFolder+"/*.jinja")
	if err != nil || len(names) > maxTemplates {
		return nil, fmt.Errorf("%s: %d templates (%v); at most %d are read", path.Join(origin, chat.TemplateFolder), len(names), err,
			maxTemplates)
	}
	return slices.Concat(carried, names), nil
}

// carriedFiles reads them.
func carriedFiles(fsys fs.FS, origin string) (map[string][]byte, error) {
	names, err := carriedNames(fsys, origin)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, f := range names {
		data, err := readText(fsys, f, maxCarried)
		if err == nil {
			out[f] = data
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w", path.Join(origin, f), bare(err))
		}
	}
	return out, nil
}

// ReadSource reads the chat template of a Hugging Face directory, which needs no weights.
func ReadSource(dir string) (chat.Source, error) {
	files, err := carriedFiles(bounded.Dir(dir), dir)
	if err != nil {
		return chat.Source{}, err
	}
	return chat.ReadSource(files, dir)
}

// addFile reads the header of one safetensors file.
func (a *archive) addFile(fsys fs.FS, file string) error {
	name := path.Join(a.origin, file)
	r, n, c, err := openAt(fsys, file)
	if err != nil {
		return fmt.Errorf("%s: %w", name, bare(err))
	}
	a.closers = append(a.closers, c)
	if err := pointerAt(r, n); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	ts, err := tensorfile.ReadSafetensors(r, n, name)
	if err != nil {
		return err
	}
	for _, t := range ts {
		if first := a.tensors[t.Name]; first != nil {
			return fmt.Errorf("%s: also stored as %s", t.Where, first.Where)
		}
		a.tensors[t.Name] = &stored{Entry: t}
	}
	return nil
}

// bare strips the operation and the name inside the file system, which messages
// already give in full.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// weightFiles lists the safetensors files of a directory: model.safetensors, or
// the shards that the index names.
func weightFiles(fsys fs.FS, origin string) ([]string, error) {
	const single, index = "model.safetensors", indexFile
	if _, err := fs.Stat(fsys, single); err == nil {
		return []string{single}, nil
	}
	data, err := readText(fsys, index, maxIndex)
	if errors.Is(err, fs.ErrNotExist) {
		if what := Adapter(fsys); what != "" {
			return nil, fmt.Errorf("%s: this is %s, and has no model's weights; %s", origin, what, HowToMerge)
		}
		if bins, _ := fs.Glob(fsys, "pytorch_model*.bin"); len(bins) > 0 {
			return nil, fmt.Errorf("%s: only %s, no safetensors; convert the checkpoint to safetensors first", origin, bins[0])
		}
		return nil, fmt.Errorf("%s: neither %s nor %s is there", origin, single, index)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", origin, err)
	}
	return Shards(data, path.Join(origin, index))
}

// Shards reads the names of the files of weights in an index, in order; origin names it in
// errors. None of them leaves the directory.
func Shards(data []byte, origin string) ([]string, error) {
	var idx struct {
		Map map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &idx); err != nil || len(idx.Map) == 0 {
		return nil, fmt.Errorf("%s: no weight_map that names shards (%v)", origin, err)
	}
	files := slices.Compact(slices.Sorted(maps.Values(idx.Map)))
	for _, f := range files {
		if !fs.ValidPath(f) {
			return nil, fmt.Errorf("%s: shard name %q leaves the directory", origin, f)
		}
	}
	return files, nil
}

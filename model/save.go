package model

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"ballast/durable"
	"ballast/model/tensorfile"
)

// Save writes m as a Hugging Face directory that other tools load: config.json,
// model.safetensors in dtype F32, or in F16 or BF16 (rounded to nearest even; what is too
// large for that is an error that names the tensor), tokenizer.json, tokenizer_config.json, generation_config.json, and after ServeAs
// chat_template.jinja. Files that came with the model are written unchanged but for
// what ServeAs says.
//
// All is written aside, flushed, and renamed: dir is complete or not there, whatever
// happens. A dir that exists and is not empty is refused.
func (m *Model) Save(dir string, dtype DType) error {
	if m.Weights == nil {
		return fmt.Errorf("model: saving %s: this model's weights are not here", dir)
	}
	return m.saveAs(dir, dtype, nil)
}

// SaveText is Save without the weights: what says how a model reads and writes.
func (m *Model) SaveText(dir string) error {
	text := *m
	text.Weights = nil
	return text.saveAs(dir, F32, nil)
}

func (m *Model) saveAs(dir string, dtype DType, write durable.Write) (err error) {
	if torchNames[dtype] == "" {
		return fmt.Errorf("model: cannot save weights as %q; F32, F16 and BF16 can be", dtype)
	}
	dir = filepath.Clean(dir)
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("model: %s exists and is not empty; remove it or choose another directory", dir)
	} else if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("model: %w; name a new directory to write the model into", err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return fmt.Errorf("model: %w; name a new directory where you may write", err)
	}
	files, err := m.files(dtype)
	if err != nil {
		return fmt.Errorf("model: saving %s: %w", dir, err)
	}
	begun := false
	err = durable.Folder(dir, func(aside string) error {
		begun = true
		for _, name := range slices.Sorted(maps.Keys(files)) {
			at := filepath.Join(aside, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(at), 0o777); err != nil {
				return err
			}
			if err := durable.ReplaceWith(write, at, files[name]); err != nil {
				return fmt.Errorf("%s: %w", name, bare(err))
			}
		}
		return nil
	})
	switch {
	case err != nil && !begun:
		return fmt.Errorf("model: %w; name a new directory where you may write", err)
	case err != nil:
		return fmt.Errorf("model: saving %s: %w", dir, err)
	}
	return nil
}

// files gives the writers of all files by name.
func (m *Model) files(dtype DType) (map[string]func(io.Writer) error, error) {
	out := map[string]func(io.Writer) error{}
	text := func(name string, data []byte) {
		out[name] = func(w io.Writer) error { _, err := w.Write(data); return err }
	}
	extra, ends, err := m.settings()
	if err != nil {
		return nil, err
	}
	config := m.Config
	config.EOS = ends
	if err := config.writable(); err != nil {
		return nil, err
	}
	text("config.json", config.JSON(dtype))
	text(generationFile, indented(map[string]any{
		"bos_token_id": oneOrMany(config.BOS), "eos_token_id": oneOrMany(ends)}))
	if m.Tokenizer != nil {
		data, err := m.Tokenizer.JSON()
		if err != nil {
			return nil, err
		}
		text(tokenizerFile, data)
		text(tokenizerConfigFile, m.tokenizerConfig(ends))
	}
	for name, data := range extra {
		text(name, data)
	}
	if m.Weights != nil {
		out["model.safetensors"] = func(w io.Writer) error { return m.Weights.write(w, dtype) }
	}
	return out, nil
}

// tokenizerConfig is the tokenizer_config.json of a model that came without one.
func (m *Model) tokenizerConfig(ends []int32) []byte {
	c := map[string]any{
		"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": m.Config.MaxLen,
		"clean_up_tokenization_spaces": false, "add_bos_token": false,
	}
	if len(ends) > 0 {
		c["eos_token"] = m.Tokenizer.Token(ends[0])
		c["pad_token"] = c["eos_token"]
	}
	if len(m.Config.BOS) > 0 {
		c["bos_token"] = m.Tokenizer.Token(m.Config.BOS[0])
	}
	return indented(c)
}

// write writes the weights as a safetensors file.
func (w *Weights) write(out io.Writer, dtype DType) error {
	ts := make([]tensorfile.Tensor, len(w.Tensors))
	for i, t := range w.Tensors {
		ts[i] = tensorfile.Tensor(*t)
	}
	return tensorfile.WriteSafetensors(out, ts, dtype)
}

package model

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"ballast/bounded"
	"ballast/safetext"
)

// What lies where a model should be, and is none.

// pointerHead begins the file that Git leaves in the place of one that Git LFS keeps.
const pointerHead = "version https://git-lfs.github.com/spec/"

// pointer is an error where head, the first bytes of a file, are those of such a file.
func pointer(head []byte) error {
	if !bytes.HasPrefix(head, []byte(pointerHead)) {
		return nil
	}
	return errors.New("it is a Git LFS pointer, the file itself was not fetched; run `git lfs pull` in that checkout, " +
		"or name the model as ORG/NAME to have it downloaded")
}

// readText reads a file beside the weights.
func readText(fsys fs.FS, name string, limit int64) ([]byte, error) {
	data, err := bounded.ReadFS(fsys, name, limit)
	if err == nil {
		err = pointer(data)
	}
	return data, err
}

// pointerAt is pointer for a file of n bytes.
func pointerAt(r io.ReaderAt, n int64) error {
	head := make([]byte, min(n, int64(len(pointerHead))))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return err
	}
	return pointer(head)
}

// AdapterConfig and AdapterWeights are the files of an adapter, as PEFT writes them; package lora reads and writes them.
const AdapterConfig, AdapterWeights = "adapter_config.json", "adapter_model.safetensors"

// Adapter describes the adapter in a directory, such as "a LoRA adapter of ORG/NAME"; ""
// where there is none.
func Adapter(fsys fs.FS) string {
	data, err := bounded.ReadFS(fsys, AdapterConfig, maxConfig)
	if err != nil {
		for _, name := range []string{AdapterWeights, "adapter_model.bin"} {
			if _, err := fs.Stat(fsys, name); err == nil {
				return "an adapter without its " + AdapterConfig
			}
		}
		return ""
	}
	var c struct {
		Kind string `json:"peft_type"`
		Base string `json:"base_model_name_or_path"`
	}
	_ = json.Unmarshal(data, &c) // what it does not say stays unsaid
	kind := "an adapter"
	switch {
	case strings.EqualFold(c.Kind, "LORA"):
		kind = "a LoRA adapter"
	case c.Kind != "":
		kind = "an adapter (" + safetext.Line(c.Kind) + ")"
	}
	if c.Base == "" {
		return kind + " of a model that it does not name"
	}
	return kind + " of " + safetext.Line(c.Base)
}

// HowToMerge says what makes a model of an adapter.
const HowToMerge = "merge it into that model first (ballast model merge --model MODEL --adapter DIR --out NEW) and name " +
	"the merged directory"

// noModel is the error of a directory without a file that a model has: it names the
// adapter, where the directory is one.
func noModel(fsys fs.FS, origin, file string, err error) error {
	if what := Adapter(fsys); what != "" && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: this is %s, and no model; %s", origin, what, HowToMerge)
	}
	hint := ""
	if errors.Is(err, fs.ErrNotExist) {
		hint = "; a Hugging Face model directory has one"
		if _, err := fs.Stat(fsys, "snapshots"); err == nil {
			hint = "; this is a folder of the Hugging Face cache: name the model as ORG/NAME, or one of the folders in snapshots"
		}
	}
	return fmt.Errorf("%s: %w%s", path.Join(origin, file), bare(err), hint)
}

// Finite is an error where a weight is none: NaN spreads to every token, and training on
// from it is in vain. It names the first such value by its place.
func Finite(t *Tensor, where string) error {
	for i, v := range t.Data {
		if v-v == 0 {
			continue
		}
		at := make([]int, len(t.Shape))
		for k, rest := len(t.Shape)-1, i; k >= 0; k-- {
			at[k], rest = rest%t.Shape[k], rest/t.Shape[k]
		}
		return fmt.Errorf("%s: the weight at %v is %v: the checkpoint is damaged, or its training diverged; take an earlier one", where, at, v)
	}
	return nil
}

// endTokens warns of end tokens without a row; where none has one, the model could never
// end a reply.
func (a *archive) endTokens() error {
	var past []int32
	for _, id := range a.config.EOS {
		if id < 0 || int(id) >= a.config.Vocab {
			past = append(past, id)
		}
	}
	switch {
	case len(past) == 0:
		return nil
	case len(past) == len(a.config.EOS):
		return fmt.Errorf("%s: eos_token_id %v has no row in the embedding of %d (vocab_size): no reply could end", a.origin, past,
			a.config.Vocab)
	}
	a.warn("eos_token_id %v has no row in the embedding of %d (vocab_size) and is never produced", past, a.config.Vocab)
	return nil
}

// warn adds to what whoever uses the model should know.
func (a *archive) warn(format string, args ...any) {
	a.warnings = append(a.warnings, fmt.Sprintf(format, args...))
}

// quoted lists tokens for people: the first few.
func quoted(tokens []string) string {
	const few = 4
	var out []string
	for _, t := range tokens[:min(few, len(tokens))] {
		out = append(out, fmt.Sprintf("%q", t))
	}
	if n := len(tokens) - few; n > 0 {
		out = append(out, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(out, ", ")
}

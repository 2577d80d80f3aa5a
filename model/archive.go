package model

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"ballast/bounded"
	"ballast/chat/bpe"
	"ballast/model/tensorfile"
)

// archive is an opened model, of which only headers have been read: what both
// file formats look like to Load and Inspect.
type archive struct {
	origin  string
	dir     string // path on disk of a Hugging Face directory, "" for others
	config  Config
	tensors map[string]*stored // by Hugging Face name
	closers []io.Closer
	// tokenizer reads the tokenizer; it is not called when only weights are
	// wanted.
	tokenizer func() (*bpe.Tokenizer, error)
	extra     map[string][]byte // see Model.Extra
	warnings  []string          // see Model.Warnings
}

// stored is one tensor in a file.
type stored struct {
	*tensorfile.Entry
	// heads is not 0 for q and k rows in the pair layout of llama-architecture
	// GGUF files; see halves.
	heads int
}

func (a *archive) close() {
	for _, c := range a.closers {
		c.Close()
	}
}

// inert reports whether a tensor that the configuration does not call for may
// be left unread: rotary tables of old checkpoints and the copy of the embedding
// that some tied checkpoints store.
func (a *archive) inert(name string) bool {
	return strings.HasSuffix(name, ".rotary_emb.inv_freq") ||
		a.config.Tied && name == "lm_head.weight"
}

// check compares the stored tensors with what the configuration calls for.
// Nothing may be missing, misshapen, or left over.
func (a *archive) check() error {
	specs := a.config.Specs()
	want := make(map[string]bool, len(specs))
	for _, s := range specs {
		want[s.Name] = true
		t := a.tensors[s.Name]
		if t == nil {
			return fmt.Errorf("%s: tensor %s is missing, which the configuration calls for", a.origin, s.Name)
		}
		if !slices.Equal(t.Shape, s.Shape) {
			return fmt.Errorf("%s: shape %v, but the configuration calls for %v", t.Where, t.Shape, s.Shape)
		}
	}
	var extra []string
	for name := range a.tensors {
		if !want[name] && !a.inert(name) {
			extra = append(extra, name)
		}
	}
	if len(extra) > 0 {
		sort.Strings(extra)
		return fmt.Errorf("%s: tensor %s (one of %d) has no place in a %s model; the file is of another architecture",
			a.origin, extra[0], len(extra), a.config.Arch)
	}
	return nil
}

// weights reads all tensors, expanded to float32. Beyond the result it needs one
// megabyte per CPU.
func (a *archive) weights() (*Weights, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	specs := a.config.Specs()
	ts := make([]*Tensor, len(specs))
	errs := make([]error, len(specs))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for k := int(next.Add(1)) - 1; k < len(specs); k = int(next.Add(1)) - 1 {
				s := specs[k]
				ts[k] = &Tensor{Name: s.Name, Shape: s.Shape, Data: make([]float32, size(s.Shape))}
				if errs[k] = a.tensors[s.Name].fill(ts[k].Data); errs[k] == nil {
					errs[k] = Finite(ts[k], a.tensors[s.Name].Where)
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return NewWeights(ts), nil
}

// read streams the tensor into dst.
func (t *stored) fill(dst []float32) error {
	if err := t.Read(dst); err != nil {
		return err
	}
	if t.heads > 0 {
		halves(dst, t.heads, t.Shape[0]/t.heads)
	}
	return nil
}

// halves undoes the row order that llama.cpp's converter gives to the q and k
// projections of llama models: there the two dimensions of a rotated pair are
// neighbours (2i, 2i+1), here they are i and i+HeadDim/2. w is
// [heads*headDim, width].
func halves(w []float32, heads, headDim int) {
	width := len(w) / (heads * headDim)
	tmp := make([]float32, headDim*width)
	for h := range heads {
		part := w[h*headDim*width : (h+1)*headDim*width]
		copy(tmp, part)
		for i := range headDim {
			j := i/2 + i%2*headDim/2
			copy(part[j*width:(j+1)*width], tmp[i*width:(i+1)*width])
		}
	}
}

// openAt opens a file for reading at offsets and tells its size: directly where the
// file can (os and embed files do), from memory otherwise.
func openAt(fsys fs.FS, name string) (io.ReaderAt, int64, io.Closer, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, 0, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, nil, err
	}
	if r, ok := f.(io.ReaderAt); ok {
		return r, info.Size(), f, nil
	}
	data, err := io.ReadAll(bounded.Reader(f, bounded.GiB))
	if err != nil {
		f.Close()
		return nil, 0, nil, err
	}
	return bytes.NewReader(data), int64(len(data)), f, nil
}

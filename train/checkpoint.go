package train

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"ballast/model"
	"ballast/train/adamw"
)

// stateFile holds the optimiser and the reference beside the weights: a magic
// line, the step count, whether a reference follows, then for every tensor its
// size and its moments, then the reference's tensors, and a CRC-32 of it all;
// little-endian.
const (
	stateFile = "learner.bin"
	magic     = "ballast learner 1\n"
)

// Save implements ballast.Learner: dir becomes a Hugging Face directory in
// float32 with one more file, learner.bin. dir must not exist or be empty; on an
// error nothing half-written is left that Load would take.
func (l *Learner) Save(dir string) error {
	if err := l.m.Save(dir, model.F32); err != nil {
		return err
	}
	path := filepath.Join(dir, stateFile)
	aside := path + ".tmp"
	err := l.saveState(aside)
	if err == nil {
		err = os.Rename(aside, path)
	}
	if err != nil {
		os.Remove(aside)
		return fmt.Errorf("train: saving the optimiser: %w", err)
	}
	return nil
}

func (l *Learner) saveState(path string) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	s := &stream{sum: crc32.NewIEEE(), buf: make([]byte, 1<<16)}
	out := bufio.NewWriterSize(file, 1<<20)
	s.w = io.MultiWriter(out, s.sum)
	s.bytes([]byte(magic))
	reference := uint64(0)
	if l.ref != nil {
		reference = 1
	}
	s.number(uint64(l.adam.Steps))
	s.number(reference)
	for i := range l.adam.M {
		s.number(uint64(len(l.adam.M[i])))
		s.floats(l.adam.M[i])
		s.floats(l.adam.V[i])
	}
	if l.ref != nil {
		for _, x := range l.ref.flat {
			s.floats(x)
		}
	}
	if s.err != nil {
		return s.err
	}
	if err := binary.Write(out, binary.LittleEndian, s.sum.Sum32()); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return file.Sync()
}

// Load implements ballast.Learner. The state in dir is read whole before
// anything is replaced.
func (l *Learner) Load(dir string) error {
	m, err := model.LoadWeights(dir)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(m.Config.Specs(), l.w.specs, func(a, b model.Spec) bool {
		return a.Name == b.Name && slices.Equal(a.Shape, b.Shape)
	}) {
		return fmt.Errorf("train: %s holds a model of other shapes than the one in training", dir)
	}
	state, ref, err := l.loadState(filepath.Join(dir, stateFile))
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	l.adam = state
	return guard(func() {
		l.e.write(l.w, func(i int, data []float32) { copy(data, m.Weights.Get(l.w.specs[i].Name).Data) })
		l.view()
		switch {
		case ref == nil:
			l.ref = nil
		case l.ref == nil:
			l.ref = l.e.place(ref)
		default:
			l.e.write(l.ref, func(i int, data []float32) { copy(data, ref.Tensors[i].Data) })
		}
	})
}

func (l *Learner) loadState(path string) (state adamw.State, ref *model.Weights, err error) {
	file, err := os.Open(path)
	if err != nil {
		return state, nil, fmt.Errorf("no optimiser state: %w", err)
	}
	defer file.Close()
	in := bufio.NewReaderSize(file, 1<<20)
	s := &stream{sum: crc32.NewIEEE(), buf: make([]byte, 1<<16)}
	s.r = io.TeeReader(in, s.sum)
	head := make([]byte, len(magic))
	s.read(head)
	if s.err == nil && string(head) != magic {
		return state, nil, fmt.Errorf("%s is not a learner state of this version", path)
	}
	state = adamw.New(l.w.flat)
	state.Steps = int(s.take())
	hasRef := s.take() == 1
	for i := range state.M {
		if n := s.take(); s.err == nil && n != uint64(len(state.M[i])) {
			return state, nil, fmt.Errorf("%s is of another model: tensor %s has %d elements, want %d",
				path, l.w.specs[i].Name, n, len(state.M[i]))
		}
		s.fill(state.M[i])
		s.fill(state.V[i])
	}
	if hasRef {
		ts := make([]*model.Tensor, len(l.w.specs))
		for i, spec := range l.w.specs {
			ts[i] = &model.Tensor{Name: spec.Name, Shape: spec.Shape, Data: make([]float32, len(l.w.flat[i]))}
			s.fill(ts[i].Data)
		}
		ref = model.NewWeights(ts)
	}
	var want uint32
	if s.err == nil {
		s.err = binary.Read(in, binary.LittleEndian, &want)
	}
	if s.err != nil || want != s.sum.Sum32() {
		return state, nil, fmt.Errorf("%s is cut short or damaged; resume from an older checkpoint", path)
	}
	return state, ref, nil
}

// stream reads or writes little-endian numbers and keeps the first error.
type stream struct {
	w   io.Writer
	r   io.Reader
	sum hash.Hash32
	buf []byte
	err error
}

func (s *stream) bytes(b []byte) {
	if s.err == nil {
		_, s.err = s.w.Write(b)
	}
}

func (s *stream) read(b []byte) {
	if s.err == nil {
		_, s.err = io.ReadFull(s.r, b)
	}
}

func (s *stream) number(x uint64) { s.bytes(binary.LittleEndian.AppendUint64(nil, x)) }

func (s *stream) take() uint64 {
	b := make([]byte, 8)
	s.read(b)
	return binary.LittleEndian.Uint64(b)
}

func (s *stream) floats(x []float32) {
	for len(x) > 0 && s.err == nil {
		n := min(len(x), len(s.buf)/4)
		for i, y := range x[:n] {
			binary.LittleEndian.PutUint32(s.buf[4*i:], math.Float32bits(y))
		}
		s.bytes(s.buf[:4*n])
		x = x[n:]
	}
}

func (s *stream) fill(x []float32) {
	for len(x) > 0 && s.err == nil {
		n := min(len(x), len(s.buf)/4)
		s.read(s.buf[:4*n])
		for i := range x[:n] {
			x[i] = math.Float32frombits(binary.LittleEndian.Uint32(s.buf[4*i:]))
		}
		x = x[n:]
	}
}

// Package state is the file learner.bin of a checkpoint, beside the weights: the
// optimiser's moments and steps, and the reference. Every learner writes and reads
// the same one, so that a run may be continued on another engine.
//
// Contract: Save leaves a whole file or none; Load returns what was saved to the
// bit, or an error that names the file and says what is wrong with it.
package state

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math"
	"path/filepath"

	"ballast/bounded"
	"ballast/durable"
	"ballast/model"
	"ballast/train/adamw"
)

// file holds a magic line, the step count, whether a reference follows, then for
// every tensor its size and its moments, then the reference's tensors, and a
// CRC-32 of it all; little-endian.
const (
	file  = "learner.bin"
	magic = "ballast learner 1\n"
)

// Source is where Save takes a state from, one tensor at a time.
type Source struct {
	Tensors, Steps int
	Moments        func(i int) (m, v []float32)
	Reference      func(i int) []float32 // nil without a reference
}

// Save writes a state below dir.
func Save(dir string, from Source) error {
	err := durable.Replace(filepath.Join(dir, file), func(w io.Writer) error { return write(w, from) })
	if err != nil {
		return fmt.Errorf("train: saving the optimiser: %w", err)
	}
	return nil
}

func write(w io.Writer, from Source) error {
	s := &stream{sum: crc32.NewIEEE(), buf: make([]byte, 1<<16)}
	out := bufio.NewWriterSize(w, 1<<20)
	s.w = io.MultiWriter(out, s.sum)
	s.bytes([]byte(magic))
	reference := uint64(0)
	if from.Reference != nil {
		reference = 1
	}
	s.number(uint64(from.Steps))
	s.number(reference)
	for i := range from.Tensors {
		m, v := from.Moments(i)
		s.number(uint64(len(m)))
		s.floats(m)
		s.floats(v)
	}
	if from.Reference != nil {
		for i := range from.Tensors {
			s.floats(from.Reference(i))
		}
	}
	if s.err != nil {
		return s.err
	}
	if err := binary.Write(out, binary.LittleEndian, s.sum.Sum32()); err != nil {
		return err
	}
	return out.Flush()
}

// Load reads the state below dir for tensors of these specs; ref is nil if it has
// no reference.
func Load(dir string, specs []model.Spec) (opt adamw.State, ref [][]float32, err error) {
	path := filepath.Join(dir, file)
	fail := func(format string, args ...any) (adamw.State, [][]float32, error) {
		return adamw.State{}, nil, fmt.Errorf("train: "+format, args...)
	}
	f, err := bounded.Open(path)
	if err != nil {
		return fail("no optimiser state: %w", err)
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<20)
	s := &stream{sum: crc32.NewIEEE(), buf: make([]byte, 1<<16)}
	s.r = io.TeeReader(in, s.sum)
	head := make([]byte, len(magic))
	s.read(head)
	if s.err == nil && string(head) != magic {
		return fail("%s is not a learner state of this version", path)
	}
	zeros := make([][]float32, len(specs)) // by their lengths
	for i, spec := range specs {
		n := 1
		for _, d := range spec.Shape {
			n *= d
		}
		zeros[i] = make([]float32, n)
	}
	opt = adamw.New(zeros)
	opt.Steps = int(s.take())
	hasRef := s.take() == 1
	for i := range opt.M {
		if n := s.take(); s.err == nil && n != uint64(len(opt.M[i])) {
			return fail("%s is of another model: tensor %s has %d elements, want %d", path, specs[i].Name, n, len(opt.M[i]))
		}
		s.fill(opt.M[i])
		s.fill(opt.V[i])
	}
	if hasRef {
		ref = zeros
		for i := range ref {
			s.fill(ref[i])
		}
	}
	var want uint32
	if s.err == nil {
		s.err = binary.Read(in, binary.LittleEndian, &want)
	}
	if s.err != nil || want != s.sum.Sum32() {
		return fail("%s is cut short or damaged; delete that checkpoint's folder, and resuming takes the one before it", path)
	}
	return opt, ref, nil
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

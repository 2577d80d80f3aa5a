package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Bounds on what the metadata of a file may hold.
const (
	maxFooter   = 16 << 20
	maxNesting  = 24      // of thrift structures; the format's own needs 8
	maxElements = 500_000 // of lists of structures
)

// scan walks over one structure of thrift's compact protocol and returns its
// length. The library's decoder recurses as deep as the bytes say and makes room
// for as many elements as a list claims to have; what scan accepts nests at most
// maxNesting deep and holds what it claims.
func scan(data []byte) (int, error) {
	s := scanner{data: data}
	err := s.structure(0)
	return s.pos, err
}

// errShort says that the bytes end inside of the structure.
var errShort = fmt.Errorf("the metadata ends early: %w", io.ErrUnexpectedEOF)

var errMetadata = errors.New("the metadata cannot be read")

type scanner struct {
	data     []byte
	pos      int
	elements int
}

func (s *scanner) byte() (byte, error) {
	if s.pos >= len(s.data) {
		return 0, errShort
	}
	s.pos++
	return s.data[s.pos-1], nil
}

func (s *scanner) varint() (uint64, error) {
	v, n := binary.Uvarint(s.data[s.pos:])
	switch {
	case n == 0:
		return 0, errShort
	case n < 0:
		return 0, errMetadata
	}
	s.pos += n
	return v, nil
}

func (s *scanner) bytes(n uint64) error {
	if n > uint64(len(s.data)-s.pos) {
		return errShort
	}
	s.pos += int(n)
	return nil
}

func (s *scanner) structure(depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("%w: nested more than %d deep", errMetadata, maxNesting)
	}
	for {
		head, err := s.byte()
		if err != nil || head == 0 {
			return err
		}
		if head>>4 == 0 { // the field's number follows
			if _, err := s.varint(); err != nil {
				return err
			}
		}
		if kind := head & 0xf; kind > 2 { // a boolean is in the type
			if err := s.value(kind, depth); err != nil {
				return err
			}
		}
	}
}

func (s *scanner) value(kind byte, depth int) error {
	switch kind {
	case 1, 2, 3:
		return s.bytes(1)
	case 4, 5, 6:
		_, err := s.varint()
		return err
	case 7:
		return s.bytes(8)
	case 8:
		n, err := s.varint()
		if err != nil {
			return err
		}
		return s.bytes(n)
	case 9, 10:
		return s.list(depth)
	case 12:
		return s.structure(depth + 1)
	}
	return fmt.Errorf("%w: type %d", errMetadata, kind) // parquet has no maps
}

func (s *scanner) list(depth int) error {
	head, err := s.byte()
	if err != nil {
		return err
	}
	n, kind := uint64(head>>4), head&0xf
	if n == 15 {
		if n, err = s.varint(); err != nil {
			return err
		}
	}
	if n > uint64(len(s.data)-s.pos) { // every element has a byte at least
		return errShort
	}
	if kind >= 8 {
		if s.elements += int(n); s.elements > maxElements {
			return fmt.Errorf("%w: more than %d elements in its lists", errMetadata, maxElements)
		}
	}
	if depth++; depth > maxNesting {
		return fmt.Errorf("%w: nested more than %d deep", errMetadata, maxNesting)
	}
	for range n {
		if err := s.value(kind, depth); err != nil {
			return err
		}
	}
	return nil
}

package jinja

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// Kinds of frames between a process and its child.
const (
	frameLimits  = 'L' // to the child: Limits as JSON, once
	frameSource  = 'S' // to the child: a template's source, once
	frameData    = 'D' // to the child: one render's variables as JSON
	frameText    = 'T' // from the child: the text
	frameError   = 'E' // from the child: an Error as JSON
	frameFailed  = 'F' // from the child: the text of any other error
	frameLimited = 'X' // from the child: the limit and its bound, separated by a zero byte
)

// writeFrame writes one frame: its kind, the length of its text in four bytes, the text.
func writeFrame(w *bufio.Writer, kind byte, text string) error {
	var head [5]byte
	head[0] = kind
	binary.BigEndian.PutUint32(head[1:], uint32(len(text)))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	if _, err := w.WriteString(text); err != nil {
		return err
	}
	return w.Flush()
}

// readFrame reads a frame of at most most bytes.
func readFrame(r io.Reader, most int) (kind byte, text string, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, "", err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if int64(n) > int64(most) {
		return 0, "", fmt.Errorf("a frame of %d bytes, more than %d", n, most)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return 0, "", err
	}
	return head[0], string(b), nil
}

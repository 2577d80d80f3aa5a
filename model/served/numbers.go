package served

import (
	"bytes"
	"fmt"
	"strconv"
)

// Lists of numbers are most of what is sent and read: a reply brings its prompt back. They are
// written and read here without reflection, in half of the time.

// ids are token ids in JSON; nil is null.
type ids []int32

// MarshalJSON writes a list.
func (l ids) MarshalJSON() ([]byte, error) {
	out := append(make([]byte, 0, 8*len(l)+2), '[')
	for i, id := range l {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, int64(id), 10)
	}
	return append(out, ']'), nil
}

// UnmarshalJSON reads a list of whole numbers of 32 bits.
func (l *ids) UnmarshalJSON(text []byte) error {
	return elements(text, func(n int) { *l = make(ids, 0, n) }, func(part []byte) error {
		id, err := strconv.ParseInt(string(part), 10, 32)
		if err != nil {
			return fmt.Errorf("token id %d of a list is no whole number of 32 bits", len(*l))
		}
		*l = append(*l, int32(id))
		return nil
	})
}

// numbers are log-probabilities in JSON; nil is null.
type numbers []number

// UnmarshalJSON reads a list of numbers and nulls.
func (l *numbers) UnmarshalJSON(text []byte) error {
	return elements(text, func(n int) { *l = make(numbers, 0, n) }, func(part []byte) error {
		var n number
		if err := n.UnmarshalJSON(part); err != nil {
			return err
		}
		*l = append(*l, n)
		return nil
	})
}

// elements calls each for the elements of a list of JSON that holds no lists, objects or texts
// with a comma: a piece of one of these is no number. Begin is told how many there are at most.
func elements(text []byte, begin func(n int), each func(part []byte) error) error {
	text = bytes.TrimSpace(text)
	if string(text) == "null" {
		return nil
	}
	if len(text) < 2 || text[0] != '[' || text[len(text)-1] != ']' {
		return fmt.Errorf("a list of numbers is none")
	}
	text = bytes.TrimSpace(text[1 : len(text)-1])
	if len(text) == 0 {
		begin(0)
		return nil
	}
	begin(bytes.Count(text, []byte(",")) + 1)
	for part := range bytes.SplitSeq(text, []byte(",")) {
		if err := each(bytes.TrimSpace(part)); err != nil {
			return err
		}
	}
	return nil
}

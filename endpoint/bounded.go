package endpoint

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"ballast/bounded"
	"ballast/safetext"
)

// Bounds of what a server may send. A completion of 128,000 tokens has about half a
// MiB of text; a piece of a stream carries little of it in a few hundred bytes.
const (
	maxBody   = 4 << 20   // of a whole reply, unpacked
	maxStream = 64 << 20  // of a reply in pieces
	maxLine   = 2 << 20   // of a line of it
	maxText   = 1 << 20   // of what the model wrote
	minText   = 64 << 10  //
	maxCalls  = 256       // in one reply
	smallBody = 256 << 10 // many replies of this size may be in memory
)

// textBound is how long a reply of so many tokens may be, in bytes: no tokenizer's
// tokens are longer on average.
func textBound(tokens int) int {
	if tokens <= 0 || tokens > maxText/128 {
		return maxText
	}
	return max(minText, 128*tokens)
}

// large is the error of a reply over a bound.
func large(what string, bound int) *Error {
	return &Error{Kind: Large, Text: fmt.Sprintf("the endpoint's reply has more than %s of %s; is it a completion, and does the server "+
		"heed max_tokens?", bounded.Bytes(int64(bound)), what)}
}

// decoded undoes the encoding of a body that was asked for plain.
func decoded(h http.Header, body io.Reader) (io.Reader, error) {
	switch how := strings.ToLower(strings.Join(h.Values("Content-Encoding"), ", ")); how {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		return gzip.NewReader(io.LimitReader(body, maxStream))
	default:
		return nil, &Error{Kind: Malformed, Text: fmt.Sprintf("the endpoint's reply is encoded as %s, which was not asked for",
			safetext.Line(cut(how, 40)))}
	}
}

// held is a body in memory. Release it.
type held struct {
	bytes.Buffer
	c     *Client
	large bool
}

func (h *held) release() {
	if h.large {
		<-h.c.large
		h.large = false
	}
}

// grow is called before the body becomes larger than a usual one.
func (h *held) widen(ctx context.Context) error {
	if h.large {
		return nil
	}
	select {
	case h.c.large <- struct{}{}:
		h.large = true
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// all reads a whole body.
func (h *held) all(ctx context.Context, r io.Reader) error {
	n, err := io.CopyN(&h.Buffer, r, smallBody)
	if err == io.EOF {
		return nil
	}
	if err == nil {
		err = h.widen(ctx)
	}
	if err != nil {
		return err
	}
	if _, err := io.Copy(&h.Buffer, io.LimitReader(r, maxBody+1-n)); err != nil {
		return err
	}
	if h.Len() > maxBody {
		return large("data", maxBody)
	}
	return nil
}

// line reads a line without its end. io.EOF says that none was left.
func (h *held) line(ctx context.Context, r *bufio.Reader) ([]byte, error) {
	h.Reset()
	for {
		part, err := r.ReadSlice('\n')
		if h.Len()+len(part) > maxLine {
			return nil, large("one line", maxLine)
		}
		if h.Len()+len(part) > smallBody {
			if err := h.widen(ctx); err != nil {
				return nil, err
			}
		}
		h.Write(part)
		switch {
		case err == nil:
			return bytes.TrimRight(h.Bytes(), "\r\n"), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case err == io.EOF && h.Len() > 0:
			return h.Bytes(), nil
		default:
			return nil, err
		}
	}
}

// first is the first element of an array; the others are looked at no further.
type first[T any] struct {
	v   T
	set bool
}

// UnmarshalJSON reads an array.
func (f *first[T]) UnmarshalJSON(data []byte) error {
	return elements(data, func(dec *json.Decoder, n int) error {
		if n > 0 {
			return errEnough
		}
		var x *T // nil for null
		if err := dec.Decode(&x); err != nil {
			return err
		}
		if x != nil {
			f.v, f.set = *x, true
		}
		return nil
	})
}

// list are the elements of an array, of which there may be maxCalls.
type list[T any] []T

// UnmarshalJSON reads an array; elements that are null are left out.
func (l *list[T]) UnmarshalJSON(data []byte) error {
	return elements(data, func(dec *json.Decoder, n int) error {
		if n >= maxCalls {
			return fmt.Errorf("more than %d tool calls", maxCalls)
		}
		var x *T
		if err := dec.Decode(&x); err != nil {
			return err
		}
		if x != nil {
			*l = append(*l, *x)
		}
		return nil
	})
}

var errEnough = errors.New("enough was read")

// elements calls f before each element of an array, which f decodes.
func elements(data []byte, f func(dec *json.Decoder, n int) error) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return errors.New("an array is not one")
	}
	for n := 0; dec.More(); n++ {
		if err := f(dec, n); err != nil {
			if err == errEnough {
				return nil
			}
			return err
		}
	}
	return nil
}

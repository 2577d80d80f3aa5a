package served

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"ballast/endpoint"
)

// wire is what the servers of this package have in common: JSON over package endpoint.
type wire struct {
	*endpoint.Client
	model string // as it was named, or as the server's list has it
}

// never is a stop that does not come: the context of a call ends it.
var never = context.Background()

// Address is the server.
func (w *wire) Address() string { return w.Client.Address() }

// Bounds of an answer in bytes: what surrounds it, a token of the prompt, and a token of the
// reply with one log-probability.
const (
	framing   = 256 << 10
	perPrompt = 16
	perToken  = 256
	perWatch  = 96
)

// sample sends the body of a call until the server's context has room for it, and gives the
// reply to read. It asks for fewer tokens each time.
func (w *wire) sample(ctx context.Context, path string, c *Call, body func(most int) any,
	read func(text []byte, most int) (*Answer, error)) (*Answer, error) {
	most, full := c.Max, false
	for range 3 {
		text, err := w.Exchange(ctx, never, endpoint.Exchange{Path: path, Body: body(most), Tokens: most,
			Most: framing + perPrompt*int64(len(c.Prompt)) + int64(most)*int64(perToken+perWatch*len(c.Watch))})
		var e *endpoint.Error
		switch {
		case errors.As(err, &e) && (e.Kind == endpoint.Full || e.Kind == endpoint.Rejected && e.Room > 0):
			left := e.Left(len(c.Prompt))
			switch {
			case left >= most: // it has room for what it refuses
				return nil, err
			case left <= 0:
				return &Answer{Full: true}, nil
			}
			most, full = left, true
			continue
		case err != nil:
			return nil, err
		}
		a, err := read(text, most)
		if err != nil {
			return nil, err
		}
		a.Full = a.Full || full && len(a.Tokens) == most
		return a, nil
	}
	return &Answer{Full: true}, nil
}

// parse reads a reply's JSON. A reply that says what went wrong says it in the error.
func (w *wire) parse(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return w.Wrong("answers what cannot be read: %v", err)
	}
	return nil
}

// Context looks the model up in the server's list, which names its context where the server
// has such a field.
func (w *wire) Context(ctx context.Context) (int, error) {
	text, err := w.Exchange(ctx, never, endpoint.Exchange{Method: http.MethodGet, Path: "/v1/models"})
	if err != nil {
		return 0, err
	}
	return w.listed(text)
}

// listed reads the list of models for the context.
func (w *wire) listed(text []byte) (int, error) {
	list, err := w.cards(text)
	if err != nil {
		return 0, err
	}
	var names []string
	length := 0
	for _, m := range list {
		if w.model == "" && m.Parent != nil || w.model != "" && m.ID != w.model {
			continue
		}
		names = append(names, m.ID)
		if m.Length == nil {
			continue
		}
		if length = *m.Length; length <= 0 {
			return 0, w.Wrong("says that the context of %s has %d tokens", m.ID, length)
		}
	}
	switch {
	case len(names) == 0 && w.model == "":
		return 0, w.Wrong("lists no model")
	case len(names) == 0:
		return 0, w.unserved("does not serve the model %s", w.model)
	case len(names) > 1 && w.model == "":
		return 0, w.unserved("serves %s: name the one that is meant", strings.Join(names, ", "))
	}
	return length, nil
}

// unserved is the error of a server that cannot be asked for the model.
func (w *wire) unserved(format string, args ...any) error {
	return &endpoint.Error{Kind: endpoint.Access, Text: w.Wrong(format, args...).Text}
}

// number is a log-probability as servers write it: a number, or what Python writes for one that
// is none. It reads null as missing.
type number struct {
	v   float64
	set bool
}

// UnmarshalJSON takes a number or null.
func (n *number) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return fmt.Errorf("a log-probability is no number")
	}
	n.v, n.set = v, true
	return nil
}

// logProb is a log-probability, NaN where there is none: a check of the policy finds it.
func (n number) logProb() float32 {
	if !n.set {
		return float32(math.NaN())
	}
	return float32(n.v)
}

// probability of a log-probability, NaN where there is none.
func (n number) probability() float32 {
	if !n.set {
		return float32(math.NaN())
	}
	return float32(math.Exp(n.v))
}

// byID are the numbers of a row of watched tokens, in the order of the call, or nil if one is
// missing.
func byID(watch []int32, of func(id int32) (number, bool)) []float32 {
	row := make([]float32, len(watch))
	for i, id := range watch {
		n, ok := of(id)
		if !ok || !n.set {
			return nil
		}
		row[i] = n.probability()
	}
	return row
}

package tinker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"

	"ballast/bounded"
)

// wireChoice is the encoding that the server takes, once it is known.
type wireChoice struct {
	mu    sync.Mutex
	wire  Wire // Auto as long as it is not
	first Wire // that is tried
}

// choose is called once, before the first request.
func (w *wireChoice) choose(asked Wire, takesProto *bool) {
	w.wire, w.first = asked, Proto
	if takesProto != nil && !*takesProto {
		w.first = JSON
	}
}

// get is the encoding to use, and whether it is known to be taken.
func (w *wireChoice) get() (Wire, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wire == Auto {
		return w.first, false
	}
	return w.wire, true
}

func (w *wireChoice) decide(wire Wire) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wire = wire
}

// Wire is the encoding of training requests, Auto as long as none was taken.
func (c *Client) Wire() Wire {
	if wire, known := c.wire.get(); known {
		return wire
	}
	return Auto
}

// probed says whether a status may mean that the encoding is not taken.
func probed(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusInternalServerError:
		return true
	}
	return false
}

// trainingCall is a training request in an encoding.
func (c *Client) trainingCall(r *ForwardBackwardRequest, w Wire) (*call, error) {
	k := &call{op: trainingOp(r.ForwardOnly), path: PathForwardBackward, kind: TypeProto, accept: TypeJSON, result: TypeProto, limit: maxBody,
		timeout: c.o.Timeout}
	if w == JSON {
		k.kind = TypeJSON
		if r.ForwardOnly {
			k.path = PathForward
		}
		var err error
		if k.body, err = json.Marshal(r); err != nil {
			return nil, invalid(k.op, "%v", err)
		}
		return k, nil
	}
	size := 0
	for i := range r.Data {
		size += sizeOf(3, r.Data[i].protoSize())
	}
	k.body = r.AppendProto(make([]byte, 0, size+1024))
	if c.o.Compress || c.config.CompressProto != nil && *c.config.CompressProto {
		k.body, k.encoding = bounded.Pack(k.body), "zstd"
	}
	return k, nil
}

func trainingOp(forwardOnly bool) string {
	if forwardOnly {
		return "forward"
	}
	return "forward_backward"
}

// submitTraining sends a training request. As long as the encoding is not known it tries
// both: what a server of another era answers is not what it answers to a bad request.
func (c *Client) submitTraining(ctx context.Context, r *ForwardBackwardRequest) (k *call, promise string, doubt bool, err error) {
	w, known := c.wire.get()
	if k, err = c.trainingCall(r, w); err != nil {
		return nil, "", false, err
	}
	k.probe = !known
	promise, _, doubt, err = c.submit(ctx, k)
	k.probe = false
	if known {
		return k, promise, doubt, err
	}
	var e *Error
	switch {
	case err == nil:
		c.wire.decide(w)
		return k, promise, doubt, nil
	case !errors.As(err, &e) || !probed(e.Status):
		return k, promise, doubt, err
	}
	other := JSON
	if w == JSON {
		other = Proto
	}
	k2, err2 := c.trainingCall(r, other)
	if err2 != nil {
		return nil, "", doubt, err2
	}
	k2.probe = true
	promise2, _, doubt2, err2 := c.submit(ctx, k2)
	k2.probe = false
	var e2 *Error
	errors.As(err2, &e2)
	switch {
	case err2 == nil, e.Status == http.StatusUnsupportedMediaType && e2 != nil && e2.Status != http.StatusUnsupportedMediaType:
		c.wire.decide(other)
		c.o.Say(fmt.Sprintf("%s takes no training requests as %s; they are sent as %s", c.Address(), w, other))
		return k2, promise2, doubt2, err2
	case e2 != nil && e2.Status == http.StatusUnsupportedMediaType:
		c.wire.decide(w)
	}
	if e.Status >= 500 { // it was no question of the encoding
		promise, _, doubt, err = c.submit(ctx, k)
		return k, promise, doubt, err
	}
	return k, "", doubt || doubt2, err
}

// chunks cuts a batch into requests of the size that the server takes. A datum that is
// larger by itself is one request.
func (c *Client) chunks(data []Datum) (out [][]Datum) {
	datums, size := defaultDatums, defaultBytes
	for _, set := range []struct {
		to   *int
		said *int
		mine int
	}{{&datums, c.config.ChunkDatums, c.o.ChunkDatums}, {&size, c.config.ChunkBytes, c.o.ChunkBytes}} {
		if set.said != nil {
			*set.to = *set.said
		}
		if set.mine > 0 {
			*set.to = set.mine
		}
	}
	if w, _ := c.wire.get(); w == JSON {
		size /= 3 // the size in JSON is not known before it is written; it is under three times that of protobuf
	}
	from, held := 0, 0
	for i := range data {
		n := sizeOf(3, data[i].protoSize())
		if i > from && (i-from >= datums || held+n > size) {
			out, from, held = append(out, data[from:i]), i, 0
		}
		held += n
	}
	return append(out, data[from:])
}

// output reads what became of a training request of these datums.
func (c *Client) output(op string, a *answer, data []Datum) (*ForwardBackwardOutput, error) {
	var o ForwardBackwardOutput
	var err error
	if a.proto {
		err = o.UnmarshalProto(a.body)
	} else {
		err = json.Unmarshal(a.body, &o)
	}
	if err == nil && len(o.Outputs) != len(data) {
		err = fmt.Errorf("loss_fn_outputs: %d for %d datums", len(o.Outputs), len(data))
	}
	if err != nil {
		return nil, c.malformed(op, a.status, err)
	}
	for i, t := range o.Outputs {
		lp, ok := t.Get("logprobs")
		switch {
		case !ok && op == "forward":
			err = errors.New("none")
		case ok && (lp.Len() != len(data[i].Input) || lp.Floats() == nil):
			err = fmt.Errorf("%d of %v for %d tokens", lp.Len(), lp.DType(), len(data[i].Input))
		case ok:
			for j, x := range lp.Floats() {
				if notFinite(x) {
					err = fmt.Errorf("the one of token %d is %v", j, x)
					break
				}
			}
		}
		if err != nil {
			return nil, c.malformed(op, a.status, fmt.Errorf("logprobs of datum %d: %w", i, err))
		}
	}
	return &o, nil
}

// part is the output of one of several requests, over so many datums.
type part struct {
	out    *ForwardBackwardOutput
	datums int
}

// joined puts the outputs of the requests of a batch together. Metrics are put together as
// the end of their name says; what cannot be is left out.
func joined(parts []part) *ForwardBackwardOutput {
	all := parts[0].out
	if len(parts) == 1 {
		return all
	}
	all = &ForwardBackwardOutput{Type: all.Type, Metrics: Metrics{}}
	for _, p := range parts {
		all.Outputs = append(all.Outputs, p.out.Outputs...)
	}
	for name := range parts[0].out.Metrics {
		if x, ok := reduce(name, parts); ok {
			all.Metrics[name] = x
		}
	}
	return all
}

func reduce(name string, parts []part) (x float64, ok bool) {
	datums := 0.0
	for i, p := range parts {
		y, has := p.out.Metrics[name]
		if !has {
			return 0, false
		}
		n := float64(p.datums)
		switch how := name[strings.LastIndexByte(name, ':')+1:]; {
		case how == "sum":
			x += y
		case how == "mean":
			x += n * y
		case how == "last", i == 0 && (how == "max" || how == "min"):
			x = y
		case how == "max":
			x = math.Max(x, y)
		case how == "min":
			x = math.Min(x, y)
		default:
			return 0, false
		}
		datums += n
	}
	if strings.HasSuffix(name, ":mean") {
		x /= datums
	}
	return x, true
}

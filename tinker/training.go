package tinker

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// ModelInput are the token ids that a model reads: one encoded text. Images are not read
// here.
type ModelInput []int32

// Datum is one sequence of a training request. Position i of every tensor is about what
// follows Input[i].
type Datum struct {
	Input  ModelInput
	Inputs Tensors // of the loss: target_tokens, weights, logprobs, advantages
}

// ForwardBackwardRequest asks for log-probabilities, and for gradients too unless it is
// ForwardOnly.
type ForwardBackwardRequest struct {
	ModelID     string
	SeqID       int
	Data        []Datum
	Loss        string
	Config      map[string]float64
	ForwardOnly bool
}

// AppendProto writes the message as protobuf.
func (r *ForwardBackwardRequest) AppendProto(b []byte) []byte {
	b = appendText(b, 1, r.ModelID)
	b = appendInt(b, 2, int64(r.SeqID))
	for i := range r.Data {
		b = appendHead(b, 3, r.Data[i].protoSize())
		b = r.Data[i].appendProto(b)
	}
	b = appendText(b, 4, r.Loss)
	b = appendDoubles(b, 5, r.Config)
	if r.ForwardOnly {
		b = appendInt(b, 6, 1)
	}
	return b
}

// UnmarshalProto reads what AppendProto, or another's program, wrote.
func (r *ForwardBackwardRequest) UnmarshalProto(b []byte) error {
	*r = ForwardBackwardRequest{}
	return in(fields(b, func(field protowire.Number, v value) error {
		switch field {
		case 1:
			return in(v.text(&r.ModelID), "model_id")
		case 2:
			return in(v.int(&r.SeqID, math.MaxInt32), "seq_id")
		case 3:
			r.Data = append(r.Data, Datum{})
			return at(r.Data[len(r.Data)-1].readProto(v), "data", len(r.Data)-1)
		case 4:
			return in(v.text(&r.Loss), "loss_fn")
		case 5:
			return in(v.doubles(&r.Config), "loss_fn_config")
		case 6:
			return in(v.bool(&r.ForwardOnly), "forward_only")
		}
		return nil
	}), "ForwardBackwardRequest")
}

// protoSize is the size of what appendProto writes.
func (d *Datum) protoSize() int {
	n := sizeOf(1, d.Input.chunkSize())
	for _, t := range d.Inputs {
		n += sizeOf(2, t.entrySize())
	}
	return n
}

func (d *Datum) appendProto(b []byte) []byte {
	b = appendHead(b, 1, d.Input.chunkSize())
	b = appendHead(b, 1, d.Input.textSize())
	if len(d.Input) > 0 {
		b = appendTokens(appendHead(b, 1, 4*len(d.Input)), d.Input)
	}
	for _, t := range d.Inputs {
		size := t.Tensor.protoSize()
		b = appendHead(b, 2, t.entrySize())
		b = protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), t.Name)
		b = appendHead(b, 2, size)
		b = t.Tensor.appendProto(b)
	}
	return b
}

func (d *Datum) readProto(v value) error {
	b, err := v.raw()
	if err != nil {
		return err
	}
	err = fields(b, func(field protowire.Number, v value) error {
		switch field {
		case 1:
			return in(d.Input.readChunk(v), "model_input")
		case 2:
			var n Named
			err := v.entry(&n.Name, func(v value) error { return n.Tensor.readProto(v) })
			d.Inputs = append(d.Inputs, n)
			return in(err, "loss_fn_inputs")
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, n := range d.Inputs {
		if n.dtype == 0 {
			return fmt.Errorf("loss_fn_inputs: %q: no tensor", cut(n.Name, 40))
		}
	}
	return in(d.Inputs.sorted(), "loss_fn_inputs")
}

// textSize is the size of an EncodedTextChunk, chunkSize that of the Chunk around it.
func (m ModelInput) textSize() int {
	if len(m) == 0 {
		return 0
	}
	return sizeOf(1, 4*len(m))
}

func (m ModelInput) chunkSize() int { return sizeOf(1, m.textSize()) }

// readChunk appends a chunk.
func (m *ModelInput) readChunk(v value) error {
	b, err := v.raw()
	if err != nil {
		return err
	}
	return fields(b, func(field protowire.Number, v value) error {
		switch field {
		case 1:
			b, err := v.raw()
			if err != nil {
				return in(err, "encoded_text")
			}
			return in(fields(b, func(field protowire.Number, v value) error {
				if field != 1 {
					return nil
				}
				b, err := v.raw()
				if err != nil {
					return in(err, "tokens")
				}
				tokens, err := tokensOf(b)
				*m = append(*m, tokens...)
				return in(err, "tokens")
			}), "encoded_text")
		case 2:
			return fmt.Errorf("image: only text is read here")
		case 3:
			return fmt.Errorf("dmel: only text is read here")
		}
		return nil
	})
}

func (n *Named) entrySize() int { return sizeOf(1, len(n.Name)) + sizeOf(2, n.Tensor.protoSize()) }

func (t Tensor) protoSize() int {
	n := sizeOf(1, t.bytes()) + protowire.SizeTag(3) + protowire.SizeVarint(uint64(t.dtype))
	return n + sizeOf(4, protowire.SizeVarint(uint64(t.Len())))
}

func (t Tensor) appendProto(b []byte) []byte {
	b = t.appendData(appendHead(b, 1, t.bytes()))
	b = appendInt(b, 3, int64(t.dtype))
	b = appendHead(b, 4, protowire.SizeVarint(uint64(t.Len())))
	return protowire.AppendVarint(b, uint64(t.Len()))
}

func (t *Tensor) readProto(v value) error {
	b, err := v.raw()
	if err != nil {
		return err
	}
	var dense []byte
	var dtype int32
	var shape []int64
	err = fields(b, func(field protowire.Number, v value) (err error) {
		switch field {
		case 1:
			dense, err = v.raw()
			return in(err, "dense")
		case 2:
			return fmt.Errorf("sparse_csr: a sparse tensor, which is not read here")
		case 3:
			return in(v.enum(&dtype), "dtype")
		case 4:
			return in(v.ints(&shape), "shape")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if *t, err = tensorOf(DType(dtype), dense); err != nil {
		return err
	}
	return shaped(shape, t.Len())
}

// chunkJSON is a part of a model's input in JSON.
type chunkJSON struct {
	Type   string      `json:"type"`
	Tokens list[int32] `json:"tokens"`
}

type inputJSON struct {
	Chunks []chunkJSON `json:"chunks"`
}

// MarshalJSON is one encoded text.
func (m ModelInput) MarshalJSON() ([]byte, error) {
	if m == nil {
		m = ModelInput{}
	}
	return json.Marshal(inputJSON{[]chunkJSON{{"encoded_text", list[int32](m)}}})
}

// UnmarshalJSON reads encoded texts, which follow one another.
func (m *ModelInput) UnmarshalJSON(text []byte) error {
	var j inputJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	*m = nil
	for i, c := range j.Chunks {
		if c.Type != "encoded_text" {
			return at(fmt.Errorf("type %q: only text is read here", cut(c.Type, 40)), "chunks", i)
		}
		*m = append(*m, c.Tokens...)
	}
	return nil
}

type datumJSON struct {
	Input  ModelInput `json:"model_input"`
	Inputs Tensors    `json:"loss_fn_inputs"`
}

type batchJSON struct {
	Data   []datumJSON `json:"data"`
	Loss   string      `json:"loss_fn"`
	Config Metrics     `json:"loss_fn_config"`
}

type trainingJSON struct {
	ModelID  string     `json:"model_id"`
	SeqID    int        `json:"seq_id"`
	Forward  *batchJSON `json:"forward_input,omitempty"`
	Backward *batchJSON `json:"forward_backward_input,omitempty"`
}

// MarshalJSON is the body of /api/v1/forward where the request is ForwardOnly, and that of
// /api/v1/forward_backward else.
func (r *ForwardBackwardRequest) MarshalJSON() ([]byte, error) {
	batch := &batchJSON{Data: make([]datumJSON, len(r.Data)), Loss: r.Loss, Config: r.Config}
	for i, d := range r.Data {
		batch.Data[i] = datumJSON(d)
	}
	j := trainingJSON{ModelID: r.ModelID, SeqID: r.SeqID}
	if r.ForwardOnly {
		j.Forward = batch
	} else {
		j.Backward = batch
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads either of the two bodies.
func (r *ForwardBackwardRequest) UnmarshalJSON(text []byte) error {
	var j trainingJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	if (j.Forward == nil) == (j.Backward == nil) {
		return fmt.Errorf("ForwardBackwardRequest: one of forward_input and forward_backward_input must be there")
	}
	batch := j.Backward
	if batch == nil {
		batch = j.Forward
	}
	*r = ForwardBackwardRequest{ModelID: j.ModelID, SeqID: j.SeqID, Loss: batch.Loss, Config: batch.Config, ForwardOnly: j.Forward != nil}
	for _, d := range batch.Data {
		r.Data = append(r.Data, Datum(d))
	}
	return nil
}

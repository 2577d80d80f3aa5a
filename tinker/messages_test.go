package tinker

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func request() *ForwardBackwardRequest {
	return &ForwardBackwardRequest{ModelID: "m:train:0", SeqID: 7, Loss: "ppo", Config: map[string]float64{"clip_low_threshold": 0.8, "clip_high_threshold": 1.2},
		Data: []Datum{
			{Input: ModelInput{1, 2, 3}, Inputs: Tensors{{"advantages", Floats([]float32{0.5, -1, 0})}, {"target_tokens", Ints([]int32{2, 3, 4})}}},
			{Input: ModelInput{9}, Inputs: Tensors{{"target_tokens", Ints([]int{1})}, {"weights", Tensor{dtype: BFloat16, floats: []float32{1.5}}}}},
		}}
}

func output() *ForwardBackwardOutput {
	lp := func(v ...float32) Named { return Named{"logprobs", Floats(v)} }
	return &ForwardBackwardOutput{Type: "scalar", Metrics: Metrics{"loss:sum": 1.25},
		Outputs: []Tensors{{lp(-1, -2)}, {lp()}, {{"ids", Tensor{dtype: Int32, ints: []int64{-3}}}, lp(-0.5)}, {lp(-4)}}}
}

func response() *SampleResponse {
	return &SampleResponse{
		Sequences:      []SampledSequence{{Stop, []int32{1, 2}, []float32{-1, -2}}, {Length, []int32{}, nil}},
		PromptLogProbs: Maybe{float32(math.NaN()), -2.5},
		TopK:           [][]TokenLogProb{nil, {{5, -0.5}, {6, -1.5}}, {{7, -0.25}}}, CacheHits: 3}
}

// message is what the three have.
type message interface {
	AppendProto([]byte) []byte
	UnmarshalProto([]byte) error
}

// same compares messages in which NaN may stand.
func same(a, b message) bool { return bytes.Equal(a.AppendProto(nil), b.AppendProto(nil)) }

func TestRoundTrip(t *testing.T) {
	for _, m := range []message{request(), output(), response(), &ForwardBackwardRequest{}, &ForwardBackwardOutput{}, &SampleResponse{}} {
		fresh := func() message { return reflect.New(reflect.TypeOf(m).Elem()).Interface().(message) }
		fromProto, fromJSON := fresh(), fresh()
		if err := fromProto.UnmarshalProto(m.AppendProto(nil)); err != nil || !same(m, fromProto) {
			t.Errorf("%T: %v\n%+v\n%+v", m, err, m, fromProto)
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Errorf("%T: %v", m, err)
		}
		if err := json.Unmarshal(text, fromJSON); err != nil || !same(m, fromJSON) {
			t.Errorf("%T: %v\n%s\n%+v", m, err, text, fromJSON)
		}
	}
	var got SampleResponse
	if err := got.UnmarshalProto(response().AppendProto(nil)); err != nil || !math.IsNaN(float64(got.PromptLogProbs[0])) ||
		got.PromptLogProbs[1] != -2.5 || !reflect.DeepEqual(got.TopK, response().TopK) || !reflect.DeepEqual(got.Sequences, response().Sequences) {
		t.Errorf("%+v, %v", got, err)
	}
	forward := request()
	forward.ForwardOnly = true
	text, err := json.Marshal(forward)
	if err != nil || !strings.Contains(string(text), `"forward_input":`) || strings.Contains(string(text), "backward") {
		t.Errorf("%s, %v", text, err)
	}
}

// msg builds protobuf by hand.
type msg []byte

func (m msg) num(field protowire.Number, x uint64) msg {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), x)
}

func (m msg) raw(field protowire.Number, b []byte) msg {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), b)
}

func (m msg) fixed(field protowire.Number, x uint64) msg {
	return protowire.AppendFixed64(protowire.AppendTag(m, field, protowire.Fixed64Type), x)
}

func (m msg) entry(field protowire.Number, name string, val msg) msg {
	return m.raw(field, msg{}.raw(1, []byte(name)).raw(2, val))
}

func int64s(v ...uint64) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	return b
}

// record is an output with one record of one field.
func record(count uint64, column msg) msg {
	return msg{}.raw(2, msg{}.entry(2, "logprobs", column).num(3, count))
}

// datum is a request with one tensor.
func datum(tensor msg) msg { return msg{}.raw(3, msg{}.entry(2, "weights", tensor)) }

// TestHostile: what cannot be read is an error that names the field, and costs no more
// memory than a small multiple of the input.
func TestHostile(t *testing.T) {
	four := make([]byte, 4)
	req, out, res := func() message { return &ForwardBackwardRequest{} }, func() message { return &ForwardBackwardOutput{} }, func() message { return &SampleResponse{} }
	for _, c := range []struct {
		into func() message
		in   []byte
		want string
	}{
		{req, msg{}.num(1, 5), "ForwardBackwardRequest: model_id: wire type 0 instead of 2"},
		{req, msg{}.raw(1, []byte{0xff}), "model_id: a text that is no UTF-8"},
		{req, msg{}.raw(2, nil), "seq_id: wire type 2"},
		{req, msg{}.num(2, 1<<40), "seq_id: 1099511627776 is not between"},
		{req, msg{}.num(2, math.MaxUint64), "seq_id: -1 is not between"},
		{req, msg{}.num(3, 5), "data[0]: wire type 0"},
		{req, msg{}.raw(3, nil).raw(3, msg{}.num(1, 1)), "data[1]: model_input: wire type 0"},
		{req, msg{}.raw(3, msg{}.raw(1, msg{}.num(1, 1))), "data[0]: model_input: encoded_text: wire type 0"},
		{req, msg{}.raw(3, msg{}.raw(1, msg{}.raw(1, msg{}.num(1, 1)))), "model_input: encoded_text: tokens: wire type 0"},
		{req, msg{}.raw(3, msg{}.raw(1, msg{}.raw(1, msg{}.raw(1, []byte("abc"))))), "tokens: 3 bytes"},
		{req, msg{}.raw(3, msg{}.raw(1, msg{}.raw(2, nil))), "model_input: image"},
		{req, msg{}.raw(3, msg{}.raw(1, msg{}.raw(3, nil))), "model_input: dmel"},
		{req, msg{}.raw(3, msg{}.num(2, 1)), "loss_fn_inputs: wire type 0"},
		{req, msg{}.raw(3, msg{}.raw(2, msg{}.num(1, 1))), "loss_fn_inputs: key: wire type 0"},
		{req, msg{}.raw(3, msg{}.raw(2, msg{}.raw(1, []byte("x")))), `"x": no tensor`},
		{req, datum(msg{}.num(1, 1)), `loss_fn_inputs: "weights": dense: wire type 0`},
		{req, datum(msg{}.raw(2, nil)), `"weights": sparse_csr`},
		{req, datum(msg{}.raw(1, four)), `"weights": dtype: DTYPE_0`},
		{req, datum(msg{}.raw(1, four).num(3, 9)), `"weights": dtype: DTYPE_9`},
		{req, datum(msg{}.raw(1, four).raw(3, nil)), `dtype: wire type 2`},
		{req, datum(msg{}.raw(1, four).num(3, 2)), "4 bytes are no whole number of int64"},
		{req, datum(msg{}.raw(1, four).num(3, 1).num(4, 2)), "shape: [2] is not that of a vector with 1"},
		{req, datum(msg{}.raw(1, four).num(3, 1).num(4, 1).num(4, 1)), "shape: [1 1]"},
		{req, datum(msg{}.raw(1, four).num(3, 1).raw(4, bytes.Repeat([]byte{0xff}, 9))), "shape: broken protobuf"},
		{req, datum(msg{}.raw(1, four).num(3, 1).fixed(4, 1)), "shape: wire type 1"},
		{req, msg{}.raw(3, msg{}.entry(2, "a", msg{}.num(3, 1)).entry(2, "a", msg{}.num(3, 1))), `loss_fn_inputs: "a" stands twice`},
		{req, msg{}.raw(4, nil).num(4, 1), "loss_fn: wire type 0"},
		{req, msg{}.num(5, 1), "loss_fn_config: wire type 0"},
		{req, msg{}.entry(5, "beta", nil), `loss_fn_config: "beta": wire type 2`},
		{req, msg{}.raw(6, nil), "forward_only: wire type 2"},
		{req, []byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f}, "broken protobuf in field 1"},
		{req, []byte{0x08}, "broken protobuf in field 1"},
		{req, []byte{0x80}, "broken protobuf"},
		{req, []byte{0x00}, "broken protobuf"},
		{req, bytes.Repeat([]byte{0x7b}, 1<<16), "broken protobuf in field 15"}, // groups in groups

		{out, msg{}.num(1, 1), "ForwardBackwardOutput: loss_fn_output_type: wire type 0"},
		{out, msg{}.num(2, 1), "loss_fn_outputs[0]: wire type 0"},
		{out, msg{}.raw(2, msg{}.num(1, 1)), "type_tag: wire type 0"},
		{out, msg{}.raw(2, msg{}.num(2, 1)), "fields: wire type 0"},
		{out, msg{}.raw(2, msg{}.raw(3, nil)), "num_datums: wire type 2"},
		{out, msg{}.raw(2, msg{}.num(3, 1<<31-1)), "num_datums: 2147483647 datums without a field"},
		{out, msg{}.raw(2, msg{}.num(3, 1<<62)), "num_datums: 4611686018427387904 is not between"},
		{out, record(1<<31-1, msg{}.raw(1, four).raw(2, int64s(0, 4)).num(3, 1)), `"logprobs": offsets: 16 bytes, and not the 17179869184`},
		{out, record(1, msg{}.num(1, 1)), `"logprobs": data: wire type 0`},
		{out, record(1, msg{}.num(2, 1)), `"logprobs": offsets: wire type 0`},
		{out, record(1, msg{}.raw(3, nil)), `"logprobs": dtype: wire type 2`},
		{out, record(1, msg{}.fixed(4, 1)), `"logprobs": trailing_shape: wire type 1`},
		{out, record(1, msg{}.raw(1, four).raw(2, int64s(0, 4)).num(3, 1).num(4, 3)), "trailing_shape: more than one dimension"},
		{out, record(1, msg{}.raw(1, four).raw(2, int64s(0, 8)).num(3, 1)), "offsets: from 0 to 8"},
		{out, record(1, msg{}.raw(1, four).raw(2, int64s(4, 4)).num(3, 1)), "offsets: from 4 to 4"},
		{out, record(2, msg{}.raw(1, four).raw(2, int64s(0, 1<<63, 4)).num(3, 1)), "offsets: datum 0 lies from 0 to 9223372036854775808"},
		{out, record(2, msg{}.raw(1, four).raw(2, int64s(0, 2, 4)).num(3, 1)), "offsets: datum 0 lies from 0 to 2"},
		{out, record(3, msg{}.raw(1, append(four, four...)).raw(2, int64s(0, 8, 4, 8)).num(3, 1)), "offsets: datum 1 lies from 8 to 4"},
		{out, record(0, msg{}.raw(2, int64s(0)).num(3, 7)), "dtype: DTYPE_7"},
		{out, msg{}.raw(3, nil).num(3, 1), "metrics: wire type 0"},
		{out, msg{}.entry(3, "loss", nil), `metrics: "loss": wire type 2`},

		{res, msg{}.num(1, 1), "SampleResponse: sequences[0]: wire type 0"},
		{res, msg{}.raw(1, msg{}.raw(1, nil)), "stop_reason: wire type 2"},
		{res, msg{}.raw(1, msg{}.num(1, 2)), "stop_reason: 2 is none"},
		{res, msg{}.raw(1, msg{}.num(1, math.MaxUint64)), "stop_reason: -1 is none"},
		{res, msg{}.raw(1, msg{}.num(1, 1<<40)), "stop_reason: 1099511627776 is no value"},
		{res, msg{}.raw(1, msg{}.num(2, 2)), "tokens: wire type 0"},
		{res, msg{}.raw(1, msg{}.raw(2, []byte{1})), "tokens: 1 bytes"},
		{res, msg{}.raw(1, msg{}.num(3, 2)), "logprobs: wire type 0"},
		{res, msg{}.raw(1, msg{}.raw(2, four).raw(3, nil)), "logprobs: 0 for 1 tokens"},
		{res, msg{}.num(2, 2), "prompt_logprobs: wire type 0"},
		{res, msg{}.raw(2, []byte{1}), "prompt_logprobs: 1 bytes"},
		{res, msg{}.num(3, 2), "topk_prompt_logprobs: wire type 0"},
		{res, msg{}.raw(3, msg{}.num(4, 1<<31-1)), "are not 2147483647 rows of 0"},
		{res, msg{}.raw(3, msg{}.num(3, 1<<31-1).num(4, 1<<31-1)), "rows of 2147483647"},
		{res, msg{}.raw(3, msg{}.raw(1, four).num(3, 1).num(4, 1)), "1 ids and 0 log-probabilities"},
		{res, msg{}.raw(3, msg{}.num(1, 1)), "token_ids: wire type 0"},
		{res, msg{}.raw(3, msg{}.num(2, 1)), "logprobs: wire type 0"},
		{res, msg{}.raw(3, msg{}.raw(3, nil)), "k: wire type 2"},
		{res, msg{}.raw(3, msg{}.raw(4, nil)), "prompt_length: wire type 2"},
		{res, msg{}.raw(4, nil), "prompt_cache_hit_tokens: wire type 2"},
	} {
		m := c.into()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := m.UnmarshalProto(c.in)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%T of %.60x: %v, want %s", m, c.in, err, c.want)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 64<<10 {
			t.Errorf("%T of %.60x allocates %d bytes", m, c.in, got)
		}
	}
}

// TestUnknownFields: the protocol grows.
func TestUnknownFields(t *testing.T) {
	for _, m := range []message{request(), output(), response()} {
		b := msg(m.AppendProto(nil)).num(90, 1).raw(91, []byte("new")).fixed(92, 5)
		b = protowire.AppendFixed32(protowire.AppendTag(b, 93, protowire.Fixed32Type), 1)
		b = protowire.AppendGroup(protowire.AppendTag(b, 94, protowire.StartGroupType), 94, msg{}.num(1, 1))
		got := reflect.New(reflect.TypeOf(m).Elem()).Interface().(message)
		if err := got.UnmarshalProto(b); err != nil || !same(m, got) {
			t.Errorf("%T: %v", m, err)
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		text = append([]byte(`{"new_field":[{}],`), text[1:]...)
		if err := json.Unmarshal(text, got); err != nil || !same(m, got) {
			t.Errorf("%T: %v", m, err)
		}
	}
}

// TestJSONRefuses: what JSON cannot say, or says of what is not read here.
func TestJSONRefuses(t *testing.T) {
	tensor := func(text string) string {
		return `{"loss_fn_outputs":[{"logprobs":` + text + `}]}`
	}
	for text, want := range map[string]string{
		tensor(`{"data":[1,null],"dtype":"float32"}`):                                "logprobs: data: number 1 is null",
		tensor(`{"data":null,"dtype":"float32"}`):                                    "data: no array of numbers",
		tensor(`{"dtype":"float32"}`):                                                "data: no array of numbers",
		tensor(`{"data":[1],"dtype":"float64"}`):                                     `dtype: "float64"`,
		tensor(`{"data":[1],"dtype":"float32","shape":[2]}`):                         "shape: [2]",
		tensor(`{"data":[1,2],"dtype":"float32","shape":[1,2]}`):                     "shape: [1 2]",
		tensor(`{"data":[1.5],"dtype":"int64"}`):                                     "cannot unmarshal",
		tensor(`{"data":[4294967296],"dtype":"int32"}`):                              "no int32",
		tensor(`{"data":[1e60],"dtype":"float32"}`):                                  "cannot unmarshal",
		tensor(`{"data":[1],"dtype":"float32","sparse_crow_indices":[0,1]}`):         "sparse",
		tensor(`{"data":[NaN],"dtype":"float32"}`):                                   "invalid character",
		`{"metrics":{"x":"y"}}`:                                                      "cannot unmarshal",
		`{"sequences":[{"stop_reason":"tired","tokens":[1]}]}`:                       `stop_reason: "tired"`,
		`{"sequences":[{"stop_reason":"stop","tokens":[1,2],"logprobs":[1]}]}`:       "logprobs: 1 for 2",
		`{"sequences":[{"stop_reason":"stop","tokens":[null]}]}`:                     "is null",
		`{"sequences":[{"stop_reason":"stop"}]}`:                                     "tokens: there are none",
		`{"sequences":[],"topk_prompt_logprobs":[[[1,null]]]}`:                       "no pair",
		`{"sequences":[],"topk_prompt_logprobs":[[[1]]]}`:                            "no pair",
		`{"model_id":"m","forward_input":{"data":[]},"forward_backward_input":{}}`:   "one of forward_input",
		`{"model_id":"m","seq_id":1}`:                                                "one of forward_input",
		`{"forward_input":{"data":[{"model_input":{"chunks":[{"type":"image"}]}}]}}`: `chunks[0]: type "image"`,
	} {
		var m any = &ForwardBackwardOutput{}
		if strings.Contains(text, "sequences") {
			m = &SampleResponse{}
		} else if strings.Contains(text, "forward_input") || strings.Contains(text, "model_id") {
			m = &ForwardBackwardRequest{}
		}
		if err := json.Unmarshal([]byte(text), m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	for _, bad := range []Tensor{{}, Floats([]float32{float32(math.NaN())}), Floats([]float32{float32(math.Inf(1))})} {
		if text, err := json.Marshal(bad); err == nil {
			t.Errorf("%+v became %s", bad, text)
		}
	}
	var o ForwardBackwardOutput
	err := json.Unmarshal([]byte(`{"metrics":{"a":1,"b":null},"loss_fn_outputs":[{"x":null,"y":{"data":[],"dtype":"int64","shape":[]}}]}`), &o)
	if err != nil || len(o.Metrics) != 1 || len(o.Outputs[0]) != 1 {
		t.Errorf("%+v, %v", o, err)
	}
}

// fuzz checks that what was read is written and read again as the same.
func fuzz[M message](t *testing.T, m, again M, in []byte) {
	if m.UnmarshalProto(in) != nil {
		return
	}
	written := m.AppendProto(nil)
	if err := again.UnmarshalProto(written); err != nil || !same(m, again) {
		t.Fatalf("%x became %x: %v", in, written, err)
	}
}

func FuzzProto(f *testing.F) {
	exchanges(f, func(_ string, e exchange) {
		f.Add(e.Request.proto())
		f.Add(e.Response.proto())
	})
	for _, m := range []message{request(), output(), response()} {
		f.Add(m.AppendProto(nil))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		fuzz(t, &ForwardBackwardRequest{}, &ForwardBackwardRequest{}, in)
		fuzz(t, &ForwardBackwardOutput{}, &ForwardBackwardOutput{}, in)
		fuzz(t, &SampleResponse{}, &SampleResponse{}, in)
	})
}

func FuzzJSON(f *testing.F) {
	exchanges(f, func(_ string, e exchange) {
		f.Add([]byte(e.Request.json()))
		f.Add([]byte(e.Response.json()))
	})
	for _, m := range []message{request(), output(), response()} {
		text, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, pair := range [][2]message{{&ForwardBackwardRequest{}, &ForwardBackwardRequest{}}, {&ForwardBackwardOutput{}, &ForwardBackwardOutput{}},
			{&SampleResponse{}, &SampleResponse{}}} {
			if json.Unmarshal(in, pair[0]) != nil {
				continue
			}
			text, err := json.Marshal(pair[0])
			if err != nil {
				t.Fatalf("%s: %v", in, err)
			}
			if err := json.Unmarshal(text, pair[1]); err != nil || !same(pair[0], pair[1]) {
				t.Fatalf("%s became %s: %v", in, text, err)
			}
		}
	})
}

// FuzzComplaint: whatever a server writes as an error, it is read as a text.
func FuzzComplaint(f *testing.F) {
	exchanges(f, func(_ string, e exchange) {
		if e.Response.Status >= 300 {
			f.Add([]byte(e.Response.json()))
		}
	})
	f.Add([]byte(`{"error":{"message":"x"}}`))
	c := &Client{o: Options{Key: "tml-secret"}}
	f.Fuzz(func(t *testing.T, in []byte) {
		if text := c.clean(complaint(in)); len(text) > 8*shownBytes || strings.ContainsAny(text, "\n\r\x1b") || strings.Contains(text, "tml-secret") {
			t.Fatalf("%q became %q", in, text)
		}
	})
}

package tinker

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// exchange is one line of testdata: what a client said to a real server, and its answer.
// Of is the path that made the promise which is asked for.
type exchange struct {
	N        int
	Of       string
	Request  recorded
	Response recorded
}

type recorded struct {
	Path    string
	Status  int
	Headers map[string]string
	Body    *struct {
		JSON   json.RawMessage
		Base64 []byte
	}
}

func (r recorded) json() []byte {
	if r.Body == nil {
		return nil
	}
	return r.Body.JSON
}

func (r recorded) proto() []byte {
	if r.Body == nil {
		return nil
	}
	return r.Body.Base64
}

// exchanges yields every recorded exchange with a name for errors.
func exchanges(t testing.TB, f func(name string, e exchange)) {
	t.Helper()
	count := 0
	for _, server := range []string{"skyrl-sdk", "skyrl", "tuft"} {
		file, err := os.Open(filepath.Join("testdata", server+".jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var e exchange
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Fatal(server, err)
			}
			f(fmt.Sprintf("%s %d %s%s", server, e.N, strings.TrimPrefix(e.Request.Path, "/api/v1/"), strings.TrimPrefix(e.Of, "/api/v1/")), e)
			count++
		}
		if err := lines.Err(); err != nil {
			t.Fatal(server, err)
		}
	}
	if count < 80 {
		t.Fatalf("%d exchanges", count)
	}
}

// schema says which fields of a message are messages.
type schema map[protowire.Number]schema

var (
	leaf          = schema{}
	requestSchema = schema{3: {1: {1: leaf}, 2: {2: leaf}}, 5: leaf}
	outputSchema  = schema{2: {2: {2: leaf}}, 3: leaf}
	sampleSchema  = schema{1: leaf, 3: leaf}
)

// canonical is a message with its fields in the order of their bytes, so that two
// messages which differ in the order of maps alone are equal. It knows nothing of the
// code that is tested.
func canonical(t testing.TB, b []byte, s schema) []byte {
	t.Helper()
	var parts [][]byte
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeTag(b)
		m := protowire.ConsumeFieldValue(num, kind, b[max(n, 0):])
		if n < 0 || m < 0 {
			t.Fatalf("no protobuf: %v", b)
		}
		part := b[:n+m]
		if sub, ok := s[num]; ok {
			body, _ := protowire.ConsumeBytes(b[n:])
			part = protowire.AppendBytes(protowire.AppendTag(nil, num, kind), canonical(t, body, sub))
		}
		parts, b = append(parts, part), b[n+m:]
	}
	// Messages of a repeated field stay in their order; all else, maps among it, is sorted.
	ordered := func(b []byte) protowire.Number {
		num, _, _ := protowire.ConsumeTag(b)
		if sub := s[num]; sub != nil && sub[1] != nil || num == 3 {
			return num
		}
		return 0
	}
	slices.SortStableFunc(parts, func(a, b []byte) int {
		if n := ordered(a); n != 0 && n == ordered(b) {
			return 0
		}
		return bytes.Compare(a, b)
	})
	return bytes.Join(parts, nil)
}

// TestRecordedRequests: what clients sent is read, and written again as it was.
func TestRecordedRequests(t *testing.T) {
	equal, count := 0, 0
	exchanges(t, func(name string, e exchange) {
		body := e.Request.proto()
		if body == nil {
			return
		}
		count++
		var r ForwardBackwardRequest
		if err := r.UnmarshalProto(body); err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if r.ModelID == "" || len(r.Data) == 0 || len(r.Data[0].Input) == 0 || r.Loss == "" || r.SeqID == 0 {
			t.Errorf("%s: %+v", name, r)
		}
		again := r.AppendProto(nil)
		if bytes.Equal(again, body) {
			equal++
		} else if !bytes.Equal(canonical(t, again, requestSchema), canonical(t, body, requestSchema)) {
			t.Errorf("%s: written again it is another message", name)
		}
	})
	if count < 15 || equal < 8 {
		t.Errorf("%d requests, %d byte for byte", count, equal)
	}
}

// TestRecordedAnswers: what servers said is read; protobuf is written again as it was.
func TestRecordedAnswers(t *testing.T) {
	kinds := map[string]int{}
	exchanges(t, func(name string, e exchange) {
		path := e.Request.Path
		if path == PathRetrieveFuture {
			path = e.Of
		}
		if e.Response.Status >= 300 {
			var r Refusal
			if err := json.Unmarshal(e.Response.json(), &r); err != nil || len(r.Detail) == 0 {
				t.Errorf("%s: %v", name, err)
			}
			kinds["refusal"]++
			return
		}
		if body := e.Response.proto(); body != nil {
			kinds[path+" protobuf"]++
			again, schema, err := reread(path, body)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if !bytes.Equal(canonical(t, again, schema), canonical(t, body, schema)) {
				t.Errorf("%s: written again it is another message", name)
			}
			return
		}
		answer := answers[path]
		if e.Request.Path == PathRetrieveFuture {
			answer = results[path]
		} else if strings.Contains(string(e.Response.json()), "request_id") {
			answer = Promise{}
		}
		if answer == nil {
			t.Errorf("%s: no type for the answer of %s", name, path)
			return
		}
		kinds[path]++
		got := reflect.New(reflect.TypeOf(answer))
		if err := json.Unmarshal(e.Response.json(), got.Interface()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if path != PathOptimStep && path != PathHeartbeat && got.Elem().IsZero() { // TuFT's metrics are null
			t.Errorf("%s: nothing was read of %s", name, e.Response.json())
		}
	})
	for _, kind := range []string{"refusal", PathSample + " protobuf", PathForwardBackward + " protobuf", PathForwardBackward, PathOptimStep,
		PathSaveWeights, PathSaveWeightsForSampler, PathLoadWeights, PathWeightsInfo, PathCreateModel, PathGetInfo, PathUnloadModel} {
		if kinds[kind] == 0 {
			t.Errorf("no answer of %s was recorded: %v", kind, kinds)
		}
	}
}

func reread(path string, body []byte) ([]byte, schema, error) {
	if path == PathSample {
		var r SampleResponse
		err := r.UnmarshalProto(body)
		return r.AppendProto(nil), sampleSchema, err
	}
	var o ForwardBackwardOutput
	err := o.UnmarshalProto(body)
	return o.AppendProto(nil), outputSchema, err
}

// answers are the types of what a path answers at once, results of what becomes of its
// promise.
var (
	answers = map[string]any{
		PathClientConfig: ClientConfig{}, PathCreateSession: CreateSessionResponse{}, PathHeartbeat: HeartbeatRequest{},
		PathCapabilities: Capabilities{}, PathGetInfo: ModelInfo{}, PathWeightsInfo: WeightsInfo{},
		PathCreateSamplingSession: SamplingSessionResponse{},
	}
	results = map[string]any{
		PathCreateModel: ModelResult{}, PathUnloadModel: ModelResult{}, PathForwardBackward: ForwardBackwardOutput{},
		PathOptimStep: OptimStepResult{}, PathSaveWeights: SaveResult{}, PathSaveWeightsForSampler: SaveResult{},
		PathLoadWeights: ModelResult{}, PathSample: SampleResponse{},
	}
	bodies = map[string]any{
		PathClientConfig: ClientConfigRequest{}, PathCreateSession: CreateSessionRequest{}, PathHeartbeat: HeartbeatRequest{},
		PathCreateModel: CreateModelRequest{}, PathUnloadModel: ModelRequest{}, PathGetInfo: ModelRequest{},
		PathRetrieveFuture: RetrieveFutureRequest{}, PathForward: ForwardBackwardRequest{}, PathForwardBackward: ForwardBackwardRequest{},
		PathOptimStep: OptimStepRequest{}, PathSaveWeights: SaveWeightsRequest{}, PathSaveWeightsForSampler: SaveForSamplerRequest{},
		PathLoadWeights: LoadWeightsRequest{}, PathWeightsInfo: WeightsInfoRequest{}, PathCreateSamplingSession: SamplingSessionRequest{},
		PathSample: SampleRequest{},
	}
)

// TestRecordedJSONRequests: every field that a client sent is read, and written again.
func TestRecordedJSONRequests(t *testing.T) {
	kinds := map[string]int{}
	exchanges(t, func(name string, e exchange) {
		body := e.Request.json()
		if body == nil || bodies[e.Request.Path] == nil || bytes.Contains(body, []byte(`|im_end|`)) || bytes.Contains(body, []byte(`"unload_model","model_id":`)) {
			return // a stop in words, and a number that unload_model does not have
		}
		kinds[e.Request.Path]++
		v := reflect.New(reflect.TypeOf(bodies[e.Request.Path]))
		if err := json.Unmarshal(body, v.Interface()); err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		again, err := json.Marshal(v.Interface())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		var was, is any
		if json.Unmarshal(body, &was) != nil || json.Unmarshal(again, &is) != nil {
			t.Errorf("%s: no JSON", name)
		}
		if missing := lost(was, is); missing != "" {
			t.Errorf("%s: %s is not written again\n%s\n%s", name, missing, body, again)
		}
	})
	if len(kinds) < 12 {
		t.Errorf("too few kinds: %v", kinds)
	}
}

// lost is the path of something in one JSON value that is not, or not so, in the other.
func lost(was, is any) string {
	switch was := was.(type) {
	case nil:
		return ""
	case map[string]any:
		is, _ := is.(map[string]any)
		for key, x := range was {
			if path := lost(x, is[key]); path != "" {
				return key + "." + path
			}
		}
		return ""
	case []any:
		is, _ := is.([]any)
		if len(is) != len(was) {
			return "length"
		}
		for i := range was {
			if path := lost(was[i], is[i]); path != "" {
				return fmt.Sprint(i, ".", path)
			}
		}
		return ""
	}
	if was != is {
		return fmt.Sprint(was, " and not ", is)
	}
	return ""
}

package served

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"ballast/endpoint"
)

// seeds are the recorded bodies of a kind of exchange.
func seeds(f *testing.F) {
	files, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file.Name(), ".json") {
			text, _ := os.ReadFile("testdata/" + file.Name())
			var rec recorded
			if err := json.Unmarshal(text, &rec); err != nil {
				f.Fatal(err)
			}
			f.Add(rec.Body)
		}
	}
	for _, s := range []string{"null", "[]", `{"choices":[{}]}`, `{"choices":[{"token_ids":[1],"logprobs":{"token_logprobs":[null]},"finish_reason":"stop"}]}`,
		`{"meta_info":{"finish_reason":{"type":"stop","matched":1},"output_token_logprobs":[[-0.5,1,null]],"output_token_ids_logprobs":[[[-1,2,null]]]}}`,
		`{"meta_info":{"finish_reason":{"type":"length"},"output_token_logprobs":[[null,"x"]]}}`,
		`{"data":[{"id":"a","max_model_len":16},{"id":"b","parent":"a"}]}`} {
		f.Add(s)
	}
}

// FuzzReply: whatever a server sends, it is an answer that fits the call or an error with a text.
func FuzzReply(f *testing.F) {
	seeds(f)
	v, s := dial(f, "vllm", "http://localhost").(*vllm), dial(f, "sglang", "http://localhost").(*sglang)
	c := &Call{Prompt: []int32{635, 10, 20, 30, 40, 50}, Max: 4, Stop: []int32{59, 1}, Watch: []int32{2}}
	f.Fuzz(func(t *testing.T, body string) {
		for b, read := range map[Backend]func([]byte, *Call, int) (*Answer, error){v: v.read, s: s.read} {
			a, err := read([]byte(body), c, c.Max)
			if err == nil {
				err = fits(b, a, c, 640)
			}
			var e *endpoint.Error
			switch {
			case err != nil && (!errors.As(err, &e) || e.Text == ""):
				t.Fatalf("%v", err)
			case err == nil && (len(a.Tokens) > c.Max || len(a.LogProb) != len(a.Tokens) || len(a.Tokens) == 0 && !a.Full):
				t.Fatalf("%+v", a)
			}
		}
		if n, err := v.listed([]byte(body)); n < 0 || err != nil && err.Error() == "" {
			t.Fatalf("%d %v", n, err)
		}
	})
}

package served

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
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

// FuzzNumbers: lists are what encoding/json reads in them, or an error; what is written is read.
func FuzzNumbers(f *testing.F) {
	for _, s := range []string{"null", "[]", " [ 1 , -2,3 ] ", "[1,null]", "[1.5,-2e3]", `["1"]`, "[[1]]", "[1e400]", "[01]", "[2147483648]", "[,]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got, written ids
		var want []int32
		err, wrong := json.Unmarshal([]byte(text), &got), json.Unmarshal([]byte(text), &want)
		if err == nil && (wrong != nil || !slices.Equal(got, want) || (got == nil) != (want == nil)) {
			t.Fatalf("%q: %v; encoding/json reads %v, %v", text, got, want, wrong)
		}
		if err == nil && got != nil {
			out, err := json.Marshal(got)
			if json.Unmarshal(out, &written) != nil || err != nil || !slices.Equal(written, got) {
				t.Fatalf("%q: %s", text, out)
			}
		}
		var a numbers
		var b []*float64
		if err, wrong := json.Unmarshal([]byte(text), &a), json.Unmarshal([]byte(text), &b); err == nil {
			same := func(n number, x *float64) bool { return n.set == (x != nil) && (x == nil || *x == n.v) }
			if wrong != nil || !slices.EqualFunc(a, b, same) {
				t.Fatalf("%q: %v; encoding/json reads %v", text, a, wrong)
			}
		}
	})
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

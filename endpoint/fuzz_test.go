package endpoint

import (
	"context"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzRead: whatever a body holds, it is a whole reply within its bounds or an error.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"null", "", `{"choices":[{"finish_reason":"stop","message":{"content":"a","tool_calls":[null,{"function":{"name":"f","arguments":{"a":1}}}]}}],"usage":{"total_tokens":-5}}`,
		"data: {\"choices\":[{\"delta\":{\"content\":\"a\",\"tool_calls\":[{\"index\":7,\"id\":\"x\"}]},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n", ": a\r\n\r\n", `{"error":[1]}`, `{"choices":[{}]}`} {
		f.Add(s)
	}
	c, err := New(Options{URL: "http://localhost/v1"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		rep, err := c.read(context.Background(), func() {}, strings.NewReader(body), 1)
		var e *Error
		if err != nil {
			if !errors.As(err, &e) || e.Text == "" || !utf8.ValidString(e.Text) {
				t.Fatalf("%v", err)
			}
			return
		}
		if rep.Finish == "" || len(rep.Content) > minText || rep.Tokens < 0 || len(rep.Calls) > maxCalls || !utf8.ValidString(rep.Content) {
			t.Fatalf("%+v", rep)
		}
	})
}

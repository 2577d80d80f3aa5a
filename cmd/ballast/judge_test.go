package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
)

// unreliable is a judge's endpoint of which of ten requests three fail, one is
// limited, one answers garbage and one an analysis without its sections.
func unreliable() *httptest.Server {
	const answer = `{"id": "x", "object": "chat.completion", "created": 1, "model": "stub", "usage": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": %q}}]}`
	var n atomic.Int64
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch n.Add(1) % 10 {
		case 1, 5, 8:
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"error": {"message": "down"}}`)
		case 2:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"error": {"message": "slow"}}`)
		case 3:
			fmt.Fprint(w, `{"choices": [`)
		case 4:
			fmt.Fprintf(w, answer, "Well, it went wrong.")
		default:
			fmt.Fprintf(w, answer, "Turn 1 failed.\nRoot cause: a.\nEvidence: b.\nFix: c.\nSimilar: d.\nCalls: e.")
		}
	}))
}

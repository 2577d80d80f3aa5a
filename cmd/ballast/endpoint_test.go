package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
)

// refusing is a chat endpoint whose model never calls anything. It wants a key.
func refusing() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, `{"error": {"message": "no key"}}`, http.StatusUnauthorized)
			return
		}
		message := map[string]any{"role": "assistant", "content": "No."}
		_ = json.NewEncoder(w).Encode(map[string]any{"choices": []any{map[string]any{"message": message, "finish_reason": "stop"}}})
	}))
}

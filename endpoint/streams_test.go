package endpoint_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"ballast/endpoint"
	"ballast/endpoint/endpointtest"
)

// wire is how a server marks the pieces of a stream's calls: call k, piece i of it.
type wire struct {
	name  string
	index func(k int) any // nil = none
	id    func(i int) bool
	named func(i int) bool
}

// TestStreamsOfCalls: calls in pieces cut at random are the calls that were sent, whichever
// of index, id and name the pieces have.
func TestStreamsOfCalls(t *testing.T) {
	own, zero, none := func(k int) any { return k }, func(int) any { return 0 }, func(int) any { return nil }
	first, all, never := func(i int) bool { return i == 0 }, func(int) bool { return true }, func(int) bool { return false }
	wires := []wire{
		{"OpenAI", own, first, first}, {"index 0", zero, first, first}, {"no index", none, first, first},
		{"id and name in each", own, all, all}, {"no index, id and name in each", none, all, all}, {"index 0, id and name in each", zero, all, all},
		{"index 0, no id", zero, never, first}, {"no index, no id", none, never, first},
		{"no id, name in each", own, never, all}, {"index 0, no id, name in each", zero, never, all}, {"nothing but names", none, never, all},
	}
	arguments := []string{`{}`, `{"a": 1}`, `{"a": {"b": [1, {"c": "}"}]}}`, `{"t": "x\" } {"}`}
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		for _, w := range wires {
			var events []string
			want := "tool_calls "
			for k := range 1 + r.IntN(3) {
				name, args, id := []string{"f", "f", "get_it"}[r.IntN(3)], arguments[r.IntN(len(arguments))], ""
				if w.id(0) {
					id = fmt.Sprint("c", k)
				}
				want += "|" + id + ":" + name + args
				for i, text := range cutAtRandom(r, args) {
					piece, function := map[string]any{}, map[string]any{"arguments": text}
					if x := w.index(k); x != nil {
						piece["index"] = x
					}
					if w.id(i) {
						piece["id"] = id
					}
					if w.named(i) {
						function["name"] = name
					}
					piece["function"] = function
					data, err := json.Marshal(piece)
					if err != nil {
						t.Fatal(err)
					}
					events = append(events, `{"choices": [{"delta": {"tool_calls": [`+string(data)+`]}}]}`)
				}
			}
			events = append(events, `{"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}`, "[DONE]")
			c, _ := dial(t, endpointtest.Behaviour{Serve: func(x *endpointtest.Exchange) {
				x.Events()
				for _, e := range events {
					x.Raw("data: " + e + "\n\n")
				}
			}}, endpoint.Options{})
			if rep, err := c.Chat(background, background, question(), true); err != nil || shown(rep) != want {
				t.Fatalf("%s: %s, %v, want %s; sent %q", w.name, shown(rep), err, want, events)
			}
		}
	}
}

// cutAtRandom cuts a text into pieces, of which the first or the last may be empty.
func cutAtRandom(r *rand.Rand, s string) (out []string) {
	if r.IntN(2) == 0 {
		out = append(out, "")
	}
	for s != "" {
		n := 1 + r.IntN(len(s))
		out, s = append(out, s[:n]), s[n:]
	}
	if r.IntN(3) == 0 {
		out = append(out, "")
	}
	return out
}

package remote_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/value"
)

// stub is an OpenAI-compatible server that plays tasks it knows.
type stub struct {
	*httptest.Server
	t      testing.TB
	tasks  []ballast.Task
	tok    *bpe.Tokenizer // for prompts of token ids
	player func(task *ballast.Task, turn, done int) say
	faults bool // the first tries of many requests fail in some way, one is never answered
	after  func(paid int)
	shape  func(calls []any, finish string) (message map[string]any, end string) // how calls are written; nil = as OpenAI does
	strict bool                                                                  // it takes no empty messages and no odd names

	hung  atomic.Bool // the request that is never answered was made
	mu    sync.Mutex
	tries map[string]int
	paid  map[string]int // replies sent whole, by request
	total int
}

// say is what the player answers: text, or calls with arguments as JSON.
type say struct {
	text  string
	calls [][2]string
}

func newStub(t testing.TB, tasks []ballast.Task, player func(*ballast.Task, int, int) say) *stub {
	s := &stub{t: t, tasks: tasks, player: player, tries: map[string]int{}, paid: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", s.chat)
	mux.HandleFunc("POST /v1/completions", s.completion)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// perfect plays gold.
func perfect(task *ballast.Task, turn, done int) say {
	gold := task.Turns[turn].Gold
	if done >= len(gold) {
		return say{text: "Done."}
	}
	c, err := chat.Named(gold[done], task.Tools)
	if err != nil {
		panic(err)
	}
	return say{calls: [][2]string{{c.Name, arguments(c)}}}
}

func arguments(c ballast.Call) string {
	d := &value.Dict{}
	for _, a := range c.Args {
		d.Set(a.Name, a.Value)
	}
	text, err := value.JSON(d)
	if err != nil {
		panic(err)
	}
	return text
}

// never answers without calls.
func never(*ballast.Task, int, int) say { return say{text: "I would rather not."} }

// garbled makes calls that are no JSON.
func garbled(*ballast.Task, int, int) say { return say{calls: [][2]string{{"mkdir", `{"folder": `}}} }

// read reads a request, and breaks some. It returns nil when it has answered.
func (s *stub) read(w http.ResponseWriter, r *http.Request) (body map[string]any, key string) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, ""
	}
	if err := json.Unmarshal(data, &body); err != nil {
		s.t.Errorf("the request is no JSON: %v", err)
	}
	sum := sha256.Sum256(data)
	key = string(sum[:])
	s.mu.Lock()
	try := s.tries[key]
	s.tries[key]++
	s.mu.Unlock()
	if !s.faults || try > 0 {
		return body, key
	}
	switch sum[0] % 7 {
	case 0:
		w.Header().Set("Retry-After", "0.001")
		http.Error(w, `{"error": {"message": "slow down"}}`, http.StatusTooManyRequests)
	case 1:
		http.Error(w, "broken", http.StatusInternalServerError)
	case 2: // closed before an answer
		hijack(w, "")
	case 3: // closed in the middle of the body
		hijack(w, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"choices\": [{\"mess")
	case 4: // a stream that ends early
		hijack(w, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"choices\": [{\"index\": 0, \"delta\": {\"content\": \"Do\"}}]}\n\n")
	case 5:
		if !s.hung.CompareAndSwap(false, true) {
			return body, key
		}
		<-r.Context().Done() // until the client gives up
	default:
		return body, key
	}
	return nil, ""
}

func hijack(w http.ResponseWriter, text string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_, _ = io.WriteString(conn, text)
		conn.Close()
	}
}

// pay notes a reply that was sent whole.
func (s *stub) pay(key string) {
	s.mu.Lock()
	s.paid[key]++
	s.total++
	n := s.total
	s.mu.Unlock()
	if s.after != nil {
		s.after(n)
	}
}

// chat is the chat endpoint. It checks what real servers check: every native call
// has arguments in JSON and is answered.
func (s *stub) chat(w http.ResponseWriter, r *http.Request) {
	body, key := s.read(w, r)
	if body == nil {
		return
	}
	var users []string
	open := map[string]bool{}
	done := 0
	for _, x := range body["messages"].([]any) {
		m := x.(map[string]any)
		if m["role"] != "tool" && len(open) > 0 {
			s.t.Errorf("calls without answers: %v", open)
		}
		switch m["role"] {
		case "user":
			users, done = append(users, m["content"].(string)), 0
		case "tool":
			delete(open, m["tool_call_id"].(string))
			done++
		case "assistant":
			calls, _ := m["tool_calls"].([]any)
			text, isText := m["content"].(string)
			if !isText {
				s.t.Errorf("a message of the assistant without content: %v", m)
			}
			if s.strict && text == "" && calls == nil {
				http.Error(w, `{"object": "error", "message": "Invalid assistant message: content=None tool_calls=None", "code": 400}`, http.StatusBadRequest)
				return
			}
			for _, c := range calls {
				call := c.(map[string]any)
				f := call["function"].(map[string]any)
				if !json.Valid([]byte(f["arguments"].(string))) {
					s.t.Errorf("arguments in the conversation are no JSON: %v", f)
				}
				if name := f["name"].(string); s.strict && (len(name) > 64 || strings.ContainsAny(name, " .{")) {
					http.Error(w, `{"error": {"message": "string does not match pattern", "code": "invalid_value"}}`, http.StatusBadRequest)
					return
				}
				if open[call["id"].(string)] {
					s.t.Errorf("two calls of one id: %v", calls)
				}
				open[call["id"].(string)] = true
			}
		}
	}
	var tools []string
	for _, x := range body["tools"].([]any) {
		f := x.(map[string]any)["function"].(map[string]any)
		tools = append(tools, f["name"].(string))
		if p := f["parameters"].(map[string]any); p["type"] != "object" {
			s.t.Errorf("tool %v has parameters of type %v", f["name"], p["type"])
		}
	}
	task := s.find(users, tools)
	if task == nil {
		http.Error(w, `{"error": {"message": "unknown conversation"}}`, http.StatusBadRequest)
		return
	}
	out := s.player(task, len(users)-1, done)
	s.reply(w, body, key, out)
}

// find is the task of a conversation; its last turn is the open one.
func (s *stub) find(users, tools []string) *ballast.Task {
	slices.Sort(tools)
	for i := range s.tasks {
		t := &s.tasks[i]
		if len(users) > len(t.Turns) {
			continue
		}
		want := []string{}
		for k, turn := range t.Turns {
			for _, name := range turn.Reveal {
				if k >= len(users) {
					want = append(want, name)
				}
			}
		}
		same := true
		for k, u := range users {
			text := t.Turns[k].User
			if text == "" {
				text = chat.RevealText
			}
			same = same && u == text
		}
		var have []string
		for _, tool := range t.Tools {
			if !slices.Contains(want, tool.Name) {
				have = append(have, tool.Name)
			}
		}
		slices.Sort(have)
		if same && slices.Equal(have, tools) {
			return t
		}
	}
	return nil
}

func (s *stub) reply(w http.ResponseWriter, body map[string]any, key string, out say) {
	finish := "stop"
	var calls []any
	for i, c := range out.calls {
		finish = "tool_calls"
		calls = append(calls, map[string]any{"index": i, "id": fmt.Sprintf("c%d", i), "type": "function",
			"function": map[string]any{"name": c[0], "arguments": c[1]}})
	}
	message := map[string]any{"role": "assistant", "content": out.text, "tool_calls": calls}
	if s.shape != nil && calls != nil {
		message, finish = s.shape(calls, finish)
	}
	if body["stream"] != true {
		s.pay(key)
		_ = json.NewEncoder(w).Encode(map[string]any{"choices": []any{map[string]any{"index": 0, "message": message, "finish_reason": finish}},
			"usage": map[string]any{"total_tokens": 10}})
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(delta map[string]any, finish any) {
		data, _ := json.Marshal(map[string]any{"choices": []any{map[string]any{"index": 0, "delta": delta, "finish_reason": finish}}})
		fmt.Fprintf(w, "data: %s\n\n", data)
		w.(http.Flusher).Flush()
	}
	for _, piece := range strings.SplitAfter(out.text, " ") {
		send(map[string]any{"content": piece}, nil)
	}
	if s.shape != nil && calls != nil {
		send(message, nil)
		out.calls = nil
	}
	for i, c := range out.calls {
		half := len(c[1]) / 2
		send(map[string]any{"tool_calls": []any{map[string]any{"index": i, "id": fmt.Sprintf("c%d", i), "type": "function",
			"function": map[string]any{"name": c[0], "arguments": c[1][:half]}}}}, nil)
		send(map[string]any{"tool_calls": []any{map[string]any{"index": i, "function": map[string]any{"arguments": c[1][half:]}}}}, nil)
	}
	s.pay(key)
	send(map[string]any{}, finish)
	fmt.Fprint(w, "data: [DONE]\n\n")
}

// completion is the completions endpoint, for prompts in chatml and hermes.
func (s *stub) completion(w http.ResponseWriter, r *http.Request) {
	body, key := s.read(w, r)
	if body == nil {
		return
	}
	prompt, isText := body["prompt"].(string)
	if !isText {
		var ids []int32
		for _, x := range body["prompt"].([]any) {
			ids = append(ids, int32(x.(float64)))
		}
		prompt = s.tok.Decode(ids)
	}
	var out say
	for i := range s.tasks {
		if turn, done, ok := follow(&s.tasks[i], prompt); ok {
			out = s.player(&s.tasks[i], turn, done)
		}
	}
	text := out.text
	for _, c := range out.calls {
		text += fmt.Sprintf("<tool_call>\n{\"name\": %q, \"arguments\": %s}\n</tool_call>", c[0], c[1])
	}
	choice := map[string]any{"index": 0, "text": text, "finish_reason": "stop"}
	data, _ := json.Marshal(map[string]any{"choices": []any{choice}})
	s.pay(key)
	if body["stream"] == true {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: %s\n\ndata: [DONE]\n\n", data)
		return
	}
	_, _ = w.Write(data)
}

// follow finds a task's user messages in a prompt: the open turn and the answers
// in it.
func follow(t *ballast.Task, prompt string) (turn, done int, ok bool) {
	for turn = 0; turn < len(t.Turns); turn++ {
		text := t.Turns[turn].User
		if text == "" {
			text = chat.RevealText
		}
		at := strings.Index(prompt, text+"<|im_end|>")
		if at < 0 {
			break
		}
		prompt = prompt[at+len(text):]
	}
	return turn - 1, strings.Count(prompt, "</tool_response>"), turn > 0
}

package remote_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/endpoint/endpointtest"
	"ballast/env"
	"ballast/eval"
	"ballast/remote"
	"ballast/rollout"
)

// eager plays gold with all calls of a turn in one reply.
func eager(task *ballast.Task, turn, done int) (s say) {
	gold := task.Turns[turn].Gold
	if done >= len(gold) {
		return say{text: "Done."}
	}
	for _, g := range gold[done:] {
		c, err := chat.Named(g, task.Tools)
		if err != nil {
			panic(err)
		}
		s.calls = append(s.calls, [2]string{c.Name, arguments(c)})
	}
	return s
}

// each changes every call, and its function.
func each(calls []any, change func(call, function map[string]any)) map[string]any {
	for _, c := range calls {
		call := c.(map[string]any)
		change(call, call["function"].(map[string]any))
	}
	return map[string]any{"role": "assistant", "content": nil, "tool_calls": calls}
}

// TestNativeCalls plays gold through servers that write calls in other ways, whole and
// in pieces: every call is run as it was meant.
func TestNativeCalls(t *testing.T) {
	t.Parallel()
	tasks := deskTasks(t, 12)
	for name, shape := range map[string]func(calls []any, finish string) (map[string]any, string){
		"arguments as an object": func(calls []any, finish string) (map[string]any, string) {
			return each(calls, func(_, f map[string]any) { f["arguments"] = json.RawMessage(f["arguments"].(string)) }), finish
		},
		"no ids": func(calls []any, finish string) (map[string]any, string) {
			return each(calls, func(c, _ map[string]any) { delete(c, "id") }), finish
		},
		"ids null": func(calls []any, finish string) (map[string]any, string) {
			return each(calls, func(c, _ map[string]any) { c["id"] = nil }), finish
		},
		"equal ids": func(calls []any, finish string) (map[string]any, string) {
			return each(calls, func(c, _ map[string]any) { c["id"] = "c" }), finish
		},
		"finish stop": func(calls []any, _ string) (map[string]any, string) {
			return each(calls, func(_, _ map[string]any) {}), "stop"
		},
		"finish none": func(calls []any, _ string) (map[string]any, string) {
			return each(calls, func(_, _ map[string]any) {}), ""
		},
		"index 0": func(calls []any, finish string) (map[string]any, string) {
			return each(calls, func(c, _ map[string]any) { c["index"] = 0 }), finish
		},
		"index 0 and no ids": func(calls []any, finish string) (map[string]any, string) {
			return each(calls, func(c, _ map[string]any) { c["index"] = 0; delete(c, "id") }), finish
		},
		"no index": func(calls []any, finish string) (map[string]any, string) {
			return each(calls, func(c, _ map[string]any) { delete(c, "index") }), finish
		},
		"no type, index and id": func(calls []any, finish string) (map[string]any, string) {
			return each(calls, func(c, _ map[string]any) { delete(c, "index"); delete(c, "id"); delete(c, "type") }), finish
		},
		"no content": func(calls []any, finish string) (map[string]any, string) {
			return map[string]any{"tool_calls": calls}, finish
		},
		"a thought": func(calls []any, finish string) (map[string]any, string) {
			return map[string]any{"tool_calls": calls, "content": nil, "reasoning_content": "hm"}, finish
		},
		"parts": func(calls []any, finish string) (map[string]any, string) {
			return map[string]any{"tool_calls": calls, "content": []any{map[string]any{"type": "text", "text": "Let me see."}}}, finish
		},
	} {
		for _, stream := range []bool{false, true} {
			s := newStub(t, tasks, eager)
			s.shape = shape
			if res := play(t, nil, tasks, player(client(t, s, remote.Options{Stream: stream}))); res.Rate() != 1 || res.Total.All != len(tasks) {
				t.Errorf("%s, stream %v:\n%s", name, stream, res.Table())
			}
		}
	}
	for _, stream := range []bool{false, true} { // one call a reply: there were no more before tools
		s := newStub(t, tasks, perfect)
		s.shape = func(calls []any, _ string) (map[string]any, string) {
			return map[string]any{"content": nil, "function_call": calls[0].(map[string]any)["function"]}, "function_call"
		}
		if res := play(t, nil, tasks, player(client(t, s, remote.Options{Stream: stream}))); res.Rate() != 1 || res.Total.All != len(tasks) {
			t.Errorf("function_call, stream %v:\n%s", stream, res.Table())
		}
	}
}

// TestMalformedNativeCalls: arguments that are encoded twice or cut are the model's fault.
func TestMalformedNativeCalls(t *testing.T) {
	tasks := deskTasks(t, 2)
	for name, arguments := range map[string]string{"encoded twice": `"{\"file\": \"a\"}"`, "cut": `{"file": "a`, "a list": `["a"]`, "a number": "5", "Python's": `{'file': True}`} {
		s := newStub(t, tasks, func(*ballast.Task, int, int) say { return say{calls: [][2]string{{"read", arguments}}} })
		res := play(t, nil, tasks, player(client(t, s, remote.Options{})))
		if res.Total.All != 2 || res.Rate() != 0 || res.Kinds[ballast.KindPolluted] == 0 || res.Kinds[ballast.KindCall] != 0 {
			t.Errorf("%s:\n%s", name, res.Table())
		}
	}
}

// TestCollapseIsScored: a model that says nothing, or calls what is no name, has failed,
// also where its server does not take that back.
func TestCollapseIsScored(t *testing.T) {
	tasks := deskTasks(t, 6)
	for name, reply := range map[string]say{
		"nothing": {}, "a blank": {text: " \n"}, "an odd name": {calls: [][2]string{{"{a b}.c", "{}"}}}, "a long name": {calls: [][2]string{{strings.Repeat("f", 200), "{}"}}},
	} {
		for _, strict := range []bool{false, true} {
			s := newStub(t, tasks, func(_ *ballast.Task, _, done int) say {
				if done > 0 {
					return say{}
				}
				return reply
			})
			s.strict = strict
			res := play(t, nil, tasks, player(client(t, s, remote.Options{Retries: -1})))
			if res.Infra != 0 || res.Total.All != 6 || res.Rate() != 0 {
				t.Errorf("%s, strict %v:\n%s", name, strict, res.Table())
			}
		}
	}
}

// TestRefusals: a refusal that a server keeps apart is prose; a reply that its filter
// cut is no doing of the model.
func TestRefusals(t *testing.T) {
	tasks := deskTasks(t, 2)
	for body, want := range map[string]int{
		`{"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": null, "refusal": "I cannot."}}]}`: 0,
		`{"choices": [{"finish_reason": "content_filter", "message": {"role": "assistant", "content": "I"}}]}`:                2,
		`{"choices": [{"finish_reason": "sensitive", "message": {"role": "assistant", "content": "I"}}]}`:                     2,
	} {
		s := serve(t, endpointtest.Behaviour{Serve: func(x *endpointtest.Exchange) { x.JSON(body) }})
		c, err := remote.NewClient(remote.Options{URL: s.URL, Model: "m", Retries: -1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		res := play(t, nil, tasks, player(c))
		if res.Infra != want || want == 0 && (res.Kinds[ballast.KindResponse] == 0 || res.Kinds[ballast.KindCollapsed] != 0) {
			t.Errorf("%s:\n%s", body, res.Table())
		}
	}
}

// TestFilteredCompletions: likewise where the prompt is written here.
func TestFilteredCompletions(t *testing.T) {
	tasks := deskTasks(t, 2)
	s := serve(t, endpointtest.Behaviour{Serve: func(x *endpointtest.Exchange) {
		x.JSON(`{"choices": [{"finish_reason": "content_filter", "text": "I"}]}`)
	}})
	if res := play(t, nil, tasks, completions(t, s, tasks)); res.Infra != 2 {
		t.Errorf("%s", res.Table())
	}
}

// completions plays with a server's completions, as tasks' tokenizer writes prompts.
func completions(t *testing.T, s *endpointtest.Server, tasks []ballast.Task) eval.Player {
	t.Helper()
	tok := tokenizer(t, tasks)
	c, err := remote.NewClient(remote.Options{URL: s.URL, Model: "m", Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	cfg := rollout.Config{Renderer: chat.Renderer{Tokenizer: tok, Template: chat.Templates["chatml"], Format: chat.Formats["hermes"]},
		Budget:  rollout.Budget{Prompt: eval.Unbounded, Episode: eval.Unbounded, Reply: 512, Result: eval.Unbounded, Steps: 1000},
		PerTurn: 20, Malformed: rollout.MalformedAdvance}
	return eval.PolicyPlayer(&remote.Policy{Client: c, Tokenizer: tok}, cfg, ballast.Sampling{})
}

// TestFullContexts: who has no room for a reply has used the context up; who has some
// gets what there is, and is no broken machine.
func TestFullContexts(t *testing.T) {
	tasks := deskTasks(t, 3)
	for _, b := range []struct {
		room int
		stop ballast.Stop
	}{{0, ballast.StopTokens}, {96, ballast.StopTokens}, {100000, ballast.StopCut}} {
		s := serve(t, fits(b.room))
		o := remote.Options{Retries: -1}
		o.URL, o.Model = s.URL, "m"
		c, err := remote.NewClient(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		res := play(t, nil, tasks, bounded(c, 512))
		if res.Infra != 0 || res.Total.All != 3 || res.Stops[b.stop] != 3 {
			t.Errorf("room for %d:\n%s", b.room, res.Table())
		}
		if n := s.Requests.Load(); n > 6 {
			t.Errorf("room for %d: %d requests", b.room, n)
		}
	}
}

// TestFullContextsOfCompletions: likewise where the prompt is written here.
func TestFullContextsOfCompletions(t *testing.T) {
	tasks := deskTasks(t, 3)
	for room, stop := range map[int]ballast.Stop{0: ballast.StopTokens, 96: ballast.StopTokens, 100000: ballast.StopCut} {
		res := play(t, nil, tasks, completions(t, serve(t, fits(room)), tasks))
		if res.Infra != 0 || res.Total.All != 3 || res.Stops[stop] != 3 {
			t.Errorf("room for %d:\n%s", room, res.Table())
		}
	}
}

// fits serves replies that are cut at the bound that was asked for, if it is at most room.
func fits(room int) endpointtest.Behaviour {
	return endpointtest.Behaviour{Serve: func(x *endpointtest.Exchange) {
		var asked struct {
			Max int `json:"max_tokens"`
		}
		_ = json.Unmarshal(x.Body, &asked)
		if asked.Max > room {
			x.Send(400, fmt.Sprintf(`{"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you requested %d tokens (%d in the messages, %d in the completion).", "code": 400}`,
				4096-room+asked.Max, 4096-room, asked.Max))
			return
		}
		said := `"message": {"content": "a"}`
		if !strings.Contains(x.Request.URL.Path, "chat") {
			said = `"text": "a"`
		}
		x.JSON(fmt.Sprintf(`{"choices": [{"finish_reason": "length", `+said+`}], "usage": {"completion_tokens": %d}}`, asked.Max))
	}}
}

// bounded is player with a bound on replies.
func bounded(c *remote.Client, reply int) eval.Player {
	return func(ctx context.Context, plays []rollout.Request, ended func(*ballast.Episode)) ([]ballast.Episode, error) {
		var tasks []*ballast.Task
		for _, p := range plays {
			tasks = append(tasks, p.Task)
		}
		return c.Chat(ctx, remote.ChatConfig{Rules: env.Rules{Malformed: env.MalformedAdvance, Steps: 1000, PerTurn: 20}, Reply: reply}, tasks, ended)
	}
}

// TestWhatIsLeftOut: a server that counts far fewer tokens than it was sent is told of,
// once; others are not.
func TestWhatIsLeftOut(t *testing.T) {
	tasks := deskTasks(t, 4)
	for in, want := range map[int]int{0: 0, 50: 1, 100_000: 0} {
		s := serve(t, endpointtest.Behaviour{Serve: func(x *endpointtest.Exchange) {
			x.JSON(fmt.Sprintf(`{"choices": [{"finish_reason": "stop", "message": {"content": "No."}}], "usage": {"prompt_tokens": %d}}`, in))
		}})
		var mu sync.Mutex
		var told []string
		c, err := remote.NewClient(remote.Options{URL: s.URL, Model: "m", Warn: func(text string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, text)
		}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		long := slices.Clone(tasks)
		for i := range long {
			long[i].Turns = slices.Clone(long[i].Turns)
			long[i].Turns[0].User += strings.Repeat(" and so on", 1000)
		}
		play(t, nil, long, player(c))
		if len(told) != want || want > 0 && !strings.Contains(told[0], "counts 50 tokens in a conversation of 1") {
			t.Errorf("%d tokens: %q", in, told)
		}
	}
}

package remote_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/env"
	"ballast/eval"
	"ballast/remote"
	"ballast/rollout"
	"ballast/task"
)

func deskTasks(t testing.TB, n int) []ballast.Task {
	t.Helper()
	tasks, err := task.Load(task.Spec{Name: "desk", Split: "test", Seed: 3, Count: n})
	if err != nil {
		t.Fatal(err)
	}
	return tasks
}

// patience is the time-out of a request under faults: a reply that a busy machine
// delays for longer would be paid for twice.
const patience = 2 * time.Second

func client(t testing.TB, s *stub, o remote.Options) *remote.Client {
	t.Helper()
	o.URL, o.Model, o.Wait, o.MaxWait = s.URL+"/v1", "stub", time.Millisecond, 4*time.Millisecond
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	c, err := remote.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// player plays by chat under the rules of BFCL's harness.
func player(c *remote.Client) eval.Player {
	return func(ctx context.Context, plays []rollout.Request, ended func(*ballast.Episode)) ([]ballast.Episode, error) {
		var tasks []*ballast.Task
		for _, p := range plays {
			tasks = append(tasks, p.Task)
		}
		return c.Chat(ctx, remote.ChatConfig{Rules: env.Rules{Malformed: env.MalformedAdvance, Steps: 1000, PerTurn: 20}}, tasks, ended)
	}
}

func play(t testing.TB, s *eval.Store, tasks []ballast.Task, p eval.Player) eval.Result {
	t.Helper()
	res, err := eval.RunStored(context.Background(), s, tasks, p)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestPlayersScoreWhatTheyMust(t *testing.T) {
	t.Parallel()
	tasks := deskTasks(t, 24)
	for _, c := range []struct {
		name   string
		player func(*ballast.Task, int, int) say
		want   int
		form   ballast.ReplyKind
	}{
		{"perfect", perfect, len(tasks), ballast.KindCall},
		{"never calls", never, 0, ballast.KindResponse},
		{"malformed calls", garbled, 0, ballast.KindPolluted},
	} {
		for _, stream := range []bool{false, true} {
			s := newStub(t, tasks, c.player)
			res := play(t, nil, tasks, player(client(t, s, remote.Options{Stream: stream})))
			if res.Total.OK != c.want || res.Total.All != len(tasks) || res.Kinds[c.form] == 0 {
				t.Errorf("%s, stream %v:\n%s", c.name, stream, res.Table())
			}
		}
	}
}

// TestEndlessCalls plays a model that only ever calls: the official harness runs its
// 21st reply of a turn and gives it up.
func TestEndlessCalls(t *testing.T) {
	t.Parallel()
	tasks := deskTasks(t, 4)
	s := newStub(t, tasks, func(task *ballast.Task, _, done int) say {
		return say{calls: [][2]string{{task.Tools[0].Name, fmt.Sprintf(`{"x": %d}`, done)}}}
	})
	res := play(t, nil, tasks, player(client(t, s, remote.Options{})))
	if res.Rate() != 0 || res.Stops[ballast.StopTurns] != len(tasks) || res.Reasons["turns"] != len(tasks) || s.total != 21*len(tasks) {
		t.Errorf("%d requests\n%s", s.total, res.Table())
	}
	for _, ep := range res.Episodes {
		if steps := ep.Turns[0].Steps; len(steps) != 21 || len(steps[20].Results) != 1 {
			t.Errorf("%s: %d replies", ep.Task, len(steps))
		}
	}
}

// TestFaultsAreNotTheModels breaks most requests once: the scores stay, and what
// was answered is not asked for again.
func TestFaultsAreNotTheModels(t *testing.T) {
	t.Parallel()
	tasks := deskTasks(t, 24)
	for _, stream := range []bool{false, true} {
		t.Run(fmt.Sprintf("stream %v", stream), func(t *testing.T) {
			t.Parallel()
			s := newStub(t, tasks, perfect)
			s.faults = true
			res := play(t, nil, tasks, player(client(t, s, remote.Options{Stream: stream, Timeout: patience, Concurrency: 16})))
			if res.Rate() != 1 || res.Total.All != len(tasks) {
				t.Errorf("%s", res.Table())
			}
			if !s.hung.Load() {
				t.Error("no request was left without an answer")
			}
			for key, n := range s.paid {
				if n > 1 {
					t.Errorf("request %x was paid for %d times", key[:4], n)
				}
			}
		})
	}
}

// TestBrokenEndpointIsNotAZero gives up and leaves the episodes out.
func TestBrokenEndpointIsNotAZero(t *testing.T) {
	t.Parallel()
	tasks := deskTasks(t, 4)
	s := newStub(t, nil, perfect) // it knows no task: 400
	res := play(t, nil, tasks, player(client(t, s, remote.Options{})))
	if res.Infra != 4 || res.Total.All != 0 || !strings.Contains(res.Broken, "unknown conversation") {
		t.Errorf("%s", res.Table())
	}
	many := deskTasks(t, 60)
	if _, err := eval.RunStored(context.Background(), nil, many, player(client(t, s, remote.Options{Concurrency: 2}))); err == nil || !strings.Contains(err.Error(), "in a row") {
		t.Errorf("got %v", err)
	}
}

// TestResume interrupts an evaluation a few times: the table is that of a run never
// interrupted, and no request is answered twice.
func TestResume(t *testing.T) {
	t.Parallel()
	tasks := deskTasks(t, 40)
	half := func(task *ballast.Task, turn, done int) say {
		if len(task.ID)%2 == 0 || turn%2 == 1 {
			return perfect(task, turn, done)
		}
		return never(task, turn, done)
	}
	whole := newStub(t, tasks, half)
	want := play(t, nil, tasks, player(client(t, whole, remote.Options{}))).Table()

	dir := t.TempDir()
	s := newStub(t, tasks, half)
	s.faults = true
	settings := map[string]string{"model": "stub"}
	var got string
	for run := 0; got == ""; run++ {
		if run > 20 {
			t.Fatal("it never ends")
		}
		ctx, cancel := context.WithCancel(context.Background())
		stopAt := 0
		s.mu.Lock()
		stopAt = s.total + 25
		s.mu.Unlock()
		s.after = func(paid int) {
			if paid >= stopAt {
				cancel()
			}
		}
		store, err := eval.OpenStore(dir, settings)
		if err != nil {
			t.Fatal(err)
		}
		c := client(t, s, remote.Options{Journal: filepath.Join(dir, "replies.jsonl"), Timeout: patience, Stream: run%2 == 0})
		res, err := eval.RunStored(ctx, store, tasks, player(c))
		if err == nil {
			got = res.Table()
		} else if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if err := errors.Join(store.Close(), c.Close()); err != nil {
			t.Fatal(err)
		}
		cancel()
		tear(t, filepath.Join(dir, "replies.jsonl"))
		tear(t, filepath.Join(dir, "episodes.jsonl"))
	}
	if got != want {
		t.Errorf("resumed:\n%s\nat once:\n%s", got, want)
	}
	for key, n := range s.paid {
		if n > 1 {
			t.Errorf("request %x was paid for %d times", key[:4], n)
		}
	}
	// A request in stream has other bytes than the same one whole: count both.
	if s.total != whole.total {
		t.Errorf("%d replies were paid for, %d are needed", s.total, whole.total)
	}
}

// tear leaves half a line at a file's end, as a crash does.
func tear(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"task": "x", "ke`); err != nil {
		t.Fatal(err)
	}
	f.Close()
}

func TestOtherSettingsNeedAnotherFolder(t *testing.T) {
	dir := t.TempDir()
	s, err := eval.OpenStore(dir, map[string]string{"model": "a"})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := eval.OpenStore(dir, map[string]string{"model": "b"}); err == nil || !strings.Contains(err.Error(), "model") {
		t.Errorf("got %v", err)
	}
}

// tokenizer is a small one with chatml's control tokens.
func tokenizer(t testing.TB, tasks []ballast.Task) *bpe.Tokenizer {
	t.Helper()
	tok, err := bpe.Train(func(yield func(string) bool) {
		for _, task := range tasks {
			for _, turn := range task.Turns {
				if !yield(turn.User) {
					return
				}
			}
		}
	}, 400, chat.ControlTokens(chat.Templates["chatml"]), bpe.Qwen2)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestCompletions(t *testing.T) {
	t.Parallel()
	tasks := deskTasks(t, 24)
	tok := tokenizer(t, tasks)
	renderer := chat.Renderer{Tokenizer: tok, Template: chat.Templates["chatml"], Format: chat.Formats["hermes"]}
	budget := rollout.Budget{Prompt: eval.Unbounded, Episode: eval.Unbounded, Reply: 512, Result: eval.Unbounded, Steps: 1000}
	for _, c := range []struct {
		name         string
		text, stream bool
		player       func(*ballast.Task, int, int) say
		want         float64
	}{
		{"ids", false, false, perfect, 1},
		{"text", true, false, perfect, 1},
		{"stream", false, true, perfect, 1},
		{"never calls", false, false, never, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStub(t, tasks, c.player)
			s.tok, s.faults = tok, true
			s.hung.Store(c.name != "ids") // one waits for an answer that does not come
			p := &remote.Policy{Client: client(t, s, remote.Options{Stream: c.stream, Timeout: patience / 2, Concurrency: 16}), Tokenizer: tok, Text: c.text}
			cfg := rollout.Config{Renderer: renderer, Budget: budget, PerTurn: 20, Malformed: rollout.MalformedAdvance}
			if res := play(t, nil, tasks, eval.PolicyPlayer(p, cfg, ballast.Sampling{})); res.Rate() != c.want || res.Total.All != len(tasks) {
				t.Errorf("%s", res.Table())
			}
		})
	}
}

// TestBFCL plays tasks of the benchmark with both players, category by category.
func TestBFCL(t *testing.T) {
	t.Parallel()
	for _, category := range []string{"base", "miss_func", "miss_param", "long_context"} {
		tasks, err := task.Load(task.Spec{Name: "bfcl", Data: "../task/bfcl/testdata", Categories: []string{category}})
		if err != nil {
			t.Fatal(err)
		}
		s := newStub(t, tasks, perfect)
		if res := play(t, nil, tasks, player(client(t, s, remote.Options{}))); res.Rate() != 1 || res.Total.All != 6 {
			t.Errorf("%s:\n%s", category, res.Table())
		}
		s = newStub(t, tasks, never)
		if res := play(t, nil, tasks, player(client(t, s, remote.Options{}))); res.Rate() != 0 || res.Total.All != len(tasks) {
			t.Errorf("%s:\n%s", category, res.Table())
		}
	}
}

// TestOwnPrompts plays a benchmark that brings its prompts: messages go as they are, no tools with them, and the reply
// is judged by its text, also where the server has read the calls out of it.
func TestOwnPrompts(t *testing.T) {
	t.Parallel()
	tasks, err := task.Load(task.Spec{Name: "acebench", Data: "../task/acebench/testdata", Categories: []string{"normal_similar_api", "special_irrelevant"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]func(*ballast.Task) say{
		"text": func(task *ballast.Task) say { return say{text: task.Turns[0].Reply} },
		"native calls": func(task *ballast.Task) say {
			if len(task.Turns[0].Gold) == 0 {
				return say{text: task.Turns[0].Reply}
			}
			c := task.Turns[0].Gold[0]
			return say{calls: [][2]string{{c.Name, arguments(c)}}}
		},
	} {
		s := newStub(t, nil, nil)
		s.Server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, key := s.read(w, r)
			if body["tools"] != nil {
				t.Error("tools go with the prompt")
			}
			for i := range tasks {
				p, messages := tasks[i].Prompt, body["messages"].([]any)
				if len(p) == len(messages) && messages[0].(map[string]any)["content"] == p[0].Text &&
					messages[len(p)-1].(map[string]any)["content"] == p[len(p)-1].Text && messages[len(p)-1].(map[string]any)["role"] == p[len(p)-1].Role {
					s.reply(w, body, key, answer(&tasks[i]))
					return
				}
			}
			t.Errorf("%s: no task asks so: %v", name, body["messages"])
		})
		res := play(t, nil, tasks, player(client(t, s, remote.Options{})))
		if res.Rate() != 1 || res.Total.All != 4 || res.Findings["strict"]["normal_similar_api"].Sum != 2 {
			t.Errorf("%s:\n%s", name, res.Table())
		}
	}
}

// TestDialogues plays tasks whose prompt is written anew for every reply: the messages are the world's and nothing else, a reply
// that the server cuts is taken as it is, and a prompt that the server has no room for gets an empty one.
func TestDialogues(t *testing.T) {
	t.Parallel()
	tasks, err := task.Load(task.Spec{Name: "acebench", Data: "../task/acebench/testdata", Categories: []string{"agent_multi_step", "agent_multi_turn"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, s *stub, body map[string]any, key string, text string)
		right  int
	}{
		"text": {func(w http.ResponseWriter, s *stub, body map[string]any, key, text string) {
			s.reply(w, body, key, say{text: text})
		}, 3},
		"no room": {func(w http.ResponseWriter, _ *stub, _ map[string]any, _, _ string) {
			http.Error(w, `{"error": {"message": "This model's maximum context length is 10 tokens", "code": "context_length_exceeded"}}`, 400)
		}, 0},
	} {
		s := newStub(t, nil, nil)
		s.Server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, key := s.read(w, r)
			messages := body["messages"].([]any)
			content := func(i int) string { return messages[i].(map[string]any)["content"].(string) }
			of, done := -1, 0 // which task that is, and how often it was answered
			for i := range tasks {
				if content(0) == tasks[i].Prompt[0].Text {
					of = i
				}
			}
			for i := range messages {
				if strings.HasPrefix(content(i), "<tool_response>") {
					done++
				}
			}
			if of < 0 || body["tools"] != nil {
				t.Errorf("%s: no task asks so: %v", name, body)
				return
			}
			text := "finish conversation"
			if gold := tasks[of].Turns[0].Gold; done < len(gold) {
				text = "<tool_call>\n{\"name\": \"" + gold[done].Name + "\", \"arguments\": " + arguments(gold[done]) + "}\n</tool_call>"
			}
			c.answer(w, s, body, key, text)
		})
		res := play(t, nil, tasks, player(client(t, s, remote.Options{})))
		if res.Total.OK != c.right || res.Total.All != 3 || res.Infra != 0 || c.right == 3 && res.Findings["milestones"]["agent_multi_turn"].Sum != 2 ||
			(res.NoRoom > 0) != (name == "no room") || res.Kinds[ballast.KindCollapsed] > 0 || strings.Contains(res.Table(), "no room for one") != (name == "no room") {
			t.Errorf("%s:\n%s", name, res.Table())
		}
	}
}

func TestNoAccessEndsTheEvaluation(t *testing.T) {
	tasks := deskTasks(t, 4)
	s := newStub(t, tasks, perfect)
	o := remote.Options{URL: s.URL + "/elsewhere", Model: "stub", Wait: time.Millisecond}
	c, err := remote.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := eval.RunStored(context.Background(), nil, tasks, player(c)); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %v", err)
	}
}

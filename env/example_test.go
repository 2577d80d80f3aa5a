package env_test

import (
	"context"
	"fmt"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/env"
	"ballast/rollout"
)

// counter is a world of one's own: a number that starts at 0.
type counter struct{}

// count is its session.
type count struct{ n int }

func (counter) Tools(context.Context, *ballast.Task) ([]ballast.Tool, error) {
	return []ballast.Tool{{Name: "add", Doc: "Adds 1 and says the sum."}}, nil
}

func (counter) Open(context.Context, *ballast.Task) (ballast.Session, error) { return &count{}, nil }

func (c *count) Call(_ context.Context, call ballast.Call) (string, error) {
	if call.Name != "add" {
		return "error: there is only add", nil // what the policy does wrong is an answer
	}
	c.n++
	return fmt.Sprint(c.n), nil
}

func (c *count) Close() error { return nil }

// Grade passes a turn after which the number is 2.
func (c *count) Grade(context.Context, *ballast.Episode, int) (ballast.Check, error) {
	return ballast.Check{Passed: c.n == 2, Reason: "number", Where: fmt.Sprint(c.n)}, nil
}

// A world and a grader of one's own come with a table. The grader is made from the session
// and sees its state.
func Example() {
	table := &env.Table{
		Worlds: []env.WorldEntry{{Name: "counter", World: counter{}, Instant: true}},
		Graders: []env.GraderEntry{{Name: "two", Instant: true,
			New: func(_ context.Context, _ *ballast.Task, s ballast.Session) (ballast.Grader, error) {
				return s.(*count), nil
			}}},
		Users: env.Builtin.Users, // who says the texts of the task's turns
	}
	task := &ballast.Task{ID: "count", Turns: []ballast.TaskTurn{{User: "Count to 2."}}}

	control := chat.ControlTokens(chat.Templates["chatml"])
	tok, err := bpe.Train(func(func(string) bool) {}, 256+len(control), control, bpe.Qwen2) // bytes
	if err != nil {
		panic(err)
	}
	renderer := chat.Renderer{Tokenizer: tok, Template: chat.Templates["chatml"], Format: chat.Formats["pythonic"]}
	says := []string{"[add()]", "[add()]", "It is 2."}
	policy := &rollout.Script{Reply: func([]int32, ballast.Request) []int32 {
		text := says[0]
		says = says[1:]
		return chat.NewDialogue(renderer, nil, nil).Gold(text) // the text with its end token
	}}
	cfg := rollout.Config{Renderer: renderer, Env: table,
		Budget: rollout.Budget{Prompt: 1 << 12, Episode: 1 << 12, Reply: 1 << 8, Result: 1 << 8, Steps: 8}}
	episodes, err := rollout.Run(context.Background(), policy, cfg, []rollout.Request{{Task: task}}, ballast.Sampling{})
	if err != nil {
		panic(err)
	}
	fmt.Println(episodes[0].Stop, episodes[0].Turns[0].Check.Passed)
	// Output: done true
}

package rollout_test

import (
	"context"
	"fmt"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/credit"
	"ballast/rollout"
	"ballast/task"
)

// A task is played by a policy and graded: here by gold, then by a script that only says
// "Done.".
func ExampleRun() {
	tasks, err := task.Load(task.Spec{Name: "desk", Split: "train", Seed: 1, Count: 1, Categories: []string{"base"}})
	if err != nil {
		panic(err)
	}
	control := chat.ControlTokens(chat.Templates["chatml"])
	tok, err := bpe.Train(func(func(string) bool) {}, 256+len(control), control, bpe.Qwen2) // bytes
	if err != nil {
		panic(err)
	}
	renderer := chat.Renderer{Tokenizer: tok, Template: chat.Templates["chatml"], Format: chat.Formats["hermes"]}
	silent := &rollout.Script{Reply: func([]int32, ballast.Request) []int32 {
		return chat.NewDialogue(renderer, nil, nil).Gold("Done.")
	}}
	cfg := rollout.Config{Renderer: renderer, Budget: rollout.Budget{Prompt: 1 << 16, Episode: 1 << 16, Reply: 1 << 10, Result: 1 << 10, Steps: 64}}
	plays := []rollout.Request{{Task: &tasks[0], Gold: true}, {Task: &tasks[0], Sample: 1, Seed: 7}}
	episodes, err := rollout.Run(context.Background(), silent, cfg, plays, ballast.Sampling{})
	if err != nil {
		panic(err)
	}
	for i := range episodes {
		score := credit.Score(&episodes[i], &tasks[0], credit.Options{})
		fmt.Printf("%t %v %q\n", score.Success, score.Reward, score.Reason)
	}
	// Output:
	// true 1 ""
	// false 0 "empty_turn"
}

package main

import (
	"fmt"
	"io"
	"math"

	"ballast"
	"ballast/rollout"
)

// fitting is an error, before anything is played, where a task's first prompt is over
// budget.prompt: its episode would be none. Prompts that the model's own context has no
// room for are told: those tasks end without a reply, and count as failed.
func fitting(w io.Writer, cfg rollout.Config, tasks []ballast.Task) error {
	if _, err := rollout.CheckPrompts(&cfg, tasks); err != nil {
		return err
	}
	if cfg.Context <= 0 {
		return nil
	}
	most := cfg.Context
	cfg.Budget.Prompt = math.MaxInt
	over, longest := 0, 0
	for i := range tasks {
		p, err := rollout.Prompt(&cfg, &tasks[i])
		if err != nil {
			return err
		}
		if longest = max(longest, len(p)); len(p) >= most {
			over++
		}
	}
	if over > 0 {
		fmt.Fprintf(w, "ballast: the first prompts of %d of %d tasks fill the model's context of %d tokens (the longest has %d): they end without a reply and count as failed\n",
			over, len(tasks), most, longest)
	}
	return nil
}

// warnings tells what whoever uses a model should know of it.
func warnings(w io.Writer, origin string, list []string) {
	for _, text := range list {
		say(w, "ballast: %s: %s\n", origin, text)
	}
}

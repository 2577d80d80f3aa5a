package main

import (
	"fmt"
	"io"

	"ballast"
	"ballast/rollout"
)

// fitting is an error, before anything is played, where a task's first prompt is over
// budget.prompt: its episode would be none. Prompts that the model's own context has no
// room for are told: those tasks end without a reply, and count as failed.
func fitting(w io.Writer, cfg rollout.Config, tasks []ballast.Task) error {
	longest, err := rollout.CheckPrompts(&cfg, tasks)
	if err != nil || cfg.Context <= 0 || longest < cfg.Context {
		return err
	}
	over := 0
	for i := range tasks {
		p, err := rollout.Prompt(&cfg, &tasks[i])
		if err != nil {
			return err
		}
		if len(p) >= cfg.Context {
			over++
		}
	}
	fmt.Fprintf(w, "ballast: the first prompts of %d of %d tasks fill the model's context of %d tokens (the longest has %d): they end "+
		"without a reply and count as failed\n",
		over, len(tasks), cfg.Context, longest)
	return nil
}

// warnings tells what whoever uses a model should know of it.
func warnings(w io.Writer, origin string, list []string) {
	for _, text := range list {
		say(w, "ballast: %s: %s\n", origin, text)
	}
}

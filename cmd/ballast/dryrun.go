package main

import (
	"fmt"
	"io"

	"ballast/recipe"
	"ballast/rollout"
)

// dryRun prints the resolved recipe and what a run of it computes and needs.
func dryRun(w io.Writer, r *recipe.Recipe, run *recipe.Run) error {
	fmt.Fprintf(w, "%s\n", r.YAML())
	cfg := r.Rollout(run.Engine.Style)
	longest, err := rollout.CheckPrompts(&cfg, run.Train)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "# training tasks    %d (longest prompt %d tokens), test tasks %d\n", len(run.Train), longest, len(run.Test))
	fmt.Fprintf(w, "# updates           %d\n", run.Total())
	for _, p := range r.Phases {
		if p.RL > 0 {
			eps := r.RL.Prompts * r.RL.Rollouts
			fmt.Fprintf(w, "# rl update         %d episodes, at most %d tokens computed (prompts once a group: %d + %d)\n",
				eps, r.RL.Prompts*longest+eps*r.Budget.Episode, r.RL.Prompts*longest, eps*r.Budget.Episode)
			break
		}
	}
	return nil
}

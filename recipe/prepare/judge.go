package prepare

import (
	"fmt"
	"slices"
	"strings"

	"ballast"
	"ballast/env/expect"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/safetext"
	"ballast/supervise/endpoint"
)

// Judge says what a run, whose tasks are loaded, sends to its judge's endpoint; "" if it sends nothing.
func Judge(run *loop.Run) (string, error) {
	r := &run.Recipe
	if r.Judge.URL == "" {
		return "", nil
	}
	to, err := endpoint.Address(&r.Judge)
	if err != nil {
		return "", err
	}
	asks := r.Asks()
	var texts []string
	for _, x := range []struct {
		asked bool
		text  string
	}{
		{slices.ContainsFunc(slices.Concat(run.Train, run.Eval, run.Test), func(t ballast.Task) bool { return expect.Judged(&t) }),
			"for verdicts the episodes of tasks with a question, with tool results and gold calls"},
		{asks.Closing, "for closing replies the gold dialogues of the training tasks"},
		{asks.Reflections, "for reflections the failed dialogues, with tool results and gold calls"},
		{asks.Hints, "for hints the requests and gold calls of the training tasks"},
	} {
		if x.asked {
			texts = append(texts, x.text)
		}
	}
	if texts == nil {
		return "", nil
	}
	gets := strings.Join(texts, "; ")
	if asks != (recipe.Asks{}) {
		gets = "the tools' documentation, and " + gets
	}
	return fmt.Sprintf("%s at %s gets %s", safetext.Line(r.Judge.Model), to, gets), nil
}

package main

import (
	"fmt"
	"strings"

	"ballast/recipe"
	"ballast/safetext"
	"ballast/supervise/endpoint"
)

// judgeLine says what a run sends to its judge's endpoint; "" if the judge is the
// built-in oracle, which sends nothing.
func judgeLine(r *recipe.Recipe) (string, error) {
	if r.Judge.Kind != "endpoint" {
		return "", nil
	}
	to, err := endpoint.Address(&r.Judge)
	if err != nil {
		return "", err
	}
	var texts []string
	if r.Judge.Closing {
		texts = append(texts, "for closing replies the gold dialogues of the training tasks")
	}
	for i, p := range r.Phases {
		in, err := r.In(i)
		if err != nil {
			return "", err
		}
		if strings.Contains(p.SFT, "reflections") {
			texts = append(texts, "for reflections the failed dialogues, with tool results and gold calls")
		}
		if hint, ok := in.RL.Signals["hint"]; ok && p.RL > 0 && hint["from"] == "judge" {
			texts = append(texts, "for hints the requests and gold calls of the training tasks")
		}
	}
	if texts == nil {
		return fmt.Sprintf("nothing in this recipe asks %s at %s", safetext.Line(r.Judge.Model), to), nil
	}
	seen := map[string]bool{}
	once := texts[:0]
	for _, t := range texts {
		if !seen[t] {
			seen[t], once = true, append(once, t)
		}
	}
	return fmt.Sprintf("%s at %s gets the tools' documentation, and %s", safetext.Line(r.Judge.Model), to, strings.Join(once, "; ")), nil
}

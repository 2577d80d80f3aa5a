package prepare

import (
	"fmt"
	"strings"

	"ballast/recipe"
	"ballast/safetext"
	"ballast/supervise/endpoint"
)

// Judge says what a run sends to its judge's endpoint; "" if it sends nothing.
func Judge(r *recipe.Recipe) (string, error) {
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
	return fmt.Sprintf("%s at %s gets the tools' documentation, and %s", safetext.Line(r.Judge.Model), to, strings.Join(texts, "; ")), nil
}

package remote

import (
	"fmt"
	"strings"

	"ballast"
	"ballast/chat/format"
)

// Hints says what the replies of episodes of Chat show that the server lacks, as
// sentences of what to start it with; nil for nothing.
func Hints(eps []ballast.Episode) (hints []string) {
	var all, native, text, thoughts int
	for i := range eps {
		if eps[i].Stop == ballast.StopInfra {
			continue
		}
		for _, t := range eps[i].Turns {
			for _, s := range t.Steps {
				all++
				switch {
				case len(s.Calls) > 0:
					native++
				case s.Kind == ballast.KindPolluted && (s.Reason == string(format.ReasonOtherSyntax) || strings.Contains(s.Text, "tool_call>")):
					text++
				}
				if strings.Contains(s.Text, format.CloseThink) || strings.HasPrefix(strings.TrimSpace(s.Text), format.OpenThink) {
					thoughts++
				}
			}
		}
	}
	if text > native {
		hints = append(hints, fmt.Sprintf("%d of %d replies hold a call as text, and %d have one that the server read: it seems to lack "+
			"the parser of this model's calls. Start vLLM with --enable-auto-tool-choice --tool-call-parser NAME, SGLang with "+
			"--tool-call-parser NAME, llama.cpp with --jinja; "+
			"or play with --api completion, where ballast reads the calls", text, all, native))
	}
	if thoughts > 0 && 4*thoughts >= all {
		hints = append(hints, fmt.Sprintf("%d of %d replies hold a thought (%s): the server seems to lack a reasoning parser. "+
			"Start vLLM or SGLang with --reasoning-parser NAME, llama.cpp with --reasoning-format deepseek; without one the thoughts go back "+
			"to the model with every request",
			thoughts, all, format.CloseThink))
	}
	return hints
}

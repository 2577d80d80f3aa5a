package acebench

import (
	"strings"

	world "ballast/world/acebench"
)

// Score is how the original scores a category.
type Score struct {
	Accuracy float64
	Process  float64 // of normal_multi_turn: the mean share of right turns of a dialogue
	Correct  int     // items, of normal_multi_turn too
	Total    int
}

// ScoreOf counts the verdicts on the items of a category, in their order. Of normal_multi_turn, items of
// one dialogue that follow each other count as one, which is right if all are.
func ScoreOf(category string, items []Item, right []bool) Score {
	s := Score{Total: len(items)}
	for _, ok := range right {
		if ok {
			s.Correct++
		}
	}
	switch {
	case s.Total == 0:
	case spaceless(category):
		s.dialogues(items, right)
	default:
		if s.Accuracy = float64(s.Correct) / float64(s.Total); !Special(category) {
			s.Accuracy = world.Round3(s.Accuracy)
		}
	}
	return s
}

// dialogues scores by dialogues.
func (s *Score) dialogues(items []Item, right []bool) {
	process, whole, all := 0.0, 0, 0
	for from := 0; from < len(items); {
		to, good := from, 0
		for ; to < len(items) && dialogueOf(items[to].ID) == dialogueOf(items[from].ID); to++ {
			if right[to] {
				good++
			}
		}
		all++
		if good == to-from {
			whole++
		}
		process += world.Round3(float64(good) / float64(to-from))
		from = to
	}
	s.Accuracy, s.Process = world.Round3(float64(whole)/float64(all)), world.Round3(process/float64(all))
}

// dialogueOf is the number of the dialogue in the id of an item, the last but one.
func dialogueOf(id string) string {
	parts := strings.Split(id, "_")
	return parts[max(0, len(parts)-2)]
}

// Columns are those of the original's table of results, behind the model's name. The labels of the two
// object categories are swapped there, and so here.
var Columns = []string{"bool", "enum", "number", "list", "object_short", "object_deep", "atom", "single_turn_singal_function",
	"single_turn_parallel_function", "single_turn", "multiple_turn_switch", "multiple_turn_adjust", "multiple_turn", "similar_api", "profile",
	"normal_summary", "incomplete", "error", "irrelevant", "special_summary", "agent_multi_turn", "agent_multi_turn_process",
	"agent_multi_step", "agent_multi_step_process", "agent_summary", "Summary"}

// Summary is the row of the original's table for the scores by category; a category without one counts 0.
func Summary(scores map[string]Score) []float64 {
	of := func(category string) float64 { return scores[category].Accuracy }
	mean := func(values ...float64) float64 {
		sum := 0.0
		for _, v := range values {
			sum += v
		}
		return world.Round3(sum / float64(len(values)))
	}
	atoms := []float64{of("normal_atom_bool"), of("normal_atom_enum"), of("normal_atom_number"), of("normal_atom_list"),
		of("normal_atom_object_deep"), of("normal_atom_object_short")}
	one, many := of("normal_single_turn_single_function"), of("normal_single_turn_parallel_function")
	change, adjust := of("normal_multi_turn_user_switch"), of("normal_multi_turn_user_adjust")
	similar, profile := of("normal_similar_api"), of(preference)
	missing, faulty, none := of(incomplete), of(errorParam), of(irrelevant)
	normal := mean(append([]float64{one, many, adjust, change, similar, profile}, atoms...)...) // sums depend on the order
	special := mean(missing, faulty, none)
	agent := mean(of(MultiTurn), of(MultiStep))
	total := world.Round3(0.2676*special + 0.578*normal + 0.1545*agent)
	return append(atoms, mean(atoms...), one, many, mean(one, many), change, adjust, mean(change, adjust), similar, profile, normal, missing,
		faulty, none, special, of(MultiTurn), scores[MultiTurn].Process, of(MultiStep), scores[MultiStep].Process, agent, total)
}

package supervise

import (
	"cmp"
	"fmt"
	"strings"

	"ballast"
	"ballast/safetext"
	"ballast/value"
)

// Reflect returns the two queries of a failed episode. Their texts hold what
// happened and the gold calls, as the paper's analysis prompts do; the tools
// stand in the system message, as in every prompt of the task.
func Reflect(task *ballast.Task, ep *ballast.Episode) []Query {
	one := ep.Score.FailTurn
	var all, failing strings.Builder
	for i := range task.Turns {
		logTurn(&all, task, ep, i)
	}
	all.WriteString("Analyse the dialogue turn by turn: what each turn needed, what was done, where and why it went wrong.")
	qs := []Query{{Kind: KindDialogue, Task: task, Episode: ep, Text: all.String()}}
	if one < 0 || one >= len(task.Turns) { // gold says nothing of turns beyond its own
		return qs
	}
	logTurn(&failing, task, ep, one)
	fmt.Fprintf(&failing, "Turn %d is the first that failed. Name the root cause, two to four pieces of evidence, the immediate fix, "+
		"three to five similar scenarios, and the correct calls.", one+1)
	return append(qs, Query{Kind: KindError, Task: task, Episode: ep, Text: failing.String()})
}

// logTurn writes what the user asked in a turn, what was done, and what gold does.
func logTurn(b *strings.Builder, task *ballast.Task, ep *ballast.Episode, i int) {
	logUser(b, task, i, task.Turns[i].User)
	if i < len(ep.Turns) {
		for _, s := range ep.Turns[i].Steps {
			if len(s.Calls) == 0 {
				fmt.Fprintf(b, "Reply (%s): %s\n", s.Kind, safetext.Brief(s.Text, 200))
			}
			logCalls(b, s, 200)
		}
	} else {
		b.WriteString("(never reached)\n")
	}
	fmt.Fprintf(b, "Gold: %s\n", calls(task.Turns[i].Gold))
}

// logUser writes what the user said in a turn.
func logUser(b *strings.Builder, task *ballast.Task, i int, user string) {
	fmt.Fprintf(b, "Turn %d\nUser: %s\n", i+1, cmp.Or(user, "(new functions: "+strings.Join(task.Turns[i].Reveal, ", ")+")"))
}

// logCalls writes the calls of a step and their results, at most so many characters of each.
func logCalls(b *strings.Builder, s ballast.Step, most int) {
	for k, c := range s.Calls {
		fmt.Fprintf(b, "Call: %s\n", value.FormatCall(c))
		if k < len(s.Results) {
			fmt.Fprintf(b, "Result: %s\n", safetext.Brief(s.Results[k], most))
		}
	}
}

// calls writes calls in one line, in Python syntax whatever the format, so that
// no analysis teaches control tokens outside of calls.
func calls(cs []ballast.Call) string {
	if len(cs) == 0 {
		return "no call"
	}
	out := make([]string, len(cs))
	for i, c := range cs {
		out[i] = value.FormatCall(c)
	}
	return strings.Join(out, "; ")
}

// Lesson is the dialogue that a policy learns an answer from: the query with the
// task's tools, and the answer as plain text (paper, section 3.5: -log pi(r|q)).
func (q *Query) Lesson(answer string) Dialogue {
	return Dialogue{
		ID:    q.Task.ID + "/" + string(q.Kind),
		Tools: shown(q.Task),
		Messages: []Message{
			{Role: User, Text: q.Text},
			{Role: Assistant, Text: answer, Plain: true},
		},
	}
}

// sections are the headings that an error analysis must have.
var sections = []string{"Root cause:", "Evidence:", "Fix:", "Similar:", "Calls:"}

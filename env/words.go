package env

import (
	"ballast"
	"ballast/env/words"
)

// A task in other words is played as it is: calls go to the world under its own names, and what it says of names comes back
// under those that the policy knows. Grader and user read a record of their own.

// back is a call under the world's names.
func (e *Env) back(c ballast.Call) ballast.Call {
	if e.own == nil {
		return c
	}
	return words.Back(e.task.Words, c)
}

// shown is what the policy is shown of the answer to its last call.
func (e *Env) shown(c ballast.Call, answer string) string {
	if e.own == nil {
		return answer
	}
	return words.Answer(e.task.Words, words.Back(e.task.Words, c), answer, e.failed)
}

// heard is what the policy hears of what the user says.
func (e *Env) heard(text string) string {
	if e.own == nil {
		return text
	}
	return words.Said(e.task.Words, text)
}

// opens records a turn in the task's own words.
func (e *Env) opens(said string) {
	if e.own != nil {
		e.own.Turns = append(e.own.Turns, ballast.Turn{User: said})
	}
}

// replied records a reply with its calls under the world's names.
func (e *Env) replied(step ballast.Step) {
	if e.own == nil {
		return
	}
	calls := make([]ballast.Call, len(step.Calls))
	for i, c := range step.Calls {
		calls[i] = e.back(c)
	}
	step.Calls = calls
	t := &e.own.Turns[e.turn]
	t.Steps = append(t.Steps, step)
}

// answered records what a call answered.
func (e *Env) answered(result string) {
	if e.own != nil {
		steps := e.own.Turns[e.turn].Steps
		last := &steps[len(steps)-1]
		last.Results = append(last.Results, result)
	}
}

// judged records the verdict on the open turn.
func (e *Env) judged(check ballast.Check) {
	if e.own != nil {
		e.own.Turns[e.turn].Check = check
	}
}

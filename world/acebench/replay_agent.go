package acebench

import (
	"fmt"

	"ballast/value"
)

// Item is what an agent item says: who begins, which classes there are and how they start, and what is right.
type Item struct {
	Question         string
	Classes          []string
	Config           *value.Dict
	Gold, Milestones *value.List
}

// ReplayAgent plays a record of type run or transcript, or judges one of type judge, and compares: every message, the
// prompts (by what prompt gives for a history; nil compares none), the states and the process at the end, the verdict.
// A user who is scripted with one line says it every time, the first time included.
func ReplayAgent(d *value.Dict, it Item, prompt func(f Format, history string) string, same Same) error {
	verdict := d.Object("verdict")
	if d.Text("type") == "judge" {
		result, ok := d.Member("result").(*value.List)
		if !ok {
			return fmt.Errorf("result is %s, not a list", value.TypeName(d.Member("result")))
		}
		sameVerdict("verdict of a given state", Official(result, it.Gold, texts(d.Array("process")), it.Milestones), verdict, same)
		return nil
	}
	p := &player{agent: d.Array("agent"), rest: d.Text("agent_default"), user: d.Text("user_default")}
	dialogue, err := p.begin(d, it)
	if err != nil {
		return err
	}
	var prompts []any
	format := dialogue.Scene.format
	for {
		switch dialogue.Next() {
		case Agent:
			if prompt != nil {
				prompts = append(prompts, prompt(format, dialogue.History()))
			}
			dialogue.Say(p.next())
			continue
		case User:
			dialogue.Say(p.user)
			continue
		case Execution:
			dialogue.Execute()
			continue
		}
		break
	}
	of := " (" + dialogue.Scene.role.String() + ", " + format.String() + ")"
	if prompt != nil {
		same("prompts"+of, value.Repr(value.NewList(prompts...)), value.Repr(d.Member("prompt_sha")))
	}
	messages := value.NewList()
	for _, m := range dialogue.Messages {
		messages.Items = append(messages.Items, value.NewList(m.Sender, m.Recipient, m.Content))
	}
	same("messages"+of, value.Repr(messages), value.Repr(Recorded(d.Member("messages"))))
	process := value.NewList()
	for _, text := range dialogue.Process {
		process.Items = append(process.Items, text)
	}
	saved := dialogue.Scene.Saved()
	same("process"+of, value.Repr(process), value.Repr(d.Member("process")))
	same("result"+of, jsonOf(saved), jsonOf(d.Member("result")))
	sameVerdict("verdict"+of, Official(saved, it.Gold, dialogue.Process, it.Milestones), verdict, same)
	return nil
}

func texts(items []any) []string {
	out := make([]string, len(items))
	for i, x := range items {
		out[i] = text(x)
	}
	return out
}

// player says what the record has.
type player struct {
	agent      []any
	rest, user string
	said       int
}

func (p *player) next() string {
	if p.said++; p.said <= len(p.agent) {
		return text(p.agent[p.said-1])
	}
	return p.rest
}

func (p *player) begin(d *value.Dict, it Item) (*Dialogue, error) {
	role, first, format := Step, it.Question, AST
	if d.Text("category") == "agent_multi_turn" {
		role, first = Turn, p.user
	}
	if d.Text("mode") == "tool" {
		format = Tool
	}
	s, err := NewScene(role, format, it.Classes, it.Config)
	if err != nil {
		return nil, err
	}
	return NewDialogue(s, first), nil
}

func sameVerdict(what string, got Verdict, want *value.Dict, same Same) {
	right := 0.0
	if got.Right {
		right = 1
	}
	same(what+": end to end", value.Repr(right), value.Repr(want.Member("end_to_end")))
	same(what+": process", value.Repr(Round3(got.Process)), value.Repr(want.Member("process")))
}

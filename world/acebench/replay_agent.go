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
	p := NewScript(d)
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
			dialogue.Say(p.Agent())
			continue
		case User:
			dialogue.Say(p.User())
			continue
		case Execution:
			dialogue.Execute()
			continue
		}
		break
	}
	of := " (" + dialogue.Scene.role.String() + ", " + format.String() + ")"
	if prompt != nil && d.Has("prompt_sha") {
		same("prompts"+of, value.Repr(value.NewList(prompts...)), value.Repr(d.Member("prompt_sha")))
	}
	messages := value.NewList()
	for _, m := range dialogue.Messages {
		messages.Items = append(messages.Items, value.NewList(m.Sender, m.Recipient, m.Content))
	}
	same("messages"+of, value.Repr(messages), value.Repr(Recorded(d.Member("messages"))))
	SameEnd(d, of, dialogue.Scene.Saved(), it, dialogue.Process, same)
	return nil
}

// SameEnd compares the end of a dialogue with a record: states, process and verdict.
func SameEnd(d *value.Dict, of string, saved *value.List, it Item, process []string, same Same) {
	l := value.NewList()
	for _, text := range process {
		l.Items = append(l.Items, text)
	}
	same("process"+of, value.Repr(l), value.Repr(d.Member("process")))
	same("result"+of, jsonOf(saved), jsonOf(d.Member("result")))
	sameVerdict("verdict"+of, Official(saved, it.Gold, process, it.Milestones), d.Object("verdict"), same)
}

func texts(items []any) []string {
	out := make([]string, len(items))
	for i, x := range items {
		out[i] = text(x)
	}
	return out
}

// Script is what agent and user say in a record: of a run the texts of the agent, then one text for ever, and one line of the user
// every time, the first time included; of a transcript the texts of its messages.
type Script struct {
	agent, user       []any
	restAgent, restOf string
	said, told        int
}

// NewScript reads what they say.
func NewScript(d *value.Dict) *Script {
	s := &Script{agent: d.Array("agent"), restAgent: d.Text("agent_default"), restOf: d.Text("user_default")}
	if d.Text("type") != "transcript" {
		return s
	}
	s.agent = nil
	for _, m := range d.Array("messages") {
		l, ok := m.(*value.List)
		if !ok || len(l.Items) != 3 {
			continue
		}
		switch text(l.Items[0]) {
		case Agent:
			s.agent = append(s.agent, l.Items[2])
		case User:
			s.user = append(s.user, l.Items[2])
		}
	}
	return s
}

// Agent is what the agent says next.
func (s *Script) Agent() string {
	if s.said++; s.said <= len(s.agent) {
		return text(s.agent[s.said-1])
	}
	return s.restAgent
}

// User is what the user says next.
func (s *Script) User() string {
	if s.told++; s.told <= len(s.user) {
		return text(s.user[s.told-1])
	}
	return s.restOf
}

func (s *Script) begin(d *value.Dict, it Item) (*Dialogue, error) {
	role, first, format := Step, it.Question, AST
	if d.Text("category") == "agent_multi_turn" {
		role, first = Turn, s.User()
	}
	if d.Text("mode") == "tool" {
		format = Tool
	}
	scene, err := NewScene(role, format, it.Classes, it.Config)
	if err != nil {
		return nil, err
	}
	scene.As(d.Text("model"))
	return NewDialogue(scene, first), nil
}

func sameVerdict(what string, got Verdict, want *value.Dict, same Same) {
	right := 0.0
	if got.Right {
		right = 1
	}
	same(what+": end to end", value.Repr(right), value.Repr(want.Member("end_to_end")))
	same(what+": process", value.Repr(Round3(got.Process)), value.Repr(want.Member("process")))
}

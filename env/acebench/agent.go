package acebench

import (
	"context"
	"fmt"
	"strings"

	"ballast"
	"ballast/safetext"
	"ballast/value"
	world "ballast/world/acebench"
)

// AgentName is the name in tables of the world and the grader of the agent categories.
const AgentName = "acebench-agent"

// AgentTask fills in what makes a task of an agent's item in a format: its world, its grader, its user where the
// instruction is one to a user, the beginning of its prompt, and what it wants. Gold are the calls of the milestones, and the
// words that end the dialogue.
func AgentTask(t *ballast.Task, it *Item, format string) error {
	gold, err := world.GoldCalls(it.Milestones)
	if err != nil {
		return fmt.Errorf("%s: mile_stone: %w", it.ID, err)
	}
	t.World, t.Grader = AgentName, AgentName
	if it.Category == MultiTurn {
		t.User = RulesName
	}
	t.APIs, t.Init = it.Classes, map[string]any{}
	for i := range it.Config.Len() {
		k, v := it.Config.At(i)
		t.Init[k.(string)] = v
	}
	t.Prompt = Messages(it, format, "")
	t.Turns = []ballast.TaskTurn{{User: it.Question, Gold: gold, Reply: world.Finish,
		Want: value.NewDict("category", it.Category, "format", format, "gold", it.Gold, "milestones", it.Milestones)}}
	return nil
}

// agentOf is the item and the format of an agent's task.
func agentOf(t *ballast.Task) (it *Item, format string, err error) {
	none := fmt.Errorf("acebench: task %s wants nothing that the world of agents knows; its tasks are the agent categories of set acebench",
		t.ID)
	if len(t.Turns) == 0 {
		return nil, "", none
	}
	w, _ := t.Turns[0].Want.(*value.Dict)
	it = &Item{ID: t.ID, Category: w.Text("category"), Question: t.Turns[0].User, Classes: t.APIs, Config: &value.Dict{},
		Gold: w.Member("gold")}
	it.Milestones, _ = w.Member("milestones").(*value.List)
	if _, ok := it.Gold.(*value.List); !ok || it.Milestones == nil || !Agent(it.Category) {
		return nil, "", none
	}
	for _, tool := range t.Tools {
		d, _ := tool.Schema.(*value.Dict)
		it.Functions = append(it.Functions, Function{tool.Name, d})
	}
	if base, ok := t.Init["BaseApi"]; ok { // the others do not count
		it.Config.Set("BaseApi", base)
	}
	return it, w.Text("format"), nil
}

// World plays the agent categories: a session is a dialogue of the policy, the simulators and perhaps a user, by the loops of the
// original program. It listens (package env).
type World struct{}

// Tools documents what the task documents.
func (World) Tools(_ context.Context, t *ballast.Task) ([]ballast.Tool, error) { return t.Tools, nil }

// Open starts a dialogue.
func (World) Open(_ context.Context, t *ballast.Task) (ballast.Session, error) { return open(t) }

func open(t *ballast.Task) (*session, error) {
	it, format, err := agentOf(t)
	if err != nil {
		return nil, err
	}
	role, f := world.Step, world.AST
	if it.Category == MultiTurn {
		role = world.Turn
	}
	if format == Tool {
		f = world.Tool
	}
	scene, err := world.NewScene(role, f, it.Classes, it.Config)
	if err != nil {
		return nil, err
	}
	return &session{it: it, format: format, docs: it.list(), scene: scene}, nil
}

// session is one dialogue.
type session struct {
	it           *Item
	format, docs string
	scene        *world.Scene
	dialogue     *world.Dialogue // nil until somebody has spoken
}

// Told takes what the user says.
func (s *session) Told(text string) {
	if s.dialogue == nil {
		s.dialogue = world.NewDialogue(s.scene, text)
	} else {
		s.dialogue.Say(text)
	}
}

// Heard takes what the policy says, and runs it where it is for the simulators. What they answer is told as one text.
func (s *session) Heard(_ context.Context, reply string) ([]string, error) {
	if s.dialogue == nil || s.dialogue.Next() != world.Agent {
		return nil, fmt.Errorf("acebench: task %s: the agent speaks out of its turn", s.it.ID)
	}
	s.dialogue.Say(reply)
	if s.dialogue.Next() != world.Execution {
		return nil, nil
	}
	e := s.dialogue.Execute()
	return []string{e.Feed()}, nil
}

// Ended says that the dialogue is over.
func (s *session) Ended() bool { return s.dialogue != nil && s.dialogue.Next() == "" }

// Prompt is the original's: the whole dialogue, written anew.
func (s *session) Prompt() []ballast.Message {
	return messages(s.it, s.format, s.dialogue.History(), s.docs)
}

// Call runs one call as if the policy had written it, beside the dialogue.
func (s *session) Call(_ context.Context, c ballast.Call) (string, error) {
	e := s.scene.Execute(asText(s.format, c), false)
	return e.Feed(), nil
}

// Close gives back nothing.
func (s *session) Close() error { return nil }

// asText is a call as an agent writes it. Arguments without a name have none in format tool.
func asText(format string, c ballast.Call) string {
	if format == AST {
		return "[" + value.FormatCall(c) + "]"
	}
	args := value.MakeDict(len(c.Args))
	for _, a := range c.Args {
		args.Set(a.Name, a.Value)
	}
	body, err := value.JSON(value.NewDict("name", c.Name, "arguments", args))
	if err != nil {
		return ""
	}
	return openCall + "\n" + body + "\n" + closeCall
}

// Saved is what the original writes of the states at the end.
func (s *session) Saved() *value.List { return s.scene.Saved() }

// Process are the messages of the policy that were executed.
func (s *session) Process() []string { return s.dialogue.Process }

// verdict is one of the two.
type verdict func(result, gold *value.List, process []string, milestones *value.List) world.Verdict

// worth is what the dialogue is worth under a verdict.
func (s *session) worth(v verdict) world.Verdict {
	return v(s.scene.Saved(), s.it.Gold.(*value.List), s.dialogue.Process, s.it.Milestones)
}

// NewAgentGrader makes a grader of the dialogue in a session.
func NewAgentGrader(_ context.Context, t *ballast.Task, s ballast.Session) (ballast.Grader, error) {
	own, ok := s.(*session)
	if !ok {
		return nil, fmt.Errorf("acebench: task %s is not played in world %s, whose states the grader reads", t.ID, AgentName)
	}
	return agentGrader{own}, nil
}

type agentGrader struct{ of *session }

// Grade judges the dialogue when it is over. A turn of the user that leads on to another one is right.
func (g agentGrader) Grade(context.Context, *ballast.Episode, int) (ballast.Check, error) {
	if !g.of.Ended() {
		return ballast.Check{Passed: true}, nil
	}
	v := g.of.worth(world.Official)
	if v.Right {
		return ballast.Check{Passed: true}, nil
	}
	reason, where, _ := strings.Cut(v.Fault, ": ")
	return ballast.Check{Score: v.Process, Reason: reason, Where: safetext.Brief(where, 200)}, nil
}

// The findings on an agent's dialogue beside the verdict official.
const (
	FindingProcess    = "process"    // the milestones that the verdict official sees
	FindingMilestones = "milestones" // those that strict sees
)

// missed is what the names of the findings say that count by milestone.
const missed = "first milestone that is missed"

// AgentFindings says of an episode whether the verdict strict passes it, and which milestones it met. It plays the dialogue
// again, which is as it was.
func AgentFindings(t *ballast.Task, ep *ballast.Episode) (found []ballast.Finding) {
	s, err := open(t)
	if err != nil {
		return nil
	}
	for i := range ep.Turns {
		if s.Told(ep.Turns[i].User); s.Ended() {
			break
		}
		for k := range ep.Turns[i].Steps {
			if _, err := s.Heard(context.Background(), ep.Turns[i].Steps[k].Text); err != nil {
				return nil
			}
		}
	}
	if s.dialogue == nil {
		return nil
	}
	official, strict := s.worth(world.Official), s.worth(world.Strict)
	right := 0.0
	if strict.Right && s.Ended() {
		right = 1
	}
	first, of := world.Missed(s.dialogue.Process, s.it.Milestones)
	if strict.Right {
		first = 0
	}
	found = []ballast.Finding{{Name: FindingStrict, Share: right}, {Name: FindingProcess, Share: official.Process},
		{Name: FindingMilestones, Share: strict.Process}, {Of: missed, Name: "none"}}
	for i := range of {
		found = append(found, ballast.Finding{Of: missed, Name: fmt.Sprint(i + 1)})
	}
	found[3+first].Share = 1
	return found
}

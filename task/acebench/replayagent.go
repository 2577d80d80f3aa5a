package acebench

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"

	"ballast"
	"ballast/chat"
	"ballast/env"
	ace "ballast/env/acebench"
	"ballast/value"
	world "ballast/world/acebench"
)

// scene compares a sequence of messages that the execution role answered.
func (p *replayer) scene(d *value.Dict) {
	p.err = world.ReplayScene(d, p.count)
}

func (p *replayer) count(what, got, want string) { p.same(what, got, want) }

// agent compares a dialogue, with the prompt of every message of the agent, or a verdict; and a dialogue once more as an
// evaluation plays it.
func (p *replayer) agent(d *value.Dict) {
	it := p.item(d)
	if it == nil {
		return
	}
	gold, _ := it.Gold.(*value.List)
	of := world.Item{Question: it.Question, Classes: it.Classes, Config: it.Config, Gold: gold, Milestones: it.Milestones}
	p.err = world.ReplayAgent(d, of, func(f world.Format, history string) string { return digest(ace.Messages(it, f.String(), history)) },
		p.count)
	odd := strings.Contains(d.Text("model"), "+") // under such a name no call runs (world.Scene.As), which an evaluation does not have
	if p.err == nil && d.Text("type") != "judge" && !odd {
		p.err = p.evaluated(d, it, of)
	}
}

// digest is the beginning of the SHA-256 of a prompt, as the corpus has it.
func digest(messages []ballast.Message) string {
	b := []byte{'['}
	for i, m := range messages {
		if i > 0 {
			b = append(b, ',')
		}
		b = value.AppendQuoted(append(b, `{"role":`...), m.Role)
		b = append(value.AppendQuoted(append(b, `,"content":`...), m.Text), '}')
	}
	sum := sha256.Sum256(append(b, ']'))
	return hex.EncodeToString(sum[:8])
}

// speaker is a user of a script.
type speaker struct{ *world.Script }

// Next says the next line.
func (s speaker) Next(context.Context, *ballast.Episode) (string, bool, error) {
	return s.User(), true, nil
}

// dialogue is what a session of the agents' world tells beside what an episode tells.
type dialogue interface {
	Saved() *value.List
	Process() []string
}

// evaluated plays a record's dialogue through package env, with the tasks of the sets: their world, grader and record.
func (p *replayer) evaluated(d *value.Dict, it *ace.Item, of world.Item) error {
	mode := d.Text("mode")
	t, err := task(map[string]string{ace.Tool: Set, ace.AST: SetOwn}[mode], mode, it)
	if err != nil {
		return err
	}
	script, table := world.NewScript(d), env.Builtin
	if it.Category == ace.MultiTurn {
		t.User = ace.LinesName
	} else {
		script.User() // the question
	}
	table.Users = append(slices.Clone(table.Users), env.UserEntry{Name: ace.LinesName, Instant: true,
		New: func(context.Context, *ballast.Task) (ballast.User, error) { return speaker{script}, nil }})
	var session ballast.Session
	table.Graders = []env.GraderEntry{{Name: ace.AgentName, Instant: true,
		New: func(ctx context.Context, t *ballast.Task, s ballast.Session) (ballast.Grader, error) {
			session = s
			return ace.NewAgentGrader(ctx, t, s)
		}}}
	ep, prompts, err := played(&table, &t, script.Agent)
	if err != nil {
		return err
	}
	end, ok := session.(dialogue)
	if !ok {
		return fmt.Errorf("item %s was played and not graded: %s", it.ID, ep.Error)
	}
	name := fmt.Sprintf(" (evaluated, %s, %s)", strings.TrimPrefix(it.Category, "agent_"), mode)
	if d.Has("prompt_sha") {
		p.same("prompts"+name, value.Repr(prompts), value.Repr(d.Member("prompt_sha")))
	}
	p.same("messages"+name, value.Repr(said(ep)), value.Repr(recorded(d)))
	world.SameEnd(d, name, end.Saved(), of, end.Process(), p.count)
	verdict := d.Object("verdict")
	right, process := 0.0, 0.0
	if last := ep.Turns[len(ep.Turns)-1].Check; last.Passed {
		right = 1
	}
	for _, f := range ace.AgentFindings(&t, ep) {
		if f.Name == ace.FindingProcess {
			process = world.Round3(f.Share)
		}
	}
	p.same("success"+name, value.Repr(right), value.Repr(verdict.Member("end_to_end")))
	p.same("finding process"+name, value.Repr(process), value.Repr(verdict.Member("process")))
	return nil
}

// played plays a task with an agent, and has the digest of the prompt of each of its messages.
func played(table *env.Table, t *ballast.Task, agent func() string) (*ballast.Episode, *value.List, error) {
	format, err := chat.FormatByName(t.Format)
	if err != nil {
		return nil, nil, err
	}
	ready, err := table.Prepare(context.Background(), t)
	if err != nil {
		return nil, nil, err
	}
	defer ready.Close()
	e := ready.New(env.Rules{Steps: math.MaxInt})
	defer e.Close()
	prompts := value.NewList()
	for m := e.Start(context.Background()); !e.Over(); m = e.Answer(context.Background()) {
		prompts.Items = append(prompts.Items, digest(m.Prompt))
		text := agent()
		e.Reply(format.Parse(text, e), ballast.Step{Text: text})
	}
	if e.Episode.Stop != ballast.StopDone {
		return nil, nil, fmt.Errorf("the play of %s ended with %s: %s", t.ID, e.Episode.Stop, e.Episode.Error)
	}
	return &e.Episode, prompts, nil
}

// said are the messages of an episode as texts.
func said(ep *ballast.Episode) *value.List {
	l := value.NewList()
	for i := range ep.Turns {
		l.Items = append(l.Items, ep.Turns[i].User)
		for _, s := range ep.Turns[i].Steps {
			l.Items = append(l.Items, s.Text)
			for _, r := range s.Results {
				l.Items = append(l.Items, r)
			}
		}
	}
	return l
}

// recorded are the messages of a record as texts; of a list it is what the agent was shown.
func recorded(d *value.Dict) *value.List {
	l := value.NewList()
	for _, m := range d.Array("messages") {
		content := world.Recorded(m.(*value.List).Items[2])
		if _, ok := content.(string); !ok {
			content = value.Repr(content)
		}
		l.Items = append(l.Items, content)
	}
	return l
}

package acebench

import (
	"strings"

	"ballast/value"
)

// MaxSteps is how many messages follow the first one, at most.
const MaxSteps = 40

// Finish is what ends a dialogue when somebody says it.
const Finish = "finish conversation"

// The speakers of a dialogue.
const (
	User      = "user"
	Agent     = "agent"
	Execution = "execution"
)

// Message is one message of a dialogue.
type Message struct {
	Sender, Recipient string
	Content           any // a string, or the list of results
}

// Text is the content as the history has it.
func (m *Message) Text() string {
	if s, ok := m.Content.(string); ok {
		return s
	}
	return value.Repr(m.Content)
}

// Dialogue is the loop of an agent item: who speaks next, what is executed, when it ends. It is used by one
// goroutine. While Next names the agent or the user, Say takes what they say; while it names the execution, Execute
// answers.
type Dialogue struct {
	Scene    *Scene
	Messages []Message
	Process  []string // the messages that were executed
	steps    int
	over     bool
}

// NewDialogue begins with what the user says first: the question in multi_step, the first line of the user in multi_turn.
func NewDialogue(s *Scene, first string) *Dialogue {
	return &Dialogue{Scene: s, Messages: []Message{{User, Agent, first}}}
}

// Next is who speaks next, "" at the end.
func (d *Dialogue) Next() string {
	if d.over || d.steps >= MaxSteps {
		return ""
	}
	last := d.Messages[len(d.Messages)-1]
	if d.Scene.role == Turn {
		return last.Recipient
	}
	if d.steps == 0 || last.Sender == Execution {
		return Agent
	}
	return Execution
}

// Say is what the agent or the user says, whose turn it is.
func (d *Dialogue) Say(text string) {
	m := Message{Sender: d.Next(), Recipient: Agent, Content: text}
	if m.Sender == Agent {
		m.Recipient = User
		if d.Scene.Called(text) {
			m.Recipient = Execution
		}
	}
	d.add(m, strings.Contains(text, Finish))
}

// Execute runs the agent's last message.
func (d *Dialogue) Execute() Executed {
	text := d.Messages[len(d.Messages)-1].Content.(string)
	d.Process = append(d.Process, text)
	e := d.Scene.Execute(text, false)
	finished := e.Message == any(Finish)
	if l, ok := e.Message.(*value.List); ok {
		for _, x := range l.Items {
			finished = finished || x == any(Finish)
		}
	}
	d.add(Message{Execution, Agent, e.Message}, finished)
	return e
}

// add appends a message. One that finishes ends the dialogue, unless it is one of the first two.
func (d *Dialogue) add(m Message, finished bool) {
	d.Messages = append(d.Messages, m)
	d.over = finished && d.steps > 1
	d.steps++
}

// History is the dialogue as the agent's prompt has it.
func (d *Dialogue) History() string {
	executed := "execution result:"
	if d.Scene.role == Turn {
		executed = "execution:"
	}
	var b strings.Builder
	for i := range d.Messages {
		m := &d.Messages[i]
		switch m.Sender {
		case Execution:
			b.WriteString(executed)
		default:
			b.WriteString(m.Sender + ":")
		}
		b.WriteString(m.Text())
		b.WriteByte('\n')
	}
	return b.String()
}

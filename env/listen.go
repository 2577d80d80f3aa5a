package env

import (
	"context"
	"fmt"

	"ballast"
)

// Listener is a session that is told what everybody says instead of being called. It reads the text of a reply
// itself, decides who speaks next and when nobody does, and writes what the policy is shown. The sessions of a world that
// Listens are such.
type Listener interface {
	ballast.Session
	// Told takes what the user says.
	Told(text string)
	// Heard takes the text of a reply, and says what came of it, nil where the user is to answer. An error is one of
	// the machine.
	Heard(ctx context.Context, reply string) (results []string, err error)
	// Ended says that nobody speaks any more. The turn that is open then is graded as the conversation is.
	Ended() bool
	// Prompt is all that the policy is shown before its next reply. It stands for everything that it was shown before.
	Prompt() []ballast.Message
}

// NoRoom is the reason of a reply that is empty since the context had no room for one behind the prompt.
const NoRoom = "no_room"

// listener is the session as one that listens. It is opened where there is none.
func (e *Env) listener(ctx context.Context) (Listener, error) {
	if err := e.session(ctx, &e.ses); err != nil {
		return nil, err
	}
	l, ok := e.ses.Session.(Listener)
	if !ok {
		return nil, fmt.Errorf("world %s: its table says that it listens, and its sessions have no Told, Heard, Ended and Prompt", e.world.Name)
	}
	return l, nil
}

// tell hands what the user says to the session.
func (e *Env) tell(ctx context.Context, m Message) Message {
	l, err := e.listener(ctx)
	if err == nil {
		m.Prompt, err = guard(ctx, "what the user says", e.world.Instant, e.world.Limit, l,
			func(_ context.Context, l Listener) (prompt []ballast.Message, _ error) {
				if l.Told(m.User); !l.Ended() {
					prompt = l.Prompt()
				}
				return prompt, nil
			})
	}
	switch {
	case err != nil:
		e.Fail(err)
		return Message{}
	case m.Prompt == nil:
		return e.closeTurn(ctx)
	}
	return m
}

// listen hands a reply to the session. Where the user is to answer, or nobody, the turn closes.
func (e *Env) listen(ctx context.Context, step *ballast.Step) Message {
	l, err := e.listener(ctx)
	if err != nil {
		e.Fail(err)
		return Message{}
	}
	type answer struct {
		results []string
		prompt  []ballast.Message
	}
	a, err := guard(ctx, "a reply", e.world.Instant, e.world.Limit, l, func(ctx context.Context, l Listener) (a answer, err error) {
		if a.results, err = l.Heard(ctx, step.Text); err == nil && a.results != nil && !l.Ended() {
			a.prompt = l.Prompt()
		}
		return a, err
	})
	if err != nil {
		e.Fail(fmt.Errorf("world %s: %w", e.world.Name, err))
		return Message{}
	}
	if step.Results = a.results; a.prompt == nil {
		return e.closeTurn(ctx)
	}
	return Message{Results: a.results, Prompt: a.prompt}
}

// ended says that the session has heard all.
func (e *Env) ended() bool {
	l, ok := e.ses.Session.(Listener)
	return ok && l.Ended()
}

package serve

import (
	"context"
	"slices"
	"strings"

	"ballast"
	"ballast/chat"
	"ballast/chat/format"
	"ballast/credit"
	"ballast/env"
)

// answer is what a policy is shown after an action, or at the start. It does not change.
type answer struct {
	results []string       // one per call of the action; nil for a message of the user
	user    string         //
	tools   []ballast.Tool // that the user's message reveals; at the start all that are shown
	docs    string         // of the tools that it reveals, as the format writes them
	begins  bool           // it is the start
	valid   bool           // the action was calls of tools that were shown, or a response
	reason  string         // why it was not
	done    bool           // the episode is over
	stop    ballast.Stop   // why
	score   *ballast.Score // of an episode that is over and did not break
	broken  string         // what broke; such an episode has no score
}

// play is one episode. It is used by one goroutine at a time.
type play struct {
	task *ballast.Task
	from *cachedTask
	env  *env.Env
	how  credit.Options
	form chat.Format
	life context.Context // of the episode, for its world
	end  context.CancelFunc
	shut bool
	// revealed are the tools that were shown after the start.
	revealed []ballast.Tool
}

// begin opens an episode of a task. The error says why the task cannot be played.
func (s *Server) begin(task int) (*play, *answer, error) {
	t, err := s.cache.get(task)
	if err != nil {
		return nil, nil, err
	}
	p := &play{task: &s.cfg.Tasks[task], from: t, env: t.task.New(s.cfg.Rules), how: s.cfg.Credit, form: s.cfg.Format}
	p.life, p.end = context.WithCancel(s.life)
	a := p.shown(p.env.Start(p.life))
	a.begins, a.valid, a.tools = true, true, p.tools()
	return p, a, nil
}

// tools are those that were shown so far. All episodes of the task share the list of those at the start.
func (p *play) tools() []ballast.Tool {
	if len(p.revealed) == 0 {
		return p.from.task.Tools()
	}
	return slices.Concat(p.from.task.Tools(), p.revealed)
}

// reply lets the policy's text act.
func (p *play) reply(text string) *answer {
	return p.act(p.form.Parse(format.Opened(text), p.env), ballast.Step{Text: text})
}

// call lets one call act that came without a text.
func (p *play) call(c ballast.Call) *answer {
	text, err := p.form.Write([]ballast.Call{c}, p.env)
	if err != nil { // the format cannot write it; the record needs some text
		text = c.Name
	}
	parsed := chat.Parsed{Kind: ballast.KindCall, Calls: []ballast.Call{c}}
	if !p.env.Known(c.Name) {
		parsed.Reason = format.ReasonUnknownTool
	}
	return p.act(parsed, ballast.Step{Text: text})
}

func (p *play) act(parsed chat.Parsed, step ballast.Step) *answer {
	if p.env.Over() { // what came before has failed, or the session was finished meanwhile
		a := p.closed()
		a.reason = "the episode is over"
		return a
	}
	p.env.Reply(parsed, step)
	m := p.env.Answer(p.life)
	a := p.shown(m)
	switch a.valid = true; {
	case parsed.Fault() != "":
		a.valid, a.reason = false, parsed.Fault()
	case parsed.Reason == format.ReasonUnknownTool:
		a.valid, a.reason = false, "it calls a tool that is not offered"
	}
	return a
}

// last ends an episode whose trainer asks for no further reply.
func (p *play) last() *answer {
	if !p.env.Over() {
		p.env.Stop(ballast.StopTurns)
	}
	return p.closed()
}

// shown is the answer that a message of the environment makes.
func (p *play) shown(m env.Message) *answer {
	if !p.env.Over() {
		p.env.Ready()
	}
	var a *answer
	if p.env.Over() {
		a = p.closed()
	} else {
		a = &answer{}
	}
	a.results, a.user, a.tools = m.Results, m.User, m.Reveal
	if len(m.Reveal) > 0 {
		a.docs = p.from.revealed(p.form, p.env.Turn(), m.Reveal)
		p.revealed = append(p.revealed, m.Reveal...)
	}
	return a
}

// closed is the answer of an episode that is over.
func (p *play) closed() *answer {
	ep := &p.env.Episode
	a := &answer{done: true, stop: ep.Stop}
	if ep.Stop == ballast.StopInfra {
		a.broken = ep.Error
		return a
	}
	score := credit.Score(ep, p.task, p.how)
	a.score = &score
	return a
}

// close gives back what the episode holds.
func (p *play) close() {
	if p.shut {
		return
	}
	p.shut = true
	p.end()
	p.env.Close()
	p.from.release()
}

// text is how an answer stands in an observation of text; see write.
func (a *answer) text(f chat.Format) string {
	var b strings.Builder
	a.write(f, func(piece string) { b.WriteString(piece) })
	return b.String()
}

// write writes an observation of text piece by piece: the tools' answers as the format writes
// them, or the user's words, after the documentation of tools that they reveal.
func (a *answer) write(f chat.Format, add func(string)) {
	for i, r := range a.results {
		if i > 0 {
			add("\n")
		}
		before, body, after := f.Result(r)
		add(before)
		add(body)
		add(after)
	}
	if a.results != nil {
		return
	}
	if len(a.tools) > 0 && !a.begins {
		add(a.docs)
		add("\n")
	}
	add(a.user)
}

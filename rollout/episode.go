package rollout

import (
	"cmp"
	"context"
	"fmt"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/chat/pretoken"
	"ballast/env"
)

// episode plays one task with token ids; it is the Conversation that a policy
// drives. What happens in the task is package env's.
type episode struct {
	*env.Env
	cfg    *Config
	play   Request
	format chat.Format // in which replies are read

	// plain is the conversation that is recorded and trained on. Under a hint,
	// shown is the one the policy sees; otherwise they are the same.
	plain, shown *chat.Dialogue
	sent         int // tokens of shown that the policy has
	started      bool
	told         bool  // the episode's end was reported
	stuck        error // the tokenizer's, see pretoken.Recover

	ctx  context.Context // of the whole play
	away chan struct{}   // closed when what runs aside has come back; nil: nothing does
}

func newEpisode(ctx context.Context, cfg *Config, p Request, task *env.Prepared) *episode {
	e := &episode{cfg: cfg, play: p, ctx: ctx}
	rules := env.Rules{Malformed: cfg.Malformed, Syntax: cfg.Renderer.Format.Hint(), Steps: cfg.Budget.Steps,
		PerTurn: cfg.PerTurn, Shorten: e.truncate}
	cfg.Faults.rules(&rules, cfg.Renderer)
	e.Env = task.New(rules)
	e.format = cfg.Renderer.Format
	if p.Task.Prompt != nil {
		e.plain = chat.NewPrompted(cfg.Renderer, p.Task.Prompt)
	} else {
		e.plain = chat.NewDialogue(cfg.Renderer, e.Tools(), cfg.System)
	}
	e.shown = e.plain
	if p.Hint != "" && p.Task.Prompt == nil {
		e.shown = chat.NewHinted(cfg.Renderer, e.Tools(), cfg.System, p.Hint)
	}
	e.Episode.Group, e.Episode.Sample, e.Episode.Seed, e.Episode.Hinted = p.Group, p.Sample, p.Seed, p.Hint != ""
	return e
}

// each applies f to the recorded dialogue and, where they differ, the shown one.
func (e *episode) each(f func(*chat.Dialogue)) {
	f(e.plain)
	if e.shown != e.plain {
		f(e.shown)
	}
}

// show renders what the policy is shown and the header of its reply.
func (e *episode) show(m env.Message) {
	e.each(func(d *chat.Dialogue) {
		switch {
		case m.Results != nil:
			d.Results(m.Results)
		case m.Reveal != nil:
			d.Reveal(m.Reveal, m.User)
		default:
			d.User(m.User)
		}
		d.Open()
	})
}

// start renders the first prompt.
func (e *episode) begin() {
	e.started = true
	m := e.Start(e.ctx)
	if e.Over() {
		return
	}
	if prompt := e.play.Task.Prompt; prompt == nil {
		e.show(m)
	} else if err := e.prompted(); err != nil {
		e.Fail(err)
	}
	e.Episode.Prompt = len(e.plain.Tokens())
	if n := e.Episode.Prompt; n > e.cfg.Budget.Prompt {
		e.Fail(fmt.Errorf("prompt of %d tokens over the budget of %d", n, e.cfg.Budget.Prompt))
	}
}

// prompted begins the reply to a task that brings its own prompt, in the format that it asks for.
func (e *episode) prompted() (err error) {
	if e.play.Hint != "" {
		return fmt.Errorf("the task brings its own prompt, which has no place for a hint: leave hints out for it")
	}
	if e.play.Task.Format != "" {
		e.format, err = chat.FormatByName(e.play.Task.Format)
	}
	e.plain.Open()
	return err
}

// ready reports whether another reply may be asked for, and its most tokens; it ends
// the episode if a budget is used up.
func (e *episode) budget() (most int, ok bool) {
	room := e.room()
	if !e.Over() && room <= 0 {
		e.Stop(ballast.StopTokens)
	}
	return min(room, e.cfg.Budget.Reply), e.Ready()
}

// Wait starts the play and returns what it waits for. A world that is not instant is
// called aside; so are its grader and its user.
func (e *episode) Wait() <-chan struct{} {
	if !e.started && !e.Instant() {
		e.started = true
		e.aside(e.begin)
	}
	if e.away == nil {
		return nil
	}
	select {
	case <-e.away:
		e.away = nil
		return nil
	default:
		return e.away
	}
}

// aside runs do while others are sampled for. Nothing else of the episode may be touched
// until e.away is closed.
func (e *episode) aside(do func()) {
	away := make(chan struct{})
	e.away = away
	go func() {
		defer close(away)
		defer pretoken.Recover(&e.stuck)
		do()
	}()
}

// settle waits for what runs aside, whose context has ended or which is over, and gives
// back what the world holds.
func (e *episode) settle() {
	if e.away != nil {
		<-e.away
		e.away = nil
	}
	e.Close()
}

// Next returns the next request.
func (e *episode) Next() (req ballast.Request, more bool) {
	defer pretoken.Recover(&e.stuck)
	if e.stuck != nil {
		return
	}
	if e.away != nil {
		select {
		case <-e.away: // since Wait was asked
			e.away = nil
		default:
			panic("rollout: a policy goes on with a conversation that waits: it does not ask Wait")
		}
	}
	if !e.started {
		e.begin()
	}
	most, ok := e.budget()
	if !ok {
		e.tell()
		if e.Instant() {
			e.Close()
		} else {
			e.aside(e.Close)
		}
		return ballast.Request{}, false
	}
	toks := e.shown.Tokens()
	return ballast.Request{
		Append: toks[e.sent:],
		Max:    most,
		Stop:   e.cfg.Renderer.Stops(),
		Seed:   e.play.Seed,
		Mask:   e.cfg.mask(e.Env),
	}, true
}

// mask returns the constraint of the next reply, nil if there is none.
func (cfg *Config) mask(e *env.Env) ballast.Mask {
	if cfg.Constrain == nil {
		return nil
	}
	var offered []string
	for _, t := range e.All() {
		if e.Known(t.Name) {
			offered = append(offered, t.Name)
		}
	}
	return cfg.Constrain(offered)
}

// tell reports the end of the episode to the configuration's listener, once.
func (e *episode) tell() {
	if e.cfg.Ended != nil && !e.told {
		e.told = true
		ep := e.finish()
		e.cfg.Ended(&ep)
	}
}

// room is the number of tokens that the episode's budget, and the model's context,
// have left.
func (e *episode) room() int {
	n := len(e.plain.Tokens())
	room := e.cfg.Budget.Episode - (n - e.Episode.Prompt)
	if e.cfg.Context > 0 {
		room = min(room, e.cfg.Context-len(e.shown.Tokens()))
	}
	return room
}

// Take takes the reply to the last request and has the world answer it.
func (e *episode) Take(r ballast.Reply) {
	defer pretoken.Recover(&e.stuck)
	if r.Err != nil {
		e.Fail(r.Err)
		return
	}
	if r.Full && len(r.Tokens) == 0 {
		e.Stop(ballast.StopTokens)
		return
	}
	e.record(r)
	e.add(r.Tokens, ballast.OwnerPolicy)
	if r.Full && e.Episode.Stop == ballast.StopCut {
		e.Stop(ballast.StopTokens)
	}
	e.sent = len(e.shown.Tokens())
	if e.Instant() || e.Over() {
		e.respond()
	} else {
		e.aside(e.respond)
	}
}

// record keeps the per-token facts of a sampled reply; they are laid out over
// the whole conversation in finish.
func (e *episode) record(r ballast.Reply) {
	n := len(e.plain.Tokens())
	e.Episode.LogProb = append(pad(e.Episode.LogProb, n), r.LogProb...)
	if r.Entropy != nil {
		e.Episode.Entropy = append(pad(e.Episode.Entropy, n), r.Entropy...)
	}
	e.Episode.Watch = append(e.Episode.Watch, r.Watch...)
}

func pad(s []float32, n int) []float32 {
	return append(s, make([]float32, n-len(s))...)
}

// reply appends a reply's tokens and reads it. A reply that a budget cut ends the
// episode.
func (e *episode) add(ids []int32, owner ballast.Owner) {
	start := len(e.plain.Tokens())
	e.each(func(d *chat.Dialogue) { d.Reply(ids, owner) })
	text, ended := e.cfg.text(ids)
	p := e.format.Parse(text, e.Env)
	goesOn := ended || e.cfg.Faults.has(AppendEnd)
	e.Reply(p, ballast.Step{Start: start, End: start + len(ids), Text: text, Cut: !goesOn, Gold: owner == ballast.OwnerGold})
	e.Last().Cut = !ended
	switch {
	case e.Closes(): // it is graded as it is
	case !ended && e.room() <= 0:
		e.Stop(ballast.StopTokens)
	case !goesOn:
		e.Stop(ballast.StopCut)
	}
}

// answer lets the environment act on the last reply and shows what it says.
func (e *episode) respond() {
	if e.Over() {
		return
	}
	if m := e.Answer(e.ctx); !e.Over() {
		e.show(m)
	} else {
		e.Close()
	}
}

// text decodes a reply without its final stop token, and says whether it had
// one.
func (cfg *Config) text(ids []int32) (text string, ended bool) {
	if n := len(ids); n > 0 {
		for _, s := range cfg.Renderer.Stops() {
			if ids[n-1] == s {
				return cfg.Renderer.Tokenizer.Decode(ids[:n-1]), true
			}
		}
	}
	return cfg.Renderer.Tokenizer.Decode(ids), false
}

// truncate cuts a tool result to the budget by dropping its beginning.
func (e *episode) truncate(res string) string {
	if len(res) <= e.cfg.Budget.Result { // a token has at least one byte
		return res
	}
	ids := e.cfg.Renderer.Tokenizer.EncodePlain(nil, res, []bpe.Span{{Start: 0, End: len(res)}})
	if len(ids) <= e.cfg.Budget.Result {
		return res
	}
	return e.cfg.Renderer.Tokenizer.Decode(ids[len(ids)-e.cfg.Budget.Result:])
}

// playGold plays the whole episode with the gold replies of the task, within the
// budgets that hold for a policy; but a reply that does not fit is left out, since
// nobody should learn from half of one. A gold reply that cannot be read ends the
// episode whatever the rules say: the next one would be the same.
func (e *episode) playGold() {
	defer e.Close()
	e.begin()
	for {
		most, ok := e.budget()
		if !ok {
			break
		}
		turn := e.Turn()
		if turn >= len(e.play.Task.Turns) {
			e.Fail(fmt.Errorf("there is no gold answer for turn %d: the user says more than the task has", turn))
			break
		}
		gold := e.play.Task.Turns[turn]
		done := 0
		for _, s := range e.Episode.Turns[turn].Steps {
			done += len(s.Calls)
		}
		text := goldReply(e.play.Task, turn)
		if done < len(gold.Gold) && !e.Closes() {
			call, err := chat.Named(gold.Gold[done], e.All())
			if err != nil {
				e.Fail(err)
				break
			}
			if text, err = e.cfg.Renderer.Format.Write([]ballast.Call{call}, e.Env); err != nil {
				e.Fail(err)
				break
			}
		}
		ids := e.plain.Gold(text)
		switch {
		case len(ids) > e.cfg.Budget.Reply:
			e.Stop(ballast.StopCut)
		case len(ids) > most:
			e.Stop(ballast.StopTokens)
		default:
			e.add(ids, ballast.OwnerGold)
			if form := e.Last().Kind; form != ballast.KindCall && form != ballast.KindResponse && !e.Over() && !e.Closes() {
				e.Stop(ballast.StopMalformed)
			}
			e.respond()
		}
	}
	e.sent = len(e.shown.Tokens())
	e.tell()
}

// goldReply is the closing reply of a turn: the task's own or the shortest.
func goldReply(task *ballast.Task, turn int) string {
	return cmp.Or(task.Turns[turn].Reply, "Done.")
}

// finish returns the record. A conversation that the policy abandoned without
// an answer is an infrastructure failure.
func (e *episode) finish() ballast.Episode {
	if !e.Over() {
		e.Fail(fmt.Errorf("the policy left the conversation unanswered"))
	}
	e.Episode.Tokens = e.plain.Tokens()
	e.Episode.Owners = e.plain.Owners()
	n := len(e.Episode.Tokens)
	if e.Episode.LogProb != nil {
		e.Episode.LogProb = pad(e.Episode.LogProb, n)
	}
	if e.Episode.Entropy != nil {
		e.Episode.Entropy = pad(e.Episode.Entropy, n)
	}
	return e.Episode
}

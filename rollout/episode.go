package rollout

import (
	"fmt"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/world"
)

// episode plays one task; it is the Conversation that a policy drives.
type episode struct {
	cfg  *Config
	play Play
	ses  *world.Session
	held map[string]ballast.Tool
	know map[string]bool // functions shown so far

	// plain is the conversation that is recorded and trained on. Under a hint,
	// shown is the one the policy sees; otherwise they are the same.
	plain, shown *chat.Dialogue
	sent         int // tokens of shown that the policy has

	rec     ballast.Episode
	over    bool
	started bool
	turn    int // index of the open turn
	replies int
}

func newEpisode(cfg *Config, p Play) (*episode, error) {
	ses, err := open(p.Task)
	if err != nil {
		return nil, err
	}
	tools, held := split(p.Task)
	e := &episode{cfg: cfg, play: p, ses: ses, held: held, know: map[string]bool{}}
	for _, t := range tools {
		e.know[t.Name] = true
	}
	e.plain = chat.NewDialogue(cfg.Style, tools, cfg.System)
	e.shown = e.plain
	if p.Hint != "" {
		e.shown = chat.NewDialogue(cfg.Style, tools, hinted(cfg, p.Hint))
	}
	e.rec = ballast.Episode{Task: p.Task.ID, Group: p.Group, Sample: p.Sample, Seed: p.Seed, Hinted: p.Hint != ""}
	return e, nil
}

// hinted is the system text with the hint behind it.
func hinted(cfg *Config, hint string) string {
	if cfg.System == "" {
		return hint
	}
	return cfg.System + "\n\n" + hint
}

// each applies f to the recorded dialogue and, where they differ, the shown one.
func (e *episode) each(f func(*chat.Dialogue)) {
	f(e.plain)
	if e.shown != e.plain {
		f(e.shown)
	}
}

// openTurn renders the next user message (or what a turn reveals) and the
// header of the reply.
func (e *episode) openTurn() {
	t := e.play.Task.Turns[e.turn]
	text := t.User
	if len(t.Reveal) > 0 {
		if text == "" {
			text = chat.RevealText
		}
		var tools []ballast.Tool
		for _, name := range t.Reveal {
			tools = append(tools, e.held[name])
			e.know[name] = true
		}
		e.each(func(d *chat.Dialogue) { d.Reveal(tools, text) })
	} else {
		e.each(func(d *chat.Dialogue) { d.User(text) })
	}
	e.each((*chat.Dialogue).Open)
	e.rec.Turns = append(e.rec.Turns, ballast.Turn{User: text})
	if !e.started {
		e.started = true
		e.rec.Prompt = len(e.plain.Tokens())
	}
}

// Next implements ballast.Conversation.
func (e *episode) Next() (ballast.Request, bool) {
	if !e.started {
		e.openTurn()
		if n := e.rec.Prompt; n > e.cfg.Budget.Prompt {
			e.fail(fmt.Errorf("prompt of %d tokens over the budget of %d", n, e.cfg.Budget.Prompt))
		}
	}
	room := e.room()
	if !e.over && room <= 0 {
		e.stop(ballast.StopTokens)
	}
	if !e.over && e.replies >= e.cfg.Budget.Steps {
		e.stop(ballast.StopTurns)
	}
	if e.over {
		return ballast.Request{}, false
	}
	toks := e.shown.Tokens()
	return ballast.Request{
		Append: toks[e.sent:],
		Max:    min(room, e.cfg.Budget.Reply),
		Stop:   e.cfg.Style.Stops(),
		Seed:   e.play.Seed,
	}, true
}

// room is the number of tokens that the episode's budget has left.
func (e *episode) room() int {
	return e.cfg.Budget.Episode - (len(e.plain.Tokens()) - e.rec.Prompt)
}

// Take implements ballast.Conversation.
func (e *episode) Take(r ballast.Reply) {
	if r.Err != nil {
		e.fail(r.Err)
		return
	}
	e.record(r)
	e.reply(r.Tokens, ballast.OwnerPolicy)
	e.sent = len(e.shown.Tokens())
	if !e.over {
		e.answer()
	}
}

// record keeps the per-token facts of a sampled reply; they are laid out over
// the whole conversation in finish.
func (e *episode) record(r ballast.Reply) {
	n := len(e.plain.Tokens())
	e.rec.LogProb = append(pad(e.rec.LogProb, n), r.LogProb...)
	if r.Entropy != nil {
		e.rec.Entropy = append(pad(e.rec.Entropy, n), r.Entropy...)
	}
	e.rec.Watch = append(e.rec.Watch, r.Watch...)
}

func pad(s []float32, n int) []float32 {
	return append(s, make([]float32, n-len(s))...)
}

// reply appends a reply's tokens, reads it, and decides what follows from its
// form alone. Calls are run by answer.
func (e *episode) reply(ids []int32, owner ballast.Owner) {
	start := len(e.plain.Tokens())
	e.each(func(d *chat.Dialogue) { d.Reply(ids, owner) })
	e.replies++
	text, ended := e.text(ids)
	p := e.cfg.Style.Format.Parse(text, func(name string) bool { return e.know[name] })
	if !ended {
		p = p.Cut()
	}
	step := ballast.Step{
		Start: start, End: start + len(ids), Text: text,
		Form: p.Form, Reason: string(p.Reason), Calls: p.Calls,
		Cut: !ended, Gold: owner == ballast.OwnerGold,
	}
	t := &e.rec.Turns[e.turn]
	t.Steps = append(t.Steps, step)
	if !ended {
		if e.room() <= 0 {
			e.stop(ballast.StopTokens)
		} else {
			e.stop(ballast.StopCut)
		}
	}
}

// text decodes a reply without its final stop token, and says whether it had
// one.
func (e *episode) text(ids []int32) (text string, ended bool) {
	if n := len(ids); n > 0 {
		for _, s := range e.cfg.Style.Stops() {
			if ids[n-1] == s {
				return e.cfg.Style.Tok.Decode(ids[:n-1]), true
			}
		}
	}
	return e.cfg.Style.Tok.Decode(ids), false
}

// answer acts on the last reply: runs its calls, closes the turn, or ends the
// episode.
func (e *episode) answer() {
	t := &e.rec.Turns[e.turn]
	step := &t.Steps[len(t.Steps)-1]
	switch {
	case step.Form == ballast.FormCall:
		e.run(step)
	case step.Form == ballast.FormResponse || e.cfg.Malformed == MalformedAdvance:
		e.closeTurn()
	case e.cfg.Malformed == MalformedRetry:
		e.each(func(d *chat.Dialogue) { d.User(RetryText); d.Open() })
	default:
		e.stop(ballast.StopMalformed)
	}
}

// run executes the calls of a step and shows the results to the policy.
func (e *episode) run(step *ballast.Step) {
	for _, c := range step.Calls {
		res := e.ses.Call(c)
		if err := e.ses.Err(); err != nil {
			e.fail(err)
			return
		}
		step.Results = append(step.Results, e.truncate(res))
	}
	e.each(func(d *chat.Dialogue) { d.Results(step.Results); d.Open() })
}

// truncate cuts a tool result to the budget by dropping its beginning.
func (e *episode) truncate(res string) string {
	if len(res) <= e.cfg.Budget.Result { // a token has at least one byte
		return res
	}
	ids := e.cfg.Style.Tok.EncodePlain(nil, res, []bpe.Span{{Start: 0, End: len(res)}})
	if len(ids) <= e.cfg.Budget.Result {
		return res
	}
	return e.cfg.Style.Tok.Decode(ids[len(ids)-e.cfg.Budget.Result:])
}

// closeTurn compares the turn with gold and opens the next one, if any.
func (e *episode) closeTurn() {
	check := e.ses.CloseTurn()
	if err := e.ses.Err(); err != nil {
		e.fail(err)
		return
	}
	e.rec.Turns[e.turn].Check = check
	e.turn++
	if e.turn == len(e.play.Task.Turns) {
		e.stop(ballast.StopDone)
		return
	}
	e.openTurn()
}

// playGold plays the whole episode with the gold replies of the task.
func (e *episode) playGold() {
	e.openTurn()
	for !e.over {
		gold := e.play.Task.Turns[e.turn]
		done := 0
		for _, s := range e.rec.Turns[e.turn].Steps {
			done += len(s.Calls)
		}
		text := GoldReply(e.play.Task, e.turn)
		if done < len(gold.Gold) {
			call, err := chat.Named(gold.Gold[done], e.play.Task.Tools)
			if err != nil {
				e.fail(err)
				break
			}
			text = e.cfg.Style.Format.Render([]ballast.Call{call})
		}
		e.reply(e.plain.Gold(text), ballast.OwnerGold)
		if !e.over {
			e.answer()
		}
	}
	e.sent = len(e.shown.Tokens())
}

// GoldReply is the closing reply of a turn: the task's own or a templated one.
// Turns in which gold cannot act yet get the paper's canned sentences.
func GoldReply(task *ballast.Task, turn int) string {
	t := task.Turns[turn]
	switch {
	case t.Reply != "":
		return t.Reply
	case len(t.Gold) > 0:
		return "Done."
	case task.Category == "miss_func":
		return "I am sorry, but I cannot provide a valid tool call as the required function is not available."
	case task.Category == "miss_param":
		return "I am sorry, but I cannot provide a valid tool call as the required parameters are missing."
	}
	return "Done."
}

func (e *episode) stop(s ballast.Stop) {
	e.over = true
	e.rec.Stop = s
}

func (e *episode) fail(err error) {
	e.stop(ballast.StopInfra)
	e.rec.Error = err.Error()
}

// finish returns the record. A conversation that the policy abandoned without
// an answer is an infrastructure failure.
func (e *episode) finish() ballast.Episode {
	if !e.over {
		e.fail(fmt.Errorf("the policy left the conversation unanswered"))
	}
	e.rec.Tokens = e.plain.Tokens()
	e.rec.Owners = e.plain.Owners()
	n := len(e.rec.Tokens)
	if e.rec.LogProb != nil {
		e.rec.LogProb = pad(e.rec.LogProb, n)
	}
	if e.rec.Entropy != nil {
		e.rec.Entropy = pad(e.rec.Entropy, n)
	}
	return e.rec
}

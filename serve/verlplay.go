package serve

import (
	"context"
	"fmt"
)

// mayBegin reports an action that begins a trajectory and does not say of which task, or that
// names another task than its trajectory plays.
func (s *Server) mayBegin(actions []action, in []*session) error {
	var names map[*session]int // of those that begin: index of the task plus 1
	for i := range actions {
		a, x := &actions[i], in[i]
		if x == nil || a.finish {
			continue
		}
		is := x.name(0)
		if is == 0 {
			is = names[x]
		}
		switch {
		case is == 0 && a.task < 0:
			return wrong("missing", "the first action of a trajectory names its task: an id or an index of the set that is served. "+
				"It comes from the dataset row's extra_info", "extra_fields", i, "ballast_task")
		case is != 0 && a.task >= 0 && is != a.task+1:
			return wrong("value_error", fmt.Sprintf("trajectory %q plays task %q, not %q; give every trajectory an id of its own",
				brief(a.id), s.cfg.Tasks[is-1].ID, s.cfg.Tasks[a.task].ID), "extra_fields", i, "ballast_task")
		case is == 0:
			if names == nil {
				names = map[*session]int{}
			}
			names[x] = a.task + 1
		}
	}
	for x, is := range names {
		x.name(is)
	}
	return nil
}

// abandon leaves the sessions that a refused request entered, and takes those out that never began.
func (s *Server) abandon(in []*session) {
	for _, x := range in {
		if x != nil && x.name(0) == 0 && s.registry.drop(x) {
			s.shut(x, endRefused)
		}
	}
	s.registry.leave(in...)
}

// playOne plays one action.
func (s *Server) playOne(ctx context.Context, a *action, x *session, e *ended, out *played) {
	if x == nil {
		s.afterEnd(a, e, out)
		return
	}
	if a.finish {
		s.finish(x, out)
		return
	}
	if x.hold(ctx) != nil {
		out.late = true
		return
	}
	defer x.release()
	again, err := x.again(a.text, a.step)
	switch {
	case err != nil:
		out.answer = &answer{done: true, broken: err.Error()}
		return
	case again != nil:
		s.count.repeated()
		out.answer, out.mem, out.step = again, &x.memory, x.steps-1
		return
	case x.over != "":
		out.answer = &answer{done: true, broken: overText(x.over)}
		return
	}
	ans := s.step(x, func(p *play) *answer {
		got := p.reply(a.text)
		if a.last && !got.done {
			end := p.last()
			end.results, end.user, end.tools, end.docs, end.valid, end.reason = got.results, got.user, got.tools, got.docs, got.valid, got.reason
			got = end
		}
		return got
	})
	x.remember(a.text, x.steps, ans)
	out.answer, out.mem, out.step = ans, &x.memory, x.steps
	x.steps++
	s.settle(x, ans)
}

// step lets an action act in a session, whose episode begins with its first. The lock is held.
func (s *Server) step(x *session, act func(*play) *answer) *answer {
	if x.play == nil {
		p, first, err := s.begin(x.name(0) - 1)
		if err != nil {
			return &answer{done: true, stop: "infra", broken: err.Error()}
		}
		s.count.began(x.key.protocol)
		x.play = p
		x.stop.Store(&p.end)
		if first.done { // the user says nothing, or breaks
			return first
		}
	}
	ans := act(x.play)
	s.count.acted(x.key.protocol, ans)
	return ans
}

// settle takes a session out whose episode is over. The lock is held.
func (s *Server) settle(x *session, a *answer) {
	if !a.done {
		return
	}
	how := endDone
	if a.broken != "" {
		how = endBroken
	}
	if x.over == "" {
		x.over = how
		s.count.ended(x.key.protocol, how)
	}
	s.registry.remove(x, how)
	if x.play != nil {
		x.play.close()
		x.play = nil
	}
}

// finish ends a trajectory that its trainer has ended.
func (s *Server) finish(x *session, out *played) {
	if s.registry.remove(x, endFinished) {
		s.shutAside(x, endFinished)
	}
	out.answer = &answer{done: true, valid: true}
}

// afterEnd answers an action whose trajectory is not open.
func (s *Server) afterEnd(a *action, e *ended, out *played) {
	switch {
	case a.finish:
		out.answer = &answer{done: true, valid: true}
		return
	case e == nil: // it ended and was forgotten between two actions of one request
		out.answer = &answer{done: true, broken: overText(endDone)}
		return
	}
	again, err := e.mem.again(a.text, a.step)
	if err == nil && again != nil {
		s.count.repeated()
		e.mem.mu.Lock()
		out.answer, out.mem, out.step = again, e.mem, e.mem.step
		e.mem.mu.Unlock()
		return
	}
	out.answer = &answer{done: true, broken: overText(e.how)}
}

// overText says why an episode takes no further action.
func overText(how string) string {
	switch how {
	case endExpired:
		return "the lease of this trajectory has ended, and its episode was closed; ballast serve --lease says how long it is"
	case endFinished:
		return "this trajectory was finished; a new one needs an id of its own"
	case endClosed:
		return "the server is shutting down"
	}
	return "the episode of this trajectory is over; a new one needs an id of its own"
}

package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"ballast"
)

// verlTool is the name of verl-tool's protocol.
const verlTool = "verl-tool"

// actionRequest is a request of POST /get_observation as verl-tool's server declares it
// (verl_tool/servers/tool_server.py, ActionRequest). Pointers tell null from a value.
type actionRequest struct {
	IDs     []string      `json:"trajectory_ids"`
	Actions []*string     `json:"actions"`
	Extra   []extraFields `json:"extra_fields"`
	Finish  []bool        `json:"finish"`
	Last    []bool        `json:"is_last_step"`
}

// extraFields are the fields of a dataset row's extra_info that mean something here.
type extraFields struct {
	Task   json.RawMessage `json:"ballast_task"` // id or index of the task
	Step   *int            `json:"ballast_step"` // number of the action in its trajectory, from 0
	Finish *bool           `json:"finish"`
	Last   *bool           `json:"is_last_step"`
}

// action is one action of a request.
type action struct {
	id, text string
	task     int // index, -1 where the action names none
	step     *int
	finish   bool // the trainer has ended the trajectory; nothing is played
	last     bool // this is its last action
}

// score is what an episode earned.
type score struct {
	Reward   float64 `json:"reward"`
	Success  bool    `json:"success"`
	Progress float64 `json:"progress"`
	Format   float64 `json:"format"`
	FailTurn int     `json:"fail_turn"`
	Reason   string  `json:"reason"`
}

func scored(s *ballast.Score) *score {
	if s == nil {
		return nil
	}
	return &score{s.Reward, s.Success, s.Progress, s.Format, s.FailTurn, s.Reason}
}

// decodeActions reads a request. The error is a *fault that names the field.
func (s *Server) decodeActions(body []byte) ([]action, error) {
	var q actionRequest
	if !readActions(body, &q) {
		q = actionRequest{}
		if err := decodeJSON(body, &q); err != nil {
			return nil, err
		}
	}
	n := len(q.IDs)
	for _, c := range []struct {
		field string
		have  int
		given bool
	}{
		{"trajectory_ids", n, true}, {"actions", len(q.Actions), true}, {"extra_fields", len(q.Extra), q.Extra != nil},
		{"finish", len(q.Finish), q.Finish != nil}, {"is_last_step", len(q.Last), q.Last != nil},
	} {
		switch {
		case c.given && c.have == 0:
			return nil, wrong("too_short", "give at least 1", c.field)
		case c.given && c.have != n:
			return nil, wrong("value_error", fmt.Sprintf("Length of %s must match trajectory_ids: %d against %d", c.field, c.have, n), c.field)
		}
	}
	out := make([]action, n)
	for i := range out {
		a := &out[i]
		switch {
		case q.IDs[i] == "":
			return nil, wrong("string_type", "a trajectory's id is a text that is not empty", "trajectory_ids", i)
		case len(q.IDs[i]) > maxID:
			return nil, wrong("string_too_long", fmt.Sprintf("a trajectory's id has at most %d bytes", maxID), "trajectory_ids", i)
		case q.Actions[i] == nil:
			return nil, wrong("string_type", "an action is a text", "actions", i)
		}
		a.id, a.text, a.task = q.IDs[i], *q.Actions[i], -1
		a.finish, a.last = at(q.Finish, i), at(q.Last, i)
		if i >= len(q.Extra) {
			continue
		}
		x := &q.Extra[i]
		if x.Finish != nil { // its own word counts, as in verl-tool's server
			a.finish = *x.Finish
		}
		if x.Last != nil {
			a.last = *x.Last
		}
		if a.step = x.Step; a.step != nil && *a.step < 0 {
			return nil, wrong("greater_than_equal", "it counts from 0", "extra_fields", i, "ballast_step")
		}
		var err error
		if a.task, err = s.taskOf(x.Task); err != nil {
			return nil, wrong("value_error", err.Error(), "extra_fields", i, "ballast_task")
		}
	}
	return out, nil
}

// maxID bounds the length of a name that a client gives.
const maxID = 512

func at(list []bool, i int) bool { return i < len(list) && list[i] }

// taskOf reads which task is meant: its id or its index; -1 for none.
func (s *Server) taskOf(raw json.RawMessage) (int, error) {
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return -1, nil
	}
	if raw[0] == '"' && !bytes.ContainsRune(raw, '\\') { // as almost all are
		if i, ok := s.byID[string(raw[1:len(raw)-1])]; ok {
			return i, nil
		}
	}
	var id string
	if json.Unmarshal(raw, &id) == nil {
		if i, ok := s.byID[id]; ok {
			return i, nil
		}
		return 0, fmt.Errorf("no task has the id %q; the set that is served has other tasks (ids: GET /tasks)", brief(id))
	}
	var i int
	if json.Unmarshal(raw, &i) != nil {
		return 0, errors.New("a task is named by its id, a text, or by its index, a whole number")
	}
	if i < 0 || i >= len(s.cfg.Tasks) {
		return 0, fmt.Errorf("index %d is not in the set that is served, which has %d tasks from 0", i, len(s.cfg.Tasks))
	}
	return i, nil
}

// getObservation answers POST /get_observation.
func (s *Server) getObservation(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Timeout)
	defer cancel()
	if s.slot(ctx) != nil {
		refuse(w, http.StatusRequestTimeout, "Request processing timeout")
		return
	}
	defer s.free()
	queued := time.Since(start)
	buf := scratches.Get().(*scratch)
	defer buf.free()
	body, ok := s.body(w, r, &buf.body)
	if !ok {
		return
	}
	actions, err := s.decodeActions(body)
	if err != nil {
		invalid(w, err)
		return
	}
	done, err := s.playActions(ctx, actions)
	var full *capacityError
	switch {
	case errors.As(err, &full), errors.Is(err, errDraining):
		s.count.refused(verlTool)
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	case errors.Is(err, errLate):
		refuse(w, http.StatusRequestTimeout, "Request processing timeout; the action goes on, and the same request gets its answer")
		return
	case err != nil:
		invalid(w, err)
		return
	}
	buf.answer = s.appendAnswers(buf.answer[:0], done, queued, time.Since(start))
	w.Header().Set("X-Process-Time", fmt.Sprintf("%.6f", time.Since(start).Seconds()))
	gone := r.Context().Err() != nil
	mark(done, !gone)
	if !gone && s.sendText(w, buf.answer) != nil {
		mark(done, false)
	}
}

// mark notes whether the client got the answers.
func mark(done []played, yes bool) {
	for i := range done {
		if p := &done[i]; p.mem != nil {
			p.mem.delivered(p.step, yes)
		}
	}
}

// played is what became of one action.
type played struct {
	answer *answer
	mem    *memory // of the session that keeps the answer; nil where none does
	step   int
	late   bool // the one before it in its trajectory has taken all the time of the request
}

// errLate says that a request took longer than it may. What it began goes on.
var errLate = errors.New("the request took too long")

// playActions plays the actions of a request: those of one trajectory in order, the
// trajectories side by side where their worlds take time. An error before anything is played
// says why nothing is.
func (s *Server) playActions(ctx context.Context, actions []action) ([]played, error) {
	wants := make([]want, len(actions))
	for i := range actions {
		wants[i] = want{key: key{verlTool, actions[i].id}, make: !actions[i].finish}
	}
	in, ends, err := s.registry.enter(wants)
	if err != nil {
		return nil, err
	}
	if err := s.mayBegin(actions, in); err != nil {
		s.abandon(in)
		return nil, err
	}
	out := make([]played, len(actions))
	if !s.slow {
		defer s.registry.leave(in...)
		for i := range actions {
			s.playOne(ctx, &actions[i], in[i], ends[i], &out[i])
		}
		return inTime(out)
	}
	chains := map[string][]int{} // actions of a trajectory
	for i := range actions {
		chains[actions[i].id] = append(chains[actions[i].id], i)
	}
	over := make(chan struct{}, len(chains))
	for _, chain := range chains {
		play := func() {
			for _, i := range chain {
				s.playOne(ctx, &actions[i], in[i], ends[i], &out[i])
				s.registry.leave(in[i])
			}
			over <- struct{}{}
		}
		if !s.aside(play) { // nobody acts any more, and each action is told so
			play()
		}
	}
	for range chains {
		select {
		case <-over:
		case <-ctx.Done():
			return nil, errLate
		}
	}
	return inTime(out)
}

// inTime is errLate where an action was not played. The answers to others are kept for the same request.
func inTime(out []played) ([]played, error) {
	if slices.ContainsFunc(out, func(p played) bool { return p.late }) {
		return nil, errLate
	}
	return out, nil
}

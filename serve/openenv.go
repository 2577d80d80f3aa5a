package serve

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"ballast"
	"ballast/chat/tooldoc"
	"ballast/value"
)

// openEnv is the name of OpenEnv's protocol, as the package openenv 0.10.0 has it
// (openenv/core/env_server: types.py, http_server.py, mcp_types.py).
const openEnv = "openenv"

// The codes of errors in messages of a WebSocket (WSErrorCode).
const (
	codeJSON     = "INVALID_JSON"
	codeUnknown  = "UNKNOWN_TYPE"
	codeInvalid  = "VALIDATION_ERROR"
	codeFailed   = "EXECUTION_ERROR"
	codeCapacity = "CAPACITY_REACHED"
	codeFactory  = "FACTORY_ERROR"
	codeSession  = "SESSION_ERROR"
)

// sessionKey is the key of a session of OpenEnv.
func sessionKey(id string) key { return key{openEnv, id} }

// openSession makes a session with a name that nobody has, and enters it.
func (s *Server) openSession() (id string, x *session, err error) {
	id = rand.Text()
	in, _, err := s.registry.enter([]want{{key: sessionKey(id), make: true}})
	if err != nil {
		s.count.refused(openEnv)
		return "", nil, err
	}
	return id, in[0], nil
}

// enterSession enters a session that is open.
func (s *Server) enterSession(id string) (*session, error) {
	in, ends, err := s.registry.enter([]want{{key: sessionKey(id)}})
	switch {
	case err != nil:
		return nil, err
	case in[0] != nil:
		return in[0], nil
	case ends[0] != nil && ends[0].how == endExpired:
		return nil, fmt.Errorf("Unknown session_id: %s (its lease has ended; ballast serve --lease says how long it is)", brief(id))
	}
	return nil, fmt.Errorf("Unknown session_id: %s", brief(id))
}

// resetData are the parameters of a reset that mean something here. Others are passed over, as
// OpenEnv's server does: trainers send all columns of a dataset's row.
type resetData struct {
	Seed    *int64          `json:"seed"`
	Episode *string         `json:"episode_id"`
	Task    json.RawMessage `json:"ballast_task"`
}

// decodeReset reads the parameters of a reset: which task, and the episode's name.
func (s *Server) decodeReset(data []byte) (task int, episode string, err error) {
	var q resetData
	if len(data) > 0 {
		if err := decodeJSON(data, &q); err != nil {
			return 0, "", err
		}
	}
	switch {
	case q.Seed != nil && *q.Seed < 0:
		return 0, "", wrong("greater_than_equal", "Input should be greater than or equal to 0", "seed")
	case q.Episode != nil && len(*q.Episode) > 255:
		return 0, "", wrong("string_too_long", "String should have at most 255 characters", "episode_id")
	}
	if task, err = s.taskOf(q.Task); err != nil {
		return 0, "", wrong("value_error", err.Error(), "ballast_task")
	}
	n := int64(len(s.cfg.Tasks))
	switch {
	case task >= 0:
	case q.Seed != nil:
		task = int(*q.Seed % n)
	default: // the tasks in turn
		task = int((s.next.Add(1) - 1) % n)
	}
	if q.Episode != nil {
		episode = *q.Episode
	}
	return task, episode, nil
}

// stepAction is an action: the model's text, or one call, or the question which tools there are.
type stepAction struct {
	Kind string `json:"type"`
	Text *string
	Tool string
	Args []ballast.Arg
}

// decodeAction reads an action. Fields that it does not have are refused, as OpenEnv's do.
func decodeAction(data []byte) (a stepAction, err error) {
	var fields map[string]json.RawMessage
	if err := decodeJSON(data, &fields); err != nil {
		return a, err
	}
	if fields == nil {
		return a, wrong("missing", "an action is an object", "action")
	}
	if raw, ok := fields["type"]; ok {
		if err := decodeJSON(raw, &a.Kind); err != nil {
			return a, wrong("literal_error", "Input should be 'reply', 'call_tool' or 'list_tools'", "type")
		}
	}
	known := []string{"type", "metadata"}
	switch a.Kind {
	case "", "reply":
		if a.Kind, known = "reply", append(known, "text"); json.Unmarshal(fields["text"], &a.Text) != nil || a.Text == nil {
			return a, wrong("missing", "give the model's reply as a text", "text")
		}
	case "call_tool":
		known = append(known, "tool_name", "arguments")
		if json.Unmarshal(fields["tool_name"], &a.Tool) != nil || a.Tool == "" {
			return a, wrong("missing", "give the tool's name as a text", "tool_name")
		}
		if a.Args, err = decodeArgs(fields["arguments"]); err != nil {
			return a, wrong("dict_type", err.Error(), "arguments")
		}
	case "list_tools":
	default:
		return a, wrong("literal_error", "Input should be 'reply', 'call_tool' or 'list_tools'", "type")
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(known, name) {
			return a, wrong("extra_forbidden", "Extra inputs are not permitted", brief(name))
		}
	}
	return a, nil
}

// decodeArgs reads the arguments of a call in their order.
func decodeArgs(raw []byte) (out []ballast.Arg, err error) {
	if len(raw) == 0 {
		return nil, nil
	}
	v, err := value.ParseJSON(raw)
	if err != nil {
		return nil, err
	}
	d, ok := v.(*value.Dict)
	if !ok {
		return nil, errors.New("arguments are an object")
	}
	for i := range d.Len() {
		k, x := d.At(i)
		name, _ := k.(string)
		out = append(out, ballast.Arg{Name: name, Value: x})
	}
	return out, nil
}

// toolJSON documents a tool as OpenEnv and MCP do.
func toolJSON(t ballast.Tool, schemaKey string) map[string]any {
	doc, _ := tooldoc.Doc(t).(*value.Dict)
	if inner, ok := member(doc, "function").(*value.Dict); ok { // OpenAI's wrapping
		doc = inner
	}
	text, _ := member(doc, "description").(string)
	if text == "" {
		text = t.Doc
	}
	schema := json.RawMessage(`{"type":"object","properties":{}}`)
	if p := member(doc, "parameters"); p != nil {
		if raw, err := value.JSON(p); err == nil && json.Valid([]byte(raw)) {
			schema = json.RawMessage(raw)
		}
	}
	return map[string]any{"name": t.Name, "description": text, schemaKey: schema}
}

func member(d *value.Dict, key string) any {
	if d == nil {
		return nil
	}
	v, _ := d.Get(key)
	return v
}

func toolsJSON(tools []ballast.Tool, schemaKey string) []any {
	out := make([]any, len(tools))
	for i, t := range tools {
		out[i] = toolJSON(t, schemaKey)
	}
	return out
}

// envResult is what a reset or a step returns (ResetResponse, StepResponse).
type envResult struct {
	Observation map[string]any `json:"observation"`
	Reward      *float64       `json:"reward"`
	Done        bool           `json:"done"`
	Metadata    map[string]any `json:"metadata,omitempty"`
}

// envAnswer is an answer in OpenEnv's shape. A broken episode has none: it is an error.
func (s *Server) envAnswer(x *session, a *answer) (*envResult, error) {
	if a.broken != "" {
		return nil, errors.New(a.broken)
	}
	about := map[string]any{"episode_id": x.episode, "task_id": s.cfg.Tasks[x.task].ID}
	o := map[string]any{"text": a.text(s.cfg.Format), "results": a.results, "user": nullable(a.user),
		"tool_docs": toolsJSON(a.tools, "input_schema"),
		"valid":     a.valid, "invalid_reason": nullable(a.reason), "stop": nullable(string(a.stop)), "score": scored(a.score), "metadata": about}
	r := &envResult{Observation: o, Done: a.done, Metadata: about}
	if a.score != nil {
		r.Reward = &a.score.Reward
	}
	return r, nil
}

// nullable is a text, or null for none.
func nullable(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// reset begins an episode in a session, after the one that it has. Its lock is held.
func (s *Server) reset(x *session, task int, episode string) (*envResult, error) {
	if x.shut {
		return nil, errors.New(overText(x.over))
	}
	if x.play != nil {
		if x.over == "" {
			s.count.ended(openEnv, endFinished)
		}
		x.play.close()
		x.play = nil
	}
	if episode == "" {
		episode = rand.Text()
	}
	x.over, x.steps, x.task, x.episode, x.turn = "", 0, task, episode, 0
	p, first, err := s.begin(task)
	if err != nil {
		x.over = endBroken
		return nil, err
	}
	s.count.began(openEnv)
	x.play = p
	x.stop.Store(&p.end)
	s.over(x, first)
	return s.envAnswer(x, first)
}

// over closes the world of an episode that is over; its session stays, for the next reset.
func (s *Server) over(x *session, a *answer) {
	if x.play != nil {
		x.turn = x.play.env.Turn()
	}
	if !a.done || x.over != "" {
		return
	}
	x.over = endDone
	if a.broken != "" {
		x.over = endBroken
	}
	s.count.ended(openEnv, x.over)
	if x.play != nil {
		x.play.close()
		x.play = nil
	}
}

// errNoReset and errEnded are the answers to a step that no episode takes.
var (
	errNoReset = errors.New("no episode is open in this session; reset it first")
	errEnded   = errors.New("the episode is over; reset the session to begin another")
)

// act plays an action in a session. Its lock is held.
func (s *Server) act(x *session, a stepAction) (*envResult, error) {
	switch {
	case x.play == nil && x.over == "":
		return nil, errNoReset
	case x.play == nil:
		return nil, errEnded
	}
	if a.Kind == "list_tools" {
		o := map[string]any{"tools": toolsJSON(x.play.tools(), "input_schema"), "metadata": map[string]any{}}
		return &envResult{Observation: o}, nil
	}
	var got *answer
	if a.Kind == "call_tool" {
		got = x.play.call(ballast.Call{Name: a.Tool, Args: a.Args})
	} else {
		got = x.play.reply(*a.Text)
	}
	s.count.acted(openEnv, got)
	x.steps++
	s.over(x, got)
	r, err := s.envAnswer(x, got)
	if err == nil && a.Kind == "call_tool" { // as a CallToolObservation has it
		r.Observation["tool_name"], r.Observation["error"], r.Observation["result"] = a.Tool, nil, nil
		if len(got.results) == 1 {
			r.Observation["result"] = got.results[0]
		}
	}
	return r, err
}

// state is what a session tells of itself. Its lock is held.
func (s *Server) state(x *session) map[string]any {
	out := map[string]any{"episode_id": nullable(x.episode), "step_count": x.steps, "task_id": nil, "turn": x.turn, "done": x.over != ""}
	if x.episode != "" {
		out["task_id"] = s.cfg.Tasks[x.task].ID
	}
	return out
}

// errBusy says that somebody else acted in a session for as long as the request may take.
var errBusy = errors.New("another action of this session is still running")

// inSession does something in a session while nobody else acts in it.
func inSession[T any](ctx context.Context, x *session, do func() (T, error)) (T, error) {
	if x.hold(ctx) != nil {
		var none T
		return none, errBusy
	}
	defer x.release()
	return do()
}

package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Over HTTP OpenEnv's own server makes an environment for every request and closes it after, so
// that a step finds nothing that was reset. Here a reset leases an episode, and a step that gives
// its episode_id goes on with it.

// postReset answers POST /reset.
func (s *Server) postReset(w http.ResponseWriter, r *http.Request) {
	body, ok := s.body(w, r, new(bytes.Buffer))
	if !ok {
		return
	}
	task, episode, err := s.decodeReset(body)
	if err != nil {
		invalid(w, err)
		return
	}
	s.inEpisode(w, r, episode, true, func(x *session, id string) (any, error) { return s.reset(x, task, id) })
}

// stepRequest is a request of POST /step.
type stepRequest struct {
	Action  json.RawMessage `json:"action"`
	Episode string          `json:"episode_id"`
}

// postStep answers POST /step.
func (s *Server) postStep(w http.ResponseWriter, r *http.Request) {
	body, ok := s.body(w, r, new(bytes.Buffer))
	if !ok {
		return
	}
	var q stepRequest
	err := decodeJSON(body, &q)
	var a stepAction
	switch {
	case err != nil:
	case q.Action == nil:
		err = wrong("missing", "Field required", "action")
	case q.Episode == "":
		err = wrong("missing", "give the episode_id that /reset answered in metadata; without one there is no episode to go on with, and "+
			"a WebSocket at /ws keeps one by itself", "episode_id")
	default:
		if a, err = decodeAction(q.Action); err != nil {
			var f *fault
			if errors.As(err, &f) {
				f.Loc = append([]any{"body", "action"}, f.Loc[1:]...)
			}
		}
	}
	if err != nil {
		invalid(w, err)
		return
	}
	s.inEpisode(w, r, q.Episode, false, func(x *session, _ string) (any, error) { return s.act(x, a) })
}

// getState answers GET /state, of an episode by name; of none where none is named.
func (s *Server) getState(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("episode_id")
	if id == "" {
		s.send(w, s.state(&session{}))
		return
	}
	s.inEpisode(w, r, id, false, func(x *session, _ string) (any, error) { return s.state(x), nil })
}

// inEpisode does something in the session of an episode that is played over HTTP; make opens
// one, with a name of its own where none is given.
func (s *Server) inEpisode(w http.ResponseWriter, r *http.Request, id string, make bool, do func(*session, string) (any, error)) {
	ctx := r.Context() // bounded
	var x *session
	var err error
	switch {
	case id == "":
		id, x, err = s.openSession()
	case make:
		x, err = s.reopen(id)
	default:
		x, err = s.enterSession(id)
	}
	var full *capacityError
	switch {
	case errors.As(err, &full), errors.Is(err, errDraining):
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, err.Error())
		return
	case err != nil:
		refuse(w, http.StatusNotFound, err.Error())
		return
	}
	type result struct {
		v   any
		err error
	}
	over := make1[result]()
	play := func() {
		defer s.registry.leave(x)
		v, err := inSession(ctx, x, func() (any, error) { return do(x, id) })
		over <- result{v, err}
	}
	if !s.slow {
		play()
	} else if !s.aside(play) {
		s.registry.leave(x)
		over <- result{nil, errDraining}
	}
	res := result{err: errLate}
	select {
	case res = <-over:
	case <-ctx.Done():
	}
	switch {
	case errors.Is(res.err, errBusy):
		refuse(w, http.StatusRequestTimeout, errBusy.Error()+", and this one was not played")
	case errors.Is(res.err, errLate):
		refuse(w, http.StatusRequestTimeout, "the request took too long; what it began goes on")
	case res.err != nil:
		refuse(w, http.StatusInternalServerError, res.err.Error())
	default:
		s.send(w, res.v)
	}
}

// make1 is a channel whose sender never waits.
func make1[T any]() chan T { return make(chan T, 1) }

// reopen enters the session of a name that a client chose; one that has ended begins anew.
func (s *Server) reopen(id string) (*session, error) {
	s.registry.revive(sessionKey(id))
	in, _, err := s.registry.enter([]want{{key: sessionKey(id), make: true}})
	if err != nil {
		s.count.refused(openEnv)
		return nil, err
	}
	return in[0], nil
}

// metadata answers GET /metadata (EnvironmentMetadata).
func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	s.send(w, map[string]any{"name": s.cfg.Name, "version": s.cfg.Version, "author": nil, "readme_content": nil, "documentation_url": nil,
		"description": fmt.Sprintf("%d tasks with tools. An action is the model's reply, whose calls are written in the format %s.",
			len(s.cfg.Tasks), s.cfg.Format.Name())})
}

// object is a JSON schema of an object.
func object(title string, required []string, properties map[string]any) map[string]any {
	return map[string]any{"title": title, "type": "object", "properties": properties, "required": required, "additionalProperties": false}
}

func typed(kind any, text string) map[string]any {
	return map[string]any{"type": kind, "description": text}
}

// schema answers GET /schema (SchemaResponse).
func (s *Server) schema(w http.ResponseWriter, _ *http.Request) {
	metadata := typed("object", "Additional metadata")
	action := map[string]any{"title": "BallastAction", "anyOf": []any{
		object("Reply", []string{"text"}, map[string]any{"type": map[string]any{"const": "reply"}, "metadata": metadata,
			"text": typed("string", "the model's reply, calls in the format "+s.cfg.Format.Name())}),
		object("CallToolAction", []string{"type", "tool_name"}, map[string]any{
			"type": map[string]any{"const": "call_tool"}, "metadata": metadata, "tool_name": typed("string", "Name of the tool to call"),
			"arguments": typed("object", "Arguments to pass to the tool")}),
		object("ListToolsAction", []string{"type"}, map[string]any{"type": map[string]any{"const": "list_tools"}, "metadata": metadata}),
	}}
	null := func(kind string) []string { return []string{kind, "null"} }
	observation := map[string]any{"title": "BallastObservation", "type": "object", "properties": map[string]any{
		"text":           typed("string", "results or the user's words, as one text"),
		"results":        typed(null("array"), "what the tools answered, one per call"),
		"user":           typed(null("string"), "what the user says"),
		"tool_docs":      typed("array", "tools that are shown from now on: name, description, input_schema"),
		"valid":          typed("boolean", "the action was calls of tools that are offered, or a response"),
		"invalid_reason": typed(null("string"), "why it was not"),
		"stop":           typed(null("string"), "why the episode is over"),
		"score":          typed(null("object"), "at the end: reward, success, progress, format, fail_turn, reason"),
		"metadata":       metadata,
	}, "required": []string{"text"}}
	state := map[string]any{"title": "BallastState", "type": "object", "properties": map[string]any{
		"episode_id": typed(null("string"), "Unique identifier for the current episode"),
		"step_count": typed("integer", "Number of steps taken in the current episode"),
		"task_id":    typed(null("string"), "the task"),
		"turn":       typed("integer", "index of the user's open turn"),
		"done":       typed("boolean", "the episode is over"),
	}}
	s.send(w, map[string]any{"action": action, "observation": observation, "state": state, "reset_observation": observation})
}

// openAPI answers GET /openapi.json: which paths there are, for clients that look.
func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) {
	paths := map[string]any{}
	for _, r := range s.paths() {
		method, path, ok := strings.Cut(r.pattern, " ")
		if !ok {
			method, path = "GET", r.pattern
		}
		at, _ := paths[path].(map[string]any)
		if at == nil {
			at = map[string]any{}
			paths[path] = at
		}
		at[strings.ToLower(method)] = map[string]any{"summary": r.doc, "responses": map[string]any{"200": map[string]any{"description": "OK"}}}
	}
	s.send(w, map[string]any{"openapi": "3.1.0", "info": map[string]any{"title": s.cfg.Name, "version": "1.0.0"}, "paths": paths})
}

// The task API: which tasks there are (ORS). All have one split, Config.Split.

// named answers 404 for another environment than the one that is served.
func (s *Server) named(do func(http.ResponseWriter, taskRequest)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.EqualFold(r.PathValue("env"), s.cfg.Name) {
			refuse(w, http.StatusNotFound, fmt.Sprintf("unknown environment %q; there is %s", brief(r.PathValue("env")), s.cfg.Name))
			return
		}
		var q taskRequest
		if r.Method == http.MethodPost {
			body, ok := s.body(w, r, new(bytes.Buffer))
			if !ok {
				return
			}
			err := decodeJSON(body, &q)
			if err == nil && q.Split != s.cfg.Split {
				err = wrong("value_error", fmt.Sprintf("there is the split %q alone", s.cfg.Split), "split")
			}
			if err != nil {
				invalid(w, err)
				return
			}
		}
		do(w, q)
	}
}

func (s *Server) listEnvironments(w http.ResponseWriter, _ *http.Request) {
	s.send(w, []string{s.cfg.Name})
}

// taskRequest is a request of the task API.
type taskRequest struct {
	Split string `json:"split"`
	Index *int   `json:"index"`
	Start *int   `json:"start"`
	Stop  *int   `json:"stop"`
}

func (s *Server) splits(w http.ResponseWriter, _ taskRequest) {
	kind := "validation" // as OpenEnv calls all but these
	if s.cfg.Split == "train" || s.cfg.Split == "test" {
		kind = s.cfg.Split
	}
	s.send(w, []any{map[string]any{"name": s.cfg.Split, "type": kind}})
}

func (s *Server) taskJSON(i int) map[string]any {
	return map[string]any{"id": s.cfg.Tasks[i].ID, "index": i, "category": s.cfg.Tasks[i].Category, "ballast_task": s.cfg.Tasks[i].ID}
}

func (s *Server) taskRange(w http.ResponseWriter, q taskRequest) {
	n := len(s.cfg.Tasks)
	start, stop := 0, n
	if q.Start != nil {
		start = min(max(*q.Start, 0), n)
	}
	if q.Stop != nil {
		stop = min(max(*q.Stop, start), n)
	}
	out := make([]any, 0, stop-start)
	for i := start; i < stop; i++ {
		out = append(out, s.taskJSON(i))
	}
	s.send(w, map[string]any{"tasks": out, "env_name": s.cfg.Name})
}

func (s *Server) oneTask(w http.ResponseWriter, q taskRequest) {
	if q.Index == nil || *q.Index < 0 || *q.Index >= len(s.cfg.Tasks) {
		refuse(w, http.StatusBadRequest, "Invalid task index")
		return
	}
	s.send(w, map[string]any{"task": s.taskJSON(*q.Index)})
}

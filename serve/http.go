package serve

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ballast/safetext"
)

// fault says what is wrong with a request, in the shape of FastAPI, which both protocols'
// servers are made with.
type fault struct {
	Type string `json:"type"`
	Loc  []any  `json:"loc"` // where: body, then names and indices
	Msg  string `json:"msg"`
}

func (f *fault) Error() string { return fmt.Sprintf("%v: %s", f.Loc, f.Msg) }

// wrong is a fault in the body.
func wrong(kind, msg string, loc ...any) *fault {
	return &fault{kind, append([]any{"body"}, loc...), msg}
}

// decodeJSON reads a body whole. The error is a *fault.
func decodeJSON(body []byte, into any) error {
	err := json.Unmarshal(body, into)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		return wrong("json_invalid", "JSON decode error: "+syntax.Error(), syntax.Offset)
	case errors.As(err, &kind):
		var loc []any
		for name := range strings.SplitSeq(kind.Field, ".") {
			if name != "" {
				loc = append(loc, name)
			}
		}
		return wrong("type_error", fmt.Sprintf("it is a %s and should be a %s (byte %d)", kind.Value, jsonName(kind.Type.Kind().String()),
			kind.Offset), loc...)
	}
	return wrong("json_invalid", err.Error())
}

// jsonName is JSON's name of a Go kind.
func jsonName(kind string) string {
	switch kind {
	case "struct", "map":
		return "object"
	case "slice":
		return "list"
	case "int":
		return "whole number"
	case "float64":
		return "number"
	}
	return kind
}

// invalid answers a request that cannot be read.
func invalid(w http.ResponseWriter, err error) {
	var f *fault
	if !errors.As(err, &f) {
		f = &fault{"value_error", []any{"body"}, err.Error()}
	}
	reply(w, http.StatusUnprocessableEntity, map[string]any{"detail": []*fault{f}})
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, code int, detail string) {
	reply(w, code, map[string]any{"detail": detail})
}

// reply writes JSON with a status.
func reply(w http.ResponseWriter, code int, v any) error {
	return replyText(w, code, marshal(v))
}

// marshal writes JSON.
func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("serve: " + err.Error()) // texts and numbers always marshal
	}
	return text
}

// replyText is reply with JSON that is written already.
func replyText(w http.ResponseWriter, code int, text []byte) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)) // one who does not read is not waited for
	w.WriteHeader(code)
	_, err := w.Write(text)
	return err
}

// send writes an answer whole, so that an error says that the client did not get it.
func (s *Server) send(w http.ResponseWriter, v any) error { return s.sendText(w, marshal(v)) }

func (s *Server) sendText(w http.ResponseWriter, text []byte) error {
	if err := replyText(w, http.StatusOK, text); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}

// bodyTime is how long a request's body may take to arrive.
var bodyTime = time.Minute // a variable for tests

// body reads a request's body into a buffer; false if it was answered with what is wrong with it.
func (s *Server) body(w http.ResponseWriter, r *http.Request, into *bytes.Buffer) ([]byte, bool) {
	rc := http.NewResponseController(w)
	rc.SetReadDeadline(time.Now().Add(bodyTime))
	_, err := into.ReadFrom(http.MaxBytesReader(w, r.Body, s.cfg.Body))
	if err == nil {
		rc.SetReadDeadline(time.Time{}) // else its end would look like a client that vanished
	} else {
		w.Header().Set("Connection", "close") // what is left of the body is not read
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the request has more than %d bytes; send fewer actions at a time, or raise "+
			"ballast serve --body", s.cfg.Body))
	case err != nil:
		refuse(w, http.StatusBadRequest, "the request's body could not be read: "+err.Error())
	}
	return into.Bytes(), err == nil
}

// slot waits until fewer than Config.Requests are worked on; free it. The error is the context's.
func (s *Server) slot(ctx context.Context) error {
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Server) free() { <-s.slots }

// bounded answers a request when there is a slot for it, within Config.Timeout.
func (s *Server) bounded(do http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Timeout)
		defer cancel()
		if s.slot(ctx) != nil {
			refuse(w, http.StatusRequestTimeout, "Request processing timeout")
			return
		}
		defer s.free()
		do(w, r.WithContext(ctx))
	}
}

// admitted answers those who may ask.
func (s *Server) admitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !s.sameHost(r):
			refuse(w, http.StatusForbidden, fmt.Sprintf("the server listens on this machine alone, and a request names it localhost or by its "+
				"address, not %q; give ballast serve --token-env to let others in by another name", brief(r.Host)))
			return
		case r.URL.Path == "/health": // probes carry no token
		case !sameOrigin(r):
			refuse(w, http.StatusForbidden, "a page of another origin may not ask")
			return
		case s.cfg.Token != "" && !s.authorized(r):
			refuse(w, http.StatusUnauthorized, "give the token, as header Authorization: Bearer TOKEN or as ?token=TOKEN")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// authorized reports whether a request carries the token: as a header, or in the address, since
// verl-tool's client sends no headers of one's own.
func (s *Server) authorized(r *http.Request) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		given = r.URL.Query().Get("token")
	}
	return subtle.ConstantTimeCompare([]byte(given), []byte(s.cfg.Token)) == 1
}

// sameHost refuses, on this machine's own address, what goes to another name than this machine's: a page may
// have its name resolved to this machine, and then its origin is the same. A token is as good: such a page has none.
func (s *Server) sameHost(r *http.Request) bool {
	if !s.loopback.Load() || s.cfg.Token != "" {
		return true
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// sameOrigin refuses what a page of another site has a browser send to this machine.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}

// health answers probes: of verl-tool's server (HealthResponse) and of OpenEnv's, which wants
// the status alone. A server that is about to end says so with 503.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	status, code := "healthy", http.StatusOK
	select {
	case <-s.drain:
		status, code = "unhealthy", http.StatusServiceUnavailable
	default:
	}
	reply(w, code, map[string]any{
		"status": status, "concurrent_requests": len(s.slots), "thread_pool_size": cap(s.slots), "active_tasks": s.registry.size(),
		"max_concurrent": s.cfg.Sessions, "tools": []string{s.cfg.Name}, "uptime_seconds": time.Since(s.begun).Seconds(),
	})
}

// listTasks names the tasks that are served, in the order of their indices.
func (s *Server) listTasks(w http.ResponseWriter, _ *http.Request) {
	ids := make([]string, len(s.cfg.Tasks))
	for i := range s.cfg.Tasks {
		ids[i] = s.cfg.Tasks[i].ID
	}
	reply(w, http.StatusOK, map[string]any{"name": s.cfg.Name, "tasks": ids})
}

// brief is the beginning of a text that a client sent.
func brief(text string) string { return safetext.Brief(text, 80) }

package serve

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/coder/websocket"
)

// socketMessage is a message of a WebSocket, either way.
type socketMessage struct {
	Type string `json:"type"`
	Data any    `json:"data"`
}

// problem is a message that says what went wrong.
func problem(code, message string, more map[string]any) socketMessage {
	data := map[string]any{"message": message, "code": code}
	maps.Copy(data, more)
	return socketMessage{"error", data}
}

// problemOf is the message of an error.
func problemOf(err error) socketMessage {
	var f *fault
	if errors.As(err, &f) {
		return problem(codeInvalid, "Invalid message", map[string]any{"errors": []*fault{f}})
	}
	return problem(codeFailed, err.Error(), nil)
}

// socket is one WebSocket at /ws and the session that it uses.
type socket struct {
	s     *Server
	conn  *websocket.Conn
	id    string
	x     *session
	owned bool // the session ends with the socket
	over  bool // the client said close
}

// openSocket answers GET /ws: a session of its own, or one that the client made over /mcp.
func (s *Server) openSocket(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // admitted has seen the origin
	if err != nil {
		return // it was answered
	}
	c := &socket{s: s, conn: conn}
	if !s.join(&s.sockets) {
		c.send(problem(codeSession, errDraining.Error(), nil))
		conn.Close(websocket.StatusGoingAway, "the server is shutting down")
		return
	}
	defer s.sockets.Done()
	conn.SetReadLimit(s.cfg.Body)
	if err := c.enter(r.URL.Query().Get("session_id")); err != nil {
		var full *capacityError
		if errors.As(err, &full) {
			c.send(problem(codeCapacity, err.Error(), map[string]any{"active_sessions": full.open, "max_sessions": full.limit}))
		} else {
			c.send(problem(codeSession, err.Error(), nil))
		}
		conn.Close(websocket.StatusNormalClosure, "")
		return
	}
	defer c.leave()
	c.serve()
}

// enter finds or makes the session.
func (c *socket) enter(id string) (err error) {
	if id == "" {
		c.owned = true
		c.id, c.x, err = c.s.openSession()
		return err
	}
	if c.x, err = c.s.enterSession(id); err != nil {
		return err
	}
	if c.id = id; !c.x.attached.CompareAndSwap(false, true) {
		c.s.registry.leave(c.x)
		return errors.New("Session " + brief(id) + " already has an attached WebSocket")
	}
	return nil
}

// leave gives the session back: it ends, or stays for who made it over /mcp.
func (c *socket) leave() {
	how := endVanished
	if c.over {
		how = endFinished
	}
	if c.owned || c.x.closing.Load() {
		if c.s.registry.remove(c.x, how) {
			c.s.shut(c.x, how)
		}
	}
	c.x.attached.Store(false)
	c.s.registry.leave(c.x)
}

// serve answers messages one by one until the client or the server ends.
func (c *socket) serve() {
	ctx, cancel := context.WithCancel(c.s.life)
	defer cancel()
	messages := make(chan []byte)
	go func() { // it reads on while an action plays, so that pings are answered and a client that vanishes is seen
		defer close(messages)
		for {
			_, text, err := c.conn.Read(ctx)
			if err != nil {
				if stop := c.x.stop.Load(); stop != nil && c.owned {
					(*stop)()
				}
				return
			}
			select {
			case messages <- text:
			case <-ctx.Done():
				return
			}
		}
	}()
	idle := time.NewTimer(c.s.cfg.Lease)
	defer idle.Stop()
	for {
		select {
		case text, ok := <-messages:
			if !ok {
				c.conn.CloseNow()
				return
			}
			if !c.answer(ctx, text) {
				return
			}
			idle.Reset(c.s.cfg.Lease)
		case <-idle.C:
			c.send(problem(codeSession, "the lease of this session has ended; ballast serve --lease says how long it is", nil))
			c.conn.Close(websocket.StatusPolicyViolation, "the lease has ended")
			return
		case <-c.s.drain:
			c.send(problem(codeSession, errDraining.Error(), nil))
			c.conn.Close(websocket.StatusGoingAway, "the server is shutting down")
			return
		}
	}
}

// answer answers one message, as soon as Config.Requests lets it; false ends the socket.
func (c *socket) answer(ctx context.Context, text []byte) bool {
	if c.s.slot(ctx) != nil {
		c.conn.CloseNow()
		return false
	}
	m, more := c.reply(ctx, text)
	c.s.free()
	if !more {
		c.over = true
		c.conn.Close(websocket.StatusNormalClosure, "")
		return false
	}
	return c.send(m)
}

// send writes a message. One who does not read for a minute is gone.
func (c *socket) send(m socketMessage) bool {
	text, err := json.Marshal(m)
	if err != nil {
		panic("serve: " + err.Error()) // texts and numbers always marshal
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if c.conn.Write(ctx, websocket.MessageText, text) != nil {
		c.conn.CloseNow()
		return false
	}
	return true
}

// reply is the answer to a message; false where there is none, since the client closes.
func (c *socket) reply(ctx context.Context, text []byte) (m socketMessage, more bool) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return problem(codeJSON, "Invalid JSON: "+err.Error(), nil), true
	}
	var kind string
	json.Unmarshal(fields["type"], &kind)
	known := []string{"type"}
	switch kind {
	case "reset", "step", "mcp":
		known = append(known, "data")
	case "state", "close":
	default:
		return problem(codeUnknown, "Unknown message type: "+brief(kind), nil), true
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(known, name) {
			return problemOf(wrong("extra_forbidden", "Extra inputs are not permitted", brief(name))), true
		}
	}
	if kind == "close" {
		return m, false
	}
	data, err := c.act(ctx, kind, fields["data"])
	if err != nil {
		return problemOf(err), true
	}
	switch kind {
	case "reset", "step":
		kind = "observation"
	}
	return socketMessage{kind, data}, true
}

// act does what a message asks for.
func (c *socket) act(ctx context.Context, kind string, data []byte) (any, error) {
	s, x := c.s, c.x
	switch kind {
	case "reset":
		task, episode, err := s.decodeReset(data)
		if err != nil {
			return nil, err
		}
		return inSession(ctx, x, func() (*envResult, error) { return s.reset(x, task, episode) })
	case "step":
		if len(data) == 0 {
			return nil, wrong("missing", "Field required", "data")
		}
		a, err := decodeAction(data)
		if err != nil {
			return nil, err
		}
		return inSession(ctx, x, func() (*envResult, error) { return s.act(x, a) })
	case "state":
		return inSession(ctx, x, func() (map[string]any, error) { return s.state(x), nil })
	}
	return s.rpc(ctx, data, x, c.id), nil
}

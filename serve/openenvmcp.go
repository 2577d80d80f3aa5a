package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

// Codes of JSON-RPC's errors (JsonRpcErrorCode).
const (
	rpcParse   = -32700
	rpcInvalid = -32600
	rpcMethod  = -32601
	rpcParams  = -32602
	rpcBroken  = -32603
	rpcServer  = -32000
)

// rpcRequest is a request of JSON-RPC.
type rpcRequest struct {
	Version string          `json:"jsonrpc"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	ID      json.RawMessage `json:"id"`
}

// rpcParams are the parameters of all methods.
type rpcParameters struct {
	Session   string          `json:"session_id"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

func rpcResult(id json.RawMessage, result any) map[string]any {
	return map[string]any{"jsonrpc": "2.0", "id": rpcID(id), "result": result}
}

func rpcError(id json.RawMessage, code int, message string, data any) map[string]any {
	return map[string]any{"jsonrpc": "2.0", "id": rpcID(id), "error": map[string]any{"code": code, "message": message, "data": data}}
}

// rpcID is a request's id, null for none.
func rpcID(id json.RawMessage) any {
	if len(id) == 0 {
		return nil
	}
	return id
}

// postMCP answers POST /mcp: sessions, tools/list and tools/call. The status is always 200, as
// JSON-RPC has errors of its own.
func (s *Server) postMCP(w http.ResponseWriter, r *http.Request) {
	if body, ok := s.body(w, r, new(bytes.Buffer)); ok {
		s.send(w, s.rpc(r.Context(), body, nil, ""))
	}
}

// rpc answers a request of JSON-RPC, of a WebSocket in its session x.
func (s *Server) rpc(ctx context.Context, body []byte, x *session, id string) map[string]any {
	var q rpcRequest
	var p rpcParameters
	var syntax *json.SyntaxError
	if err := json.Unmarshal(body, &q); err != nil {
		if errors.As(err, &syntax) {
			return rpcError(nil, rpcParse, "Parse error: "+err.Error(), nil)
		}
		return rpcError(nil, rpcInvalid, "Invalid request: "+err.Error(), nil)
	}
	if q.Version != "2.0" || q.Method == "" {
		return rpcError(q.ID, rpcInvalid, "Invalid request: jsonrpc is \"2.0\", and method names what to do", nil)
	}
	if len(q.Params) > 0 {
		if err := json.Unmarshal(q.Params, &p); err != nil {
			return rpcError(q.ID, rpcParams, "Params must be an object: "+err.Error(), nil)
		}
	}
	switch q.Method {
	case "openenv/session/create":
		return s.rpcCreate(q, x, id)
	case "openenv/session/close":
		return s.rpcClose(q, p, id)
	case "tools/list", "tools/call":
	default:
		return rpcError(q.ID, rpcMethod, "Method not found: "+brief(q.Method), nil)
	}
	if x == nil {
		if p.Session == "" {
			return rpcError(q.ID, rpcParams, "give session_id: tools belong to an episode. openenv/session/create makes a session, and a reset "+
				"over /ws?session_id=… begins its episode", nil)
		}
		var err error
		if x, err = s.enterSession(p.Session); err != nil {
			return rpcError(q.ID, rpcParams, err.Error(), nil)
		}
		defer s.registry.leave(x)
	}
	var a stepAction
	if a.Kind = "list_tools"; q.Method == "tools/call" {
		var err error
		a.Kind, a.Tool = "call_tool", p.Name
		if a.Args, err = decodeArgs(p.Arguments); err != nil || p.Name == "" {
			return rpcError(q.ID, rpcParams, "tools/call wants name, a text, and arguments, an object", nil)
		}
	}
	got, err := inSession(ctx, x, func() (*envResult, error) { return s.act(x, a) })
	if err != nil {
		return rpcError(q.ID, rpcBroken, err.Error(), nil)
	}
	if a.Kind == "list_tools" {
		return rpcResult(q.ID, map[string]any{"tools": got.Observation["tools"]})
	}
	text := got.Observation["result"]
	return rpcResult(q.ID, map[string]any{"content": []any{map[string]any{"type": "text", "text": text}}, "data": text, "is_error": false,
		"meta": map[string]any{"reward": got.Reward, "done": got.Done}})
}

func (s *Server) rpcCreate(q rpcRequest, x *session, id string) map[string]any {
	if x != nil {
		return rpcResult(q.ID, map[string]any{"session_id": id})
	}
	id, x, err := s.openSession()
	var full *capacityError
	switch {
	case errors.As(err, &full):
		return rpcError(q.ID, rpcServer, err.Error(), map[string]any{"active_sessions": full.open, "max_sessions": full.limit})
	case err != nil:
		return rpcError(q.ID, rpcServer, err.Error(), nil)
	}
	s.registry.leave(x)
	return rpcResult(q.ID, map[string]any{"session_id": id})
}

func (s *Server) rpcClose(q rpcRequest, p rpcParameters, id string) map[string]any {
	switch {
	case p.Session == "":
		return rpcError(q.ID, rpcParams, "Invalid params - 'session_id' is required", nil)
	case p.Session == id:
		return rpcError(q.ID, rpcInvalid, "Cannot close active WebSocket-managed session via MCP method", nil)
	}
	x, err := s.enterSession(p.Session)
	if err != nil {
		return rpcError(q.ID, rpcParams, err.Error(), nil)
	}
	defer s.registry.leave(x)
	if x.closing.Store(true); x.attached.Load() {
		return rpcResult(q.ID, map[string]any{"session_id": p.Session, "closed": false, "closing": true})
	}
	if s.registry.remove(x, endFinished) {
		s.shut(x, endFinished)
	}
	return rpcResult(q.ID, map[string]any{"session_id": p.Session, "closed": true})
}

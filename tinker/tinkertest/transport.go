package tinkertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"ballast/bounded"
)

// maxBody is the most bytes of a body, packed and unpacked.
const maxBody = 64 << 20

// read reads the body. What is wrong with it is an answer; false = it did not come whole.
func (s *Server) read(q *query, w http.ResponseWriter) (answer, bool) {
	var err error
	var tooLarge *http.MaxBytesError
	q.body, err = io.ReadAll(http.MaxBytesReader(w, q.r.Body, maxBody))
	switch {
	case errors.As(err, &tooLarge):
		return detail(http.StatusRequestEntityTooLarge, "The body is too large"), true
	case err != nil:
		return answer{}, false
	}
	switch encoding := strings.ToLower(q.r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
		return answer{}, true
	case "zstd":
	default:
		return detail(http.StatusUnsupportedMediaType, "Unsupported content encoding: "+encoding), true
	}
	unpacked, how, err := bounded.Unpack(bytes.NewReader(q.body), maxBody)
	if err == nil && how != "zstd" {
		err = errors.New("no zstd frame")
	}
	if err == nil {
		defer unpacked.Close()
		q.body, err = io.ReadAll(unpacked)
	}
	switch {
	case errors.Is(err, bounded.ErrTooLarge):
		return detail(http.StatusRequestEntityTooLarge, "Decompressed forward_backward body is too large"), true
	case err != nil:
		return detail(http.StatusUnprocessableEntity, "Invalid zstd forward_backward body: "+err.Error()), true
	}
	return answer{}, true
}

// write sends an answer.
func (s *Server) write(w http.ResponseWriter, a answer) {
	s.book.write(func(l *Ledger) { l.Answers[a.status]++ })
	s.head(w, a)
	w.WriteHeader(a.status)
	w.Write(a.body) // the client may have left
}

func (s *Server) head(w http.ResponseWriter, a answer) {
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	if a.kind != "" {
		w.Header().Set("Content-Type", a.kind)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
}

// cut closes the connection.
func (s *Server) cut() {
	s.book.write(func(l *Ledger) { l.Answers[0]++ })
	panic(http.ErrAbortHandler)
}

// wait returns when the client has left or the server is closed.
func (s *Server) wait(q *query) {
	select {
	case <-q.r.Context().Done():
	case <-s.closed:
	}
	s.cut()
}

// instead does a fault that takes the place of handling. A fault of a promise is an answer on
// retrieve_future, and else false.
func (s *Server) instead(q *query) (answer, bool) {
	f := q.fault
	switch {
	case f.stage == after:
		return answer{}, false
	case f.restart:
		s.Restart()
		s.cut()
	case f.name == CutBefore.name:
		s.cut()
	case f.name == Hang.name:
		s.wait(q)
	case f.name == Lose.name:
		s.lose(requestID(q.body))
		return answer{}, false
	case f.stage == before, f.answer.status != 0 && q.kind == "retrieve_future":
		return f.answer, true
	}
	return answer{}, false
}

// afterwards does a fault that spoils the answer.
func (s *Server) afterwards(q *query, w http.ResponseWriter, a answer) answer {
	switch f := q.fault; {
	case f.restart:
		s.Restart()
		s.cut()
	case f.name == HangAfter.name:
		s.wait(q)
	case f.name == Shorten.name:
		a.body = a.body[:len(a.body)/2]
		return a
	case f.name == CutMiddle.name && len(a.body) > 1:
		s.head(w, a)
		w.WriteHeader(a.status)
		w.Write(a.body[:len(a.body)/2]) // the client may have left
		http.NewResponseController(w).Flush()
		s.cut()
	default:
		s.cut()
	}
	return a
}

// requestID is that of a body of retrieve_future.
func requestID(body []byte) string {
	var r struct {
		ID string `json:"request_id"`
	}
	if json.Unmarshal(body, &r) != nil {
		return ""
	}
	return r.ID
}

// promisedKind is the kind of what a retrieve_future asks for.
func (s *Server) promisedKind(q *query) string {
	if q.kind != "retrieve_future" {
		return ""
	}
	id := requestID(q.body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.futures[id]; f != nil {
		return f.op.Kind
	}
	return ""
}

// decode reads a body as JSON; the answer says what is wrong.
func decode(q *query, to any) answer {
	if err := json.Unmarshal(q.body, to); err != nil {
		return invalid("json_invalid", "JSON decode error: "+err.Error(), map[string]any{})
	}
	return answer{}
}

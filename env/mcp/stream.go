package mcp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"ballast/bounded"
)

// rawKey is where a tool's schema and a result's structured content stand in its _meta as the server
// wrote them: the SDK decodes both into maps, which have no order.
const rawKey = "ballast/raw"

// ordered keeps the order of what a message documents. A message that it does not understand stays as it is.
func ordered(line []byte) []byte {
	tools, structured := bytes.Contains(line, []byte(`"inputSchema"`)), bytes.Contains(line, []byte(`"structuredContent"`))
	if !tools && !structured {
		return line
	}
	var message, result map[string]json.RawMessage
	if json.Unmarshal(line, &message) != nil || json.Unmarshal(message["result"], &result) != nil {
		return line
	}
	var list []map[string]json.RawMessage
	if tools && json.Unmarshal(result["tools"], &list) == nil {
		for _, tool := range list {
			if !keep(tool, "inputSchema") {
				return line
			}
		}
		result["tools"] = marshal(list)
	}
	if structured && !keep(result, "structuredContent") {
		return line
	}
	message["result"] = marshal(result)
	return marshal(message)
}

// keep puts the text of a field into the _meta of an object.
func keep(object map[string]json.RawMessage, field string) bool {
	raw, ok := object[field]
	if !ok {
		return true
	}
	meta := map[string]json.RawMessage{}
	if m := object["_meta"]; m != nil && json.Unmarshal(m, &meta) != nil {
		return false
	}
	if meta == nil { // it was null
		meta = map[string]json.RawMessage{}
	}
	meta[rawKey] = marshal(string(raw))
	object["_meta"] = marshal(meta)
	return true
}

// marshal writes what was read as JSON.
func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("mcp: " + err.Error())
	}
	return text
}

// messages reads a server's stdout, line by line.
type messages struct {
	io.Closer
	r       *bufio.Reader
	most    int // bytes of a line
	garbage func(line []byte) error
	rest    []byte
	line    []byte
}

func newMessages(r io.ReadCloser, most int, garbage func([]byte) error) *messages {
	return &messages{Closer: r, r: bufio.NewReaderSize(r, 32<<10), most: most, garbage: garbage}
}

func (m *messages) Read(b []byte) (int, error) {
	for len(m.rest) == 0 {
		if err := m.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// next reads a line.
func (m *messages) next() error {
	m.line = m.line[:0]
	for {
		part, err := m.r.ReadSlice('\n')
		m.line = append(m.line, part...)
		switch {
		case err == nil:
			line := bytes.TrimSpace(m.line)
			if len(line) == 0 {
				return nil
			}
			if !json.Valid(line) || line[0] != '{' && line[0] != '[' || echoed(line) {
				return m.garbage(line)
			}
			m.rest = append(ordered(line), '\n')
			return nil
		case !errors.Is(err, bufio.ErrBufferFull):
			if line := bytes.TrimSpace(m.line); err == io.EOF && len(line) > 0 && !json.Valid(line) {
				return m.garbage(line) // it says more than that the stream ended
			}
			return err
		case len(m.line) > m.most:
			return fmt.Errorf("a message of more than %s", size(int64(m.most)))
		}
	}
}

// echoed says whether a message is one of ours, which no server sends: a program that sends back what it is sent is none.
func echoed(line []byte) bool {
	if !bytes.Contains(line, []byte(`"method"`)) {
		return false
	}
	var m struct{ Method string }
	return json.Unmarshal(line, &m) == nil && (m.Method == "initialize" || m.Method == "server/discover")
}

// wire is HTTP with the headers of one connection, and answers within bounds.
type wire struct {
	base   *http.Transport
	header map[string]string
	most   int64       // bytes of an answer
	over   func(error) // is told of one that has more
}

// limited is an answer within bounds.
type limited struct {
	io.Closer
	r    io.Reader
	over func(error)
}

func (l *limited) Read(b []byte) (int, error) {
	n, err := l.r.Read(b)
	if errors.Is(err, bounded.ErrTooLarge) {
		l.over(err)
	}
	return n, err
}

// RoundTrip sends a request.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, v := range w.header {
		r.Header.Set(name, v)
	}
	resp, err := w.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &limited{resp.Body, bounded.Reader(resp.Body, w.most), w.over}
	switch kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind {
	case "application/json":
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		body = ordered(body)
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		resp.Header.Del("Content-Length")
	case "text/event-stream":
		resp.Body = &events{Closer: resp.Body, r: bufio.NewReaderSize(resp.Body, 32<<10)}
	}
	return resp, nil
}

// CloseIdleConnections is what http.Client calls.
func (w *wire) CloseIdleConnections() { w.base.CloseIdleConnections() }

// events reads a stream of server-sent events.
type events struct {
	io.Closer
	r    *bufio.Reader
	rest []byte
}

func (e *events) Read(b []byte) (int, error) {
	for len(e.rest) == 0 {
		var line []byte
		for {
			part, err := e.r.ReadSlice('\n')
			line = append(line, part...)
			if err == nil || !errors.Is(err, bufio.ErrBufferFull) && len(line) > 0 {
				break
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				return 0, err
			}
		}
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			end := line[len(bytes.TrimRight(line, "\r\n")):]
			line = append(append([]byte("data: "), ordered(bytes.TrimSpace(data))...), end...)
		}
		e.rest = line
	}
	n := copy(b, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// getenv is a variable that was found set when the connection was probed.
func getenv(name string) string { return strings.TrimSpace(os.Getenv(name)) }

package serve

import (
	"bytes"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"ballast/value"
)

// scratch is memory of one request after another of verl-tool's: what came, and what is answered.
type scratch struct {
	body   bytes.Buffer
	answer []byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// free gives the memory to other requests, unless it is so large that few would need it.
func (m *scratch) free() {
	if m.body.Reset(); m.body.Cap()+cap(m.answer) <= 1<<20 {
		scratches.Put(m)
	}
}

// appendAnswers writes what became of a request's actions as verl-tool's server declares it (AgentResponse).
// Requests of many actions are why this is not left to reflection.
func (s *Server) appendAnswers(b []byte, done []played, queued, took time.Duration) []byte {
	b = append(b, `{"observations":[`...)
	for i := range done {
		b = s.appendObservation(comma(b, i), done[i].answer)
	}
	b = append(b, `],"dones":[`...)
	for i := range done {
		b = strconv.AppendBool(comma(b, i), done[i].answer.done)
	}
	b = append(b, `],"valids":[`...)
	for i := range done {
		b = strconv.AppendBool(comma(b, i), done[i].answer.valid)
	}
	b = append(b, `],"processing_time_ms":`...)
	b = appendMilliseconds(b, took)
	b = append(b, `,"queue_time_ms":`...)
	return append(appendMilliseconds(b, queued), '}')
}

func comma(b []byte, i int) []byte {
	if i > 0 {
		return append(b, ',')
	}
	return b
}

func appendMilliseconds(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, float64(d)/float64(time.Millisecond), 'f', -1, 64)
}

// appendObservation writes what verl-tool's client takes from a dict: obs and reward. The rest it keeps
// in tool_interact_info, where reward managers find it: invalid_reason, and where there are such error,
// stop and score.
func (s *Server) appendObservation(b []byte, a *answer) []byte {
	b = append(b, `{"obs":"`...)
	a.write(s.cfg.Format, func(piece string) { b = appendEscaped(b, piece) })
	b = append(b, `","reward":`...)
	if a.score == nil {
		b = append(b, "null"...)
	} else {
		b = append(b, marshal(a.score.Reward)...)
	}
	b = append(b, `,"invalid_reason":`...)
	if a.reason == "" {
		b = append(b, "null"...)
	} else {
		b = appendText(b, "", a.reason)
	}
	if a.broken != "" {
		b = appendText(b, `,"error":`, a.broken)
	}
	if a.stop != "" {
		b = appendText(b, `,"stop":`, string(a.stop))
	}
	if a.score != nil {
		b = append(append(b, `,"score":`...), marshal(scored(a.score))...)
	}
	return append(b, '}')
}

// appendText writes a text behind its name.
func appendText(b []byte, name, text string) []byte {
	return append(appendEscaped(append(append(b, name...), '"'), text), '"')
}

// appendEscaped writes a text as JSON has it between quotes. A byte that is no UTF-8 is U+FFFD, as encoding/json writes it.
func appendEscaped(b []byte, text string) []byte {
	if !utf8.ValidString(text) {
		text = string([]rune(text))
	}
	return value.AppendEscaped(b, text)
}

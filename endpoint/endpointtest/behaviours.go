package endpointtest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"ballast/endpoint"
)

// kinds is a list of what a try may come to.
func kinds(k ...endpoint.Kind) []endpoint.Kind { return k }

// answers is a behaviour that sends a body of JSON.
func answers(name string, k []endpoint.Kind, body string) Behaviour {
	return Behaviour{name, k, false, func(x *Exchange) { x.JSON(body) }}
}

// sends is one that sends a status, a body and headers.
func sends(name string, k []endpoint.Kind, status int, body string, headers ...string) Behaviour {
	return Behaviour{name, k, false, func(x *Exchange) { x.Send(status, body, headers...) }}
}

// streams is one that sends the text of a stream.
func streams(name string, k []endpoint.Kind, text string) Behaviour {
	return Behaviour{name, k, false, func(x *Exchange) {
		x.Events()
		x.Raw(text)
	}}
}

// odd looks wrong and is a reply.
var odd = []Behaviour{
	answers("fine", nil, fine),
	sends("html by its header", nil, 200, fine, "Content-Type: text/html; charset=latin1"),
	sends("no content type", nil, 200, fine),
	{"HTTP/1.0 without a length", nil, false, func(x *Exchange) { x.Raw("HTTP/1.0 200 OK\r\n\r\n" + fine) }},
	{"gzip that nobody asked for", nil, false, func(x *Exchange) { x.Send(200, zipped(fine, 1), "Content-Encoding: gzip") }},
	answers("negative usage", nil, body(`"a"`, `{"prompt_tokens": -9223372036854775808, "completion_tokens": -1, "total_tokens": -5}`)),
	answers("usage without end", nil, body(`"a"`, `{"prompt_tokens": 1e300, "completion_tokens": 99999999999999999999, "total_tokens": 1e18}`)),
	answers("usage of other types", nil, body(`"a"`, `{"prompt_tokens": "many", "completion_tokens": [], "total_tokens": {}}`)),
	answers("usage is a list", nil, body(`"a"`, `[1, 2]`)),
	answers("content null", nil, body("null", "null")),
	answers("escapes in the reply", nil, body(`"\u001b[31mEVIL\u0000 \u001b]0;pwn\u0007 =cmd()"`, "null")),
	answers("half a surrogate", nil, body(`"Turn 1 \ud83d"`, "null")),
	answers("white space first", nil, strings.Repeat(" \n", 5000)+fine),
	{"the key in the reply", nil, false, func(x *Exchange) { x.JSON(said("Turn 1: " + x.Authorization())) }},
	answers("arguments as an object", nil,
		`{"choices": [{"finish_reason": "tool_calls", "message": {"content": null, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}, null]}}]}`),
	{"a cookie of 100 KB", nil, false, func(x *Exchange) { x.Send(200, fine, "Set-Cookie: a="+strings.Repeat("b", 100_000)) }},
	{"early hints first", nil, false, func(x *Exchange) {
		x.Raw(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 3))
		x.JSON(fine)
	}},
	streams("a stream that nobody asked for", nil, pieces+finish+"data: [DONE]\n\n"),
	{"a stream called JSON", nil, false, func(x *Exchange) {
		x.Head(200, "Content-Type: application/json")
		x.Raw(": hello\r\n\r\nevent: x\r\nid: 7\r\nretry: 1\r\n" + strings.ReplaceAll(pieces+finish, "\n", "\r\n"))
	}},
	streams("a stream without DONE", nil, pieces+finish),
	{"a stream that stays open after its end", nil, false, func(x *Exchange) {
		x.Events()
		x.Raw(pieces + finish)
		x.Every(50*time.Millisecond, ": still here\n\n")
	}},
	{"a stream that is reset after its end", nil, false, func(x *Exchange) {
		x.Events()
		x.Raw(pieces + finish)
		time.Sleep(50 * time.Millisecond)
		x.Reset()
	}},
	{"a stream from index 2^62", nil, false, func(x *Exchange) {
		x.Events()
		x.Raw(`data: {"choices": [{"delta": {"tool_calls": [{"index": 4611686018427387904, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}}]}` + "\n\n" + finish)
	}},
}

// malformed is no completion.
var malformed = []Behaviour{
	answers("null", kinds(endpoint.Malformed), "null"),
	answers("nothing", kinds(endpoint.Malformed), ""),
	{"no content", kinds(endpoint.Malformed), false, func(x *Exchange) { x.Head(204) }},
	answers("choices null", kinds(endpoint.Malformed), `{"choices": null}`),
	answers("no choices", kinds(endpoint.Malformed), `{"choices": []}`),
	answers("a choice null", kinds(endpoint.Malformed), `{"choices": [null]}`),
	answers("choices an object", kinds(endpoint.Malformed), `{"choices": {"0": 1}}`),
	answers("message null", kinds(endpoint.Malformed), `{"choices": [{"message": null, "finish_reason": "stop"}]}`),
	answers("message a text", kinds(endpoint.Malformed), `{"choices": [{"message": "hi", "finish_reason": "stop"}]}`),
	answers("message empty", kinds(endpoint.Malformed), `{"choices": [{"message": {}, "finish_reason": "stop"}]}`),
	answers("content a number", kinds(endpoint.Malformed), body("5", "null")),
	answers("tool calls a text", kinds(endpoint.Malformed), `{"choices": [{"message": {"content": "a", "tool_calls": "f()"}, "finish_reason": "stop"}]}`),
	answers("a function null and a name a list", kinds(endpoint.Malformed),
		`{"choices": [{"message": {"tool_calls": [{"function": null}, {"function": {"name": [1]}}]}, "finish_reason": "stop"}]}`),
	answers("NaN", kinds(endpoint.Malformed), body("NaN", "null")),
	answers("a list", kinds(endpoint.Malformed), "["+fine+"]"),
	answers("a number", kinds(endpoint.Malformed), "42"),
	answers("two answers", kinds(endpoint.Malformed), fine+fine),
	answers("half an answer", kinds(endpoint.Malformed), fine[:len(fine)/2]),
	answers("a key twice", kinds(endpoint.Malformed), `{"choices": [{"message": {"content": "a", "content": "b"}, "finish_reason": "stop"}]}`),
	answers("a million brackets", kinds(endpoint.Malformed), strings.Repeat("[", 1_000_000)),
	answers("deep in an object", kinds(endpoint.Malformed), `{"choices": `+strings.Repeat("[", 200_000)+strings.Repeat("]", 200_000)+"}"),
	answers("invalid UTF-8", kinds(endpoint.Malformed), strings.Replace(fine, "done", "d\xff\xfee", 1)),
	sends("a page", kinds(endpoint.Malformed), 200, "<html><script>alert(1)</script>\x1b[31m", "Content-Type: text/html"),
	{"the key in a page", kinds(endpoint.Malformed), false, func(x *Exchange) {
		x.Send(200, "<p>"+x.Authorization()+"\x1b]0;pwn\x07", "Content-Type: text/html")
	}},
	{"the key where a text is cut", kinds(endpoint.Malformed), false, func(x *Exchange) {
		x.Send(200, "<p>"+strings.Repeat(" ", 16<<10-30)+x.Authorization())
	}},
	sends("brotli", kinds(endpoint.Malformed), 200, fine, "Content-Encoding: br"),
	{"gzip twice", kinds(endpoint.Malformed), false, func(x *Exchange) {
		x.Send(200, zipped(zipped(fine, 1), 1), "Content-Encoding: gzip, gzip")
	}},
	{"gzip that is none", kinds(endpoint.Malformed, endpoint.Transport), false,
		func(x *Exchange) { x.Send(200, fine, "Content-Encoding: gzip") }},
	{"half of a gzip", kinds(endpoint.Malformed, endpoint.Transport), false, func(x *Exchange) {
		z := zipped(fine, 1)
		x.Send(200, z[:len(z)/2], "Content-Encoding: gzip")
	}},
	streams("a stream that ends without a word", kinds(endpoint.Malformed), pieces),
	streams("a stream of its end alone", kinds(endpoint.Malformed), "data: [DONE]\n\n"),
	answers("a part of another kind", kinds(endpoint.Malformed), body(`[{"type": "image_url", "image_url": {}}]`, "null")),
	streams("a stream that breaks off", kinds(endpoint.Malformed), pieces[:len(pieces)-20]),
	streams("a stream of nulls", kinds(endpoint.Malformed),
		"data: null\n\ndata: {\"choices\": null}\n\ndata: {\"choices\": [{\"delta\": null}]}\n\n"),
	streams("a stream of garbage", kinds(endpoint.Malformed), "data: {{{{\x1b[2J\n\n"),
	streams("a stream of comments alone", kinds(endpoint.Malformed), ": a\n\n: b\n\n"),
}

// bomb is 1 GiB in a MB.
var bomb = sync.OnceValue(func() string { return strings.Repeat(zipped(strings.Repeat("a", 1<<20), 16), 64) })

// large is more than anybody wants.
var large = []Behaviour{
	{"3 GiB", kinds(endpoint.Large), false, func(x *Exchange) {
		x.Head(200, "Content-Type: application/json", fmt.Sprint("Content-Length: ", 3<<30))
		x.Raw(`{"choices":[{"finish_reason":"stop","message":{"content":"`)
		x.Flood("a")
	}},
	{"a body without end", kinds(endpoint.Large), false, func(x *Exchange) {
		x.Head(200, "Transfer-Encoding: chunked")
		x.Raw(fmt.Sprintf("%x\r\n{%s\r\n", 1<<15, strings.Repeat(" ", 1<<15-1)))
		x.Flood(fmt.Sprintf("%x\r\n%s\r\n", 1<<15, strings.Repeat(" ", 1<<15)))
	}},
	{"white space without end", kinds(endpoint.Large), false, func(x *Exchange) { x.Head(200); x.Flood(" ") }},
	{"gzip of 1 GiB", kinds(endpoint.Large), false, func(x *Exchange) {
		x.Send(200, zipped(`{"a": "`, 1)+bomb(), "Content-Encoding: gzip")
	}},
	{"a reply of 50 MB", kinds(endpoint.Large), false, func(x *Exchange) { x.JSON(body(`"`+strings.Repeat("x", 50_000_000)+`"`, "null")) }},
	{"a reply of 3 MB", kinds(endpoint.Large), false, func(x *Exchange) { x.JSON(body(`"`+strings.Repeat("x", 3_000_000)+`"`, "null")) }},
	{"3 MB that is not read", nil, false, func(x *Exchange) {
		x.JSON(`{"junk": [` + strings.Repeat(`{"a":[]},`, 3_000_000/9) + `0],` + fine[1:])
	}},
	{"a million choices", nil, false, func(x *Exchange) {
		x.JSON(strings.Replace(fine, `}}]`, `}}`+strings.Repeat(`,{}`, 1_000_000)+`]`, 1))
	}},
	{"1,000 tool calls", kinds(endpoint.Malformed, endpoint.Large), false, func(x *Exchange) {
		call := `{"id": "x", "type": "function", "function": {"name": "f", "arguments": "` + strings.Repeat("[", 1000) + `"}}`
		x.JSON(`{"choices": [{"finish_reason": "stop", "message": {"content": null, "tool_calls": [` + strings.Repeat(call+",", 999) + call + `]}}]}`)
	}},
	{"an argument of 2 MB", kinds(endpoint.Large), false, func(x *Exchange) {
		x.JSON(`{"choices": [{"finish_reason": "stop", "message": {"tool_calls": [{"function": {"name": "f", "arguments": "` + strings.Repeat("[", 2_000_000) + `"}}]}}]}`)
	}},
	{"a name of 100 KB", kinds(endpoint.Large), false, func(x *Exchange) {
		x.JSON(`{"choices": [{"finish_reason": "stop", "message": {"tool_calls": [{"function": {"name": "` + strings.Repeat("f", 100_000) + `"}}]}}]}`)
	}},
	{"a stream of text without end", kinds(endpoint.Large), false, func(x *Exchange) {
		x.Events()
		x.Flood(`data: {"choices": [{"delta": {"content": "` + strings.Repeat("a", 60_000) + `"}}]}` + "\n\n")
	}},
	{"a line without end", kinds(endpoint.Large), false, func(x *Exchange) { x.Events(); x.Raw("data: "); x.Flood("a") }},
	{"an event without end", kinds(endpoint.Large), false, func(x *Exchange) { x.Events(); x.Flood("data: aaaa\n") }},
	{"calls without end", kinds(endpoint.Large), false, func(x *Exchange) {
		x.Events()
		for i := 0; x.Raw(fmt.Sprintf(`data: {"choices": [{"delta": {"tool_calls": [{"index": %d, "function": {"name": "f"}}]}}]}`+"\n\n", i)); i++ {
		}
	}},
	{"comments without end", kinds(endpoint.Large, endpoint.Transport), false, func(x *Exchange) { x.Events(); x.Flood(": keep alive\n\n") }},
	{"headers without end", kinds(endpoint.Transport), false, func(x *Exchange) {
		x.Raw("HTTP/1.1 200 OK\r\n")
		x.Flood("X-A: " + strings.Repeat("a", 60_000) + "\r\n")
	}},
	{"a header line without end", kinds(endpoint.Transport), false, func(x *Exchange) { x.Raw("HTTP/1.1 200 OK\r\nX: "); x.Flood("a") }},
	{"status 100 without end", kinds(endpoint.Transport), false, func(x *Exchange) { x.Flood("HTTP/1.1 100 Continue\r\n\r\n") }},
	{"hints without end", kinds(endpoint.Transport), false, func(x *Exchange) {
		x.Flood("HTTP/1.1 103 Early Hints\r\nLink: </" + strings.Repeat("a", 1000) + ">\r\n\r\n")
	}},
}

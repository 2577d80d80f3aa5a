package endpointtest

import (
	"fmt"
	"strings"
	"time"

	"ballast/endpoint"
)

// broken is a connection that does not carry a reply.
var broken = []Behaviour{
	{"silence", kinds(endpoint.Transport), true, func(x *Exchange) { x.Wait() }},
	{"headers, then silence", kinds(endpoint.Transport), true, func(x *Exchange) { x.Head(200, "Content-Length: 100"); x.Wait() }},
	{"half a body, then silence", kinds(endpoint.Transport), true, func(x *Exchange) {
		x.Head(200, "Content-Length: 1000")
		x.Raw(fine[:50])
		x.Wait()
	}},
	{"a stream, then silence", kinds(endpoint.Transport), true, func(x *Exchange) { x.Events(); x.Raw(pieces); x.Wait() }},
	{"headers one by one", kinds(endpoint.Transport), true, func(x *Exchange) {
		x.Raw("HTTP/1.1 200 OK\r\n")
		x.Every(20*time.Millisecond, "X-A: a\r\n")
	}},
	{"a body drop by drop", kinds(endpoint.Transport), true, func(x *Exchange) {
		x.Head(200, "Content-Length: 100000")
		x.Every(20*time.Millisecond, " ")
	}},
	{"comments now and then", kinds(endpoint.Transport), true, func(x *Exchange) {
		x.Events()
		x.Every(20*time.Millisecond,
			": keep alive\n\n")
	}},
	{"words now and then", kinds(endpoint.Transport), true, func(x *Exchange) {
		x.Events()
		x.Every(20*time.Millisecond, `data: {"choices": [{"delta": {"content": "a"}}]}`+"\n\n")
	}},
	{"hints now and then", kinds(endpoint.Transport), true, func(x *Exchange) {
		x.Every(20*time.Millisecond, "HTTP/1.1 103 Early Hints\r\n\r\n")
	}},
	{"closed at once", kinds(endpoint.Transport), false, func(*Exchange) {}},
	{"reset at once", kinds(endpoint.Transport), false, func(x *Exchange) { x.Reset() }},
	{"closed in the status", kinds(endpoint.Transport), false, func(x *Exchange) { x.Raw("HTTP/1.1 2") }},
	{"closed in the headers", kinds(endpoint.Transport), false, func(x *Exchange) { x.Raw("HTTP/1.1 200 OK\r\nContent-Ty") }},
	{"closed in the body", kinds(endpoint.Transport, endpoint.Malformed), false, func(x *Exchange) {
		x.Head(200, "Content-Length: 5000")
		x.Raw(fine)
	}},
	{"reset in the body", kinds(endpoint.Transport, endpoint.Malformed), false, func(x *Exchange) {
		x.Head(200, "Content-Length: 5000")
		x.Raw(fine)
		x.Reset()
	}},
	{"a chunk that is none", kinds(endpoint.Transport), false, func(x *Exchange) {
		x.Head(200, "Transfer-Encoding: chunked")
		x.Raw("ZZZ\r\nhello\r\n0\r\n\r\n")
	}},
	{"a chunk of 2^60 bytes", kinds(endpoint.Transport, endpoint.Malformed), false, func(x *Exchange) {
		x.Head(200, "Transfer-Encoding: chunked")
		x.Raw("1000000000000000\r\n{")
	}},
	{"two lengths", kinds(endpoint.Transport), false, func(x *Exchange) {
		x.Head(200, "Content-Length: 5",
			"Content-Length: 9")
		x.Raw("hello")
	}},
	{"a negative length", kinds(endpoint.Transport), false, func(x *Exchange) { x.Head(200, "Content-Length: -5"); x.Raw("hello") }},
	{"another protocol", kinds(endpoint.Transport), false, func(x *Exchange) { x.Raw("SSH-2.0-\x1b[31mevil\r\n") }},
	{"status abc", kinds(endpoint.Transport), false, func(x *Exchange) { x.Raw("HTTP/1.1 abc\x1b[2J OK\r\n\r\n") }},
	{"status 101", kinds(endpoint.Transport, endpoint.Rejected, endpoint.Malformed, endpoint.Server), false, func(x *Exchange) {
		x.Raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
	}},
}

// complaint is an error's body with a text as JSON.
func complaint(text string) string { return fmt.Sprintf(`{"error": {"message": %q}}`, text) }

// refusing is a server that says no.
var refusing = []Behaviour{
	{"401 with escapes and the key", kinds(endpoint.Access), false, func(x *Exchange) {
		x.Send(401, `{"error": {"message": "\u001b[2J\u001b[31mEVIL\u001b]0;pwn\u0007 \u202ekey was: `+x.Authorization()+`"}}`)
	}},
	sends("403 without a body", kinds(endpoint.Access), 403, ""),
	sends("404 of raw escapes", kinds(endpoint.Access), 404, "\x1b[31m\x9b2Jno such page\x00\r\n"),
	sends("a redirect elsewhere", kinds(endpoint.Access), 307, "", "Location: http://127.0.0.2:9/steal"),
	{"a redirect to itself", kinds(endpoint.Access), false, func(x *Exchange) { x.Send(301, "", "Location: "+x.URL+"/chat/completions") }},
	sends("a redirect with a password", kinds(endpoint.Access), 308, "",
		"Location: http://u:"+Key+"@127.0.0.1:9/"),
	sends("a redirect to nowhere", kinds(endpoint.Transport), 302, "", "Location: ://\x1b[31m"),
	sends("429 for years", kinds(endpoint.Rate), 429, complaint("slow down"), "Retry-After: 1000000000"),
	sends("429 for 1e300 seconds", kinds(endpoint.Rate), 429, complaint("slow down"), "Retry-After: 1e300"),
	sends("429 until 2099", kinds(endpoint.Rate), 429, complaint("slow down"), "Retry-After: Thu, 31 Dec 2099 23:59:59 GMT"),
	sends("429 for NaN seconds", kinds(endpoint.Rate), 429, complaint("slow down"), "Retry-After: NaN"),
	sends("429 for less than nothing", kinds(endpoint.Rate), 429, "slow down", "Retry-After: -5"),
	sends("no quota", kinds(endpoint.Access), 429, `{"error": {"code": "insufficient_quota", "message": "pay"}}`),
	{"500 with the key", kinds(endpoint.Server), false, func(x *Exchange) { x.Send(500, complaint("key "+x.Authorization())) }},
	{"500 with the key where a text is cut", kinds(endpoint.Server), false, func(x *Exchange) {
		x.Send(500, "<pre>"+strings.Repeat(" ", 16<<10-30)+x.Authorization(), "Content-Type: text/html")
	}},
	{"503 without end", kinds(endpoint.Server), false, func(x *Exchange) { x.Head(503); x.Flood("busy ") }},
	{"503, then silence", kinds(endpoint.Server, endpoint.Transport), true, func(x *Exchange) {
		x.Head(503, "Content-Length: 100")
		x.Raw("busy")
		x.Wait()
	}},
	{"502 as a gzip of 1 GiB", kinds(endpoint.Server), false, func(x *Exchange) { x.Send(502, bomb(), "Content-Encoding: gzip") }},
	{"an error with status 200", kinds(endpoint.Server), false, func(x *Exchange) { x.JSON(`{"error": {"message": "out of memory", "code": 500}}`) }},
	{"an error that is a list", kinds(endpoint.Server), false, func(x *Exchange) { x.JSON(`{"error": [[["\u001b[31m"]]]}`) }},
	{"an error of 3 MB", kinds(endpoint.Server), false, func(x *Exchange) { x.JSON(`{"error": {"message": "` + strings.Repeat("e", 3_000_000) + `"}}`) }},
	streams("an error in a stream", kinds(endpoint.Server), pieces+
		"data: {\"error\": \"out of memory\"}\n\n"),
	{"a reply that was aborted", kinds(endpoint.Server), false, func(x *Exchange) { x.JSON(strings.Replace(fine, `"stop"`, `"abort"`, 1)) }},
	{"a reply that lacked resources", kinds(endpoint.Server), false, func(x *Exchange) {
		x.JSON(strings.Replace(fine, `"stop"`, `"insufficient_system_resource"`, 1)) // DeepSeek
	}},
	{"a stream that its machine broke off", kinds(endpoint.Server), false, func(x *Exchange) {
		x.Events()
		x.Raw(strings.Replace(pieces+finish, `"stop"`, `"network_error"`, 1) + "data: [DONE]\n\n") // Zhipu
	}},
	sends("the filter", kinds(endpoint.Filtered), 400, `{"error": {"code": "content_filter", "message": "no"}}`),
	sends("400 of null", kinds(endpoint.Rejected), 400, "null"),
	sends("418", kinds(endpoint.Rejected), 418, `{"error": null, "message": 5}`),
	sends("status 999", kinds(endpoint.Server), 999, "?"),
}

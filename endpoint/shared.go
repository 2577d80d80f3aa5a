package endpoint

import (
	"net/http"
	"time"
)

// NewTransport is a transport of HTTP/1.1 with the bounds and the rules for proxies of this
// package's client, for others who talk to a server of strangers. It follows no redirects
// and has no time-out for bodies; its callers bound those.
func NewTransport() *http.Transport { return transport() }

// RetryAfter is how long a reply asks to wait by its header of that name, 0 where it
// does not.
func RetryAfter(h http.Header) time.Duration { return retryAfter(h) }

package endpoint

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"ballast/bounded"
)

// Exchange is a request of the caller's own form to a path of the server, for what is
// neither chat nor a completion of text.
type Exchange struct {
	Method string // "" = POST
	Path   string // below the base
	Body   any    // sent as JSON; nil = none
	Most   int64  // bytes that the reply may have, unpacked; 0 = 4 MiB
	Tokens int    // that the request asks for, to read what the server says of lengths
}

// Exchange sends a request once and returns the whole body of its reply, as it came. The
// error is an *Error, or why ctx or stop ended.
func (c *Client) Exchange(ctx, stop context.Context, x Exchange) ([]byte, error) {
	if err := ended(ctx, stop); err != nil {
		return nil, err
	}
	var body []byte
	if x.Body != nil {
		var err error
		if body, err = json.Marshal(x.Body); err != nil {
			return nil, fmt.Errorf("a request to the endpoint: %w", err)
		}
	}
	a, cancel := c.attempt(ctx, stop)
	defer cancel()
	text, err := c.whole(a, x, body)
	switch {
	case err == nil:
		return text, nil
	case ctx.Err() != nil:
		return nil, Ended(ctx)
	case stop.Err() != nil && a.Err() != nil:
		return nil, Ended(stop)
	}
	return nil, c.failed(a, err)
}

func (c *Client) whole(ctx context.Context, x Exchange, body []byte) ([]byte, error) {
	res, err := c.open(ctx, cmp.Or(x.Method, http.MethodPost), x.Path, body, x.Tokens)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	in, err := decoded(res.Header, res.Body)
	if err != nil {
		return nil, err
	}
	most := cmp.Or(x.Most, maxBody)
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(text)) > most:
		return nil, &Error{Kind: Large, Text: fmt.Sprintf("%s answers more than %s at %s", c.Base(), bounded.Bytes(most), x.Path)}
	}
	return text, nil
}

// Wrong is the error of a reply that came whole and is not what was asked for.
func (c *Client) Wrong(format string, args ...any) *Error {
	return &Error{Kind: Malformed, Text: c.Base() + " " + c.clean(fmt.Sprintf(format, args...))}
}

package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ballast/bounded"
	"ballast/endpoint"
	"ballast/safetext"
)

// Error is a model that could not be found or downloaded. Its text is fit for a terminal,
// holds no secret, and says what to do.
type Error struct {
	Text    string
	Status  int           // of HTTP, 0 if there was none
	Missing bool          // the hub, or the cache, has no such model
	Again   bool          // the same request may fare better later
	Wait    time.Duration // the server asks for
}

// Error is the text.
func (e *Error) Error() string { return e.Text }

// Bounds on what a hub may have us do.
const (
	maxRedirects = 5
	maxWait      = 5 * time.Minute // before one request
	maxPages     = 200             // of a listing
	maxPage      = 16 << 20        // bytes of one
	maxErrorBody = 16 << 10
)

// errStall is the cause of a request's end.
var errStall = errors.New("no byte came in time")

// reply is a response with what the hub itself said of the file, before it redirected.
type reply struct {
	*http.Response
	etags []string // hashes of the content, where the hub said them on the way
	ctx   context.Context
	end   func()
	beat  func() // a byte came
}

// Read reads the body; each byte gives the next ones time.
func (r *reply) Read(p []byte) (int, error) {
	n, err := r.Body.Read(p)
	if n > 0 {
		r.beat()
	}
	return n, err
}

func (r *reply) close() {
	r.Body.Close()
	r.end()
}

// get asks for an address and follows redirects. The token goes along to the hub's own
// host alone. The reply is to be closed; it ends by itself when no byte came in time.
func (c *Client) get(ctx context.Context, at string, header http.Header) (*reply, error) {
	u, err := c.base.Parse(at)
	if err != nil {
		return nil, fmt.Errorf("%s is no address", safetext.URL(at))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	watch := time.AfterFunc(c.o.Stall, func() { cancel(errStall) })
	r := &reply{ctx: ctx, end: func() { watch.Stop(); cancel(nil) }, beat: func() { watch.Reset(c.o.Stall) }}
	for hop := 0; ; hop++ {
		res, err := c.ask(ctx, u, header)
		if err != nil {
			err = c.broken(ctx, u, err) // before the end, which looks like a cancellation
			r.end()
			return nil, err
		}
		if tag := contentOf(res.Header.Get("X-Linked-Etag")); tag != "" && own(c.base, u) {
			r.etags = append(r.etags, tag)
		}
		if tag := contentOf(res.Header.Get("ETag")); own(c.base, u) && res.StatusCode < 300 && len(tag) == 40 {
			r.etags = append(r.etags, tag) // Git's hash; what a server of large files writes there is its own affair
		}
		if s := res.StatusCode; s != 301 && s != 302 && s != 303 && s != 307 && s != 308 {
			r.Response = res
			return r, nil
		}
		next, err := res.Location()
		res.Body.Close()
		switch {
		case err != nil:
			err = fmt.Errorf("%s redirects to no address", host(u))
		case next.Scheme != "http" && next.Scheme != "https" || u.Scheme == "https" && next.Scheme != "https":
			err = fmt.Errorf("%s redirects to %s, which is not followed", host(u), safetext.URL(next.Scheme+"://"+next.Host))
		case hop == maxRedirects:
			err = fmt.Errorf("%s redirects more than %d times", host(c.base), maxRedirects)
		}
		if err != nil {
			r.end()
			return nil, &Error{Text: err.Error()}
		}
		u = next
	}
}

// ask sends one request.
func (c *Client) ask(ctx context.Context, u *url.URL, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", "ballast")
	if c.o.Token != "" && own(c.base, u) {
		req.Header.Set("Authorization", "Bearer "+c.o.Token)
	}
	return c.http.Do(req)
}

// own says whether an address is the hub's: the same host, port and scheme.
func own(base, u *url.URL) bool {
	return u.Scheme == base.Scheme && strings.EqualFold(u.Host, base.Host)
}

// host is an address for messages: the rest may be signed.
func host(u *url.URL) string { return safetext.URL(u.Scheme + "://" + u.Host) }

// contentOf is the content's hash in an ETag; "" for an ETag that is none.
func contentOf(etag string) string {
	text := strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
	if goodHash(text, false) || goodHash(text, true) {
		return text
	}
	return ""
}

// broken is the error of a request that got no reply, or only a part of one.
func (c *Client) broken(ctx context.Context, u *url.URL, err error) error {
	if context.Cause(ctx) == errStall {
		return &Error{Again: true, Text: fmt.Sprintf("%s: no byte came for %v", host(u), c.o.Stall)}
	}
	if ctx.Err() != nil {
		return endpoint.Ended(ctx)
	}
	var dial *url.Error
	if errors.As(err, &dial) { // its text has the whole address
		err = dial.Err
	}
	return &Error{Again: true, Text: fmt.Sprintf("%s: %s", host(u), c.clean(err.Error()))}
}

// clean is foreign text for a sentence.
func (c *Client) clean(text string) string {
	text = safetext.Redact(cut(text, maxErrorBody), c.o.Token)
	return safetext.Line(cut(strings.Join(strings.Fields(text), " "), 300))
}

// refused is the error of a reply that is one by its status.
func (c *Client) refused(r *reply, n Name, what string) error {
	code, text := r.Header.Get("X-Error-Code"), r.Header.Get("X-Error-Message")
	if text == "" {
		body, _ := io.ReadAll(io.LimitReader(r, maxErrorBody)) // what came of it is enough
		var b struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(body, &b) == nil && b.Error != "" {
			text = b.Error
		} else {
			text = string(body)
		}
	}
	s := r.StatusCode
	e := &Error{Status: s}
	said := fmt.Sprintf("%s answers %d", host(c.base), s)
	if text = c.clean(text); text != "" {
		said += ": " + text
	}
	login := "; where it is private, set HF_TOKEN to a token of an account that may read it"
	if c.o.Token != "" {
		login = "; the account of HF_TOKEN sees none of that name"
	}
	switch {
	case code == "GatedRepo" || s == http.StatusForbidden:
		e.Text = fmt.Sprintf("%s is gated (%s): accept its licence on its page, %s/%s, and set HF_TOKEN to a token of that account", n.ID(),
			said, host(c.base), n.ID())
	case code == "RevisionNotFound":
		e.Text = fmt.Sprintf("%s has no revision %s (%s)", n.ID(), n.revision(), said)
	case code == "RepoNotFound" || s == http.StatusNotFound && code != "EntryNotFound":
		e.Missing, e.Text = true, fmt.Sprintf("%s: the hub has no such model (%s)%s", n, said, login)
	case s == http.StatusUnauthorized && c.o.Token == "":
		e.Missing, e.Text = true, fmt.Sprintf("%s: the hub has no such model, or shows it to some accounts only (%s)%s", n, said, login)
	case s == http.StatusUnauthorized:
		e.Text = fmt.Sprintf("%s: the hub does not take HF_TOKEN (%s); set it anew, or unset it for public models", n, said)
	case s == http.StatusTooManyRequests || s == http.StatusRequestTimeout || s >= 500:
		e.Again, e.Wait = true, endpoint.RetryAfter(r.Header)
		e.Text = fmt.Sprintf("%s: %s", what, said)
		if e.Wait > maxWait {
			e.Again = false
			e.Text += fmt.Sprintf("; it asks to wait for %v, which is not waited for", e.Wait.Round(time.Minute))
		}
	default:
		e.Text = fmt.Sprintf("%s: %s", what, said)
	}
	return e
}

// insist tries until it succeeds, fails for good, or Retries tries in a row bring nothing.
// try says whether it brought anything.
func (c *Client) insist(ctx context.Context, try func() (some bool, err error)) error {
	wait, failed := c.o.Wait, 0
	for {
		some, err := try()
		var e *Error
		if err == nil || !errors.As(err, &e) || !e.Again {
			return err
		}
		if some {
			wait, failed = c.o.Wait, 0
		}
		if failed++; failed > c.o.Retries {
			return &Error{Status: e.Status, Text: fmt.Sprintf("given up after %d tries: %s; what came is kept, the same command goes on",
				failed, e.Text)}
		}
		pause := max(e.Wait, wait)
		c.o.Say(fmt.Sprintf("%s; next try in %v", e.Text, pause.Round(time.Millisecond)))
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return endpoint.Ended(ctx)
		}
		wait = min(2*wait, time.Minute)
	}
}

// page reads a whole JSON reply, and the address of the next one.
func (c *Client) page(ctx context.Context, n Name, at string) (body []byte, next string, err error) {
	err = c.insist(ctx, func() (bool, error) {
		r, err := c.get(ctx, at, nil)
		if err != nil {
			return false, err
		}
		defer r.close()
		if r.StatusCode != http.StatusOK {
			return false, c.refused(r, n, n.ID())
		}
		if body, err = io.ReadAll(bounded.Reader(r, maxPage)); err != nil {
			if errors.Is(err, bounded.ErrTooLarge) {
				return false, &Error{Text: fmt.Sprintf("%s: the reply is %v", host(c.base), err)}
			}
			return false, c.broken(r.ctx, c.base, err)
		}
		next = nextPage(r.Header)
		return true, nil
	})
	return body, next, err
}

// nextPage is the address of the next page in a Link header, "" for none.
func nextPage(h http.Header) string {
	for _, line := range h.Values("Link") {
		for one := range strings.SplitSeq(line, ",") {
			at, rel, ok := strings.Cut(strings.TrimSpace(one), ">")
			if ok && strings.HasPrefix(at, "<") && strings.Contains(rel, `rel="next"`) {
				return at[1:]
			}
		}
	}
	return ""
}

// api is the address of a model in the hub's API.
func (c *Client) api(n Name, rest string) string {
	return c.base.String() + "/api/models/" + n.ID() + "/" + rest
}

// resolve asks which commit a revision stands for.
func (c *Client) resolve(ctx context.Context, n Name) (string, error) {
	body, _, err := c.page(ctx, n, c.api(n, "revision/"+url.PathEscape(n.revision())))
	if err != nil {
		return "", err
	}
	var info struct {
		SHA string `json:"sha"`
	}
	if err := json.Unmarshal(body, &info); err != nil || !commitHash.MatchString(info.SHA) {
		return "", &Error{Text: fmt.Sprintf("%s: what %s says of it names no commit; is that a hub (HF_ENDPOINT)?", n, host(c.base))}
	}
	if commitHash.MatchString(n.Revision) && info.SHA != n.Revision {
		return "", &Error{Text: fmt.Sprintf("%s: %s answers with commit %s", n, host(c.base), info.SHA)}
	}
	return info.SHA, nil
}

// list asks for the files of a commit.
func (c *Client) list(ctx context.Context, n Name, commit string) ([]file, error) {
	var out []file
	at := c.api(n, "tree/"+commit+"?recursive=true")
	for range maxPages {
		body, next, err := c.page(ctx, n, at)
		if err != nil {
			return nil, err
		}
		files, err := listing(body)
		if err != nil {
			return nil, &Error{Text: fmt.Sprintf("%s: %v", n, err)}
		}
		if out = append(out, files...); next == "" {
			return out, nil
		}
		if u, err := c.base.Parse(next); err != nil || !own(c.base, u) {
			return nil, &Error{Text: fmt.Sprintf("%s: its list of files goes on at another host, which is not followed", n)}
		}
		at = next
	}
	return nil, &Error{Text: fmt.Sprintf("%s: its list of files has more than %d pages", n, maxPages)}
}

package tinker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"ballast/bounded"
)

// scheme begins the paths of saved weights.
const scheme = "tinker://"

// Archive writes the archive of saved weights, a tar that may be packed, to w: at most
// limit bytes. path is what SaveForSampler gave. Servers answer with the address of the
// archive; the key goes there only if that is the server itself.
func (c *Client) Archive(ctx context.Context, path string, w io.Writer, limit int64) (int64, error) {
	const op = "archive"
	run, kind, name, err := splitPath(op, path)
	if err != nil {
		return 0, err
	}
	ctx, cancel := c.alive(ctx)
	defer cancel()
	base := "/api/v1/training_runs/" + url.PathEscape(run) + "/checkpoints/"
	// SkyRL names weights by their last part alone.
	places := []string{base + kind + "/" + url.PathEscape(name) + "/archive", base + url.PathEscape(name) + "/archive"}
	var first error
	for _, place := range places {
		address, err := c.archiveAddress(ctx, op, place)
		if err == nil {
			return c.download(ctx, op, address, w, limit)
		}
		var e *Error
		if first == nil {
			first = err
		}
		if !errors.As(err, &e) || e.Status != http.StatusNotFound && e.Status != http.StatusMethodNotAllowed &&
			e.Status != http.StatusUnprocessableEntity {
			return 0, err
		}
	}
	return 0, first
}

// Delete has the server delete saved weights, of a sampler or with the optimiser's state. What is
// not there is no error: a server that cannot delete may say the same.
func (c *Client) Delete(ctx context.Context, path string) error {
	const op = "delete_checkpoint"
	run, kind, name, err := splitPath(op, path)
	if err != nil {
		return err
	}
	ctx, cancel := c.alive(ctx)
	defer cancel()
	_, _, err = c.insist(ctx, &call{op: op, method: http.MethodDelete, accept: TypeJSON, limit: maxBody, timeout: c.o.Timeout,
		path: "/api/v1/training_runs/" + url.PathEscape(run) + "/checkpoints/" + kind + "/" + url.PathEscape(name)})
	var e *Error
	if errors.As(err, &e) && e.Kind == Gone {
		return nil
	}
	return err
}

// splitPath reads tinker://RUN/KIND/NAME, or tinker://RUN/NAME of a sampler's weights.
func splitPath(op, path string) (run, kind, name string, err error) {
	parts := strings.Split(strings.TrimPrefix(path, scheme), "/")
	if len(parts) == 2 {
		parts = []string{parts[0], "sampler_weights", parts[1]}
	}
	if !strings.HasPrefix(path, scheme) || len(parts) != 3 || parts[0] == "" || parts[2] == "" ||
		parts[1] != "weights" && parts[1] != "sampler_weights" || slices.ContainsFunc(parts, dots) {
		return "", "", "", invalid(op, "%q is no path of saved weights", path)
	}
	return parts[0], parts[1], parts[2], nil
}

// dots says whether a part of a path leads elsewhere.
func dots(part string) bool { return part == "." || part == ".." }

// archiveAddress asks where an archive is.
func (c *Client) archiveAddress(ctx context.Context, op, place string) (*url.URL, error) {
	k := &call{op: op, method: http.MethodGet, path: place, accept: TypeJSON, limit: maxBody, timeout: c.o.Timeout, located: true}
	a, _, err := c.insist(ctx, k)
	if err != nil {
		return nil, err
	}
	address := a.location
	if a.ok() {
		said, err := result[struct {
			URL string `json:"url"`
		}](c, op, a)
		if err != nil {
			return nil, err
		}
		address = said.URL
	}
	here, err := url.Parse(c.base + place)
	if err != nil {
		return nil, c.malformed(op, a.status, err)
	}
	to, err := here.Parse(address)
	if err != nil || address == "" || to.Scheme != "http" && to.Scheme != "https" || to.Hostname() == "" {
		return nil, c.malformed(op, a.status, errors.New("no address of the archive"))
	}
	return to, nil
}

// download writes what an address has. What is cut off is an error.
func (c *Client) download(ctx context.Context, op string, from *url.URL, w io.Writer, limit int64) (int64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), nil)
	if err != nil {
		return 0, invalid(op, "the archive's address cannot be used")
	}
	if home, err := url.Parse(c.base); err == nil && home.Scheme == from.Scheme && home.Host == from.Host && c.o.Key != "" {
		r.Header.Set("X-API-Key", c.o.Key)
	}
	c.counts.add(op, Counter{Requests: 1})
	res, err := c.http.Do(r)
	if err != nil {
		return 0, c.interrupted(ctx, op, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(res.Body, maxShown)) // what came of it is enough
		return 0, c.refusal(op, &answer{status: res.StatusCode, body: body, location: res.Header.Get("Location")}, false)
	}
	to := &told{w: w}
	n, err := io.Copy(to, bounded.Reader(res.Body, limit))
	c.counts.add(op, Counter{BytesReceived: n})
	if to.err != nil {
		return n, fmt.Errorf("%s: %w", op, to.err)
	}
	if errors.Is(err, bounded.ErrTooLarge) {
		return n, &Error{Kind: Malformed, Op: op, Status: res.StatusCode, Text: "the archive has " + err.Error(), cause: err}
	}
	if err == nil && res.ContentLength >= 0 && n != res.ContentLength {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return n, c.interrupted(ctx, op, err)
	}
	return n, nil
}

// interrupted is the error of a download that did not come to its end.
func (c *Client) interrupted(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return ended(ctx, op)
	}
	var u *url.Error
	if errors.As(err, &u) { // its own text holds the address, perhaps with a signature
		err = u.Err
	}
	return &Error{Kind: Unreachable, Op: op, Text: fmt.Sprintf("the archive's server: %s; try again", c.clean(err.Error())), cause: err}
}

// told keeps the error of a writer apart from that of who is read.
type told struct {
	w   io.Writer
	err error
}

func (t *told) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	t.err = err
	return n, err
}

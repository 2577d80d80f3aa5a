package tinker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"ballast/endpoint"
	"ballast/safetext"
)

// maxMissed is how many signs of life may go missing before the session is taken for
// lost. Servers drop it after 300 s, the time of thirty.
const maxMissed = 30

// Client has one session with one server. It is safe for concurrent use.
type Client struct {
	o       Options
	base    string
	http    http.Client
	config  ClientConfig
	session string

	life context.Context // ends with the session
	end  context.CancelCauseFunc
	beat sync.WaitGroup

	counts    counters
	wire      wireChoice
	sampling  chan struct{} // places for requests for samples
	sessions  atomic.Int64  // numbers of sampling sessions
	mu        sync.Mutex
	models    map[*Model]bool
	nextModel int

	slow, bill, held sync.Once // what is said once
}

// Dial begins a session, and keeps it alive until Close. ctx bounds the beginning alone.
func Dial(ctx context.Context, o Options) (*Client, error) {
	o, u, err := o.checked()
	if err != nil {
		return nil, err
	}
	t := endpoint.NewTransport()
	t.Proxy = nil // the environment says nothing here
	t.MaxIdleConnsPerHost = 1024
	c := &Client{o: o, base: u.String(), models: map[*Model]bool{}, sampling: make(chan struct{}, o.Samples)}
	c.http = http.Client{Transport: t, CheckRedirect: refuseRedirect}
	c.life, c.end = context.WithCancelCause(context.Background())
	if err := c.begin(ctx); err != nil {
		c.end(err)
		t.CloseIdleConnections()
		return nil, err
	}
	if o.Heartbeat > 0 {
		c.beat.Go(c.heartbeat)
	}
	return c, nil
}

// begin asks what the server wants, and opens the session.
func (c *Client) begin(ctx context.Context) error {
	if err := c.configure(ctx); err != nil {
		return err
	}
	c.wire.choose(c.o.Wire, c.config.WriteProto)
	s, err := post[CreateSessionResponse](ctx, c, PathCreateSession, CreateSessionRequest{Tags: append([]string{}, c.o.Tags...),
		UserMetadata: c.o.Metadata, SDKVersion: SDKVersion, Type: "create_session"})
	if err != nil {
		return err
	}
	for _, text := range []string{s.InfoMessage, s.WarningMessage, s.ErrorMessage} {
		if text != "" {
			c.o.Say(c.Address() + " says: " + c.clean(text))
		}
	}
	if c.session = s.SessionID; c.session == "" {
		return c.malformed("create_session", http.StatusOK, errors.New("no session_id"))
	}
	return nil
}

// configure asks what the server wants of clients. An old server has no such question.
func (c *Client) configure(ctx context.Context) error {
	k, err := c.jsonCall(PathClientConfig, ClientConfigRequest{SDKVersion: SDKVersion})
	if err != nil {
		return err
	}
	a, _, err := c.insist(ctx, k)
	var e *Error
	if errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed) {
		return nil
	}
	if err != nil {
		return err
	}
	if c.config, err = result[ClientConfig](c, k.op, a); err != nil {
		return err
	}
	if c.config.TokenAuth != nil && *c.config.TokenAuth {
		c.o.Say(c.Address() + " wants short-lived tokens, which are not asked for here; the key itself is sent")
	}
	for name, n := range map[string]*int{"fwdbwd_max_chunk_len": c.config.ChunkDatums, "fwdbwd_max_chunk_bytes_count": c.config.ChunkBytes} {
		if n != nil && *n <= 0 {
			return c.malformed(k.op, a.status, fmt.Errorf("%s is %d", name, *n))
		}
	}
	return nil
}

// post sends JSON to a path that answers at once.
func post[T any](ctx context.Context, c *Client, path string, body any) (v T, err error) {
	k, err := c.jsonCall(path, body)
	if err != nil {
		return v, err
	}
	a, _, err := c.insist(ctx, k)
	if err != nil {
		return v, err
	}
	return result[T](c, k.op, a)
}

// heartbeat says again and again that this client is there.
func (c *Client) heartbeat() {
	tick := time.NewTicker(c.o.Heartbeat)
	defer tick.Stop()
	k, err := c.jsonCall(PathHeartbeat, HeartbeatRequest{SessionID: c.session, Type: "session_heartbeat"})
	if err != nil {
		c.end(err)
		return
	}
	k.timeout = max(c.o.Heartbeat, time.Second)
	for missed := 0; ; {
		select {
		case <-c.life.Done():
			return
		case <-tick.C:
		}
		a, err := c.try(c.life, k)
		switch {
		case c.life.Err() != nil:
			return
		case err == nil && a.ok():
			missed = 0
			continue
		case err == nil && a.status == http.StatusNotFound:
			c.end(&Error{Kind: Gone, Op: k.op, Status: a.status, Text: c.Address() + " does not know the session any more: " +
				c.clean(complaint(a.body)) + "; begin a new one, and load the last saved weights"})
			return
		case err == nil && !passing(a):
			c.end(c.refusal(k.op, a, false))
			return
		case err == nil:
			err = c.refusal(k.op, a, false)
		}
		if missed++; missed >= maxMissed {
			c.end(&Error{Kind: Unreachable, Op: k.op, Text: fmt.Sprintf("%d signs of life in a row were not taken, so that the session is lost: %s",
				missed, c.clean(err.Error()))})
			return
		}
	}
}

// Done is closed when the session ended, by Close or because it is lost. Err says why.
func (c *Client) Done() <-chan struct{} { return c.life.Done() }

// errClosed is the end of a session that its client closed.
var errClosed = errors.New("the client is closed")

// Err is why the session ended, and nil as long as it did not.
func (c *Client) Err() error { return context.Cause(c.life) }

// Address is the server's, fit to be shown.
func (c *Client) Address() string { return safetext.URL(c.base) }

// Session is the server's id of the session.
func (c *Client) Session() string { return c.session }

// alive is ctx, which ends with the session too.
func (c *Client) alive(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.life, func() { cancel(context.Cause(c.life)) })
	return ctx, func() { stop(); cancel(nil) }
}

// Close unloads the models that are left, as far as ctx lets it, and ends the session.
// What was not answered yet fails.
func (c *Client) Close(ctx context.Context) error {
	var errs []error
	c.mu.Lock()
	var left []*Model
	for m := range c.models {
		left = append(left, m)
	}
	c.mu.Unlock()
	for _, m := range left {
		if c.Err() == nil {
			errs = append(errs, m.Unload(ctx))
		}
	}
	c.end(errClosed)
	c.beat.Wait()
	c.http.CloseIdleConnections()
	return errors.Join(errs...)
}

// Capabilities says which base models the server has.
func (c *Client) Capabilities(ctx context.Context) (v Capabilities, err error) {
	ctx, cancel := c.alive(ctx)
	defer cancel()
	a, _, err := c.insist(ctx, &call{op: "get_server_capabilities", method: http.MethodGet, path: PathCapabilities, accept: TypeJSON,
		limit: maxBody, timeout: c.o.Timeout})
	if err != nil {
		return v, err
	}
	return result[Capabilities](c, "get_server_capabilities", a)
}

// WeightsInfo says what saved weights are of.
func (c *Client) WeightsInfo(ctx context.Context, path string) (WeightsInfo, error) {
	ctx, cancel := c.alive(ctx)
	defer cancel()
	info, err := post[WeightsInfo](ctx, c, PathWeightsInfo, WeightsInfoRequest{Path: path})
	if err == nil && info.BaseModel == "" {
		err = c.malformed("weights_info", http.StatusOK, errors.New("no base_model"))
	}
	return info, err
}

// submit sends a request that is answered by a promise. doubt says that a failed one may
// have been taken.
func (c *Client) submit(ctx context.Context, k *call) (promise, model string, doubt bool, err error) {
	a, doubt, err := c.insist(ctx, k)
	if err != nil {
		return "", "", doubt, err
	}
	var p Promise
	if json.Unmarshal(a.body, &p) != nil || p.RequestID == "" {
		_, err = c.promise(k.op, a)
		return "", "", true, err
	}
	return p.RequestID, p.ModelID, false, nil
}

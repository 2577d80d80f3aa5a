package tinker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// Waits between tries: of a request that was refused for now, of one that an account's
// billing stops, and of questions for a result that is not there yet.
const (
	firstPause    = time.Second
	longestPause  = 30 * time.Second
	billingPause  = 5 * time.Second
	longestBilled = time.Minute
	longestBill   = time.Hour
	firstPending  = 50 * time.Millisecond
	longestHold   = time.Second // a server that holds a question as long is not paused for
	maxResubmits  = 20          // of one promise
	maxPendingSay = 1 << 20     // bytes of JSON that may say that a result is pending, or failed
)

// pauses are the waits of one request.
type pauses struct {
	c            *Client
	op           string
	next         time.Duration
	spent, bills time.Duration
	atOnce       bool // the next error of the server is tried again without a wait
}

func (c *Client) pauses(op string) *pauses {
	return &pauses{c: c, op: op, next: firstPause, atOnce: true}
}

// good forgets what was waited: the server answers again.
func (p *pauses) good() { p.next, p.spent, p.atOnce = firstPause, 0, true }

// pause waits, at least as long as the server asks, longer every time. It fails when the
// patience is at its end: why is then what is wrong.
func (p *pauses) pause(ctx context.Context, took, asked time.Duration, status int, why string) error {
	d := max(p.next/2+rand.N(p.next/2+1), min(asked, longestPause)) // so that requests do not come back all at once
	if p.spent += took; p.spent+d > p.c.o.Patience {
		return &Error{Kind: Unreachable, Op: p.op, Status: status, Text: fmt.Sprintf("given up after %v: %s", p.spent.Round(time.Second), why)}
	}
	if status >= 500 && p.atOnce {
		p.atOnce = false
		return nil
	}
	p.spent += d
	p.next = min(2*p.next, longestPause)
	p.c.slow.Do(func() { p.c.o.Say(fmt.Sprintf("%s: %s; trying again", p.op, why)) })
	return p.c.o.Wait(ctx, d)
}

// bill waits for an account that its billing stops.
func (p *pauses) bill(ctx context.Context, a *answer) error {
	d := min(billingPause+p.bills, longestBilled) // doubling
	if p.bills += d; p.bills > longestBill {
		return p.c.refusal(p.op, a, false)
	}
	p.c.bill.Do(func() { p.c.o.Say(p.c.refusal(p.op, a, false).Text + "; waiting for up to an hour") })
	return p.c.o.Wait(ctx, d)
}

// insist sends a request until the server takes it. doubt says that a failed request may
// have been taken all the same.
func (c *Client) insist(ctx context.Context, k *call) (a *answer, doubt bool, err error) {
	p := c.pauses(k.op)
	for n := 0; ; n++ {
		if n > 0 {
			c.counts.add(k.op, Counter{Retries: 1})
		}
		a, err := c.try(ctx, k)
		if ctx.Err() != nil {
			return nil, true, ended(ctx, k.op)
		}
		var cut *cutError
		switch {
		case errors.As(err, &cut):
			doubt = doubt || cut.sent
			err = p.pause(ctx, 0, 0, 0, fmt.Sprintf("%s: %s", c.Address(), c.clean(cut.Error())))
		case err != nil:
			return nil, true, err
		case a.ok(), k.located && a.status/100 == 3 && a.location != "":
			return a, false, nil
		case a.status == http.StatusPaymentRequired:
			err = p.bill(ctx, a)
		case !passing(a), k.probe && a.status == http.StatusInternalServerError:
			return nil, doubt, c.refusal(k.op, a, false)
		default:
			doubt = doubt || a.status >= 500 || a.status == http.StatusRequestTimeout
			err = p.pause(ctx, a.took, a.wait, a.status, c.refusal(k.op, a, false).Text)
		}
		if err != nil {
			if ctx.Err() != nil {
				err = ended(ctx, k.op)
			}
			return nil, doubt, err
		}
	}
}

// passing says whether a status may pass by itself. An empty 400 is one of a proxy at the
// edge, and not of the server.
func passing(a *answer) bool {
	switch s := a.status; s {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusBadRequest:
		return len(bytes.TrimSpace(a.body)) == 0
	default:
		return s >= 500
	}
}

// await asks for what became of a request until that is there. k is the request, which is
// sent again, byte for byte, where the server lost the promise.
func (c *Client) await(ctx context.Context, k *call, promise string) (*answer, error) {
	p, quick := c.pauses(k.op), firstPending
	for lost := 0; ; {
		poll, err := c.jsonCall(PathRetrieveFuture, RetrieveFutureRequest{RequestID: promise})
		if err != nil {
			return nil, err
		}
		poll.timeout, poll.limit = c.o.Poll, maxResult
		if poll.accept = TypeJSON; k.result == TypeProto {
			poll.accept = TypeProto + ", " + TypeJSON
		}
		a, err := c.try(ctx, poll)
		if ctx.Err() != nil {
			return nil, ended(ctx, k.op)
		}
		var cut *cutError
		pending := false
		switch {
		case errors.As(err, &cut):
			if cut.late { // many servers hold the question, and some longer than we ask
				continue
			}
			err = p.pause(ctx, 0, 0, 0, fmt.Sprintf("%s: %s", c.Address(), c.clean(cut.Error())))
		case err != nil:
			var e *Error
			if errors.As(err, &e) {
				e.Op = k.op
			}
			return nil, err
		case a.ok():
			if pending, err = c.outcome(k.op, a); !pending {
				return a, err
			}
		case a.status == http.StatusRequestTimeout:
			pending = true
		case a.status == http.StatusGone:
			if lost++; lost > maxResubmits {
				return nil, c.refusal(k.op, a, true)
			}
			promise, err = c.resubmit(ctx, k)
		case a.status == http.StatusPaymentRequired:
			err = p.bill(ctx, a)
		case passing(a), a.status == http.StatusBadRequest && complaint(a.body) == "":
			err = p.pause(ctx, a.took, a.wait, a.status, c.refusal(k.op, a, true).Text)
		default:
			return nil, c.refusal(k.op, a, true)
		}
		if pending {
			p.good()
			if a.took >= longestHold {
				quick = firstPending
				continue
			}
			err = c.o.Wait(ctx, max(quick, min(a.wait, longestPause)))
			quick = min(2*quick, longestHold)
		}
		if err != nil {
			if ctx.Err() != nil {
				err = ended(ctx, k.op)
			}
			return nil, err
		}
	}
}

// outcome reads a good answer to the question for a result as far as to know whether it is
// one.
func (c *Client) outcome(op string, a *answer) (pending bool, err error) {
	if a.proto || len(a.body) > maxPendingSay {
		return false, nil
	}
	var said struct {
		Pending
		Status string          `json:"status"`
		Error  json.RawMessage `json:"error"`
		Kind   string          `json:"category"`
	}
	if json.Unmarshal(a.body, &said) != nil {
		return false, nil // whoever wants the result says what is wrong with it
	}
	switch text := worded(said.Error); {
	case said.Type == TypeTryAgain:
		if said.QueueState != "" && said.QueueState != "active" {
			c.held.Do(func() {
				c.o.Say(fmt.Sprintf("%s holds %s back: %s %s", c.Address(), op, c.clean(said.QueueState), c.clean(said.QueueReason)))
			})
		}
		return true, nil
	case text != "":
		if said.Kind != "" {
			text += " (" + said.Kind + ")"
		}
		return false, &Error{Kind: Failed, Op: op, Status: a.status, Text: fmt.Sprintf("%s says that it failed: %s", c.Address(), c.clean(text))}
	case said.Status == "complete_metadata":
		return false, c.malformed(op, a.status, errors.New("a description of the result, and not the result, which was asked for"))
	}
	return false, nil
}

// resubmit sends a request again whose promise the server lost: the same bytes with the
// same number, so that a server which did it does not do it twice.
func (c *Client) resubmit(ctx context.Context, k *call) (promise string, err error) {
	c.counts.add(k.op, Counter{Resubmits: 1})
	a, _, err := c.insist(ctx, k)
	if err != nil {
		return "", err
	}
	return c.promise(k.op, a)
}

// promise reads the id of a promise.
func (c *Client) promise(op string, a *answer) (string, error) {
	var p Promise
	if err := json.Unmarshal(a.body, &p); err != nil {
		return "", c.malformed(op, a.status, err)
	}
	if p.RequestID == "" {
		return "", c.malformed(op, a.status, errors.New("no request_id to ask for"))
	}
	return p.RequestID, nil
}

// ended is why a context ended, as the error of an operation.
func ended(ctx context.Context, op string) error {
	var e *Error
	if errors.As(context.Cause(ctx), &e) {
		return e
	}
	return fmt.Errorf("%s: %w", op, context.Cause(ctx))
}

// result reads an answer as JSON.
func result[T any](c *Client, op string, a *answer) (v T, err error) {
	if a.proto {
		return v, c.malformed(op, a.status, errors.New("protobuf where there is JSON only"))
	}
	if err := json.Unmarshal(a.body, &v); err != nil {
		return v, c.malformed(op, a.status, err)
	}
	return v, nil
}

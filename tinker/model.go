package tinker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
)

// Model is a model that a session trains. Its operations reach the server in the order in
// which they were called: what is called from one goroutine may be waited for later, all
// together. Those that take data read them until they are done.
type Model struct {
	c    *Client
	id   string
	base string

	mu        sync.Mutex
	tail      chan struct{} // closed when all that was called before was sent
	gradients []*gradient   // that were called for since the last step
	broken    error

	// These belong to whose turn it is.
	seq  int // of the last request
	last batchKind
}

// batchKind is what the last ForwardBackward computes, and when its result is there.
type batchKind struct {
	what string
	done chan struct{}
}

// gradient is what a ForwardBackward came to.
type gradient struct {
	err  error        // nil as long as nothing is known to be wrong; under the model's lock
	seen *atomic.Bool // whoever called for it knows
}

// LoRA is an adapter of a rank on all that an adapter can be on.
func LoRA(rank int) LoRAConfig {
	return LoRAConfig{Rank: rank, TrainUnembed: true, TrainMLP: true, TrainAttn: true}
}

// CreateModel makes a model of a base. Rank 0 asks for all weights.
func (c *Client) CreateModel(ctx context.Context, base string, lora LoRAConfig) (*Model, error) {
	const op = "create_model"
	if base == "" || lora.Rank < 0 {
		return nil, invalid(op, "the base is %q and the rank %d", base, lora.Rank)
	}
	if lora.Rank > 0 && !lora.TrainUnembed && !lora.TrainMLP && !lora.TrainAttn {
		return nil, invalid(op, "an adapter on nothing: function LoRA makes one on everything")
	}
	ctx, cancel := c.alive(ctx)
	defer cancel()
	c.mu.Lock()
	n := c.nextModel
	c.nextModel++
	c.mu.Unlock()
	k, err := c.jsonCall(PathCreateModel, CreateModelRequest{SessionID: c.session, ModelSeqID: n, BaseModel: base, LoRA: lora, Type: op})
	if err != nil {
		return nil, err
	}
	promise, id, _, err := c.submit(ctx, k)
	if err != nil {
		return nil, err
	}
	r, err := promised[ModelResult](ctx, c, k, promise)
	if err != nil {
		return nil, err
	}
	if r.ModelID != "" {
		id = r.ModelID
	}
	if id == "" {
		return nil, c.malformed(op, http.StatusOK, errors.New("no model_id"))
	}
	m := &Model{c: c, id: id, base: base, tail: make(chan struct{})}
	close(m.tail)
	c.mu.Lock()
	c.models[m] = true
	c.mu.Unlock()
	return m, nil
}

// promised is what became of a request whose result is JSON.
func promised[T any](ctx context.Context, c *Client, k *call, promise string) (v T, err error) {
	a, err := c.await(ctx, k, promise)
	if err != nil {
		return v, err
	}
	return result[T](c, k.op, a)
}

// ID is the server's id of the model, and Base the base that it was made of.
func (m *Model) ID() string { return m.id }

// Base is the base model's name.
func (m *Model) Base() string { return m.base }

// Info is what the server knows of the model.
func (m *Model) Info(ctx context.Context) (ModelInfo, error) {
	ctx, cancel := m.c.alive(ctx)
	defer cancel()
	return post[ModelInfo](ctx, m.c, PathGetInfo, ModelRequest{ModelID: m.id, Type: "get_info"})
}

// Err is why nothing more may be trained on the model, and nil as long as it may.
func (m *Model) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.broken
}

// lost says that it is not known what the server did.
func (m *Model) lost(op string, cause error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken == nil {
		m.broken = &Error{Kind: Uncertain, Op: op, cause: cause, Text: fmt.Sprintf("what the server did for model %s is not known since: %v; "+
			"make the model anew, and load the last saved weights", m.c.clean(m.id), cause)}
	}
}

// operation is one that reaches the server in its turn.
type operation[T any] struct {
	model *Model
	name  string
	// send is called when all that was called before was sent; what it returns waits for
	// the result.
	send func(context.Context) (wait func() (T, error), err error)
	// failed, where there is one, is told of an error before the next operation's turn.
	failed func(error)
}

// begin queues the operation.
func (o operation[T]) begin(ctx context.Context, f *Future[T]) *Future[T] {
	m := o.model
	m.mu.Lock()
	before, mine := m.tail, make(chan struct{})
	m.tail = mine
	m.mu.Unlock()
	fail := func(err error) error {
		if o.failed != nil {
			o.failed(err)
		}
		return err
	}
	return begin(ctx, m.c, f, func(ctx context.Context) (none T, err error) {
		select {
		case <-before:
		case <-ctx.Done():
			err := fail(ended(ctx, o.name))
			go func() { <-before; close(mine) }()
			return none, err
		}
		wait, err := func() (func() (T, error), error) {
			defer close(mine)
			if err := m.Err(); err != nil {
				return nil, fail(err)
			}
			if ctx.Err() != nil {
				return nil, fail(ended(ctx, o.name))
			}
			wait, err := o.send(ctx)
			if err != nil {
				return nil, fail(err)
			}
			return wait, nil
		}()
		if err != nil {
			return none, err
		}
		return wait()
	})
}

// sending sends the request of a number. doubt says that a failed one may have been taken.
type sending func(seq int) (k *call, promise string, doubt bool, err error)

// numbered sends the request of the next number. A request that the
// server refused has not used it up. changes says that the request changes the model.
func (m *Model) numbered(changes bool, op string, send sending) (*call, string, error) {
	n := m.seq + 1
	if n > math.MaxInt32 {
		return nil, "", invalid(op, "the numbers of model %s are used up; make it anew from saved weights", m.id)
	}
	k, promise, doubt, err := send(n)
	var e *Error
	switch {
	case err == nil:
		m.seq = n
	case doubt:
		m.seq = n
		if changes {
			m.lost(op, err)
		}
	case changes && errors.As(err, &e) && e.Kind == Conflict: // somebody else counts
		m.lost(op, err)
	}
	return k, promise, err
}

// json sends a request that is JSON.
func (m *Model) json(ctx context.Context, path, op string, changes bool, body func(seq int) any) (*call, string, error) {
	return m.numbered(changes, op, func(seq int) (*call, string, bool, error) {
		k, err := m.c.jsonCall(path, body(seq))
		if err != nil {
			return nil, "", false, err
		}
		promise, _, doubt, err := m.c.submit(ctx, k)
		return k, promise, doubt, err
	})
}

// Forward computes the log-probabilities of the data's targets.
func (m *Model) Forward(ctx context.Context, data []Datum, loss string, config map[string]float64) *Future[*ForwardBackwardOutput] {
	if err := m.c.o.checkBatch("forward", data, loss, config); err != nil {
		return failed[*ForwardBackwardOutput](err)
	}
	send := func(ctx context.Context) (waiter, error) {
		return m.send(ctx, ForwardBackwardRequest{Data: data, Loss: loss, Config: config, ForwardOnly: true})
	}
	return operation[*ForwardBackwardOutput]{model: m, name: "forward", send: send}.begin(ctx, newFuture[*ForwardBackwardOutput]())
}

// ForwardBackward adds the gradients of a loss to those that the next OptimStep takes. A
// batch that is too large for one request is sent in several.
//
// One with another loss or configuration than the call before is sent when that one's
// result is there: SkyRL computes what waits for it with the loss of the first.
//
// Where it fails, an OptimStep that was called already is not sent. Where only a part of
// its gradients may be there, or it is not known, the model is Uncertain.
func (m *Model) ForwardBackward(ctx context.Context, data []Datum, loss string, config map[string]float64) *Future[*ForwardBackwardOutput] {
	f := newFuture[*ForwardBackwardOutput]()
	g := &gradient{seen: &f.seen}
	m.mu.Lock()
	m.gradients = append(m.gradients, g)
	m.mu.Unlock()
	fail := func(err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		g.err = err
	}
	if err := m.c.o.checkBatch("forward_backward", data, loss, config); err != nil {
		fail(err)
		f.err = err
		close(f.done)
		return f
	}
	send := func(ctx context.Context) (waiter, error) {
		kind := batchKind{fmt.Sprint(loss, config), make(chan struct{})}
		if m.last.done != nil && m.last.what != kind.what {
			select {
			case <-m.last.done:
			case <-ctx.Done():
				return nil, ended(ctx, "forward_backward")
			}
		}
		wait, err := m.send(ctx, ForwardBackwardRequest{Data: data, Loss: loss, Config: config})
		if err != nil {
			return nil, err
		}
		m.last = kind
		return func() (*ForwardBackwardOutput, error) {
			defer close(kind.done)
			out, err := wait()
			if err != nil {
				fail(err)
			}
			return out, err
		}, nil
	}
	return operation[*ForwardBackwardOutput]{model: m, name: "forward_backward", failed: fail, send: send}.begin(ctx, f)
}

// waiter waits for what becomes of a batch.
type waiter = func() (*ForwardBackwardOutput, error)

// send sends a batch in as many requests as it needs, and returns what waits for them.
func (m *Model) send(ctx context.Context, r ForwardBackwardRequest) (waiter, error) {
	op, changes := trainingOp(r.ForwardOnly), !r.ForwardOnly
	type sent struct {
		k       *call
		promise string
		data    []Datum
	}
	var all []sent
	for _, data := range m.c.chunks(r.Data) {
		k, promise, err := m.numbered(changes, op, func(seq int) (*call, string, bool, error) {
			r.ModelID, r.SeqID, r.Data = m.id, seq, data
			return m.c.submitTraining(ctx, &r)
		})
		if err != nil {
			if changes && len(all) > 0 {
				m.lost(op, fmt.Errorf("a part of the batch was taken, and then: %w", err))
			}
			return nil, err
		}
		all = append(all, sent{k, promise, data})
	}
	return func() (*ForwardBackwardOutput, error) {
		var parts []part
		for _, s := range all {
			a, err := m.c.await(ctx, s.k, s.promise)
			var out *ForwardBackwardOutput
			if err == nil {
				out, err = m.c.output(op, a, s.data)
			}
			if err != nil {
				if changes {
					m.doubtful(op, err, len(all) > 1)
				}
				return nil, err
			}
			parts = append(parts, part{out, len(s.data)})
		}
		return joined(parts), nil
	}, nil
}

// doubtful says what the failure of a request that changes the model, and that the server
// took, means for the model: one that the server says has failed did nothing.
func (m *Model) doubtful(op string, err error, parts bool) {
	var e *Error
	if parts || !errors.As(err, &e) || e.Kind != Failed {
		m.lost(op, err)
	}
}

// OptimStep steps with the gradients that the calls before it added up. It is not sent
// where one of those failed, and nobody was told yet.
func (m *Model) OptimStep(ctx context.Context, adam AdamParams) *Future[*OptimStepResult] {
	const op = "optim_step"
	if err := checkAdam(adam); err != nil {
		return failed[*OptimStepResult](err)
	}
	m.mu.Lock()
	took := m.gradients
	m.gradients = nil
	m.mu.Unlock()
	return operation[*OptimStepResult]{model: m, name: op, send: func(ctx context.Context) (func() (*OptimStepResult, error), error) {
		if err := m.whole(took); err != nil {
			return nil, err
		}
		k, promise, err := m.json(ctx, PathOptimStep, op, true, func(seq int) any {
			return OptimStepRequest{ModelID: m.id, SeqID: seq, Adam: adam, Type: op}
		})
		if err != nil {
			return nil, err
		}
		return func() (*OptimStepResult, error) {
			r, err := promised[OptimStepResult](ctx, m.c, k, promise)
			if err != nil {
				m.doubtful(op, err, false)
				return nil, err
			}
			return &r, nil
		}, nil
	}}.begin(ctx, newFuture[*OptimStepResult]())
}

// whole refuses a step without a gradient that failed, unless whoever called for it knows.
func (m *Model) whole(gradients []*gradient) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, g := range gradients {
		if g.err != nil && !g.seen.Load() {
			e := invalid("optim_step", "a gradient that it was to step with failed: %v", g.err)
			e.cause = g.err
			return e
		}
	}
	return nil
}

// Unload frees the model on the server. Nothing can be done with it after that.
func (m *Model) Unload(ctx context.Context) error {
	const op = "unload_model"
	m.mu.Lock()
	before, mine := m.tail, make(chan struct{})
	m.tail = mine
	m.mu.Unlock()
	ctx, cancel := m.c.alive(ctx)
	defer cancel()
	defer close(mine)
	select {
	case <-before:
	case <-ctx.Done():
		return ended(ctx, op)
	}
	m.mu.Lock()
	m.broken = invalid(op, "model %s is unloaded", m.id)
	m.mu.Unlock()
	m.c.mu.Lock()
	delete(m.c.models, m)
	m.c.mu.Unlock()
	k, err := m.c.jsonCall(PathUnloadModel, ModelRequest{ModelID: m.id, Type: op})
	if err != nil {
		return err
	}
	promise, _, _, err := m.c.submit(ctx, k)
	if err == nil {
		_, err = promised[ModelResult](ctx, m.c, k, promise)
	}
	return err
}

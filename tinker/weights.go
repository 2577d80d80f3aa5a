package tinker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// lossy is how many answers to one request may get lost on their way, one after the other.
const lossy = 8

// SaveWeights saves the weights and the optimiser's state under a name that is new, and
// gives the path to load them from. A Conflict may be one with this very request, where
// a connection broke: the weights may be saved, or not.
func (m *Model) SaveWeights(ctx context.Context, name string) *Future[string] {
	const op = "save_weights"
	if err := checkName(op, name); err != nil {
		return failed[string](err)
	}
	return m.save(ctx, PathSaveWeights, op, func(seq int) any {
		return SaveWeightsRequest{ModelID: m.id, Path: name, SeqID: seq, Type: op}
	})
}

// SaveForSampler saves the weights for sampling under a name that is new, and gives the
// path for Client.Sampler and Archive.
func (m *Model) SaveForSampler(ctx context.Context, name string) *Future[string] {
	const op = "save_weights_for_sampler"
	if err := checkName(op, name); err != nil {
		return failed[string](err)
	}
	return m.save(ctx, PathSaveWeightsForSampler, op, func(seq int) any {
		return SaveForSamplerRequest{ModelID: m.id, Path: &name, SeqID: seq, Type: op}
	})
}

func (m *Model) save(ctx context.Context, path, op string, body func(seq int) any) *Future[string] {
	return operation[string]{model: m, name: op, send: func(ctx context.Context) (func() (string, error), error) {
		k, promise, err := m.json(ctx, path, op, false, body)
		if err != nil {
			return nil, err
		}
		return func() (string, error) {
			r, err := promised[SaveResult](ctx, m.c, k, promise)
			if err == nil && (r.Path == nil || *r.Path == "") {
				err = m.c.malformed(op, http.StatusOK, errors.New("no path"))
			}
			if err != nil {
				return "", err
			}
			return *r.Path, nil
		}, nil
	}}.begin(ctx, newFuture[string]())
}

// LoadWeights loads what SaveWeights saved, with the optimiser's state or without. It is
// the first request of a new model, or is not sent.
func (m *Model) LoadWeights(ctx context.Context, path string, optimizer bool) *Future[struct{}] {
	const op = "load_weights"
	if path == "" {
		return failed[struct{}](invalid(op, "no path"))
	}
	return operation[struct{}]{model: m, name: op, send: func(ctx context.Context) (func() (struct{}, error), error) {
		if m.seq != 0 {
			return nil, invalid(op, "model %s had a request before; weights are loaded into a new one", m.id)
		}
		k, promise, err := m.json(ctx, PathLoadWeights, op, true, func(seq int) any {
			return LoadWeightsRequest{ModelID: m.id, Path: path, SeqID: seq, Optimizer: optimizer, Type: op}
		})
		if err != nil {
			return nil, err
		}
		return func() (none struct{}, err error) {
			if _, err = promised[ModelResult](ctx, m.c, k, promise); err != nil {
				m.lost(op, err) // whatever it says: what the weights are now is not known
			}
			return none, err
		}, nil
	}}.begin(ctx, newFuture[struct{}]())
}

// Sampler samples with the weights of now, which are kept for that alone: the way of
// every update.
func (m *Model) Sampler(ctx context.Context) *Future[*Sampler] {
	const op = "save_weights_for_sampler"
	return operation[*Sampler]{model: m, name: op, send: func(ctx context.Context) (func() (*Sampler, error), error) {
		var k *call
		var promise string
		// A server that took the request, and whose answer was lost, may refuse the same
		// one as a conflict. Nothing changes if the weights are kept twice.
		for again := range lossy {
			var doubted bool
			var err error
			k, promise, err = m.numbered(false, op, func(seq int) (*call, string, bool, error) {
				n := int(m.c.sessions.Add(1)) - 1
				k, err := m.c.jsonCall(PathSaveWeightsForSampler,
					SaveForSamplerRequest{ModelID: m.id, SamplingSessionSeqID: &n, SeqID: seq, Type: op})
				if err != nil {
					return nil, "", false, err
				}
				promise, _, doubt, err := m.c.submit(ctx, k)
				doubted = doubt
				return k, promise, doubt, err
			})
			var e *Error
			if err == nil {
				break
			}
			if again == lossy-1 || !doubted || !errors.As(err, &e) || e.Kind != Conflict {
				return nil, err
			}
		}
		return func() (*Sampler, error) {
			r, err := promised[SaveResult](ctx, m.c, k, promise)
			switch {
			case err != nil:
				return nil, err
			case r.SamplingSessionID != nil && *r.SamplingSessionID != "":
				return &Sampler{c: m.c, id: *r.SamplingSessionID}, nil
			case r.Path != nil && *r.Path != "":
				return m.c.Sampler(ctx, *r.Path)
			}
			return nil, m.c.malformed(op, http.StatusOK, errors.New("neither a sampling_session_id nor a path"))
		}, nil
	}}.begin(ctx, newFuture[*Sampler]())
}

// Sampler samples with weights that SaveForSampler saved.
func (c *Client) Sampler(ctx context.Context, path string) (*Sampler, error) {
	return c.samplingSession(ctx, SamplingSessionRequest{ModelPath: path})
}

// BaseSampler samples with a base model, as it is.
func (c *Client) BaseSampler(ctx context.Context, base string) (*Sampler, error) {
	return c.samplingSession(ctx, SamplingSessionRequest{BaseModel: base})
}

func (c *Client) samplingSession(ctx context.Context, r SamplingSessionRequest) (*Sampler, error) {
	const op = "create_sampling_session"
	if r.BaseModel == "" && r.ModelPath == "" {
		return nil, invalid(op, "no weights are named")
	}
	ctx, cancel := c.alive(ctx)
	defer cancel()
	r.SessionID, r.SamplingSessionSeqID, r.Type = c.session, int(c.sessions.Add(1))-1, op
	s, err := post[SamplingSessionResponse](ctx, c, PathCreateSamplingSession, r)
	if err == nil && s.SamplingSessionID == "" {
		err = c.malformed(op, http.StatusOK, fmt.Errorf("no sampling_session_id"))
	}
	if err != nil {
		return nil, err
	}
	return &Sampler{c: c, id: s.SamplingSessionID}, nil
}

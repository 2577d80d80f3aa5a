package served

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ballast"
	"ballast/endpoint"
	"ballast/model/sampling"
)

// Options say what is sampled from, and how patiently.
type Options struct {
	Servers  []Backend
	Vocab    int           // tokens are 0 to Vocab-1
	Watched  []int32       // control tokens whose probabilities are wanted
	Side     int           // requests under way at a server; 0 = 64
	Tries    int           // of one request, at all servers together; 0 = 8
	Failures int           // in a row after which a server is left out; 0 = 3
	Wait     time.Duration // before a further try, and before a server that was left out is tried, then doubled; 0 = 1 s
	MaxWait  time.Duration // the longest of these; 0 = 1 min
	Patience time.Duration // how long a conversation waits while no server is left; 0 = 5 min
	Warn     func(string)  // is told of servers that are left out and come back, by several goroutines; nil = nobody
}

// Policy samples from servers. Close it.
type Policy struct {
	o      Options
	limits sampling.Limits
	ctx    context.Context // of what goes on beside plays
	cancel context.CancelFunc
	beside sync.WaitGroup
	seed   maphash.Seed
	facts  facts        // what all servers can do
	plays  sync.RWMutex // held for writing while the weights change

	mu      sync.Mutex
	servers []*server
	weights Weights
	updates int           // Refresh was called
	changed chan struct{} // closed when a server comes back

	asked, prefilled, sampled, elapsed atomic.Int64
}

// Open probes the servers. One that cannot be sampled from is an error; one that is not there
// is left out until it comes, unless none is there.
func Open(ctx context.Context, o Options) (*Policy, error) {
	switch {
	case len(o.Servers) == 0:
		return nil, errors.New("served: no server is named to sample from")
	case o.Vocab <= 0:
		return nil, errors.New("served: the size of the vocabulary is not known")
	}
	o.Side, o.Tries, o.Failures = cmp.Or(o.Side, 64), cmp.Or(o.Tries, 8), cmp.Or(o.Failures, 3)
	o.Wait, o.MaxWait, o.Patience = cmp.Or(o.Wait, time.Second), cmp.Or(o.MaxWait, time.Minute), cmp.Or(o.Patience, 5*time.Minute)
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	p := &Policy{o: o, seed: maphash.MakeSeed(), changed: make(chan struct{})}
	p.limits = sampling.Limits{Name: "served", Vocab: o.Vocab}
	found, errs := make([]facts, len(o.Servers)), make([]error, len(o.Servers))
	var group sync.WaitGroup
	for i, b := range o.Servers {
		group.Go(func() { found[i], errs[i] = probe(ctx, b, o.Vocab, o.Watched) })
	}
	group.Wait()
	if err := endpoint.Ended(ctx); err != nil {
		return nil, fmt.Errorf("served: %w", err)
	}
	var here []facts
	for i, err := range errs {
		switch {
		case err == nil:
			here = append(here, found[i])
		case !gone(err):
			return nil, fmt.Errorf("served: %w", err)
		}
	}
	if len(here) == 0 {
		return nil, fmt.Errorf("served: none of %d servers can be reached; the first: %w", len(errs), errs[0])
	}
	p.facts = common(here)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	for i, b := range o.Servers {
		p.servers = append(p.servers, newServer(b, o.Side))
		if errs[i] != nil {
			p.leaveOut(p.servers[i], errs[i])
		}
	}
	return p, nil
}

// common is what all servers can do.
func common(all []facts) facts {
	f := all[0]
	for _, g := range all[1:] {
		if g.context > 0 && (f.context == 0 || g.context < f.context) {
			f.context = g.context
		}
		f.scale, f.watch, f.repeats = max(f.scale, g.scale), f.watch && g.watch, f.repeats && g.repeats
	}
	return f
}

// covers says what a server that comes later lacks, "" if nothing.
func (f facts) covers(late facts) string {
	switch {
	case late.context > 0 && late.context < f.context:
		return fmt.Sprintf("has a context of %d tokens only", late.context)
	case late.scale > f.scale:
		return "gives log-probabilities of another distribution"
	case f.watch && !late.watch:
		return "gives no probabilities of watched tokens"
	}
	return ""
}

// Close ends what goes on beside plays.
func (p *Policy) Close() error {
	p.cancel()
	p.beside.Wait()
	return nil
}

// Watched returns the watched tokens, nil where not all servers tell their probabilities.
func (p *Policy) Watched() []int32 {
	if !p.facts.watch {
		return nil
	}
	return p.o.Watched
}

// Context is the most tokens of a conversation, 0 where no server says it.
func (p *Policy) Context() int { return p.facts.context }

// Describe names the servers.
func (p *Policy) Describe() string {
	var names []string
	for _, s := range p.servers {
		names = append(names, s.Address())
	}
	return "served by " + strings.Join(names, ", ")
}

// Lacks says what the servers do not tell and do not do, and why.
func (p *Policy) Lacks() []string {
	out := []string{"entropies are not known: no server tells them"}
	if len(p.o.Watched) > 0 && !p.facts.watch {
		out = append(out, "the probabilities of control tokens are not known, only which were sampled: a server does not give them by token id "+
			"(vLLM: logprob_token_ids, and a --max-logprobs of at least their number)")
	}
	if !p.facts.repeats {
		out = append(out, "replies do not repeat: a server draws other tokens from the same seed")
	}
	return append(out, "replies cannot be constrained")
}

// honours says why replies cannot be drawn in this way, nil if they can.
func (p *Policy) honours(how ballast.Sampling) error {
	if how.Temperature < 0 || how.Temperature > 100 || how.Temperature != how.Temperature {
		return fmt.Errorf("served: a temperature of %v cannot be sampled with", how.Temperature)
	}
	topP, topK := off(how)
	whole := topP == 1 && topK < 0
	const set = "set the sampling so, or start the server so that it gives those of the model itself (vLLM: --logprobs-mode raw_logprobs; " +
		"SGLang: SGLANG_RETURN_ORIGINAL_LOGPROB=True)"
	switch {
	case p.facts.scale == tempered && how.Temperature != 0 && how.Temperature != 1:
		return fmt.Errorf("served: a server gives log-probabilities after the temperature, which are right at temperature 1 only, not at %v; %s",
			how.Temperature, set)
	case p.facts.scale == truncated && (how.Temperature != 1 || !whole):
		return errors.New("served: a server gives log-probabilities after temperature, top_p and top_k, which are right at temperature 1 " +
			"without the others only; " + set)
	}
	return nil
}

// group are the conversations of a play that begin with the same tokens.
type group struct {
	home *server // where they belong
	at   *server // where they are: elsewhere while that is left out
	size int     // conversations of it that are not over
}

// play is one call of Play.
type play struct {
	*Policy
	how ballast.Sampling

	end     context.CancelCauseFunc // of all conversations, with a LostError
	joining sync.Mutex
	groups  map[uint64]*group
}

// Play samples for all conversations side by side. One that waits for what is not the model has
// no place at a server.
func (p *Policy) Play(ctx context.Context, convs []ballast.Conversation, how ballast.Sampling) error {
	if err := p.honours(how); err != nil {
		return err
	}
	if !p.plays.TryRLock() {
		return errors.New("served: the weights are being changed")
	}
	defer p.plays.RUnlock()
	start := time.Now()
	defer func() { p.elapsed.Add(int64(time.Since(start))) }()
	within, end := context.WithCancelCause(ctx)
	defer end(nil)
	q := &play{Policy: p, how: how, end: end, groups: map[uint64]*group{}}
	var all sync.WaitGroup
	for _, c := range convs {
		all.Go(func() { q.converse(within, c) })
	}
	all.Wait()
	if lost := new(LostError); errors.As(context.Cause(within), &lost) { // that is no interrupt
		return fmt.Errorf("served: %w", lost)
	}
	if err := endpoint.Ended(ctx); err != nil {
		return fmt.Errorf("served: sampling stopped: %w", err)
	}
	return nil
}

// talk is one conversation in play.
type talk struct {
	tokens []int32
	group  *group
	last   *server // that gave its last reply
}

// converse plays one conversation until it is over or the context ends.
func (q *play) converse(ctx context.Context, c ballast.Conversation) {
	var t talk
	defer func() { q.leave(t.group) }()
	for ctx.Err() == nil {
		if wait := c.Wait(); wait != nil {
			select {
			case <-wait:
			case <-ctx.Done():
				return
			}
		}
		req, more := c.Next()
		if !more {
			return
		}
		reply, err := q.reply(ctx, &t, &req)
		if lost := new(LostError); errors.As(err, &lost) {
			q.end(lost)
		}
		if err != nil && ctx.Err() != nil {
			return
		}
		reply.Err = err
		t.tokens = append(t.tokens, reply.Tokens...)
		c.Take(reply)
	}
}

// reply answers one request.
func (q *play) reply(ctx context.Context, t *talk, req *ballast.Request) (r ballast.Reply, err error) {
	if err := q.limits.Check(req.Append); err != nil {
		return r, err
	}
	t.tokens = append(t.tokens, req.Append...)
	q.prefilled.Add(int64(len(req.Append)))
	n, most := len(t.tokens), req.Max
	switch {
	case req.Mask != nil && most > 0:
		return r, errors.New("served: constrained decoding is not done here; sample with the engine of kind cpu")
	case most <= 0:
		return r, nil
	case n == 0:
		return r, errors.New("served: a request appends no tokens and no reply is there to go on from")
	case q.facts.context > 0:
		most = min(most, q.facts.context-n)
	}
	if most <= 0 {
		return ballast.Reply{Full: true}, nil
	}
	if t.group == nil {
		t.group = q.join(t.tokens)
	}
	call := &Call{Prompt: t.tokens, Max: most, Stop: req.Stop, Seed: seedOf(req.Seed, n), Sampling: q.how, Watch: q.Watched(),
		Weights: q.now()}
	a, err := q.ask(ctx, t, call)
	if err != nil {
		return r, err
	}
	q.sampled.Add(int64(len(a.Tokens)))
	k := len(a.Tokens)
	full := a.Full || most < req.Max && k == most && !slices.Contains(req.Stop, a.Tokens[k-1])
	return ballast.Reply{Tokens: a.Tokens, LogProb: a.LogProb, Watch: a.Watch, Full: full}, nil
}

// seedOf is the seed of the reply at a position of a conversation.
func seedOf(seed uint64, at int) uint64 {
	return sampling.Mix(sampling.Mix(seed+sampling.Golden)^(uint64(at)+1)*sampling.Golden) >> 1
}

// join is the group of conversations with these first tokens.
func (q *play) join(prompt []int32) *group {
	var h maphash.Hash
	h.SetSeed(q.seed)
	for _, t := range prompt {
		_, _ = h.Write([]byte{byte(t), byte(t >> 8), byte(t >> 16), byte(t >> 24)})
	}
	q.joining.Lock()
	defer q.joining.Unlock()
	g := q.groups[h.Sum64()]
	if g == nil {
		g = &group{}
		q.groups[h.Sum64()] = g
	}
	q.count(g, 1)
	return g
}

// lost is the error of a conversation for which no server is left.
func (p *Policy) lost() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var why []string
	for _, s := range p.servers {
		if s.why != nil {
			why = append(why, s.why.Error())
		}
	}
	return fmt.Errorf("served: no server was left for %v: %s", p.o.Patience, strings.Join(why, "; "))
}

// Counters say what was sampled since the policy was opened.
func (p *Policy) Counters() sampling.Counters {
	return sampling.Counters{Sampled: p.sampled.Load(), Prefilled: p.prefilled.Load(), Passes: p.asked.Load(),
		Elapsed: time.Duration(p.elapsed.Load())}
}

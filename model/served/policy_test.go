package served_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ballast"
	"ballast/endpoint"
	"ballast/model/playtest"
	"ballast/model/served"
	"ballast/model/servedtest"
)

// talk is a conversation of some replies.
type talk struct {
	prompt  []int32
	seed    uint64
	want    int // replies
	most    int
	stop    []int32
	mask    ballast.Mask
	replies []ballast.Reply
	wait    func(request int) <-chan struct{}
}

func (c *talk) Wait() <-chan struct{} {
	if c.wait == nil {
		return nil
	}
	return c.wait(len(c.replies))
}

func (c *talk) Next() (ballast.Request, bool) {
	if len(c.replies) == c.want {
		return ballast.Request{}, false
	}
	r := ballast.Request{Append: c.prompt, Max: c.most, Stop: c.stop, Seed: c.seed, Mask: c.mask}
	if n := len(c.replies); n > 0 {
		r.Append = []int32{int32(n), 3}
	}
	return r, true
}

func (c *talk) Take(r ballast.Reply) { c.replies = append(c.replies, r) }

// talks are groups of conversations that share their prompt.
func talks(groups, size, replies int) (out []*talk) {
	for g := range groups {
		for i := range size {
			out = append(out, &talk{prompt: []int32{1, int32(g % 7), int32(g), 2}, seed: uint64(g*1000 + i), want: replies, most: 12, stop: []int32{5}})
		}
	}
	return out
}

// conversations are talks as a policy takes them.
func conversations(list []*talk) (out []ballast.Conversation) {
	for _, c := range list {
		out = append(out, c)
	}
	return out
}

// start serves the toy model until the test ends.
func start(t testing.TB, o servedtest.Options) *servedtest.Server {
	s := servedtest.Start(o)
	t.Cleanup(s.Close)
	return s
}

// quick are options for servers of a test: nothing waits for long.
func quick(t testing.TB, kind string, servers ...*servedtest.Server) served.Options {
	t.Helper()
	o := served.Options{Vocab: 40, Watched: []int32{5, 7}, Wait: time.Millisecond, MaxWait: 20 * time.Millisecond, Patience: 20 * time.Second,
		Tries: 40, Warn: func(text string) { t.Log(text) }}
	for _, s := range servers {
		b, err := served.Dial(served.Spec{Kind: kind, Options: endpoint.Options{URL: s.URL + "/v1", Side: 64}})
		if err != nil {
			t.Fatal(err)
		}
		o.Servers = append(o.Servers, b)
	}
	return o
}

func open(t testing.TB, o served.Options) *served.Policy {
	t.Helper()
	p, err := served.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

var warm = ballast.Sampling{Temperature: 1}

// play plays to the end; a reply with an error fails the test.
func play(t testing.TB, p *served.Policy, list []*talk, how ballast.Sampling) []*talk {
	t.Helper()
	if err := p.Play(context.Background(), conversations(list), how); err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		for _, r := range c.replies {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		if len(c.replies) != c.want {
			t.Fatalf("%d replies, want %d", len(c.replies), c.want)
		}
	}
	return list
}

// same says where two plays differ, "" if nowhere.
func same(a, b []*talk) bool {
	return slices.EqualFunc(a, b, func(x, y *talk) bool {
		return slices.EqualFunc(x.replies, y.replies, func(r, q ballast.Reply) bool {
			return slices.Equal(r.Tokens, q.Tokens) && slices.Equal(r.LogProb, q.LogProb)
		})
	})
}

// exact checks every reply against the toy model of these weights.
func exact(t testing.TB, list []*talk, weights string, watched []int32) {
	t.Helper()
	for _, c := range list {
		tokens := slices.Clone(c.prompt)
		for n, r := range c.replies {
			if n > 0 {
				tokens = append(tokens, int32(n), 3)
			}
			if len(r.Tokens) == 0 || len(r.Tokens) > c.most || len(r.LogProb) != len(r.Tokens) || r.Entropy != nil || (watched == nil) != (r.Watch == nil) {
				t.Fatalf("%+v", r)
			}
			for i, id := range r.Tokens {
				lp := servedtest.LogProbs(weights, tokens, 40)
				if math.Abs(lp[id]-float64(r.LogProb[i])) > 1e-5 {
					t.Fatalf("token %d has the log-probability %v, want %v", id, r.LogProb[i], lp[id])
				}
				for k, w := range watched {
					if math.Abs(math.Exp(lp[w])-float64(r.Watch[i][k])) > 1e-5 {
						t.Fatalf("watched token %d: %v, want %v", w, r.Watch[i][k], math.Exp(lp[w]))
					}
				}
				tokens = append(tokens, id)
				if slices.Contains(c.stop, id) != (i == len(r.Tokens)-1) && i < c.most-1 {
					t.Fatalf("reply %v with the stop tokens %v", r.Tokens, c.stop)
				}
			}
		}
	}
}

// TestPlay: the tokens are the toy model's, with its log-probabilities, whatever is sampled
// from, over either protocol.
func TestPlay(t *testing.T) {
	for _, kind := range []string{"vllm", "sglang"} {
		p := open(t, quick(t, kind, start(t, servedtest.Options{}), start(t, servedtest.Options{})))
		for _, how := range []ballast.Sampling{warm, {Temperature: 0.5, TopP: 0.9, TopK: 6}, {}} {
			list := play(t, p, talks(6, 4, 3), how)
			exact(t, list, "", []int32{5, 7})
			if !same(list, play(t, p, talks(6, 4, 3), how)) {
				t.Errorf("%s %+v: the same seeds gave other replies", kind, how)
			}
		}
		if c := p.Counters(); c.Sampled == 0 || c.Passes != 2*3*72 || len(p.Lacks()) != 2 || p.Context() != 4096 {
			t.Errorf("%+v, %q, %d", c, p.Lacks(), p.Context())
		}
	}
}

// TestSeeds: two conversations with the same prompt differ by their seed, and two replies of
// one by their position.
func TestSeeds(t *testing.T) {
	p := open(t, quick(t, "vllm", start(t, servedtest.Options{})))
	list := play(t, p, talks(1, 2, 1), warm)
	if slices.Equal(list[0].replies[0].Tokens, list[1].replies[0].Tokens) {
		t.Error("two seeds gave the same reply")
	}
}

// TestOpenRefuses: a server that cannot be sampled from is refused before anything is played.
func TestOpenRefuses(t *testing.T) {
	good := start(t, servedtest.Options{})
	for name, row := range map[string]struct {
		o    servedtest.Options
		want string
	}{
		"text only":   {servedtest.Options{TextOnly: true}, "refuses token ids"},
		"no ids":      {servedtest.Options{NoIDs: true}, "return_token_ids needs vLLM 0.10.2"},
		"no stop":     {servedtest.Options{Cut: true}, "left the stop token"},
		"small vocab": {servedtest.Options{Vocab: 20}, "out of vocabulary"},
		"large vocab": {servedtest.Options{Vocab: 4000}, "outside of the vocabulary of 40"},
	} {
		_, err := served.Open(context.Background(), quick(t, "vllm", good, start(t, row.o)))
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v; want %q", name, err, row.want)
		}
	}
	gone := servedtest.Start(servedtest.Options{})
	gone.Close()
	if _, err := served.Open(context.Background(), quick(t, "vllm", gone)); err == nil || !strings.Contains(err.Error(), "none of 1 servers") {
		t.Error(err)
	}
	missing := quick(t, "vllm", good)
	b, err := served.Dial(served.Spec{Kind: "vllm", Model: "other", Options: endpoint.Options{URL: good.URL}})
	if err != nil {
		t.Fatal(err)
	}
	missing.Servers = []served.Backend{b}
	if _, err := served.Open(context.Background(), missing); err == nil || !strings.Contains(err.Error(), "does not serve the model other") {
		t.Error(err)
	}
	if _, err := served.Dial(served.Spec{Kind: "tgi"}); err == nil || !strings.Contains(err.Error(), "vllm, sglang") {
		t.Error(err)
	}
}

// TestLacks: what a server does not give is nil in the replies and said.
func TestLacks(t *testing.T) {
	p := open(t, quick(t, "vllm", start(t, servedtest.Options{}), start(t, servedtest.Options{NoWatch: true, Unseeded: true})))
	if lacks := strings.Join(p.Lacks(), "; "); p.Watched() != nil || !strings.Contains(lacks, "logprob_token_ids") || !strings.Contains(lacks, "do not repeat") {
		t.Errorf("%v: %s", p.Watched(), lacks)
	}
	exact(t, play(t, p, talks(3, 2, 2), warm), "", nil)
}

// TestScales: log-probabilities of another distribution are refused where they would be wrong.
func TestScales(t *testing.T) {
	for scale, fine := range [][]ballast.Sampling{
		{{}, warm, {Temperature: 0.5}, {Temperature: 1, TopP: 0.9}, {Temperature: 1, TopK: 3}},
		{{}, warm, {Temperature: 1, TopP: 0.9}, {Temperature: 1, TopK: 3}},
		{warm},
	} {
		p := open(t, quick(t, "vllm", start(t, servedtest.Options{Scale: scale})))
		for _, how := range []ballast.Sampling{{}, warm, {Temperature: 0.5}, {Temperature: 1, TopP: 0.9}, {Temperature: 1, TopK: 3}} {
			list := talks(1, 2, 1)
			err := p.Play(context.Background(), conversations(list), how)
			if slices.Contains(fine, how) != (err == nil) {
				t.Errorf("scale %d, %+v: %v", scale, how, err)
			}
			if err == nil {
				exact(t, list, "", []int32{5, 7})
			}
		}
	}
}

// TestFull: a conversation that the context has no room for is full, by the context that the
// server names and by what it says of a request.
func TestFull(t *testing.T) {
	p := open(t, quick(t, "vllm", start(t, servedtest.Options{Context: 20})))
	long := &talk{prompt: slices.Repeat([]int32{2}, 25), want: 1, most: 4}
	cut := &talk{prompt: slices.Repeat([]int32{2}, 17), want: 2, most: 8}
	play(t, p, []*talk{long, cut}, warm)
	if r := long.replies[0]; !r.Full || r.Tokens != nil {
		t.Errorf("%+v", r)
	}
	if r, s := cut.replies[0], cut.replies[1]; !r.Full || len(r.Tokens) != 3 || !s.Full || s.Tokens != nil {
		t.Errorf("%+v\n%+v", r, s)
	}
}

// never allows nothing.
type never struct{}

func (never) Allows(int32) bool { return false }
func (never) Advance(int32)     {}

// TestRequestsThatCannotBeServed are answered with an error, and the play goes on.
func TestRequestsThatCannotBeServed(t *testing.T) {
	s := start(t, servedtest.Options{})
	p := open(t, quick(t, "vllm", s))
	list := talks(1, 4, 1)
	list[0].mask, list[1].prompt, list[2].prompt = never{}, []int32{1, 40}, nil
	if err := p.Play(context.Background(), conversations(list), warm); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"constrained", "outside the vocabulary", "no tokens", ""} {
		r := list[i].replies[0]
		if want == "" && r.Err != nil || want != "" && (r.Err == nil || !strings.Contains(r.Err.Error(), want) || r.Tokens != nil) {
			t.Errorf("%d: %+v; want %q", i, r, want)
		}
	}
}

// TestSlowToolsGiveUpTheirPlace: with one place at one server, a conversation that waits holds
// up no other.
func TestSlowToolsGiveUpTheirPlace(t *testing.T) {
	o := quick(t, "vllm", start(t, servedtest.Options{}))
	o.Side = 1
	p := open(t, o)
	list := talks(2, 3, 3)
	gate := make(chan struct{})
	var others sync.WaitGroup
	others.Add(len(list) - 1)
	go func() { others.Wait(); close(gate) }()
	list[0].wait = func(request int) <-chan struct{} {
		if request == 1 {
			return gate
		}
		return nil
	}
	for _, c := range list[1:] {
		c.wait = func(request int) <-chan struct{} {
			if request == c.want {
				others.Done()
			}
			return nil
		}
	}
	play(t, p, list, warm)
	var convs []ballast.Conversation
	again := talks(4, 3, 3)
	for i, c := range again {
		convs = append(convs, playtest.Slow(c, playtest.Random(uint64(i), 5*time.Millisecond)))
	}
	if err := p.Play(context.Background(), convs, warm); err != nil {
		t.Fatal(err)
	}
	exact(t, again, "", []int32{5, 7})
}

// TestPlayStops: the end of the context ends a play that waits for a tool and one that waits
// for a server.
func TestPlayStops(t *testing.T) {
	s := start(t, servedtest.Options{})
	p := open(t, quick(t, "vllm", s))
	ctx, cancel := context.WithCancel(context.Background())
	list := talks(2, 2, 2)
	list[0].wait = func(request int) <-chan struct{} { // after its first reply the tool never comes back
		if request == 1 {
			cancel()
			return make(chan struct{})
		}
		return nil
	}
	if err := p.Play(ctx, conversations(list), warm); err == nil || !strings.Contains(err.Error(), "stopped") {
		t.Error(err)
	}
}

// Package endpoint is the judge behind an OpenAI-compatible endpoint: bounded
// concurrency, retries with back-off, budgets of tokens and money, answers on disk.
//
// Contract: nothing is asked twice, by any run that shares the cache; what requests
// took is a run's, over all of its processes. How it fails: a refused key, a wrong
// address and a full disk are errors; a query that is given up says why, and the
// other answers are kept.
package endpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"ballast/supervise"
)

// FailRejected is a query that the endpoint does not take (status 400, 413, 422).
const FailRejected = "rejected"

// endpoint is a judge behind an OpenAI-compatible endpoint. Answers, refusals
// and answers that stayed malformed are kept on disk and not asked for again;
// what only the network or the budget took is.
type endpoint struct {
	set    supervise.Settings
	client openai.Client
	cache  cache
	ledger ledger
	pause  func(ctx context.Context, d time.Duration) error // of tests

	mu    sync.Mutex
	spent entry // of all calls of Answer, and of the processes before this one
	held  int   // tokens that requests under way may still take
}

// Open returns the judge of the settings. The key of an endpoint is read from
// the environment variable that they name. Budgets are those of the ledger, a file
// that keeps what was spent; "" stands for this judge's own.
func Open(s supervise.Settings, keep string) (supervise.Judge, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.Kind != "endpoint" {
		return supervise.Oracle{}, nil
	}
	key := os.Getenv(s.Key)
	if s.Key != "" && key == "" {
		return nil, fmt.Errorf("judge.key: the environment variable %s is not set", s.Key)
	}
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&s.Concurrency, 8)
	def(&s.Retries, 6)
	def(&s.Reply, 1024)
	if s.Temperature == 0 {
		s.Temperature = 0.7
	}
	if s.Cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("judge.cache: no folder is set and there is no default: %w", err)
		}
		s.Cache = filepath.Join(dir, "ballast", "judge")
	}
	spent, err := ledger(keep).read()
	if err != nil {
		return nil, err
	}
	return &endpoint{set: s, cache: cache(s.Cache), pause: pause, ledger: ledger(keep), spent: spent,
		client: openai.NewClient(option.WithBaseURL(s.URL), option.WithAPIKey(key), option.WithMaxRetries(0),
			option.WithRequestTimeout(5*time.Minute))}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Answer implements Judge. If not one query could be answered, that is an error.
func (e *endpoint) Answer(ctx context.Context, queries []supervise.Query) ([]supervise.Answer, supervise.Stats, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out := make([]supervise.Answer, len(queries))
	local := &tally{Stats: supervise.Stats{Failures: map[string]int{}}}
	var wg sync.WaitGroup
	turn := make(chan struct{}, e.set.Concurrency)
	for i := range queries {
		turn <- struct{}{}
		if ctx.Err() != nil {
			<-turn
			break
		}
		wg.Go(func() {
			defer func() { <-turn }()
			a, err := e.answer(ctx, &queries[i], local)
			if err != nil {
				cancel(err)
			}
			out[i] = a
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, local.Stats, fmt.Errorf("judge: %w", err)
	}
	for _, a := range out {
		if a.Failure == "" {
			local.Answered++
		} else {
			local.Lost++
		}
	}
	if local.Answered == 0 && len(queries) > 0 {
		return nil, local.Stats, fmt.Errorf("judge: %s at %s answered none of %d queries (%s); check judge.url and judge.model, or use judge.kind=oracle",
			e.set.Model, e.set.URL, len(queries), local.Stats)
	}
	return out, local.Stats, nil
}

// tally is supervise.Stats that goroutines share.
type tally struct {
	sync.Mutex
	supervise.Stats
}

func (t *tally) add(f func(*supervise.Stats)) {
	t.Lock()
	defer t.Unlock()
	f(&t.Stats)
}

// answer takes one query from the cache or asks until there is a good answer or
// no attempt is left. The error is fatal to all queries.
func (e *endpoint) answer(ctx context.Context, q *supervise.Query, local *tally) (supervise.Answer, error) {
	system := q.Instructions()
	key := e.cache.key(e.set.Model, fmt.Sprint(e.set.Temperature, e.set.Reply), system, q.Text)
	if a, ok, err := e.cache.get(key); err != nil || ok {
		local.add(func(s *supervise.Stats) { s.Cached++ })
		return a, err
	}
	var a supervise.Answer
	for try := 0; try <= e.set.Retries; try++ {
		reserve := (len(system)+len(q.Text))/3 + e.set.Reply
		if !e.reserve(reserve) {
			local.add(func(s *supervise.Stats) { s.Failures[supervise.FailBudget]++ })
			return supervise.Answer{Failure: supervise.FailBudget}, nil
		}
		text, used, failure, wait, err := e.ask(ctx, system, q, try)
		if err := errors.Join(err, e.settle(reserve, used, local)); err != nil {
			return a, err
		}
		a = supervise.Answer{Text: text, Failure: failure}
		if failure == "" {
			break
		}
		local.add(func(s *supervise.Stats) { s.Failures[failure]++ })
		if failure == supervise.FailRefusal || failure == FailRejected {
			break
		}
		if try < e.set.Retries {
			if err := e.pause(ctx, wait); err != nil {
				return a, err
			}
		}
	}
	switch a.Failure {
	case "", supervise.FailRefusal, supervise.FailFormat:
		return a, e.cache.put(key, a)
	}
	return a, nil
}

// usage is what one request took.
type usage struct{ in, out int }

// reserve holds tokens for a request, if the budgets allow it.
func (e *endpoint) reserve(n int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	most := max(e.set.PriceIn, e.set.PriceOut) / 1e6
	if e.set.Tokens > 0 && e.spent.Tokens+e.held+n > e.set.Tokens ||
		e.set.Cost > 0 && e.spent.Cost+float64(e.held+n)*most > e.set.Cost {
		return false
	}
	e.held += n
	return true
}

// settle replaces a reservation by what was used.
func (e *endpoint) settle(n int, u usage, local *tally) error {
	used := entry{u.in + u.out, (float64(u.in)*e.set.PriceIn + float64(u.out)*e.set.PriceOut) / 1e6}
	local.add(func(s *supervise.Stats) {
		s.Asked++
		s.Tokens += used.Tokens
		s.Cost += used.Cost
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held -= n
	e.spent.Tokens += used.Tokens
	e.spent.Cost += used.Cost
	if used.Tokens == 0 {
		return nil
	}
	return e.ledger.add(used)
}

// ask sends one request and says what came of it.
func (e *endpoint) ask(ctx context.Context, system string, q *supervise.Query, try int) (text string, u usage, failure string, wait time.Duration, err error) {
	wait = min(time.Duration(float64(500*time.Millisecond)*float64(int(1)<<min(try, 8))*(0.5+rand.Float64())), time.Minute)
	res, err := e.client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
		Model:               e.set.Model,
		Temperature:         openai.Float(e.set.Temperature),
		MaxCompletionTokens: openai.Int(int64(e.set.Reply)),
		Messages:            []openai.ChatCompletionMessageParamUnion{openai.SystemMessage(system), openai.UserMessage(q.Text)},
	})
	if err != nil {
		failure, hint, err := e.classify(ctx, err)
		return "", u, failure, max(wait, hint), err
	}
	u = usage{int(res.Usage.PromptTokens), int(res.Usage.CompletionTokens)}
	if len(res.Choices) == 0 {
		return "", u, supervise.FailFormat, wait, nil
	}
	c := res.Choices[0]
	text = clean(c.Message.Content)
	switch {
	case c.Message.Refusal != "" || c.FinishReason == "content_filter" || refuses(text):
		return "", u, supervise.FailRefusal, wait, nil
	case !q.WellFormed(text) || c.FinishReason == "length":
		return "", u, supervise.FailFormat, wait, nil
	}
	return text, u, "", wait, nil
}

// classify turns an error of the client into a failure, or into an error that no
// further request can mend. hint is how long the endpoint asks to wait.
func (e *endpoint) classify(ctx context.Context, err error) (failure string, hint time.Duration, fatal error) {
	if ctx.Err() != nil {
		return "", 0, context.Cause(ctx)
	}
	var api *openai.Error
	if errors.As(err, &api) {
		if api.Response != nil {
			if s, err := strconv.Atoi(api.Response.Header.Get("Retry-After")); err == nil {
				hint = min(time.Duration(s)*time.Second, 5*time.Minute)
			}
		}
		switch code := api.StatusCode; {
		case api.Code == "insufficient_quota", code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusNotFound:
			return "", 0, fmt.Errorf("%s refuses the request (status %d %s): check judge.key, judge.url and judge.model", e.set.URL, code, api.Message)
		case api.Code == "content_filter":
			return supervise.FailRefusal, hint, nil
		case code == http.StatusTooManyRequests:
			return supervise.FailRate, hint, nil
		case code >= 500, code == http.StatusRequestTimeout, code == http.StatusConflict:
			return supervise.FailServer, hint, nil
		}
		return FailRejected, hint, nil
	}
	var dial *url.Error
	var network net.Error
	if errors.As(err, &dial) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded) {
		return supervise.FailTransport, 0, nil
	}
	return supervise.FailFormat, 0, nil // a body that is no chat completion
}

// clean takes a thought and white space off an answer.
func clean(text string) string {
	if _, rest, ok := strings.Cut(text, "</think>"); ok {
		text = rest
	}
	return strings.TrimSpace(text)
}

// refuses knows the usual openings of a refusal.
func refuses(text string) bool {
	low := strings.ToLower(text)
	low = strings.ReplaceAll(low, "\u2019", "'")
	return len(text) < 300 && slices.ContainsFunc([]string{"i'm sorry", "i am sorry", "i cannot", "i can't", "as an ai"},
		func(p string) bool { return strings.HasPrefix(low, p) })
}

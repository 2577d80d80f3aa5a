// Package endpoint is the judge behind an OpenAI-compatible endpoint: bounded
// concurrency, retries with back-off, budgets of tokens and money, answers on disk.
//
// Contract: what was answered well, or refused, is not asked again by any run that
// shares the cache and asks the same endpoint. A judge that was opened has one account: whoever
// asks it, also by way of Until, asks at most judge.concurrency at a time and takes of the same
// budgets, and after Keep these are a run's, over all of its processes. How it fails: a refused key, a wrong address and a full disk are
// errors; a query that is given up says why, and the other answers are kept. An
// endpoint that answers nothing at all is an error once that is no accident. An
// interrupt ends Answer with supervise.ErrStopped, after a moment for replies on their
// way, which are kept.
package endpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	api "ballast/endpoint"
	"ballast/supervise"
)

// FailRejected is a query that the endpoint does not take (status 400, 413, 422).
const FailRejected = "rejected"

// failures says what a kind of error costs a query.
var failures = map[api.Kind]string{
	api.Rate: supervise.FailRate, api.Server: supervise.FailServer, api.Transport: supervise.FailTransport,
	api.Malformed: supervise.FailFormat, api.Large: supervise.FailFormat, api.Filtered: supervise.FailRefusal,
	api.Full: FailRejected, api.Rejected: FailRejected,
}

// endpoint is a judge behind an OpenAI-compatible endpoint. Answers and refusals are
// kept on disk and not asked for again; what was malformed, or only the network or the
// budget took, is.
type endpoint struct {
	*account
	stop func() bool // nil = never
}

// account is what all who ask a judge that was opened have in common.
type account struct {
	set    supervise.Settings
	client *api.Client
	cache  cache
	turn   chan struct{} // bounds the queries under way

	mu     sync.Mutex
	ledger ledger
	spent  entry // of all calls of Answer, and of the processes before this one
	held   int   // tokens that requests under way may still take
	row    int   // queries without an answer since the last with one
}

// Open returns the judge of the settings. The key of an endpoint is read from
// the environment variable that they name.
func Open(s supervise.Settings) (supervise.Judge, error) { return open(s, 500*time.Millisecond) }

// Until is the judge j for one who asks until stop says true; stop is asked often. It has j's
// budgets. A judge that asks nobody is returned as it is.
func Until(j supervise.Judge, stop func() bool) supervise.Judge {
	e, ok := j.(*endpoint)
	if !ok {
		return j
	}
	return &endpoint{account: e.account, stop: stop}
}

// Keep makes a judge's budgets those of a run, which keeps in a file what was spent: what the
// run's processes before this one spent counts, and what this one has spent so far is added. A judge
// that asks nobody keeps nothing.
func Keep(j supervise.Judge, path string) error {
	e, ok := j.(*endpoint)
	if !ok {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ledger != "" {
		return fmt.Errorf("judge: what it takes is kept in %s already", string(e.ledger))
	}
	before, err := ledger(path).read()
	if err != nil {
		return err
	}
	if e.spent != (entry{}) {
		if err := ledger(path).add(e.spent); err != nil {
			return err
		}
	}
	e.ledger = ledger(path)
	e.spent.Tokens, e.spent.Cost = e.spent.Tokens+before.Tokens, e.spent.Cost+before.Cost
	return nil
}

// open is Open with the wait before the first further try.
func open(s supervise.Settings, wait time.Duration) (supervise.Judge, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.URL == "" {
		return supervise.Oracle{}, nil
	}
	key := os.Getenv(s.Key)
	if s.Key != "" && key == "" {
		return nil, fmt.Errorf("judge.key: the environment variable %s is not set", s.Key)
	}
	client, err := api.New(api.Options{URL: s.URL, Key: key, Retries: cmp.Or(s.Retries, -1), Wait: wait})
	if err != nil {
		return nil, fmt.Errorf("judge.url: %w", err)
	}
	if s.Cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("judge.cache: no folder is set and there is no default: %w", err)
		}
		s.Cache = filepath.Join(dir, "ballast", "judge")
	}
	return &endpoint{account: &account{set: s, client: client, cache: cache(s.Cache), turn: make(chan struct{}, max(s.Concurrency, 1))}}, nil
}

// Address is where the judge of the settings sends its queries, fit to be shown.
func Address(s *supervise.Settings) (string, error) {
	c, err := api.New(api.Options{URL: s.URL})
	if err != nil {
		return "", fmt.Errorf("judge.url: %w", err)
	}
	return c.Address(), nil
}

// watch returns a context that ends when the run is to stop.
func (e *endpoint) watch(ctx context.Context) (stop context.Context, cancel context.CancelCauseFunc) {
	stop, cancel = context.WithCancelCause(ctx)
	if e.stop == nil {
		return stop, cancel
	}
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for !e.stop() {
			select {
			case <-stop.Done():
				return
			case <-tick.C:
			}
		}
		cancel(supervise.ErrStopped)
	}()
	return stop, cancel
}

// desperate is how many queries in a row without an answer are no accident.
const desperate = 8

// Answer answers the queries; many goroutines may ask at a time. If none of many queries could be answered, or none at all
// for want of budget, that is an error.
func (e *endpoint) Answer(ctx context.Context, queries []supervise.Query) ([]supervise.Answer, supervise.Stats, error) {
	stop, cancel := e.watch(ctx)
	defer cancel(nil)
	out := make([]supervise.Answer, len(queries))
	local := &tally{Stats: supervise.Stats{Failures: map[string]int{}}}
	var wg sync.WaitGroup
ask:
	for i := range queries {
		select {
		case e.turn <- struct{}{}:
		case <-stop.Done():
			break ask
		}
		wg.Go(func() {
			defer func() { <-e.turn }()
			a, err := e.answerOne(ctx, stop, &queries[i], local)
			if err != nil {
				cancel(err)
			}
			out[i] = a
		})
	}
	wg.Wait()
	if err := cmp.Or(api.Ended(ctx), context.Cause(stop)); err != nil {
		return nil, local.Stats, fmt.Errorf("judge: %w", err)
	}
	spent := len(queries) > 0
	for _, a := range out {
		if a.Failure == "" {
			local.Answered++
		} else {
			local.Lost++
		}
		spent = spent && a.Failure == supervise.FailBudget
	}
	row := e.inRow(&local.Stats)
	switch {
	case spent:
		return nil, local.Stats, e.overdrawn()
	case row >= desperate:
		return nil, local.Stats, fmt.Errorf("judge: %s at %s answered none of the last %d queries (%s)%s; check judge.url and judge.model, "+
			"or leave both out: then the oracle answers",
			e.set.Model, e.client.Base(), row, local.Stats, local.last)
	}
	return out, local.Stats, nil
}

// overdrawn says that a budget has no room for another query.
func (e *endpoint) overdrawn() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	bound := fmt.Sprintf("judge.tokens %d", e.set.Tokens)
	switch {
	case e.set.Tokens > 0 && e.set.Cost > 0:
		bound += fmt.Sprintf(", judge.cost %g", e.set.Cost)
	case e.set.Cost > 0:
		bound = fmt.Sprintf("judge.cost %g", e.set.Cost)
	}
	return fmt.Errorf("judge: its budget (%s) has no room for another query: %d tokens were taken, cost %.4g; give more with --set, also to "+
		"a run that goes on (--resume); what was answered is kept and costs nothing again", bound, e.spent.Tokens, e.spent.Cost)
}

// inRow is how many queries in a row have no answer, with those of a call of Answer.
func (e *endpoint) inRow(s *supervise.Stats) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.row += s.Lost; s.Answered > 0 {
		e.row = 0
	}
	return e.row
}

// tally is supervise.Stats that goroutines share.
type tally struct {
	sync.Mutex
	supervise.Stats
	last string // error, as the end of a sentence
}

func (t *tally) add(f func(*supervise.Stats)) {
	t.Lock()
	defer t.Unlock()
	f(&t.Stats)
}

// errBudget says that a query does not fit the budgets.
var errBudget = errors.New("over the budget")

// answer takes one query from the cache or asks until there is a good answer or
// no attempt is left. The error is fatal to all queries.
func (e *endpoint) answerOne(ctx, stop context.Context, q *supervise.Query, local *tally) (a supervise.Answer, err error) {
	system := q.Instructions()
	key := e.cache.key(e.client.Base(), "chat", e.set.Model, fmt.Sprint(e.set.Temperature, e.set.Reply), system, q.Text)
	if a, ok, err := e.cache.get(key); err != nil || ok {
		local.add(func(s *supervise.Stats) { s.Cached++ })
		return a, err
	}
	body := api.Chat{Model: e.set.Model, Temperature: &e.set.Temperature, MaxCompletionTokens: e.set.Reply,
		Messages: []api.Message{api.System(system), api.User(q.Text)}}
	prompt := (len(system) + len(q.Text)) / 3
	err = e.client.Insist(ctx, stop, func(int) error {
		if !e.reserve(prompt + e.set.Reply) {
			return errBudget
		}
		rep, err := e.client.Chat(ctx, stop, body, false)
		var used usage
		if err == nil {
			a.Text = clean(rep.Content)
			used = counted(&rep, prompt)
			err = judged(q, &rep, a.Text)
		}
		if err := e.settle(prompt+e.set.Reply, used, local); err != nil {
			return err
		}
		if a.Failure = failure(err); a.Failure != "" {
			local.add(func(s *supervise.Stats) { s.Failures[a.Failure]++; local.last = "; the last: " + err.Error() })
		}
		return err
	})
	switch {
	case errors.Is(err, errBudget):
		local.add(func(s *supervise.Stats) { s.Failures[supervise.FailBudget]++ })
		return supervise.Answer{Failure: supervise.FailBudget}, nil
	case fatal(err):
		return supervise.Answer{}, fmt.Errorf("%w (judge.key, judge.url, judge.model)", err)
	case err != nil && (a.Failure == "" || ended(ctx, stop)):
		return supervise.Answer{}, err
	case err != nil:
		a.Text = ""
	}
	if a.Failure == "" || a.Failure == supervise.FailRefusal {
		return a, e.cache.put(key, a)
	}
	return a, nil
}

// ended says whether nothing new is to be asked.
func ended(ctx, stop context.Context) bool { return ctx.Err() != nil || stop.Err() != nil }

// fatal says whether no query would fare better.
func fatal(err error) bool {
	var e *api.Error
	return errors.As(err, &e) && e.Fatal()
}

// failure is what an error costs a query; "" for none, and for those that end all.
func failure(err error) string {
	var e *api.Error
	if errors.As(err, &e) {
		return failures[e.Kind]
	}
	return ""
}

// judged is the error of an answer that is none.
func judged(q *supervise.Query, rep *api.Reply, text string) error {
	switch {
	case rep.Refusal != "" || rep.Finish == "content_filter" || refuses(text):
		return &api.Error{Kind: api.Filtered, Text: "the model refuses"}
	case !q.WellFormed(text) || rep.Finish == "length":
		return &api.Error{Kind: api.Malformed, Text: "the answer lacks what was asked for"}
	}
	return nil
}

// usage is what one request took.
type usage struct{ in, out int }

// counted is what the endpoint says that a reply took. One that says nothing does not
// get round the budgets: its texts count by their length.
func counted(rep *api.Reply, prompt int) usage {
	if rep.In+rep.Out > 0 {
		return usage{int(rep.In), int(rep.Out)}
	}
	if rep.Tokens > 0 {
		return usage{int(rep.Tokens), 0}
	}
	return usage{prompt, 1 + len(rep.Content)/3}
}

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

package endpoint

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ballast/supervise"
)

// TestOneAccount: who asks by way of Until, and graders by way of Verdicts, take of one budget and
// of one bound on queries under way. What was spent before there is a run is the run's.
func TestOneAccount(t *testing.T) {
	const each = 150 // tokens a request
	var now, most atomic.Int64
	s := &stub{say: func(_ int64, text string) (int, string) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(2 * time.Millisecond)
		if strings.Contains(text, "The question:") {
			return 200, completion("yes")
		}
		return 200, completion(analysis)
	}}
	const fit = 20
	j, _ := dial(t, s, supervise.Settings{Tokens: fit * each, Reply: 50, Concurrency: 2})
	graders, err := supervise.NewVerdicts(j, 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := j.Answer(t.Context(), queries(3)); err != nil { // before there is a run
		t.Fatal(err)
	}
	keep := filepath.Join(t.TempDir(), "judge.jsonl")
	if err := Keep(j, keep); err != nil {
		t.Fatal(err)
	}
	if err := Keep(j, keep); err == nil {
		t.Error("a judge keeps what it takes twice")
	}
	lessons := Until(j, func() bool { return false })
	var group sync.WaitGroup
	for i := range 2 * fit {
		group.Go(func() { _, _, _ = graders.Ask(t.Context(), fmt.Sprint("is it ", i), "{}") }) // the budget ends some
		group.Go(func() {
			q := queries(1)
			q[0].Text = fmt.Sprint("other ", i)
			_, _, _ = lessons.Answer(context.Background(), q)
		})
	}
	group.Wait()
	n := s.requests.Load()
	if n > fit || n < fit/2 || most.Load() > 2 {
		t.Errorf("%d requests for a budget of %d, %d at a time", n, fit, most.Load())
	}
	sum, err := ledger(keep).read()
	if err != nil || sum.Tokens != int(n)*each {
		t.Errorf("%+v was kept of %d requests, %v", sum, n, err)
	}
	// The next process of the run has what is left, who grades and who writes together: nothing.
	next, _ := dialKept(t, s, supervise.Settings{Tokens: sum.Tokens + each/2, Reply: 50, Concurrency: 2}, keep)
	if graders, err = supervise.NewVerdicts(next, 2); err != nil {
		t.Fatal(err)
	}
	if _, _, err := graders.Ask(t.Context(), "is it more", "{}"); err == nil || !strings.Contains(err.Error(), "has no room for another query") {
		t.Errorf("%v", err)
	}
	if s.requests.Load() != n {
		t.Error("a budget that is spent was passed")
	}
}

// TestTheOracleHasNoAccount: it is asked as ever.
func TestTheOracleHasNoAccount(t *testing.T) {
	if j := Until(supervise.Oracle{}, nil); j != (supervise.Oracle{}) {
		t.Errorf("%T", j)
	}
	if err := Keep(supervise.Oracle{}, filepath.Join(t.TempDir(), "x")); err != nil {
		t.Error(err)
	}
}

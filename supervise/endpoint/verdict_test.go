package endpoint

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"ballast/supervise"
)

// TestVerdicts: an endpoint's answers about transcripts are asked for once, cost the budget, and
// what is down, babbles or is over the budget is an error and never a no.
func TestVerdicts(t *testing.T) {
	s := &stub{say: func(_ int64, text string) (int, string) {
		switch {
		case strings.Contains(text, "down"):
			return 500, `{"error": {"message": "down"}}`
		case strings.Contains(text, "babble"):
			return 200, completion("Well, that depends.")
		}
		return 200, completion("<think>hm</think>no\nIt was not.")
	}}
	judge, _ := dial(t, s, supervise.Settings{Retries: 1, Concurrency: 4, Tokens: 20000})
	v, err := supervise.NewVerdicts(judge, 4)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if yes, why, err := v.Ask(t.Context(), "Was it?", "{}"); yes || why != "It was not." || err != nil {
			t.Errorf("%t, %q, %v", yes, why, err)
		}
	}
	if n := s.requests.Load(); n != 1 {
		t.Errorf("one question was asked %d times", n)
	}
	for question, want := range map[string]string{"down?": "no answer (server)", "babble?": "no answer (format)"} {
		if _, _, err := v.Ask(t.Context(), question, "{}"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", question, err, want)
		}
	}
	var wg sync.WaitGroup
	answered, over := 0, 0
	var mu sync.Mutex
	for i := range 300 {
		wg.Go(func() {
			_, _, err := v.Ask(t.Context(), fmt.Sprint("Was it ", i), "{}")
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				answered++
			case strings.Contains(err.Error(), "budget"):
				over++
			default:
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	if answered == 0 || over == 0 || answered > 140 {
		t.Errorf("%d answers for a budget of 20,000 tokens at 150 each, %d over it", answered, over)
	}
}

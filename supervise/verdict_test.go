package supervise

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// scriptedJudge answers every query alike, and counts how many it answers at a time.
type scriptedJudge struct {
	answer    Answer
	err       error
	now, most atomic.Int64
	query     Query
	mu        sync.Mutex
}

func (s *scriptedJudge) Answer(_ context.Context, qs []Query) ([]Answer, Stats, error) {
	n := s.now.Add(1)
	defer s.now.Add(-1)
	for m := s.most.Load(); n > m && !s.most.CompareAndSwap(m, n); m = s.most.Load() {
	}
	time.Sleep(time.Millisecond)
	s.mu.Lock()
	s.query = qs[0]
	s.mu.Unlock()
	return []Answer{s.answer}, Stats{}, s.err
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		answer Answer
		err    error
		want   string // yes or no with the reason, or the error
	}{
		{Answer{Text: "yes\nIt was cancelled."}, nil, "yes It was cancelled."},
		{Answer{Text: " **No.**\n\nIt was not\n cancelled. "}, nil, "no It was not cancelled."},
		{Answer{Text: "YES"}, nil, "yes "},
		{Answer{Text: "Yes, it was cancelled."}, nil, `the answer "Yes, it was cancelled." is neither yes nor no`},
		{Answer{Text: ""}, nil, `the answer "" is neither yes nor no`},
		{Answer{Failure: FailRefusal}, nil, "there is no answer (refusal)"},
		{Answer{Failure: FailBudget}, nil, "there is no answer (budget)"},
		{Answer{}, errors.New("the key is refused"), "the key is refused"},
	} {
		j := &scriptedJudge{answer: c.answer, err: c.err}
		v, err := NewVerdicts(j, 2)
		if err != nil {
			t.Fatal(err)
		}
		yes, why, err := v.Ask(t.Context(), "Was it cancelled?", `{"messages":[]}`)
		got := map[bool]string{true: "yes ", false: "no "}[yes] + why
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%+v: %q, want %q", c.answer, got, c.want)
		}
		well := c.answer.Text != "" && !strings.Contains(c.want, "neither")
		if q := j.query; q.WellFormed(c.answer.Text) != well || !strings.Contains(q.Text, `{"messages":[]}`) || !strings.HasSuffix(q.Text, "Was it cancelled?") ||
			!strings.Contains(q.Instructions(), "yes or no") || strings.Contains(q.Instructions(), "The tools:") {
			t.Errorf("%+v is asked as %q with %q", c.answer, q.Text, q.Instructions())
		}
	}
	if _, err := NewVerdicts(Oracle{}, 1); err == nil || !strings.Contains(err.Error(), "judge.url") {
		t.Error(err)
	}
}

// TestVerdictsSideBySide: no more questions are asked at a time than there is room for, and who
// waits for room ends with its context.
func TestVerdictsSideBySide(t *testing.T) {
	j := &scriptedJudge{answer: Answer{Text: "yes"}}
	v, err := NewVerdicts(j, 3)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			if yes, _, err := v.Ask(t.Context(), "q", "{}"); err != nil || !yes {
				t.Error(yes, err)
			}
		})
	}
	wg.Wait()
	if j.most.Load() > 3 {
		t.Errorf("%d at a time", j.most.Load())
	}
	for range 3 {
		v.room <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := v.Ask(ctx, "q", "{}"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

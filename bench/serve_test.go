package bench

import (
	"context"
	"strings"
	"testing"
	"time"

	"ballast/task"
)

// TestServe: gold is solved over the wire, sessions stay open as long as they are asked to, and
// clients that vanish leave none.
func TestServe(t *testing.T) {
	tasks, err := task.Load(task.Spec{Name: "desk", Split: "test", Seed: 1, Count: 10})
	if err != nil {
		t.Fatal(err)
	}
	res, err := Serve(t.Context(), tasks, ServePlan{Clients: 4, Seconds: 0.2, Sessions: 50, Vanish: 300 * time.Millisecond,
		Load: func(ctx context.Context, l Load) (*LoadResult, error) { return l.Run(ctx, tasks) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range res.Rows {
		if r.Peak.Requests == 0 || r.Peak.Actions != r.Peak.Requests*int64(r.Batch) || r.Peak.Solved == 0 || r.Peak.Solved != r.Peak.Episodes ||
			r.Echo.Requests == 0 || r.Parsed.Requests == 0 || r.Half.Requests == 0 || r.Ratio <= 0 {
			t.Errorf("%+v %+v", r, r.Peak)
		}
	}
	if res.Open.Sessions != 50 || res.Vanish.Vanished == 0 || res.Vanish.After != 0 || len(res.Vanish.Sessions) == 0 {
		t.Errorf("%+v %+v", res.Open, res.Vanish)
	}
	var out strings.Builder
	if res.Print(&out); !strings.Contains(out.String(), "50 open sessions") {
		t.Error(out.String())
	}
}

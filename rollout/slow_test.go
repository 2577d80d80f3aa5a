package rollout_test

import (
	"context"
	"hash/fnv"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"ballast"
	"ballast/chat"
	"ballast/env"
	"ballast/env/envtest"
	"ballast/env/sim"
	"ballast/model"
	"ballast/model/cpu"
	"ballast/rollout"
	"ballast/task"
)

// stage is a policy, how it plays, and what.
type stage struct {
	policy *cpu.Policy
	other  ballast.Policy // nil: policy plays
	cfg    rollout.Config
	plays  []rollout.Request
}

// newStage is the embedded model on the processor with so many episodes of desk tasks,
// eight of each, and so many places.
func newStage(t testing.TB, episodes, rows int) *stage {
	t.Helper()
	if testing.Short() { // the race detector makes a model slow
		episodes, rows = episodes/8, max(1, rows/4)
	}
	m, err := model.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	renderer := chat.Renderer{Tokenizer: m.Tokenizer, Template: chat.Compact, Format: chat.Hermes}
	ids, _ := renderer.Control()
	s := &stage{policy: cpu.NewPolicy(m, cpu.Options{Watched: ids, MaxRows: rows}),
		cfg: rollout.Config{Renderer: renderer, Budget: rollout.Budget{Prompt: 512, Episode: 512, Reply: 64, Result: 96, Steps: 16}, Retries: 2}}
	tasks, err := task.Load(task.Spec{Name: "desk", Split: "train", Seed: 1, Count: max(1, episodes/8)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range episodes {
		s.plays = append(s.plays, rollout.Request{Task: &tasks[i/8], Group: i / 8, Sample: i % 8, Seed: uint64(i), Gold: i%8 == 7})
	}
	return s
}

// in plays the episodes in a world; nil is the simulated one, which is instant.
func (s *stage) in(t testing.TB, w *envtest.World) ([]ballast.Episode, time.Duration) {
	t.Helper()
	cfg := s.cfg
	if w != nil {
		cfg.Env = &env.Table{Worlds: []env.WorldEntry{{Name: "w", World: w}}, Users: env.Builtin.Users,
			Graders: []env.GraderEntry{{Name: sim.Gold, New: envtest.Grader}, {Name: sim.Sparing, New: envtest.Grader}}}
	}
	start := time.Now()
	player := s.other
	if player == nil {
		player = s.policy
	}
	eps, err := rollout.Run(t.Context(), player, cfg, s.plays, ballast.Sampling{Temperature: 1})
	if err != nil {
		t.Fatal(err)
	}
	if w != nil && w.Held() != 0 {
		t.Errorf("%d sessions are still open", w.Held())
	}
	return eps, time.Since(start)
}

// delays are those of calls up to most, by task and number, and the largest sum in an
// episode.
func delays(fixed bool, most time.Duration) (delay func(task string, n int) time.Duration, sum func([]ballast.Episode) time.Duration) {
	delay = func(task string, n int) time.Duration {
		if fixed {
			return most
		}
		h := fnv.New32a()
		h.Write([]byte(task + strconv.Itoa(n)))
		return time.Duration(h.Sum32()%1000) * most / 1000
	}
	return delay, func(eps []ballast.Episode) (largest time.Duration) {
		for _, ep := range eps {
			n, total := 0, time.Duration(0)
			for _, turn := range ep.Turns {
				for _, step := range turn.Steps {
					for range step.Results {
						total += delay(ep.Task, n)
						n++
					}
				}
			}
			largest = max(largest, total)
		}
		return largest
	}
}

// TestSlowWorlds: in a world that takes its time every episode is the same to the last
// bit, with as many places as episodes and with few.
func TestSlowWorlds(t *testing.T) {
	places := []int{64, 5}
	if testing.Short() {
		places = places[1:]
	}
	for _, rows := range places {
		s := newStage(t, 64, rows)
		want, _ := s.in(t, nil)
		calls := 0
		for _, ep := range want {
			for _, turn := range ep.Turns {
				for _, step := range turn.Steps {
					calls += len(step.Results)
				}
			}
		}
		if calls < len(want)/2 {
			t.Fatalf("%d calls are too few to see anything", calls)
		}
		for _, fixed := range []bool{true, false} {
			delay, _ := delays(fixed, 6*time.Millisecond)
			got, _ := s.in(t, envtest.Slow(sim.World{}, delay))
			for i := range want {
				if !reflect.DeepEqual(got[i], want[i]) {
					t.Fatalf("%d places, fixed %t: episode %d differs: %s %q, %d tokens, want %s, %d tokens",
						rows, fixed, i, got[i].Stop, got[i].Error, len(got[i].Tokens), want[i].Stop, len(want[i].Tokens))
				}
			}
		}
	}
}

// TestWorldsThatBreak: calls that fail as infrastructure are played again, and nothing
// shows; those of a world that stays broken end as StopInfra, and all sessions are closed.
func TestWorldsThatBreak(t *testing.T) {
	s := newStage(t, 32, 8)
	want, _ := s.in(t, nil)
	got, _ := s.in(t, envtest.Broken(sim.World{}, len(want)*5/8))
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("episode %d differs: %s %q", i, got[i].Stop, got[i].Error)
		}
	}
	broken, _ := s.in(t, envtest.Broken(sim.World{}, 1<<30))
	infra := 0
	for i, ep := range broken {
		called := false
		for _, turn := range want[i].Turns {
			for _, step := range turn.Steps {
				called = called || len(step.Results) > 0
			}
		}
		if called != (ep.Stop == ballast.StopInfra) {
			t.Errorf("episode %d: %s, though it calls: %t", i, ep.Stop, called)
		}
		if ep.Stop == ballast.StopInfra {
			infra++
		}
	}
	if infra < len(want)/4 {
		t.Errorf("%d episodes met the broken world", infra)
	}
}

// TestRoomInAWorld: a world that has room for few sessions makes others wait in Open; those
// that end give their place on.
func TestRoomInAWorld(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and TestSlowWorlds races the same")
	}
	s := newStage(t, 64, 16)
	want, _ := s.in(t, nil)
	room := &narrow{places: make(chan struct{}, 3)}
	got, _ := s.in(t, &envtest.World{World: room})
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("episode %d differs: %s %q", i, got[i].Stop, got[i].Error)
		}
	}
}

// narrow is the simulated world with few places.
type narrow struct {
	sim.World
	places chan struct{}
}

func (w *narrow) Open(ctx context.Context, t *ballast.Task) (ballast.Session, error) {
	select {
	case w.places <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s, err := w.World.Open(ctx, t)
	return &place{Session: s.(*sim.Session), leave: sync.OnceFunc(func() { <-w.places })}, err
}

type place struct {
	*sim.Session
	leave func()
}

func (p *place) Close() error { p.leave(); return nil }

// BenchmarkSlowWorlds plays 128 episodes in an instant world and in worlds of 50 ms and of
// 0 to 300 ms a call. "bound" is the time over that in the instant world plus the largest
// sum of delays in one episode.
func BenchmarkSlowWorlds(b *testing.B) {
	s := newStage(b, 128, 0)
	for _, c := range []struct {
		name  string
		fixed bool
		most  time.Duration
	}{{"50ms", true, 50 * time.Millisecond}, {"0-300ms", false, 300 * time.Millisecond}} {
		b.Run(c.name, func(b *testing.B) {
			delay, sum := delays(c.fixed, c.most)
			w := envtest.Slow(sim.World{}, delay)
			var slow, bound time.Duration
			for b.Loop() {
				eps, instant := s.in(b, nil)
				_, took := s.in(b, w)
				slow, bound = slow+took, bound+instant+sum(eps)
			}
			b.ReportMetric(float64(slow)/float64(bound), "bound")
		})
	}
}

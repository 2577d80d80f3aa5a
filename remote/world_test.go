package remote_test

import (
	"testing"
	"time"

	"ballast"
	"ballast/env"
	"ballast/env/envtest"
	"ballast/env/sim"
	"ballast/remote"
)

// own is a table with one world, which is not instant.
func own(w ballast.World) *env.Table {
	return &env.Table{Worlds: []env.WorldEntry{{Name: "w", World: w}}, Users: env.Builtin.Users,
		Graders: []env.GraderEntry{{Name: sim.Sparing, New: envtest.Grader}}}
}

// TestWorldsOfOnesOwn: a dialogue whose world is slow leaves its place to others, one whose
// world breaks is played again and takes what was paid for, and no session stays open.
func TestWorldsOfOnesOwn(t *testing.T) {
	t.Parallel()
	tasks := deskTasks(t, 12)
	var ptrs []*ballast.Task
	for i := range tasks {
		ptrs = append(ptrs, &tasks[i])
	}
	slow := envtest.Slow(sim.World{}, func(string, int) time.Duration { return 150 * time.Millisecond })
	for _, c := range []struct {
		name  string
		world *envtest.World
		infra int // episodes that stay broken
	}{
		{"slow", slow, 0},
		{"breaks a few times", envtest.Broken(sim.World{}, 2), 0},
		{"stays broken", envtest.Broken(sim.World{}, 1<<30), len(tasks)},
	} {
		s := newStub(t, tasks, perfect)
		start := time.Now()
		eps, err := client(t, s, remote.Options{Concurrency: 1}).Chat(t.Context(),
			remote.ChatConfig{Rules: env.Rules{Steps: 1000}, Env: own(c.world)}, ptrs, nil)
		if err != nil {
			t.Fatal(c.name, err)
		}
		infra, calls := 0, 0
		for _, ep := range eps {
			if ep.Stop == ballast.StopInfra {
				infra++
			}
			for _, turn := range ep.Turns {
				if infra == 0 && !turn.Check.Passed {
					t.Errorf("%s: %s fails: %+v", c.name, ep.Task, turn.Check)
				}
				for _, step := range turn.Steps {
					calls += len(step.Results)
				}
			}
		}
		if infra != c.infra || c.world.Held() != 0 {
			t.Errorf("%s: %d of %d episodes broke, %d sessions are open", c.name, infra, len(eps), c.world.Held())
		}
		if all := time.Duration(calls) * 150 * time.Millisecond; c.world == slow && time.Since(start) > all*3/4 {
			t.Errorf("%d calls of 150 ms took %s: they came one after the other", calls, time.Since(start))
		}
	}
}

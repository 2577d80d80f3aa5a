package loop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ballast"
	"ballast/chat"
	"ballast/engine"
	"ballast/model"
	"ballast/monitor"
	"ballast/recipe"
	"ballast/rollout"
	"ballast/tinker"
	"ballast/tinker/tinkertest"
)

// course is a run of a method on a training server, that is killed and goes on.
type course struct {
	t      *testing.T
	recipe recipe.Recipe
	server *tinkertest.Server
	model  *model.Model
	render chat.Renderer
	log    *shelf
	last   ballast.Engine // of the newest life
}

// shelf is a Log with the checkpoint of every update.
type shelf struct {
	memory
	dir   string
	saves int
	state []byte // of the newest checkpoint, as a run directory keeps it
}

func (s *shelf) Checkpoint(_ int, state any, fill func(string) error) error {
	s.saves++
	dir := filepath.Join(s.dir, fmt.Sprint(s.saves))
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	if err := fill(dir); err != nil {
		s.saves--
		return errors.Join(err, os.RemoveAll(dir))
	}
	text, err := json.Marshal(state)
	s.state = text
	return err
}

// rewind is the state of the newest checkpoint. What came after it is not recorded.
func (s *shelf) rewind(t *testing.T) (at State) {
	t.Helper()
	if s.state != nil {
		if err := json.Unmarshal(s.state, &at); err != nil {
			t.Fatal(err)
		}
	}
	s.updates = s.updates[:at.Update]
	s.episodes = s.episodes[:min(at.Update, len(s.episodes))]
	return at
}

// mostly makes a base model that often, and not always, answers as gold does.
func mostly(t *testing.T, render chat.Renderer, tasks []ballast.Task, formats []string) func([]int32, []float64) {
	t.Helper()
	const start, prime = 14695981039346656037, 1099511628211
	next := map[uint64]int32{}
	for _, name := range formats {
		f, err := chat.FormatByName(name)
		if err != nil {
			t.Fatal(err)
		}
		r := render
		r.Format = f
		var plays []rollout.Request
		for i := range tasks {
			plays = append(plays, rollout.Request{Task: &tasks[i], Gold: true})
		}
		eps, err := rollout.Run(t.Context(), nil, rollout.Config{Renderer: r, Budget: rollout.Paper}, plays, ballast.Sampling{})
		if err != nil {
			t.Fatal(err)
		}
		for _, ep := range eps {
			h := uint64(start)
			for k, token := range ep.Tokens {
				if ep.Owners[k] == ballast.OwnerGold {
					next[h] = token
				}
				h = (h ^ uint64(token)) * prime
			}
		}
	}
	done := chat.NewDialogue(render, nil, nil).Gold("Done.")
	end := done[len(done)-1]
	return func(prefix []int32, logits []float64) {
		h := uint64(start)
		for _, token := range prefix {
			h = (h ^ uint64(token)) * prime
		}
		if token, ok := next[h]; ok {
			logits[token] += 14
		} else {
			logits[end] += 9
		}
	}
}

// begin makes a course of a method on a server with habits, from its start.
func begin(t *testing.T, method string, habits tinkertest.Habits, reduction string) *course {
	t.Helper()
	m, err := model.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	r := small(t, method)
	table, err := recipe.New(method)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range table.Phases {
		p.RL = min(p.RL, 2)
		r.Phases = append(r.Phases, p)
	}
	r.RL.Prompts, r.RL.Rollouts, r.RL.Minibatches, r.RL.Patience, r.SFT.Batch, r.SFT.Epochs = 2, 3, 2, 0, 3, 1
	r.Keep = recipe.Keep{Checkpoint: 1}
	c := &course{t: t, model: m, render: chat.Renderer{Tokenizer: m.Tokenizer, Template: chat.Compact, Format: chat.Hermes},
		log: &shelf{dir: t.TempDir()}}
	formats := slices.Collect(maps.Keys(r.GoldFormats()))
	if !slices.Contains(formats, "hermes") {
		formats = append(formats, "hermes")
	}
	c.server = tinkertest.New(tinkertest.Options{Vocab: m.Config.Vocab, Order: 2, Seed: 5, Habits: habits,
		Base: mostly(t, c.render, office(), formats)})
	t.Cleanup(c.server.Close)
	engine := fmt.Sprintf("engine={kind: tinker, address: '%s', reduction: %s}", c.server.URL, reduction)
	for _, pair := range []string{"lora.rank=2", "adam.decay=0", engine} {
		if err := r.Set(pair); err != nil {
			t.Fatal(err)
		}
	}
	c.recipe = r
	return c
}

// live is one process of the run: it goes on from the newest checkpoint until it ends or dies.
func (c *course) live(ctx context.Context, stop func(*State) bool) error {
	c.t.Helper()
	ids, _ := c.render.Control()
	e, err := engine.Open(ctx, &c.recipe, c.model, ids)
	if err != nil {
		return err
	}
	c.t.Cleanup(func() { _ = e.Close() }) // a process that is killed takes no leave
	c.last = e
	run := &Run{Recipe: c.recipe, Engine: Engine{Engine: e, Renderer: c.render}, Train: office(), Log: c.log, State: c.log.rewind(c.t)}
	if c.log.state != nil {
		if err := e.Learner().Load(filepath.Join(c.log.dir, fmt.Sprint(c.log.saves))); err != nil {
			return err
		}
		if err := e.Sync(ctx); err != nil {
			return err
		}
	}
	if stop != nil {
		run.Stop = func() bool { return stop(&run.State) }
	}
	_, err = run.Do(ctx)
	return err
}

// end is the model that the run ended with.
func (c *course) end() (string, tinkertest.Snapshot) {
	c.t.Helper()
	id := c.last.Learner().(interface{ Model() *tinker.Model }).Model().ID()
	s, ok := c.server.Model(id)
	if !ok {
		c.t.Fatalf("model %s is gone", id)
	}
	return id, s
}

// TestMethodsOnAServer: every method of the table trains on a training server, without faults and
// with a process that is killed in the middle of an update, a server that is killed in the middle
// of a rollout and of a step, an interrupt, and connections that break at random. It ends with the
// same weights, after the same steps, and the server has done nothing twice.
func TestMethodsOnAServer(t *testing.T) {
	for _, m := range recipe.All {
		if recipe.Untrained(m.Name) || testing.Short() && m.Name != "sft-grpo" {
			continue
		}
		for reduction, habits := range map[string]tinkertest.Habits{"mean": tinkertest.SkyRL(), "sum": tinkertest.TuFT()} {
			t.Run(m.Name+"/"+habits.Name, func(t *testing.T) {
				t.Parallel()
				whole := begin(t, m.Name, habits, reduction)
				if err := whole.live(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				broken := begin(t, m.Name, habits, reduction)
				lives := broken.survive()
				compareRuns(t, whole, broken, lives)
			})
		}
	}
}

// survive runs to the end through whatever happens, and says how often it died.
func (c *course) survive() (deaths []string) {
	c.t.Helper()
	hanging := func(ctx context.Context, cancel func()) { // until the server is silent in the middle of an update
		for ctx.Err() == nil && c.server.Ledger().Faults[tinkertest.HangAfter.String()] == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}
	updates := 0
	scripts := [][]tinkertest.Fault{
		{{On: "optim_step", Nth: 2, Do: tinkertest.HangAfter}},
		{{On: "forward_backward", Nth: 2, Do: tinkertest.RestartAfter}},
		{}, // an interrupt
		{{On: "asample", Nth: 30, Do: tinkertest.RestartBefore}},
		{{On: "optim_step", Nth: 1, Do: tinkertest.RestartBefore}},
	}
	cuts := []tinkertest.Fault{{Chance: 0.01, Do: tinkertest.CutAfter}, {Chance: 0.01, Do: tinkertest.CutBefore},
		{On: "retrieve_future", Chance: 0.02, Do: tinkertest.Lose}, {Chance: 0.02, Do: tinkertest.Status(503)}}
	for life := 0; ; life++ {
		if life == 40 {
			c.t.Fatalf("it never ends: %q", deaths)
		}
		ctx, cancel := context.WithCancel(c.t.Context())
		c.server.Unscript()
		var stop func(*State) bool
		if life < len(scripts) {
			c.server.Script(scripts[life]...)
		} else {
			c.server.Script(cuts...)
		}
		switch life {
		case 0:
			go hanging(ctx, cancel)
		case 2:
			stop = func(s *State) bool { return s.Update > updates }
		}
		updates = len(c.log.updates)
		err := c.live(ctx, stop)
		cancel()
		if err == nil {
			return deaths
		}
		deaths = append(deaths, err.Error())
	}
}

// compareRuns says in what a run that was killed differs from one that was not.
func compareRuns(t *testing.T, whole, broken *course, deaths []string) {
	t.Helper()
	t.Logf("%d updates, died %d times: %q", len(whole.log.updates), len(deaths), deaths)
	l := broken.server.Ledger()
	if len(deaths) == 0 || l.Restarts == 0 || l.Faults[tinkertest.HangAfter.String()] == 0 {
		t.Errorf("nothing went wrong: %v", l.Faults)
	}
	for _, op := range l.Twice() {
		if op.Kind != "load_weights" { // where the answer was lost, a new model loads the same again, which changes nothing
			t.Errorf("the server did twice: %v", op)
		}
	}
	_, want := whole.end()
	id, got := broken.end()
	if missing := l.Missing(id); missing != nil {
		t.Errorf("the model's requests %v are lost", missing)
	}
	if got.Steps != want.Steps || want.Steps == 0 || !slices.Equal(got.Weights, want.Weights) {
		t.Errorf("it ends after %d steps and not %d, with equal weights: %t", got.Steps, want.Steps, slices.Equal(got.Weights, want.Weights))
	}
	if len(whole.recipe.Phases) == 1 && len(whole.recipe.Phases[0].SFT) == 0 && want.Steps != 2*2 {
		t.Errorf("%d steps of 2 updates with 2 minibatches", want.Steps)
	}
	a, b := whole.log.updates, broken.log.updates
	if len(a) != len(b) || len(a) == 0 {
		t.Fatalf("%d updates, want %d", len(b), len(a))
	}
	spread := false
	for i := range a {
		for _, u := range []ballast.Update{a[i], b[i]} {
			maps.DeleteFunc(u.Metrics, func(name string, _ float64) bool { return strings.Contains(name, "second") })
		}
		if !maps.Equal(a[i].Metrics, b[i].Metrics) {
			t.Errorf("update %d: %v, want %v", i+1, b[i].Metrics, a[i].Metrics)
		}
		_, norm := a[i].Metrics[monitor.GradNorm]
		if told := whole.recipe.Engine.Reduction == "mean"; norm != told { // no false zero
			t.Errorf("update %d has a gradient's norm: %t", i+1, norm)
		}
		if _, there := a[i].Metrics[monitor.EntropyTrained]; there {
			t.Errorf("update %d has an entropy, which no server tells", i+1)
		}
		if z, rl := a[i].Metrics[monitor.ZeroSpread]; rl {
			spread = spread || z < 1
		}
		if a[i].Phase == "rl" && a[i].Metrics[monitor.Infra] != 0 {
			t.Errorf("update %d: %v episodes failed for infrastructure", i+1, a[i].Metrics[monitor.Infra])
		}
	}
	if !spread && a[len(a)-1].Phase == "rl" {
		t.Error("no group had two rewards: the base is too good or too bad")
	}
}

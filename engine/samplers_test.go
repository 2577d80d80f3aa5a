package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ballast"
	"ballast/loss"
	"ballast/model/servedtest"
	"ballast/recipe"
	"ballast/tinker/tinkertest"
)

// site is a training server with servers that sample beside it.
type site struct {
	t        *testing.T
	server   *tinkertest.Server
	samplers []*servedtest.Server
	adapters string
	said     []string
	mu       sync.Mutex
}

func newSite(t *testing.T, h tinkertest.Habits, o ...servedtest.Options) *site {
	s := &site{t: t, server: tinkertest.New(tinkertest.Options{Vocab: 50, Order: 2, Seed: 1, Habits: h}), adapters: t.TempDir()}
	t.Cleanup(s.server.Close)
	for _, x := range o {
		b := s.server.Beside(x)
		t.Cleanup(b.Close)
		s.samplers = append(s.samplers, b)
	}
	return s
}

// recipe is one on the site.
func (s *site) recipe(set ...string) *recipe.Recipe {
	var at []string
	for _, b := range s.samplers {
		at = append(at, b.URL)
	}
	return grpo(s.t, append([]string{"lora.rank=2", fmt.Sprintf("engine={kind: tinker, address: '%s', reduction: sum, adapters: '%s', samplers: '%s'}",
		s.server.URL, s.adapters, strings.Join(at, ", "))}, set...)...)
}

// open opens the engine; nothing waits for long.
func (s *site) open(r *recipe.Recipe, learns bool) (*elsewhere, error) {
	e, err := open(&order{ctx: s.t.Context(), recipe: r, model: tiny(), watch: []int32{5}, learns: learns, wait: time.Millisecond, say: s.say})
	if err != nil {
		return nil, err
	}
	s.t.Cleanup(func() { _ = e.Close() })
	return e.(*elsewhere), nil
}

func (s *site) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, text)
	s.t.Log(text)
}

func (s *site) heard(part string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.said, func(text string) bool { return strings.Contains(text, part) })
}

// folders are what lies in the shared folder: of each process how many adapters.
func (s *site) folders() (out []int) {
	list, err := filepath.Glob(filepath.Join(s.adapters, "*"))
	must(s.t, err)
	for _, dir := range list {
		if strings.HasSuffix(dir, locked) {
			continue
		}
		in, err := os.ReadDir(dir)
		must(s.t, err)
		out = append(out, len(in))
	}
	return out
}

// checkpoints are those that the training server keeps.
func (s *site) checkpoints(model string) string {
	res, err := http.Get(s.server.URL + "/api/v1/training_runs/" + model + "/checkpoints")
	must(s.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(s.t, err)
	return string(text)
}

// learn takes a step and has it sampled.
func learn(t *testing.T, e *elsewhere) {
	t.Helper()
	x := ballast.Sample{Tokens: []int32{1, 2, 3, 4}}
	x.Terms[loss.TermCrossEntropy] = ballast.Term{Weight: []float32{0, 1, 1, 1}, Count: 3}
	_, err := e.Learner().Update(t.Context(), []ballast.Sample{x}, 0.1)
	must(t, err)
	must(t, e.Sync(t.Context()))
}

// asLearner plays conversations, more than one server is asked for, and compares every reply with what
// the learner says of its tokens now.
func asLearner(t *testing.T, e *elsewhere) {
	t.Helper()
	var all []ballast.Conversation
	var talks []*onceAround
	for i := range 16 {
		c := &onceAround{req: ballast.Request{Append: []int32{int32(i), 2, 3}, Max: 6, Seed: uint64(i)}}
		all, talks = append(all, c), append(talks, c)
	}
	must(t, e.Policy().Play(t.Context(), all, ballast.Sampling{Temperature: 1}))
	for _, c := range talks {
		if c.reply.Err != nil {
			t.Fatal(c.reply.Err)
		}
		x := ballast.Sample{Tokens: slices.Concat(c.req.Append, c.reply.Tokens)}
		want, err := e.Learner().LogProbs(t.Context(), []ballast.Sample{x})
		must(t, err)
		for i, p := range c.reply.LogProb {
			if d := math.Abs(float64(p - want[0][3+i])); !(d < 1e-5) || len(c.reply.Watch) != len(c.reply.Tokens) {
				t.Fatalf("token %d of %v: the sampler says %v and the learner %v", i, x.Tokens, p, want[0][3+i])
			}
		}
	}
}

// TestSamplers: after every update both servers sample with its weights and have no others; nothing
// is left of it, in the folder, at the servers and at the training server, when the engine closes.
func TestSamplers(t *testing.T) {
	for _, h := range habits {
		s := newSite(t, h, servedtest.Options{}, servedtest.Options{Owner: "sglang"})
		e, err := s.open(s.recipe(), true)
		must(t, err)
		asLearner(t, e)
		for range 3 {
			learn(t, e)
			asLearner(t, e)
			for _, b := range s.samplers {
				if got := b.Adapters(); len(got) != 1 || !strings.HasPrefix(got[0], s.adapters) {
					t.Errorf("%s: a server has %q", h.Name, got)
				}
				if n, _ := b.Served(b.Adapters()[0]); n < 2 { // one of its loading
					t.Errorf("%s: %d replies", h.Name, n)
				}
			}
			if got := s.folders(); !slices.Equal(got, []int{1}) {
				t.Errorf("%s: adapters in folders: %v", h.Name, got)
			}
		}
		must(t, e.Learner().ResetOptimizer())
		asLearner(t, e)
		if got := s.checkpoints(e.learner.Model().ID()); strings.Contains(got, "tinker_path") {
			t.Errorf("%s: the training server keeps %s", h.Name, got)
		}
		if text := e.Describe(); !strings.Contains(text, s.server.URL) || !strings.Contains(text, s.samplers[1].URL) {
			t.Error(text)
		}
		if text := Lacks(s.recipe(), e); !strings.Contains(text, "clip gradients") || strings.Contains(text, "control tokens are not known") {
			t.Error(text)
		}
		must(t, e.Close())
		if got := s.folders(); got != nil || s.samplers[0].Adapters() != nil || s.samplers[1].Adapters() != nil {
			t.Errorf("%s: %v is left, %q, %q", h.Name, got, s.samplers[0].Adapters(), s.samplers[1].Adapters())
		}
		if list, err := os.ReadDir(s.adapters); err != nil || len(list) != 0 {
			t.Errorf("%s: %v, %v", h.Name, list, err)
		}
	}
}

// failing has requests that load adapters fail.
func failing(w http.ResponseWriter, r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/load_lora_adapter") && servedtest.Dead(w, r)
}

// TestSamplerMissesAnUpdate: one that does not load an adapter, or dies, is not sampled from until
// it has the newest; where all are like that, who samples waits.
func TestSamplerMissesAnUpdate(t *testing.T) {
	s := newSite(t, tinkertest.SkyRL(), servedtest.Options{}, servedtest.Options{})
	e, err := s.open(s.recipe(), true)
	must(t, err)
	learn(t, e)
	asLearner(t, e)
	late := s.samplers[1]
	late.Fail(failing)
	old := late.Adapters()[0]
	before, _ := late.Served(old)
	learn(t, e)
	asLearner(t, e)
	if now, _ := late.Served(old); now != before || !s.heard("is left out") {
		t.Errorf("%d replies with the weights of before, %q", now-before, s.said)
	}
	late.Fail(nil)
	back(t, e, 1)
	asLearner(t, e)
	for _, b := range s.samplers { // none can load what comes, and one has forgotten all
		b.Fail(failing)
	}
	late.Restart()
	learn(t, e)
	time.AfterFunc(20*time.Millisecond, func() { late.Fail(nil) })
	asLearner(t, e)
	late.Fail(servedtest.Break) // in the middle of a rollout, with the other one back
	s.samplers[0].Fail(nil)
	asLearner(t, e)
}

// back waits until a server is there again.
func back(t *testing.T, e *elsewhere, i int) {
	t.Helper()
	for range 2000 {
		if e.policy.Servers()[i].Out == "" {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("it stays out: %+v", e.policy.Servers()[i])
}

// TestSamplersAtTheStart: what cannot be is an error before anything is played.
func TestSamplersAtTheStart(t *testing.T) {
	good := func(*site) {}
	for what, c := range map[string]struct {
		o    servedtest.Options
		do   func(*site)
		set  string
		want string
	}{
		"no folder":           {do: good, set: "engine.adapters=/nowhere/at/all", want: "engine.adapters: there is no folder"},
		"a file":              {do: func(s *site) { must(s.t, os.WriteFile(s.adapters+"/f", nil, 0o666)); s.adapters += "/f" }, want: "engine.adapters: there is no folder"},
		"none is there":       {do: func(s *site) { s.samplers[0].Close() }, want: "engine.samplers: "},
		"another model":       {do: func(s *site) { s.samplers[0] = start(s.t, 50) }, want: "nats apart from the learner's"},
		"another vocabulary":  {do: func(s *site) { s.samplers[0] = start(s.t, 40) }, want: "out of vocabulary"},
		"it takes none":       {do: func(s *site) { s.samplers[0].Fail(failing) }, want: "under the same path"},
		"unknown kind":        {o: servedtest.Options{Owner: "tgi"}, do: good, want: "name its kind"},
		"no token":            {do: good, set: "engine.token=BALLAST_NO_SUCH_TOKEN", want: "engine.token: the environment variable BALLAST_NO_SUCH_TOKEN"},
		"guard without watch": {o: servedtest.Options{NoWatch: true}, do: good, set: "guard.do=stop", want: "guard.do: the servers of engine.samplers do not"},
	} {
		s := newSite(t, tinkertest.SkyRL(), c.o)
		c.do(s)
		set := []string{"seed=1"}
		if c.set != "" {
			set = append(set, c.set)
		}
		_, err := s.open(s.recipe(set...), true)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
		if list, err := os.ReadDir(s.adapters); err == nil && len(list) > 0 && what != "a file" {
			t.Errorf("%s: %v is left", what, list)
		}
	}
	s := newSite(t, tinkertest.SkyRL(), servedtest.Options{}, servedtest.Options{})
	s.samplers[1].Fail(servedtest.Break) // it may come
	e, err := s.open(s.recipe("guard.do=stop"), true)
	must(t, err)
	asLearner(t, e)
	s.samplers[1].Fail(nil)
	back(t, e, 1)
	asLearner(t, e)
}

// TestSamplerOfAnotherModelComesLate: one that was not there at the start is compared when it has weights that the learner has, too.
func TestSamplerOfAnotherModelComesLate(t *testing.T) {
	s := newSite(t, tinkertest.SkyRL(), servedtest.Options{}, servedtest.Options{})
	s.samplers[1] = start(t, 50)
	s.samplers[1].Fail(servedtest.Break)
	e, err := s.open(s.recipe(), true)
	must(t, err)
	learn(t, e)
	s.samplers[1].Fail(nil)
	back(t, e, 1)
	if err := e.Sync(t.Context()); err == nil || !strings.Contains(err.Error(), s.samplers[1].URL) || !strings.Contains(err.Error(), "nats apart") {
		t.Error(err)
	}
}

// start is a server of another model.
func start(t *testing.T, vocab int) *servedtest.Server {
	s := servedtest.Start(servedtest.Options{Vocab: vocab})
	t.Cleanup(s.Close)
	return s
}

// TestSamplersAfterAKill: what a process that is gone has left in the folder and at the servers
// goes when the next one opens; that of one that lives, and what is none of ours, stays.
func TestSamplersAfterAKill(t *testing.T) {
	s := newSite(t, tinkertest.SkyRL(), servedtest.Options{}, servedtest.Options{})
	dead, err := s.open(s.recipe(), true)
	must(t, err)
	alive, err := s.open(s.recipe(), true)
	must(t, err)
	learn(t, dead)
	must(t, dead.shelf.unlock()) // as the system does when a process ends
	must(t, os.Mkdir(filepath.Join(s.adapters, "mine"), 0o777))
	theirs := filepath.Join(s.adapters, folders()+"2-"+nonce()) // of a host whose name begins with that of this one
	must(t, os.Mkdir(theirs, 0o777))
	must(t, os.WriteFile(theirs+locked, nil, 0o666))
	next, err := s.open(s.recipe(), true)
	must(t, err)
	if _, err := os.Stat(dead.shelf.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", dead.shelf.dir, err)
	}
	if _, err := os.Stat(theirs); err != nil {
		t.Errorf("the folder of another host: %v", err)
	}
	must(t, os.RemoveAll(theirs))
	asLearner(t, alive)
	asLearner(t, next)
	for _, b := range s.samplers {
		if got := b.Adapters(); len(got) != 2 || slices.ContainsFunc(got, within([]string{dead.shelf.dir})) {
			t.Errorf("a server has %q", got)
		}
	}
	if got := s.folders(); !slices.Equal(sorted(got), []int{0, 1, 1}) {
		t.Errorf("%v", got)
	}
	dead.shelf.unlock = func() error { return nil }
}

func sorted(list []int) []int {
	slices.Sort(list)
	return list
}

// TestSamplersOfACheckpoint: what does not learn samples with what a checkpoint's server keeps, and
// without a checkpoint with the base, for which no folder is needed.
func TestSamplersOfACheckpoint(t *testing.T) {
	s := newSite(t, tinkertest.SkyRL(), servedtest.Options{})
	r := s.recipe()
	e, err := s.open(r, true)
	must(t, err)
	learn(t, e)
	ask := ballast.Request{Append: []int32{1, 2, 3}, Max: 4}
	want := play(t, e, ask)
	dir := filepath.Join(t.TempDir(), "c")
	must(t, e.Learner().Save(dir))
	must(t, e.Close())
	r.Model = dir
	only, err := s.open(r, false)
	must(t, err)
	if got := play(t, only, ask); !slices.Equal(got.Tokens, want.Tokens) || !slices.Equal(got.LogProb, want.LogProb) {
		t.Errorf("it samples %+v, want %+v", got, want)
	}
	must(t, only.Close())
	on, err := s.open(r, true)
	must(t, err)
	asLearner(t, on)
	must(t, on.Close())
	r.Engine.Adapters, r.LoRA = "", recipe.LoRA{}
	if _, err := s.open(r, false); err == nil || !strings.Contains(err.Error(), "engine.adapters") {
		t.Error(err)
	}
	r.Model = "init"
	base, err := s.open(r, false)
	must(t, err)
	if got := play(t, base, ask); got.Err != nil || slices.Equal(got.LogProb, want.LogProb) {
		t.Errorf("%+v", got)
	}
}

// TestSamplersSettings: what is wrong with the settings is said by key before anything is opened.
func TestSamplersSettings(t *testing.T) {
	at := "engine={kind: tinker, address: 'http://h:1', adapters: /a, samplers: '%s'}"
	for set, want := range map[string]string{
		fmt.Sprintf(at, "http://a:1, vllm=http://b:1/v1 sglang=https://c"):       "",
		fmt.Sprintf(at, "http://a:1"):                                            "",
		fmt.Sprintf(at, "http://a:1,http://a:1/v1"):                              "engine.samplers: http://a:1 stands there twice",
		fmt.Sprintf(at, "tgi=http://a:1"):                                        "engine.samplers: served: there is no kind of server \"tgi\"",
		fmt.Sprintf(at, "a"):                                                     "engine.samplers: ",
		fmt.Sprintf(at, "http://u:secret@a:1"):                                   "engine.samplers: an address holds a name or a password",
		"engine={kind: tinker, address: 'http://h:1', adapters: /a}":             "engine.adapters: it says how",
		"engine={kind: tinker, address: 'http://h:1', requests: 3}":              "engine.requests: it says how",
		"engine={kind: tinker, address: 'http://h:1', token: T}":                 "engine.token: it says how",
		"engine={kind: tinker, address: 'http://h:1', samplers: ['http://a:1']}": "engine.adapters: the servers",
		"engine={kind: cpu, samplers: ['http://a:1']}":                           "engine.samplers: engine cpu does not read it",
	} {
		err := Check(grpo(t, set, "lora.rank=2"))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", set, err, want)
		}
	}
	r := grpo(t, fmt.Sprintf(at, "http://a:1"))
	if err := Check(r); err == nil || !strings.Contains(err.Error(), "lora.rank: ") {
		t.Error(err)
	}
	r.Engine.Adapters = ""
	if err := CheckSampler(r); err != nil {
		t.Errorf("to sample from the base: %v", err)
	}
}

// TestSamplersHere: the dry run says which of them are there.
func TestSamplersHere(t *testing.T) {
	s := newSite(t, tinkertest.SkyRL(), servedtest.Options{}, servedtest.Options{})
	s.samplers[1].Fail(servedtest.Dead)
	text, err := Here(s.recipe())
	if err != nil || !strings.Contains(text, "samplers: "+s.samplers[0].URL) || !strings.Contains(text, "EngineCore") {
		t.Errorf("%q, %v", text, err)
	}
}

// TestSyncInterrupted ends with the interrupt, and leaves nothing on the training server.
func TestSyncInterrupted(t *testing.T) {
	s := newSite(t, tinkertest.SkyRL(), servedtest.Options{})
	e, err := s.open(s.recipe(), true)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	s.samplers[0].Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/load_lora_adapter") {
			cancel()
			return servedtest.Break(w, r)
		}
		return false
	})
	if err := e.Sync(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if got := s.checkpoints(e.learner.Model().ID()); strings.Contains(got, "tinker_path") {
		t.Errorf("the training server keeps %s", got)
	}
	s.samplers[0].Fail(nil)
	back(t, e, 0)
	asLearner(t, e)
}

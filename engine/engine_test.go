package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/loss"
	"ballast/model"
	"ballast/model/sampling"
	"ballast/recipe"
	"ballast/tinker/tinkertest"
)

// grpo is a recipe with settings.
func grpo(t testing.TB, set ...string) *recipe.Recipe {
	t.Helper()
	r, err := recipe.New("grpo")
	must(t, err)
	for _, pair := range set {
		must(t, r.Set(pair))
	}
	r.Settle()
	return &r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestCheck: what an engine cannot honour is an error that names the key.
func TestCheck(t *testing.T) {
	for set, want := range map[string]string{
		"engine.kind=cpu":                                                  "",
		"engine={kind: xla, address: cuda}":                                "",
		"engine={kind: xla, address: go}":                                  "",
		"engine.kind=tpu":                                                  `engine.kind: "tpu" is not one of cpu, xla, tinker`,
		"engine.precision=float32":                                         "engine.precision: engine cpu does not read it",
		"engine={kind: cpu, options: [notf32]}":                            "engine.options: engine cpu does not read it",
		"engine.kind=xla":                                                  "engine.address: engine xla wants a PJRT plugin",
		"lora.rank=2":                                                      "",
		"engine={kind: xla, address: cuda, precision: bfloat16}":           "",
		"engine={kind: xla, address: cuda, precision: float16}":            `engine.precision: "float16" is not one of float32, bfloat16`,
		"engine={kind: xla, address: go, options: [notf32]}":               "engine.options:",
		`engine={kind: xla, address: cuda, options: ["notf32,allocator"]}`: "each option is one item",
		`engine={kind: xla, address: "cuda,notf32"}`:                       "each option is one item",
		"engine.kind=tinker":                                               "engine.address: engine tinker wants the address of a training server",
		"engine={kind: tinker, address: 'http://h:1', precision: float32}": "engine.precision: engine tinker does not read it",
		"engine={kind: cpu, model: x}":                                     "engine.model: engine cpu does not read it",
	} {
		err := Check(grpo(t, set))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", set, err, want)
		}
	}
}

// TestEnvironmentDecidesNothing: a variable that once chose the engine is told of where it
// would have changed something, with the keys that do.
func TestEnvironmentDecidesNothing(t *testing.T) {
	for _, c := range []struct{ set, backend, half, want string }{
		{"seed=1", "", "", ""},
		{"seed=1", "go", "", ""},
		{"seed=1", "", "1", ""}, // it was of no use without the other
		{"seed=1", "xla:cuda", "", "engine.kind=xla with engine.address=cuda does"},
		{"seed=1", "xla:/a/b.so,notf32,preallocate", "", "engine.address=/a/b.so and engine.options=[notf32, preallocate] does"},
		{"seed=1", "xla:cuda", "1", "engine.precision=bfloat16 does"},
		{"engine={kind: xla, address: cuda}", "xla:cuda", "", ""},
		{"engine={kind: xla, address: cuda, options: [notf32]}", "xla:cuda,notf32", "", ""},
		{"engine={kind: xla, address: cuda}", "xla:cpu", "", "engine.address=cpu does"},
		{"engine={kind: xla, address: cuda}", "go", "", "engine.kind and engine.address do"},
		{"engine={kind: xla, address: cuda}", "", "1", "engine.precision=bfloat16 does"},
		{"engine={kind: xla, address: cuda, precision: bfloat16}", "", "1", ""},
	} {
		env := map[string]string{"GOMLX_BACKEND": c.backend, "BALLAST_HALF": c.half}
		got := strings.Join(ignored(&grpo(t, c.set).Engine, func(k string) string { return env[k] }), "; ")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// onceAround is a conversation of one request.
type onceAround struct {
	req   ballast.Request
	reply *ballast.Reply
}

func (o *onceAround) Wait() <-chan struct{}         { return nil }
func (o *onceAround) Next() (ballast.Request, bool) { return o.req, o.reply == nil }
func (o *onceAround) Take(r ballast.Reply)          { o.reply = &r }

// anything is a mask that allows all.
type anything struct{}

func (anything) Allows(int32) bool { return true }
func (anything) Advance(int32)     {}

func tiny() *model.Model {
	return model.New(model.Config{Arch: "qwen2", QKVBias: true, Vocab: 50, Hidden: 16, Layers: 1, Heads: 2, KVHeads: 1, HeadDim: 8, FFN: 16,
		MaxLen: 64, RopeTheta: 1e4, NormEps: 1e-6, Tied: true}, nil, 1)
}

// play samples one reply.
func play(t *testing.T, e Engine, req ballast.Request) ballast.Reply {
	t.Helper()
	c := &onceAround{req: req}
	must(t, e.Policy().Play(context.Background(), []ballast.Conversation{c}, ballast.Sampling{}))
	return *c.reply
}

// testAdapter trains an adapter on a sample: the policy samples with it, and it alone has
// moved.
func testAdapter(t *testing.T, e Engine, s ballast.Sample) {
	t.Helper()
	ctx, ask := context.Background(), ballast.Request{Append: s.Tokens[:6], Max: 4}
	before := play(t, e, ask)
	must(t, e.Learner().Freeze())
	_, err := e.Learner().Update(ctx, []ballast.Sample{s}, 0.1)
	must(t, err)
	must(t, e.Sync(ctx))
	if after := play(t, e, ask); slices.Equal(before.LogProb, after.LogProb) {
		t.Error("the policy samples as before the update of the adapter")
	}
	dir := filepath.Join(t.TempDir(), "c")
	must(t, e.Learner().Save(dir))
	m, err := model.LoadWeights(dir)
	must(t, err)
	for i, x := range tiny().Weights.Tensors {
		if slices.Equal(x.Data, m.Weights.Tensors[i].Data) == strings.Contains(x.Name, "proj.weight") {
			t.Errorf("%s has changed or should have", x.Name)
		}
	}
	must(t, e.Close())
}

// server is the address of a training server with a model of the vocabulary of tiny.
func server(t *testing.T) string {
	s := tinkertest.New(tinkertest.Options{Vocab: 50, Order: 2, Seed: 1})
	t.Cleanup(s.Close)
	return s.URL
}

// TestEngines: every engine of the table does what it does not say it cannot, and the policy
// samples with what the learner learnt once Sync was called.
func TestEngines(t *testing.T) {
	for _, k := range All {
		t.Run(k.Name, func(t *testing.T) {
			r, ctx := grpo(t, "engine.kind="+k.Name), context.Background()
			switch {
			case k.Remote:
				must(t, r.Set("engine.address="+server(t)))
				must(t, r.Set("lora.rank=2"))
				must(t, r.Set("adam.decay=0"))
			case slices.Contains(k.Reads, "address"):
				must(t, r.Set("engine.address=go"))
			}
			can := func(a *Ability) bool { return Can(r, a) == nil }
			e, err := Open(t.Context(), r, tiny(), []int32{3, 5})
			must(t, err)
			prompt := []int32{1, 2, 3, 4, 5, 6}
			before := play(t, e, ballast.Request{Append: prompt, Max: 4})
			if before.Err != nil || len(before.Tokens) != 4 || can(watch) != (len(before.Watch) == 4 && len(before.Watch[0]) == 2) {
				t.Fatalf("it samples %+v", before)
			}
			if masked := play(t, e, ballast.Request{Append: prompt, Max: 4, Mask: anything{}}); can(Mask) != (masked.Err == nil) {
				t.Errorf("it says that it can constrain decoding: %v; the reply is %+v", can(Mask), masked)
			}
			l := e.Learner()
			must(t, l.Freeze())
			s := ballast.Sample{Tokens: append(slices.Clone(prompt), before.Tokens...)}
			s.Terms[loss.TermCrossEntropy] = ballast.Term{Weight: []float32{0, 0, 0, 0, 0, 0, 1, 1, 1, 1}, Count: 4}
			s.Terms[loss.TermReference] = ballast.Term{Weight: []float32{0, 0, 0, 0, 0, 0, 1, 1, 1, 1}, Count: 4}
			_, err = l.Update(ctx, []ballast.Sample{s}, 0.1)
			if can(reference) != (err == nil) {
				t.Fatalf("a KL to the reference: %v", err)
			}
			ref, err := l.Reference(ctx, []ballast.Sample{s}, []int32{3})
			if must(t, err); can(compare) != (ref != nil) {
				t.Errorf("the reference's probabilities: %v", ref)
			}
			must(t, e.Sync(ctx))
			after := play(t, e, ballast.Request{Append: prompt, Max: 4})
			if slices.Equal(before.LogProb, after.LogProb) {
				t.Error("the policy samples as before the update")
			}
			dir := filepath.Join(t.TempDir(), "c")
			must(t, l.Save(dir))
			must(t, e.Close())
			again, err := Open(t.Context(), r, tiny(), nil)
			must(t, err)
			must(t, again.Learner().Load(dir))
			must(t, again.Sync(ctx))
			if got := play(t, again, ballast.Request{Append: prompt, Max: 4}); !slices.Equal(got.Tokens, after.Tokens) {
				t.Errorf("after a resume it samples %v, want %v", got.Tokens, after.Tokens)
			}
			low := grpo(t, "engine.kind="+k.Name, "lora.rank=2", "adam.decay=0")
			low.Engine = r.Engine
			with, err := Open(t.Context(), low, tiny(), nil)
			if can(adapter) != (err == nil) || err != nil && !strings.Contains(err.Error(), "lora.rank") {
				t.Errorf("an adapter: %v", err)
			}
			if err == nil && !k.Remote {
				testAdapter(t, with, s)
			}
			only, err := Sampler(t.Context(), r, tiny(), nil)
			must(t, err)
			if got := play(t, only, ballast.Request{Append: prompt, Max: 4}); !slices.Equal(got.Tokens, before.Tokens) || only.Learner() != nil {
				t.Errorf("without a learner it samples %v, want %v", got.Tokens, before.Tokens)
			}
			must(t, only.Sync(ctx))
			must(t, only.Close())
			must(t, again.Close())
			if text, err := Here(r); err != nil || text == "" || e.Describe() == "" || e.Counters().Sampled == 0 {
				t.Errorf("it is %q, %v: %q with %+v", text, err, e.Describe(), e.Counters())
			}
		})
	}
}

// far is a third engine, one that has no reference and cannot watch: all that an engine is
// stands in its own file, and a line of the table.
var far = Kind{
	Name: "far", Reads: []string{"address"}, cannot: always(reference, watch, compare),
	here: func(s *recipe.Engine) (string, error) { return "far away at " + s.Address, nil },
	open: func(o *order) (Engine, error) { return nowhere{o.recipe.Engine.Address}, nil },
}

type nowhere struct{ address string }

func (nowhere) Policy() ballast.Policy      { return nil }
func (nowhere) Learner() ballast.Learner    { return nil }
func (nowhere) Sync(context.Context) error  { return nil }
func (nowhere) Close() error                { return nil }
func (n nowhere) Describe() string          { return n.address }
func (nowhere) Counters() sampling.Counters { return sampling.Counters{} }

// TestThirdEngine: with a line in the table a recipe can name another engine; what that one
// cannot do is refused by the key that asks for it, and said where no key does.
func TestThirdEngine(t *testing.T) {
	before := All
	defer func() { All = before }()
	All = append(slices.Clone(All), far)
	set := []string{"engine={kind: far, address: there}", "rl.kl=0"}
	for pair, key := range map[string]string{"rl.kl=0.1": "rl.kl", "rl.signals={control: {}}": "rl.signals", "guard.do=stop": "guard.do",
		"engine.precision=float32": "engine.precision"} {
		if err := Check(grpo(t, append(set, pair)...)); err == nil || !strings.HasPrefix(err.Error(), key+": engine far ") {
			t.Errorf("%s: error %v", pair, err)
		}
	}
	r := grpo(t, set...)
	must(t, Check(r))
	e, err := Open(t.Context(), r, tiny(), nil)
	must(t, err)
	if got := fmt.Sprint(Record(r, e), "; ", Lacks(r, nil)); !strings.HasPrefix(got, "FAR: there; engine far cannot weigh a KL") || !strings.Contains(got, "control tokens") {
		t.Error(got)
	}
	if err := Can(r, watch); err == nil || Can(r, Mask) != nil {
		t.Errorf("%v, %v", err, Can(r, Mask))
	}
}

// TestOneDevice: engines of one process share their device, which nothing gives back; one
// that does not open is asked again.
func TestOneDevice(t *testing.T) {
	a, err := opened(pure)
	must(t, err)
	if b, err := opened(pure); err != nil || a != b {
		t.Errorf("opened again: %p, %v, want %p", b, err, a)
	}
	for range 2 {
		if d, err := opened("nonesuch"); err == nil || d != nil {
			t.Errorf("no device: %p, %v", d, err)
		}
	}
}

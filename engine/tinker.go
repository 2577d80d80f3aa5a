package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"ballast"
	"ballast/hub"
	"ballast/model/lora"
	"ballast/model/sampling"
	"ballast/model/served"
	"ballast/recipe"
	"ballast/tinker"
	"ballast/train/remote"
)

// tinkerKind computes on a training server: packages tinker, train/remote and model/served.
var tinkerKind = Kind{
	Name:   "tinker",
	Doc:    "a training server that speaks the Tinker protocol",
	Reads:  []string{"adapters", "address", "key", "model", "reduction", "requests", "samplers", "token", "wire"},
	Remote: true,
	cannot: func(r *recipe.Recipe) []*Ability {
		if len(r.Engine.Beside()) > 0 { // they may tell, see beside
			return []*Ability{compare, Mask, clip, exact}
		}
		return []*Ability{compare, watch, Mask, clip, exact}
	},
	check: checkTinker,
	here: func(s *recipe.Engine) (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), greeting)
		defer cancel()
		var why atomic.Value // what the last try met: at the end of the time the error has only that it is over
		why.Store("")
		c, err := reach(ctx, s, 0, func(text string) { why.Store("; " + strings.TrimSuffix(text, "; trying again")) })
		if err != nil && ctx.Err() != nil {
			return "", fmt.Errorf("engine.address: no answer of a training server in %v%s", greeting, why.Load())
		}
		if err != nil {
			return "", err
		}
		defer func() { _ = c.Close(ctx) }() // nothing was made in its session
		names, err := bases(ctx, c)
		if err != nil {
			return "", err
		}
		text := fmt.Sprintf("the training server %s with %s", c.Address(), strings.Join(names, ", "))
		if len(s.Beside()) == 0 {
			return text, nil
		}
		more, err := samplersHere(ctx, s)
		return text + "; " + more, err
	},
	open: openTinker,
}

// clip is what the protocol has no room for.
var clip = &Ability{"clip gradients (adam.clip has no effect)", nobody}

const (
	greeting = 30 * time.Second // until a server says what it serves
	parting  = 30 * time.Second // until it took leave of models
	aside    = 4096             // conversations that are handed to the client side by side
)

func checkTinker(r *recipe.Recipe, learns bool) error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf(key+": "+format, args...))
	}
	if r.Engine.Address == "" {
		bad("engine.address", "engine tinker wants the address of a training server, such as http://127.0.0.1:8000; docs/engines.md says which "+
			"there are")
	}
	checkSamplers(r, learns, bad)
	if l := &r.LoRA; l.Rank > 0 {
		if l.Alpha != 0 && l.Alpha != lora.Alpha {
			bad("lora.alpha", "the server decides it, and those that are known take %g; leave it out", float64(lora.Alpha))
		}
		if len(l.Targets) > 0 && len(l.Targets) < len(lora.Targets()) {
			bad("lora.targets", "a server gives all projections an adapter; leave it out")
		}
		if l.Start != "" {
			bad("lora.start", "an adapter of this machine cannot be loaded into a server; begin without it")
		}
	}
	return errors.Join(errs...)
}

// dial begins a session.
func dial(ctx context.Context, s *recipe.Engine, vocab int, say func(string)) (*tinker.Client, error) {
	key, err := tinker.ReadKey(s.Key, "")
	if err != nil {
		return nil, fmt.Errorf("engine.key: %w", err)
	}
	return tinker.Dial(ctx, tinker.Options{Address: s.Address, Key: key, Wire: tinker.Wire(s.Wire), Vocabulary: vocab, Say: say})
}

// reach is dial for a recipe's server. What keeps it from being asked names the key.
func reach(ctx context.Context, s *recipe.Engine, vocab int, say func(string)) (*tinker.Client, error) {
	c, err := dial(ctx, s, vocab, say)
	var answer *tinker.Error
	switch {
	case err == nil || ctx.Err() != nil || strings.HasPrefix(err.Error(), "engine."):
		return c, err
	case errors.As(err, &answer) && (answer.Kind == tinker.Malformed || answer.Kind == tinker.Gone):
		return nil, fmt.Errorf("engine.address: %w; is a training server there, and does it speak the Tinker protocol? "+
			"docs/engines.md says which do", err)
	}
	return nil, fmt.Errorf("engine.address: %w", err)
}

// Pull brings the weights of a checkpoint from its server into a new folder, and gives the files'
// names. key names the environment variable that holds the server's key, "" for none.
func Pull(ctx context.Context, m *remote.Manifest, key, dir string) (names []string, err error) {
	c, err := dial(ctx, &recipe.Engine{Address: m.Server, Key: key}, 0, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close(ctx) }() // nothing was made in its session
	return remote.Pull(ctx, c, m, dir)
}

// bases are the names of the models that a server says it serves.
func bases(ctx context.Context, c *tinker.Client) (names []string, err error) {
	can, err := c.Capabilities(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range can.Models {
		names = append(names, m.Name)
	}
	return names, nil
}

// baseOf is the server's name of the recipe's model.
func baseOf(ctx context.Context, c *tinker.Client, r *recipe.Recipe) (string, error) {
	names, err := bases(ctx, c)
	if err != nil {
		return "", err
	}
	if name := r.Engine.Model; name != "" { // a server may take any name for the one that it serves
		if len(names) > 0 && !slices.Contains(names, name) {
			return "", fmt.Errorf("engine.model: %s serves %s, and not %s", c.Address(), strings.Join(names, ", "), name)
		}
		return name, nil
	}
	name := r.Model
	n, published := hub.Parse(name)
	if published {
		name = n.ID()
	}
	switch {
	case slices.Contains(names, name):
		return name, nil
	case len(names) == 1 && !published: // a model of this machine has another name there
		return names[0], nil
	}
	return "", fmt.Errorf("engine.model: %s serves %s, and the recipe's model is %s; say which of them that is", c.Address(),
		strings.Join(names, ", "), r.Model)
}

// elsewhere is an engine on a server.
type elsewhere struct {
	client  *tinker.Client
	learner *remote.Learner // nil where nothing learns
	own     *served.Tinker  // nil where other servers sample
	shelf   *shelf          // for the adapters of those; nil where they need none
	policy  *served.Policy
	say     func(string)

	vocab    int              // of the model
	compared map[string]int64 // of samplers with the learner: of each how often it had come
}

func openTinker(o *order) (opened Engine, err error) {
	r, e := o.recipe, &elsewhere{say: o.say}
	defer func() {
		if err != nil {
			opened, err = nil, errors.Join(err, e.Close())
		}
	}()
	if e.client, err = reach(o.ctx, &r.Engine, o.model.Config.Vocab, o.say); err != nil {
		return nil, err
	}
	saved, err := remote.ReadManifest(r.Model) // a checkpoint's folder
	switch {
	case errors.Is(err, fs.ErrNotExist):
		saved.Base, err = baseOf(o.ctx, e.client, r)
	case err == nil && r.Engine.Model != "" && r.Engine.Model != saved.Base:
		err = fmt.Errorf("engine.model: it is %s, and the checkpoint %s has base %s; leave it out", r.Engine.Model, r.Model, saved.Base)
	}
	if err != nil {
		return nil, err
	}
	if len(r.Engine.Beside()) > 0 {
		return e, e.beside(o, &saved)
	}
	return e, e.alone(o, &saved)
}

// alone opens the training server's own sampling, with the learner.
func (e *elsewhere) alone(o *order, saved *remote.Manifest) (err error) {
	var first *tinker.Sampler // of the base, where there is no other
	switch {
	case o.learns:
		if err = e.learn(o, saved); err == nil {
			first, err = e.learner.Model().Sampler(o.ctx).Wait()
		}
	case saved.Path != "": // a server may sample with the weights of loaded models alone
		var l *remote.Learner
		l, err = remote.New(o.ctx, o.model, remote.Options{Client: e.client, Base: saved.Base, Rank: saved.Rank, From: saved.Path})
		if err == nil {
			first, err = l.Model().Sampler(o.ctx).Wait()
		}
	}
	if err != nil {
		return err
	}
	e.own = served.NewTinker(e.client, saved.Base, first)
	// The client is the patient one, and bounds what is under way. There is no other server to go to.
	e.policy, err = served.Open(o.ctx, served.Options{Servers: []served.Backend{e.own}, Vocab: o.model.Config.Vocab, Watched: o.watch,
		Side: aside, Tries: 2, Failures: math.MaxInt, Warn: o.say})
	return err
}

// learn makes the learner, which begins with what a checkpoint saved.
func (e *elsewhere) learn(o *order, saved *remote.Manifest) (err error) {
	r := o.recipe
	if saved.Path != "" && saved.Rank != r.LoRA.Rank {
		return fmt.Errorf("lora.rank: it is %d, and the checkpoint %s has rank %d; a server trains it on with that", r.LoRA.Rank, r.Model,
			saved.Rank)
	}
	with := remote.Options{Client: e.client, Base: saved.Base, Rank: r.LoRA.Rank, From: saved.Path, Seed: int64(r.Seed & math.MaxInt32),
		Reduction: remote.Reduction(r.Engine.Reduction), Run: "ballast-" + nonce(), Say: o.say}
	if with.Train, err = o.options(); err != nil {
		return err
	}
	if with.Reduction == "" {
		if with.Reduction, err = remote.Probe(o.ctx, e.client, saved.Base, with.Rank); err != nil {
			return err
		}
	}
	e.learner, err = remote.New(o.ctx, o.model, with)
	return err
}

// nonce is a name that no run had.
func nonce() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // it does not fail
	return hex.EncodeToString(b[:])
}

func (e *elsewhere) Policy() ballast.Policy { return e.policy }

func (e *elsewhere) Learner() ballast.Learner {
	if e.learner == nil {
		return nil
	}
	return learning{e.learner, e}
}

// learning is the learner of an engine.
type learning struct {
	*remote.Learner
	e *elsewhere
}

// ResetOptimizer makes another model on the server. The policy must sample with that one: a
// server may forget the samplers of a model with the model.
func (l learning) ResetOptimizer() error {
	if err := l.Learner.ResetOptimizer(); err != nil || l.e.own == nil { // other servers have loaded what they sample with
		return err
	}
	return l.e.Sync(l.Bound())
}

// Sync has the server keep the learner's weights for sampling.
func (e *elsewhere) Sync(ctx context.Context) error {
	switch {
	case e.learner == nil:
		return nil
	case e.own == nil:
		return e.publish(ctx, false)
	}
	s, err := e.learner.Model().Sampler(ctx).Wait()
	if err != nil {
		return err
	}
	return e.policy.Refresh(ctx, e.own.Offer(s))
}

// Describe names the training server, and those that sample beside it.
func (e *elsewhere) Describe() string {
	if e.own != nil {
		return e.client.Address()
	}
	return e.client.Address() + ", " + e.policy.Describe()
}

func (e *elsewhere) Counters() sampling.Counters { return e.policy.Counters() }

// lacks says what other servers that sample do not tell.
func (e *elsewhere) lacks() []string {
	if e.own != nil {
		return nil
	}
	return e.policy.Lacks()
}

// Close takes leave of what was opened.
func (e *elsewhere) Close() error {
	var errs []error
	ctx, cancel := context.WithTimeout(context.Background(), parting)
	defer cancel()
	if e.policy != nil {
		if e.shelf != nil {
			_ = e.policy.Refresh(ctx, "") // they forget what they loaded; who is not there has nothing
		}
		errs = append(errs, e.policy.Close())
	}
	if e.shelf != nil {
		errs = append(errs, e.shelf.close())
	}
	if e.learner != nil {
		errs = append(errs, e.learner.Close(ctx))
	}
	if e.client != nil {
		errs = append(errs, e.client.Close(ctx))
	}
	return errors.Join(errs...)
}

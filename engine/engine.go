// Package engine opens what samples and learns, from a recipe alone.
//
// Contract: All is the table of engines, one file each. A recipe's section engine says which
// one, and with what; nothing in the environment does, but for where a plugin's files lie.
// An engine declares what it cannot do, and Check holds a recipe against that before
// anything is loaded: what would be left out is an error that names the key. What no setting
// asks for is said by Lacks.
//
// Failure: an engine that is not there on this machine, or not in this binary, is an error
// that says what to install, to build or to set.
package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ballast"
	"ballast/model"
	"ballast/model/sampling"
	"ballast/recipe"
	"ballast/train"
)

// Engine is an engine of this process.
type Engine interface {
	ballast.Engine // its Close frees the weights; a device stays open with the process
	// Describe names the instruction set or the device that computes.
	Describe() string
	// Counters say what the policy has done since the engine was opened.
	Counters() sampling.Counters
}

// Kind is a line of the table of engines.
type Kind struct {
	Name, Doc string
	Reads     []string // the keys of section engine that it reads, besides kind
	Remote    bool     // weights lie elsewhere: a model is opened without them
	// cannot is what it does not do for a recipe; nil = it does all.
	cannot func(r *recipe.Recipe) []*Ability
	// check reports what is wrong with the recipe for this engine; nil = nothing more can be.
	check func(r *recipe.Recipe, learns bool) error
	// here says what it computes with on this machine, without a model.
	here func(s *recipe.Engine) (string, error)
	open func(o *order) (Engine, error)
	// notice is what to tell a user who opens it, "" for nothing.
	notice func() string
}

// All is the table of engines; the first one is that of a recipe that names none.
var All = []Kind{cpuKind, xlaKind, tinkerKind}

// order is what an engine is opened for.
type order struct {
	ctx    context.Context // of the opening
	recipe *recipe.Recipe
	model  *model.Model
	watch  []int32
	learns bool
	say    func(string)  // tells a user something, in one line; many goroutines may call it
	wait   time.Duration // before a server that failed is asked again; 0 = the usual one
}

// Ability is something that a recipe or a command may ask of an engine.
type Ability struct {
	what string
	asks func(r *recipe.Recipe) string // the key that asks for it, "" for none
}

// The abilities.
var (
	reference = &Ability{"weigh a KL to a frozen reference policy", (*recipe.Recipe).Refers}
	compare   = &Ability{"tell the reference policy's probabilities of control tokens", nobody}
	watch     = &Ability{"tell the probabilities of control tokens at every sampled position", func(r *recipe.Recipe) string {
		if r.Guard.Do != "" { // it sees a collapse come by them
			return "guard.do"
		}
		return ""
	}}
	Mask    = &Ability{"constrain decoding", nobody}
	adapter = &Ability{"train an adapter", func(r *recipe.Recipe) string {
		if r.LoRA.Rank != 0 {
			return "lora.rank"
		}
		return ""
	}}
	exact = &Ability{"resume with the same bits (only up to rounding)", nobody}
)

func nobody(*recipe.Recipe) string { return "" }

// find returns the recipe's kind of engine.
func find(r *recipe.Recipe) (*Kind, error) {
	var names []string
	for i := range All {
		if All[i].Name == r.Engine.On() {
			return &All[i], nil
		}
		names = append(names, All[i].Name)
	}
	return nil, fmt.Errorf("engine.kind: %q is not one of %s", r.Engine.Kind, strings.Join(names, ", "))
}

// Check reports what the recipe asks of its engine and the engine cannot honour, by key.
func Check(r *recipe.Recipe) error { return check(r, true) }

// CheckSampler is Check for what does not learn.
func CheckSampler(r *recipe.Recipe) error { return check(r, false) }

func check(r *recipe.Recipe, learns bool) error {
	k, err := find(r)
	if err != nil {
		return err
	}
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf(key+": engine "+k.Name+" "+format, args...))
	}
	for _, key := range r.Engine.Set() {
		if !slices.Contains(k.Reads, key) {
			bad("engine."+key, "does not read it; set engine.kind, or leave it out")
		}
	}
	if k.check != nil {
		errs = append(errs, k.check(r, learns))
	}
	for _, a := range k.lacks(r) {
		if key := a.asks(r); key != "" {
			bad(key, "cannot %s; set that otherwise, or engine.kind", a.what)
		}
	}
	return errors.Join(errs...)
}

// Can reports whether the recipe's engine has an ability that a command asks for.
func Can(r *recipe.Recipe, a *Ability) error {
	k, err := find(r)
	if err == nil && slices.Contains(k.lacks(r), a) {
		err = fmt.Errorf("engine %s cannot %s", k.Name, a.what)
	}
	return err
}

// lacks is what the engine does not do for a recipe.
func (k *Kind) lacks(r *recipe.Recipe) []*Ability {
	if k.cannot == nil {
		return nil
	}
	return k.cannot(r)
}

// always is what an engine does not do for any recipe.
func always(list ...*Ability) func(*recipe.Recipe) []*Ability {
	return func(*recipe.Recipe) []*Ability { return list }
}

// Lacks says what the recipe's engine does not do and no setting asks for, "" if nothing. What only
// an engine that is open knows is in it if that is given: e may be nil.
func Lacks(r *recipe.Recipe, e ballast.Engine) string {
	k, err := find(r)
	if err != nil {
		return ""
	}
	var list, parts []string
	for _, a := range k.lacks(r) {
		list = append(list, a.what)
	}
	if len(list) > 0 {
		parts = append(parts, fmt.Sprintf("engine %s cannot %s", k.Name, strings.Join(list, ", ")))
	}
	if own, ok := e.(interface{ lacks() []string }); ok {
		parts = append(parts, own.lacks()...)
	}
	return strings.Join(parts, "; ")
}

// Here says what the recipe's engine computes with on this machine, or what keeps it from
// running there.
func Here(r *recipe.Recipe) (string, error) {
	k, err := find(r)
	if err != nil {
		return "", err
	}
	return k.here(&r.Engine)
}

// Record names the engine that runs a recipe, for the run's record.
func Record(r *recipe.Recipe, e ballast.Engine) string {
	own, ok := e.(Engine)
	if !ok || r.Engine.On() == cpuKind.Name { // the record has the instruction set on its own
		return r.Engine.On()
	}
	return strings.ToUpper(r.Engine.On()) + ": " + own.Describe()
}

// Open opens the recipe's engine for a model, which it takes over; watch are the tokens
// whose probabilities the policy records. What is to be told of the engine while it is open, such
// as a server that is left out, each of say is told, by many goroutines.
func Open(ctx context.Context, r *recipe.Recipe, m *model.Model, watch []int32, say ...func(string)) (Engine, error) {
	return open(&order{ctx: ctx, recipe: r, model: m, watch: watch, learns: true, say: all(say)})
}

// Sampler is Open for what does not learn: the engine has no learner.
func Sampler(ctx context.Context, r *recipe.Recipe, m *model.Model, watch []int32, say ...func(string)) (Engine, error) {
	return open(&order{ctx: ctx, recipe: r, model: m, watch: watch, say: all(say)})
}

// all tells each.
func all(say []func(string)) func(string) {
	return func(text string) {
		for _, s := range say {
			s(text)
		}
	}
}

// Remote reports whether the recipe's engine has the weights elsewhere.
func Remote(r *recipe.Recipe) bool {
	k, err := find(r)
	return err == nil && k.Remote
}

func open(o *order) (Engine, error) {
	if err := check(o.recipe, o.learns); err != nil {
		return nil, err
	}
	k, err := find(o.recipe)
	if err != nil {
		return nil, err
	}
	return k.open(o)
}

// options are the constants of the recipe's learner, with the adapter that it trains.
func (o *order) options() (out train.Options, err error) {
	r := o.recipe
	out = train.Default()
	out.AdamW.Beta2, out.AdamW.WeightDecay, out.AdamW.Clip = r.Adam.Beta2, r.Adam.Decay, r.Adam.Clip
	out.Loss.ClipLow, out.Loss.ClipHigh = r.RL.Clip.Low, r.RL.Clip.High
	out.Adapter, err = r.Adapter(&o.model.Config)
	return out, err
}

// local is an engine on this machine.
type local struct {
	sampler interface {
		ballast.Policy
		Kernels() string
		Counters() sampling.Counters
	}
	learner ballast.Learner
	sync    func() error // nil without a learner
	close   func() error // nil where the process holds all
}

func (e *local) Policy() ballast.Policy      { return e.sampler }
func (e *local) Learner() ballast.Learner    { return e.learner }
func (e *local) Describe() string            { return e.sampler.Kernels() }
func (e *local) Counters() sampling.Counters { return e.sampler.Counters() }
func (e *local) Close() error                { return perhaps(e.close) }
func (e *local) Sync(context.Context) error  { return perhaps(e.sync) }

func perhaps(do func() error) error {
	if do == nil {
		return nil
	}
	return do()
}

// Notices are sentences for a user who opens the recipe's engine: that it is slow in this
// binary, and which variables of the environment decide nothing.
func Notices(r *recipe.Recipe, env func(string) string) []string {
	var out []string
	if k, err := find(r); err == nil && k.notice != nil {
		if text := k.notice(); text != "" {
			out = append(out, text)
		}
	}
	return append(out, ignored(&r.Engine, env)...)
}

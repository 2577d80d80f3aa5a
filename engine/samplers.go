package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"ballast"
	"ballast/endpoint"
	"ballast/model/served"
	"ballast/recipe"
	"ballast/train/remote"
)

// A training server may have servers beside it that sample (engine.samplers). What an update made
// of the adapter is brought from the training server into a folder that they share with this
// process, and they load it from there under a name that nothing had before. A reply says under
// which name it was sampled, or the request fails where the server does not have it: so it is
// certain which weights sampled a reply. A server that did not load the newest ones is left out.

// slowest is how long one reply may take.
const slowest = 15 * time.Minute

// samplers are the recipe's, as they can be asked.
func samplers(s *recipe.Engine, token string) (out []served.Backend, err error) {
	for _, item := range s.Beside() {
		kind, at := "", item
		if before, after, ok := strings.Cut(item, "="); ok && !strings.ContainsAny(before, ":/") {
			kind, at = before, after
		}
		if u, err := url.Parse(at); err == nil && u.User != nil {
			return nil, errors.New("engine.samplers: an address holds a name or a password, which a recipe would show; set engine.token")
		}
		b, err := served.Dial(served.Spec{Kind: kind, Options: endpoint.Options{URL: at, Key: token, Side: s.Requests, Timeout: slowest}})
		if err != nil {
			return nil, fmt.Errorf("engine.samplers: %w", err)
		}
		if slices.ContainsFunc(out, func(o served.Backend) bool { return o.Address() == b.Address() }) {
			return nil, fmt.Errorf("engine.samplers: %s stands there twice; name every server once", b.Address())
		}
		out = append(out, b)
	}
	return out, nil
}

// checkSamplers reports what is wrong with the settings of samplers together.
func checkSamplers(r *recipe.Recipe, learns bool, bad func(key, format string, args ...any)) {
	s := &r.Engine
	if len(s.Beside()) == 0 {
		for _, of := range []struct {
			key string
			set bool
		}{{"adapters", s.Adapters != ""}, {"token", s.Token != ""}, {"requests", s.Requests != 0}} {
			if of.set {
				bad("engine."+of.key, "it says how servers are asked that sample beside the training server; name them with engine.samplers, or "+
					"leave it out")
			}
		}
		return
	}
	if _, err := samplers(s, ""); err != nil {
		key, text, _ := strings.Cut(err.Error(), ": ")
		bad(key, "%s", text)
	}
	if !learns || recipe.Untrained(r.Method) {
		return
	}
	if r.LoRA.Rank == 0 {
		bad("lora.rank", "the servers of engine.samplers get what is trained as an adapter; set it, such as lora.rank=16, or leave "+
			"engine.samplers out")
	}
	if s.Adapters == "" {
		bad("engine.adapters", "the servers of engine.samplers load what is trained from a folder; name one that this machine and theirs see "+
			"under the same path")
	}
}

// token is that of the samplers.
func token(s *recipe.Engine) (string, error) {
	if s.Token == "" {
		return "", nil
	}
	text := strings.TrimSpace(os.Getenv(s.Token))
	if text == "" {
		return "", fmt.Errorf("engine.token: the environment variable %s, which is to hold the samplers' token, is empty", s.Token)
	}
	return text, nil
}

// samplersHere says of every sampler that it is there, or why not.
func samplersHere(ctx context.Context, s *recipe.Engine) (string, error) {
	secret, err := token(s)
	if err != nil {
		return "", err
	}
	list, err := samplers(s, secret)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, b := range list {
		said := b.Address()
		if _, err := b.Context(ctx); err != nil {
			said = err.Error()
		}
		parts = append(parts, said)
	}
	return "samplers: " + strings.Join(parts, "; "), nil
}

// beside opens the servers that sample beside the training server, with the learner, and gives
// them what a checkpoint saved.
func (e *elsewhere) beside(o *order, saved *remote.Manifest) error {
	r := o.recipe
	secret, err := token(&r.Engine)
	if err != nil {
		return err
	}
	list, err := samplers(&r.Engine, secret)
	if err != nil {
		return err
	}
	var left []string
	if o.learns || saved.Path != "" {
		if r.Engine.Adapters == "" {
			return errors.New("engine.adapters: the servers of engine.samplers load the checkpoint's adapter from a folder; name one that " +
				"this machine and theirs see under the same path")
		}
		if e.shelf, left, err = openShelf(r.Engine.Adapters); err != nil {
			return err
		}
	}
	e.policy, err = served.Open(o.ctx, served.Options{Servers: list, Vocab: o.model.Config.Vocab, Watched: o.watch, Side: r.Engine.Requests,
		Wait: o.wait, Warn: o.say})
	if err != nil {
		return fmt.Errorf("engine.samplers: %w", err)
	}
	e.policy.Clear(o.ctx, within(left))
	if key := watch.asks(r); key != "" && o.learns && e.policy.Watched() == nil {
		return fmt.Errorf("%s: the servers of engine.samplers do not %s; set that otherwise, or engine.kind", key, watch.what)
	}
	switch {
	case o.learns:
		if err := e.learn(o, saved); err != nil {
			return err
		}
		e.vocab, e.compared = o.model.Config.Vocab, map[string]int64{}
		return e.publish(o.ctx, true)
	case saved.Path != "":
		return e.show(o.ctx, saved.Sampler, true)
	}
	return nil
}

// publish has the samplers sample with the learner's weights of now, and compares those that are new.
func (e *elsewhere) publish(ctx context.Context, first bool) error {
	path, err := e.learner.Publish(ctx)
	if err != nil {
		return err
	}
	err = e.show(ctx, path, first)
	e.learner.Forget(ctx, path) // the folder has it, or will have another
	if err != nil {
		return err
	}
	return e.agree(ctx, first)
}

// show brings saved weights to the samplers. The first time each of those that are there must take
// them. Later, one that does not is left out until it does. That may be all of them, for a while: a
// file system need not show a folder to all its machines at once. Who waits for a reply waits for
// them, and fails where none comes back.
func (e *elsewhere) show(ctx context.Context, path string, first bool) error {
	dir, err := e.shelf.put(ctx, e.client, path)
	if err != nil {
		return err
	}
	was := e.policy.Servers()
	err = e.policy.Refresh(ctx, dir)
	switch {
	case ctx.Err() != nil:
		return endpoint.Ended(ctx)
	case err != nil && !errors.Is(err, served.ErrNobody):
		return err
	case first:
		for i, s := range e.policy.Servers() {
			if s.Out != "" && was[i].Out == "" {
				return fmt.Errorf("engine.samplers: %s: %s; is the folder of engine.adapters there too, under the same path, and does the "+
					"server take adapters of this rank?", s.Address, s.Out)
			}
		}
	}
	return e.shelf.keep(dir)
}

// How far apart the log-probabilities of a sampler and of the learner may be, in nats as a mean
// over tokens: rounding of any kind is below notable, and another model is above another.
const (
	notable = 0.05
	another = 0.5
	drawn   = 32 // tokens that are compared
)

// agree compares what samplers say of tokens with what the learner says, of each that was not compared since it came: those with
// another model would sample what is not trained. The samplers have the learner's weights of now. The first time
// each must answer; later one that does not is compared when it is back.
func (e *elsewhere) agree(ctx context.Context, first bool) error {
	came := map[string]int64{} // how often each has come, of those that are there
	for _, s := range e.policy.Servers() {
		if s.Out == "" {
			came[s.Address] = s.Left + 1
		}
	}
	fresh := func(server string) bool { return came[server] > e.compared[server] }
	var prompt []int32
	for i := range 8 {
		prompt = append(prompt, int32((i*7+1)%e.vocab))
	}
	call := served.Call{Prompt: prompt, Max: drawn, Seed: 1, Sampling: ballast.Sampling{Temperature: 1}}
	err := e.policy.Try(ctx, call, fresh, func(server string, a *served.Answer, err error) error {
		if err == nil {
			err = e.near(ctx, server, prompt, a)
		} else if !first && ctx.Err() == nil {
			return nil
		}
		e.compared[server] = came[server]
		return err
	})
	if err != nil {
		return fmt.Errorf("comparing engine.samplers with the learner: %w", err)
	}
	return nil
}

// near compares one reply.
func (e *elsewhere) near(ctx context.Context, server string, prompt []int32, a *served.Answer) error {
	x := ballast.Sample{Tokens: slices.Concat(prompt, a.Tokens)}
	lp, err := e.learner.LogProbs(ctx, []ballast.Sample{x})
	if err != nil {
		return err
	}
	sum := 0.0
	for i, p := range a.LogProb {
		sum += math.Abs(float64(p) - float64(lp[0][len(prompt)+i]))
	}
	mean := sum / float64(len(a.LogProb))
	if !(mean <= another) {
		return fmt.Errorf("the log-probabilities of %s are %.3g nats apart from the learner's, as a mean of %d tokens; "+
			"does it serve the model that is trained?", server, mean, len(a.LogProb))
	}
	if mean > notable {
		e.say(fmt.Sprintf("the log-probabilities of %s are %.3g nats apart from the learner's, as a mean of %d tokens; signal importance "+
			"corrects for that", server, mean, len(a.LogProb)))
	}
	return nil
}

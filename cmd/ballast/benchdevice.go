package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"time"

	"github.com/spf13/cobra"

	"ballast"
	"ballast/engine"
	"ballast/loss"
	"ballast/model"
	"ballast/monitor"
	"ballast/recipe"
	"ballast/recipe/models"
)

// deviceBench are the sizes of `ballast bench device`.
type deviceBench struct {
	model                                    string
	groups, rollouts, prompt, reply, updates int
	on                                       engineFlag
}

// deviceCommand measures the engine on a device at the sizes of a published model.
func deviceCommand() *cobra.Command {
	var b deviceBench
	c := &cobra.Command{
		Use: "device", Short: "tokens sampled and trained per second at the sizes of a published model, on an accelerator", Args: cobra.NoArgs,
		Long: `Samples and trains groups of conversations of random tokens with a model of this
shape, with random weights if the model itself is not here. The first update, which
compiles, is not counted.`,
		RunE: func(c *cobra.Command, _ []string) error { return b.run(c.Context(), c.OutOrStdout()) },
	}
	fl := c.Flags()
	fl.StringVar(&b.model, "model", "Qwen/Qwen2.5-1.5B-Instruct", "a known shape, or a model")
	fl.IntVar(&b.groups, "groups", 8, "prompts an update")
	fl.IntVar(&b.rollouts, "rollouts", 8, "conversations a prompt")
	fl.IntVar(&b.prompt, "prompt", 2048, "tokens of a prompt")
	fl.IntVar(&b.reply, "reply", 256, "tokens of a reply")
	fl.IntVar(&b.updates, "updates", 2, "updates that are counted")
	b.on.add(fl, "none, name one")
	return c
}

// exchange is a conversation of one request and its reply.
type exchange struct {
	prompt []int32
	max    int
	seed   uint64
	reply  *ballast.Reply
}

// Next asks for the reply, once.
func (e *exchange) Next() (ballast.Request, bool) {
	return ballast.Request{Append: e.prompt, Max: e.max, Seed: e.seed}, e.reply == nil
}

// Wait is nil: nothing keeps the exchange waiting.
func (e *exchange) Wait() <-chan struct{} { return nil }

// Take keeps the reply, which ends the exchange.
func (e *exchange) Take(r ballast.Reply) { e.reply = &r }

func (b *deviceBench) run(ctx context.Context, out io.Writer) error {
	r, err := b.on.recipe()
	if err != nil {
		return err
	}
	m, err := b.load(ctx)
	if err != nil {
		return err
	}
	notice(&r)
	e, err := engine.Open(ctx, &r, m, nil)
	if err != nil {
		return err
	}
	defer e.Close()
	n := float64(m.Weights.Count())
	fmt.Fprintf(out, "%s\n%s, %.0fM parameters, %s; updates of %d conversations of %d + %d tokens\n",
		e.Describe(), b.model, n/1e6, m.Origin, b.groups*b.rollouts, b.prompt, b.reply)
	for i := range b.updates + 1 {
		before, begin := e.Counters(), time.Now()
		samples, err := b.sample(ctx, e.Policy(), &m.Config, i)
		if err != nil {
			return err
		}
		sampling := time.Since(begin).Seconds()
		begin = time.Now()
		st, err := e.Learner().Update(ctx, samples, 1e-6)
		if err != nil {
			return err
		}
		training := time.Since(begin).Seconds()
		if err := e.Sync(ctx); err != nil {
			return err
		}
		// Two operations a parameter and token forward, twice, and four backward.
		c, name := e.Counters(), fmt.Sprintf("update %d", i)
		if i == 0 {
			name = "warm-up "
		}
		sampled, computed := float64(c.Sampled-before.Sampled), st[monitor.TokensComputed]
		fmt.Fprintf(out, "%s  sampling %7.2f s, %8.0f tokens/s (%d prefilled, %d shared, cache %.2f GiB)  training %7.2f s, %8.0f tokens/s, "+
			"%.1f TFLOP/s (log-probability gap %.2g)\n",
			name, sampling, sampled/sampling, c.Prefilled-before.Prefilled, c.Shared-before.Shared, float64(c.PeakKV)/(1<<30),
			training, computed/training, 8*n*computed/training/1e12, gapOf(samples))
	}
	return nil
}

// gapOf is the mean difference between what sampler and learner say of the sampled tokens.
func gapOf(samples []ballast.Sample) float64 {
	sum, n := 0.0, 0.0
	for _, s := range samples {
		for i, x := range s.NewLogProb[s.Prefix:] {
			sum += math.Abs(float64(x) - float64(s.OldLogProb[s.Prefix+i]))
			n++
		}
	}
	return sum / n
}

// load reads the model, or makes one of its shape up.
func (b *deviceBench) load(ctx context.Context) (*model.Model, error) {
	c, known := models.ShapeOf(b.model)
	if _, err := os.Stat(b.model); err == nil || !known {
		return finder.Load(ctx, &recipe.Recipe{Model: b.model})
	}
	return model.New(*c, nil, 1), nil
}

// sample plays one update's conversations and makes samples of them.
func (b *deviceBench) sample(ctx context.Context, p ballast.Policy, c *model.Config, update int) ([]ballast.Sample, error) {
	rng := rand.New(rand.NewPCG(uint64(update), 1))
	var convs []ballast.Conversation
	for range b.groups {
		prompt := make([]int32, b.prompt)
		for i := range prompt {
			prompt[i] = rng.Int32N(int32(c.Vocab))
		}
		for range b.rollouts {
			convs = append(convs, &exchange{prompt: prompt, max: b.reply, seed: rng.Uint64()})
		}
	}
	if err := p.Play(ctx, convs, ballast.Sampling{Temperature: 1}); err != nil {
		return nil, err
	}
	var out []ballast.Sample
	for i, conv := range convs {
		e := conv.(*exchange)
		if e.reply.Err != nil {
			return nil, e.reply.Err
		}
		s := ballast.Sample{Group: i / b.rollouts, Prefix: b.prompt, Tokens: append(append([]int32(nil), e.prompt...), e.reply.Tokens...)}
		s.OldLogProb = append(make([]float32, b.prompt), e.reply.LogProb...)
		s.NewLogProb = make([]float32, len(s.Tokens))
		t := ballast.Term{Weight: make([]float32, len(s.Tokens)), Count: float64(len(e.reply.Tokens))}
		for k := b.prompt; k < len(t.Weight); k++ {
			t.Weight[k] = float32(1 - 2*(i%2))
		}
		s.Terms[loss.TermPolicy] = t
		out = append(out, s)
	}
	return out, nil
}

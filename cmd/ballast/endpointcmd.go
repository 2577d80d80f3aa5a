package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/endpoint"
	"ballast/eval"
	"ballast/model"
	"ballast/provenance"
	"ballast/recipe"
	"ballast/recipe/prepare"
	"ballast/remote"
	"ballast/rollout"
	"ballast/rollout/env"
	"ballast/safetext"
)

// endpointFlags are the settings of an evaluation by an endpoint.
type endpointFlags struct {
	url, api, keyEnv, tokenizer string
	concurrency, retries        int
	timeout                     time.Duration
	stream, text                bool
	halt                        context.Context // its end ends requests under way
	warn                        func(string)    // of what the server seems to leave out
}

func (f *endpointFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&f.url, "endpoint", "", "base address of an OpenAI-compatible server, such as http://localhost:8000/v1")
	fl.StringVar(&f.api, "api", "chat", "with --endpoint: chat (native tools) or completion (our template)")
	fl.StringVar(&f.keyEnv, "key-env", "", "name of the environment variable that holds the endpoint's key")
	fl.StringVar(&f.tokenizer, "tokenizer", "", "with --api completion: the model's folder, its tokenizer.json, or its name on the hub")
	fl.BoolVar(&f.text, "prompt-text", false, "with --api completion: send prompts as text, not as token ids")
	fl.IntVar(&f.concurrency, "concurrency", 8, "requests under way")
	fl.IntVar(&f.retries, "retries", 6, "further tries of a request that fails for infrastructure")
	fl.DurationVar(&f.timeout, "timeout", 5*time.Minute, "of one request")
	fl.BoolVar(&f.stream, "stream", false, "ask for replies piece by piece")
}

// endpointBudget is what an endpoint's model may write where no setting says it. The
// defaults of recipes are those of the small models that they train: a reply of 64 tokens
// cuts every model that thinks. An endpoint gets the official protocol's 4,096, and its
// own context bounds the rest.
func endpointBudget(b recipe.Budget) recipe.Budget {
	const ample = 1 << 24 // the most that a recipe takes
	return recipe.Budget{Prompt: ample, Episode: ample, Reply: 4096, Result: ample, Steps: b.Steps}
}

// check reports flags that would do nothing or cannot be honoured.
func (f *endpointFlags) check(model string) error {
	switch {
	case f.url != "" && model == "embedded":
		return errors.New("--endpoint needs --model NAME, as the server names the model")
	case f.url == "" && (f.keyEnv != "" || f.tokenizer != "" || f.stream || f.text || f.api != "chat"):
		return errors.New("--api, --key-env, --tokenizer, --prompt-text and --stream belong to an endpoint: give --endpoint too")
	case f.api != "chat" && f.api != "completion":
		return fmt.Errorf("--api %s: choose chat or completion", f.api)
	case f.url != "" && f.api == "completion" && f.tokenizer == "":
		return errors.New("--api completion writes the prompts here: give --tokenizer, the model's folder or its tokenizer.json")
	case f.api == "chat" && (f.tokenizer != "" || f.text):
		return errors.New("--tokenizer and --prompt-text belong to --api completion; with --api chat the server has the template")
	case f.concurrency < 1:
		return fmt.Errorf("--concurrency %d: want at least 1", f.concurrency)
	case f.keyEnv != "" && os.Getenv(f.keyEnv) == "":
		return fmt.Errorf("--key-env %s: that variable is not set", f.keyEnv)
	}
	return nil
}

// interruptible returns a context that ends with the first signal. The second ends what
// an endpoint is still doing; an evaluation by a model in this process it ends as usual.
func (f *endpointFlags) interruptible(c *cobra.Command) (ctx context.Context, stop func()) {
	if f.url == "" {
		return interruptible(c.Context())
	}
	f.warn = func(s string) { fmt.Fprintf(c.ErrOrStderr(), "ballast: %s\n", safetext.Line(s)) }
	ctx, f.halt, stop = interrupts(c.Context(), func() {
		fmt.Fprintf(c.ErrOrStderr(), "ballast: interrupted; waiting at most %v for replies on their way, interrupt again to stop at once\n", endpoint.DefaultGrace)
	})
	return ctx, stop
}

// player returns who plays through the endpoint.
func (f *endpointFlags) player(e *evalFlags, r *recipe.Recipe, p eval.Protocol, tasks []ballast.Task) (who string, play eval.Player,
	done func() error, err error) {
	o := remote.Options{URL: f.url, Model: e.model, Concurrency: f.concurrency, Retries: f.retries, Timeout: f.timeout, Stream: f.stream,
		Halt: f.halt, Warn: f.warn}
	if f.retries <= 0 {
		o.Retries = -1
	}
	if f.keyEnv != "" {
		o.Key = os.Getenv(f.keyEnv)
	}
	if e.out != "" {
		o.Journal = filepath.Join(e.out, "replies.jsonl")
	}
	c, err := remote.NewClient(o)
	if err != nil {
		return "", nil, nil, err
	}
	who = fmt.Sprintf("%s at %s (%s)", safetext.Line(e.model), c.Address(), f.api)
	if f.api == "chat" {
		return who, chatPlayer(c, r.Chat.System, p), c.Close, nil
	}
	policy, cfg, err := f.completion(c, r)
	if err != nil {
		return "", nil, nil, errors.Join(err, c.Close())
	}
	p.Apply(&cfg)
	cfg.Retries = 0 // the client retries
	if err := prepare.Fit(stderr, cfg, tasks); err != nil {
		return "", nil, nil, errors.Join(err, c.Close())
	}
	return who, eval.PolicyPlayer(policy, cfg, p.How), c.Close, nil
}

// chatPlayer plays with messages and native tools.
func chatPlayer(c *remote.Client, system *string, p eval.Protocol) eval.Player {
	cfg := remote.ChatConfig{
		Rules:  env.Rules{Malformed: p.Malformed, Steps: p.Budget.Steps, PerTurn: p.PerTurn},
		System: system, Reply: p.Budget.Reply, How: p.How,
	}
	if n := p.Budget.Episode; n < eval.Unbounded {
		cfg.Episode = n
	}
	if n := p.Budget.Result; n < eval.Unbounded {
		cfg.Result = n
	}
	return func(ctx context.Context, plays []rollout.Play, ended func(*ballast.Episode)) ([]ballast.Episode, error) {
		tasks := make([]*ballast.Task, len(plays))
		for i := range plays {
			tasks[i] = plays[i].Task
		}
		return c.Chat(ctx, cfg, tasks, ended)
	}
}

// tokenizerFile is the tokenizer.json that --tokenizer names, with the chat template beside it.
func (f *endpointFlags) tokenizerFile() (path string, source chat.Source, err error) {
	if path, err = finder.Tokenizer(context.Background(), f.tokenizer); err != nil {
		return "", source, err
	}
	source.From = path
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		source, err = model.ReadSource(path)
		return filepath.Join(path, "tokenizer.json"), source, err
	}
	return path, source, nil
}

// tokenizerSum is the hash of what our prompts are made with.
func (f *endpointFlags) tokenizerSum() (string, error) {
	path, source, err := f.tokenizerFile()
	if err != nil {
		return "", err
	}
	source.From = "" // where it lies
	sum, _, err := provenance.File(path)
	return provenance.Bytes(fmt.Appendf(nil, "%s %q", sum, source)), err
}

// completion is the policy and the style of an endpoint that gets our prompts.
func (f *endpointFlags) completion(c *remote.Client, r *recipe.Recipe) (*remote.Policy, rollout.Config, error) {
	path, source, err := f.tokenizerFile()
	if err != nil {
		return nil, rollout.Config{}, err
	}
	tok, err := bpe.Load(path)
	if err != nil {
		return nil, rollout.Config{}, err
	}
	format, err := chat.FormatByName(r.Chat.Format)
	if err != nil {
		return nil, rollout.Config{}, err
	}
	chosen, err := r.Renderer(source, "", tok, format)
	if err != nil {
		return nil, rollout.Config{}, fmt.Errorf("%s: %w", f.tokenizer, err)
	}
	s := chat.Style{Tok: tok, Template: chosen.Template, Format: format}
	if err := chat.Check(s); err != nil {
		return nil, rollout.Config{}, fmt.Errorf("%s: %w", f.tokenizer, err)
	}
	return &remote.Policy{Client: c, Tok: tok, Text: f.text}, r.Rollout(s), nil
}

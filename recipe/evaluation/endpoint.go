package evaluation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/env"
	"ballast/eval"
	"ballast/model"
	"ballast/provenance"
	"ballast/recipe"
	"ballast/recipe/models"
	"ballast/recipe/prepare"
	"ballast/remote"
	"ballast/rollout"
	"ballast/safetext"
)

// Endpoint is an OpenAI-compatible server that plays.
type Endpoint struct {
	URL, API, KeyEnv, Tokenizer string // API is chat or completion; KeyEnv names a variable
	Concurrency, Retries        int
	Timeout                     time.Duration // of one request
	Stream, Text                bool
	Halt                        context.Context // its end ends requests under way
	Warn                        func(string)    // of what the server seems to leave out
}

// ample is what an endpoint's model may write where no setting says it. The
// defaults of recipes are those of the small models that they train: a reply of 64 tokens
// cuts every model that thinks. An endpoint gets the official protocol's 4,096, and its
// own context bounds the rest.
func ample(b recipe.Budget) recipe.Budget {
	const most = 1 << 24 // the most that a recipe takes
	return recipe.Budget{Prompt: most, Episode: most, Reply: 4096, Result: most, Steps: b.Steps}
}

// Check reports flags that would do nothing or cannot be honoured.
func (p *Endpoint) Check(model string) error {
	switch {
	case p.URL != "" && model == recipe.DefaultModel: // no name was given
		return errors.New("--endpoint needs --model NAME, as the server names the model")
	case p.URL == "" && (p.KeyEnv != "" || p.Tokenizer != "" || p.Stream || p.Text || p.API != "chat"):
		return errors.New("--api, --key-env, --tokenizer, --prompt-text and --stream belong to an endpoint: give --endpoint too")
	case p.API != "chat" && p.API != "completion":
		return fmt.Errorf("--api %s: choose chat or completion", p.API)
	case p.URL != "" && p.API == "completion" && p.Tokenizer == "":
		return errors.New("--api completion writes the prompts here: give --tokenizer, the model's folder or its tokenizer.json")
	case p.API == "chat" && (p.Tokenizer != "" || p.Text):
		return errors.New("--tokenizer and --prompt-text belong to --api completion; with --api chat the server has the template")
	case p.Concurrency < 1:
		return fmt.Errorf("--concurrency %d: want at least 1", p.Concurrency)
	case p.KeyEnv != "" && os.Getenv(p.KeyEnv) == "":
		return fmt.Errorf("--key-env %s: that variable is not set", p.KeyEnv)
	}
	return nil
}

// player returns who plays through the endpoint.
func (p *Endpoint) player(ctx context.Context, find *models.Finder, notes io.Writer, e *Evaluation, r *recipe.Recipe, by eval.Protocol,
	tasks []ballast.Task) (who string, play eval.Player, done func() error, err error) {
	o := remote.Options{URL: p.URL, Model: e.Model, Concurrency: p.Concurrency, Retries: p.Retries, Timeout: p.Timeout, Stream: p.Stream,
		Halt: p.Halt, Warn: p.Warn}
	if p.Retries <= 0 {
		o.Retries = -1
	}
	if p.KeyEnv != "" {
		o.Key = os.Getenv(p.KeyEnv)
	}
	if e.Out != "" {
		o.Journal = filepath.Join(e.Out, "replies.jsonl")
	}
	c, err := remote.NewClient(o)
	if err != nil {
		return "", nil, nil, err
	}
	if c.Torn() {
		safetext.Say(notes, "ballast: %s: a crash cut its last reply off; it is asked for again\n", o.Journal)
	}
	who = fmt.Sprintf("%s at %s (%s)", safetext.Line(e.Model), c.Address(), p.API)
	if p.API == "chat" {
		return who, chatPlayer(c, e.Worlds.Table(), r.Chat.System, by), c.Close, nil
	}
	policy, cfg, err := p.completion(ctx, find, c, r)
	if err != nil {
		return "", nil, nil, errors.Join(err, c.Close())
	}
	by.Apply(&cfg)
	cfg.Env = e.Worlds.Table()
	if !slices.ContainsFunc(tasks, func(t ballast.Task) bool { return !cfg.Env.Instant(&t) }) {
		cfg.Retries = 0 // the client retries, and nothing else fails
	}
	if err := prepare.Fit(ctx, notes, cfg, tasks); err != nil {
		return "", nil, nil, errors.Join(&Unfit{err}, c.Close())
	}
	return who, eval.PolicyPlayer(policy, cfg, by.How), c.Close, nil
}

// chatPlayer plays with messages and native tools.
func chatPlayer(c *remote.Client, table *env.Table, system *string, p eval.Protocol) eval.Player {
	cfg := remote.ChatConfig{
		Rules: env.Rules{Malformed: p.Malformed, Steps: p.Budget.Steps, PerTurn: p.PerTurn},
		Env:   table, System: system, Reply: p.Budget.Reply, How: p.How,
	}
	if n := p.Budget.Episode; n < eval.Unbounded {
		cfg.Episode = n
	}
	if n := p.Budget.Result; n < eval.Unbounded {
		cfg.Result = n
	}
	return func(ctx context.Context, plays []rollout.Request, ended func(*ballast.Episode)) ([]ballast.Episode, error) {
		tasks := make([]*ballast.Task, len(plays))
		for i := range plays {
			tasks[i] = plays[i].Task
		}
		return c.Chat(ctx, cfg, tasks, ended)
	}
}

// tokenizerFile is the tokenizer.json that --tokenizer names, with the chat template beside it.
func (p *Endpoint) tokenizerFile(ctx context.Context, find *models.Finder) (path string, source chat.Source, err error) {
	if path, err = find.Tokenizer(ctx, p.Tokenizer); err != nil {
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
func (p *Endpoint) tokenizerSum(ctx context.Context, find *models.Finder) (string, error) {
	path, source, err := p.tokenizerFile(ctx, find)
	if err != nil {
		return "", err
	}
	source.From = "" // where it lies
	sum, _, err := provenance.File(path)
	return provenance.Bytes(fmt.Appendf(nil, "%s %q", sum, source)), err
}

// completion is the policy and the renderer of an endpoint that gets our prompts.
func (p *Endpoint) completion(ctx context.Context, find *models.Finder, c *remote.Client, r *recipe.Recipe) (
	*remote.Policy, rollout.Config, error) {
	path, source, err := p.tokenizerFile(ctx, find)
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
		return nil, rollout.Config{}, &Unfit{fmt.Errorf("%s: %w", p.Tokenizer, err)}
	}
	s := chat.Renderer{Tokenizer: tok, Template: chosen.Template, Format: format}
	if err := chat.Check(s); err != nil {
		return nil, rollout.Config{}, &Unfit{fmt.Errorf("%s: %w", p.Tokenizer, err)}
	}
	return &remote.Policy{Client: c, Tokenizer: tok, Text: p.Text}, r.Rollout(s), nil
}

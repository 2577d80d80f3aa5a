package tinker

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"ballast/safetext"
)

// loss is what a loss of the protocol takes. Servers take all else silently, and train
// something else.
type loss struct {
	needs, may []string // tensors besides target_tokens
	config     []string // must be there: defaults differ between servers
	mayConfig  []string
}

// What losses of policies have in common.
var (
	policy = []string{"logprobs", "advantages"}
	also   = []string{"weights"}
	clip   = []string{"clip_low_threshold", "clip_high_threshold"}
)

// losses are the protocol's. Not every server has all.
var losses = map[string]loss{
	"cross_entropy":       {needs: []string{"weights"}},
	"importance_sampling": {needs: policy, may: also},
	"ppo":                 {needs: policy, may: also, config: clip},
	"cispo":               {needs: policy, may: also, config: clip},
	"gspo":                {needs: policy, may: also, config: clip},
	"dro":                 {needs: policy, may: also, config: []string{"beta"}},
	"dppo":                {needs: policy, may: also, config: []string{"delta_low", "delta_high"}},
	"ppo_critic":          {needs: []string{"values", "returns"}, may: also, mayConfig: []string{"value_clip"}},
}

const targets = "target_tokens"

// checkBatch says what is wrong with a training request.
func (o *Options) checkBatch(op string, data []Datum, name string, config map[string]float64) error {
	l, ok := losses[name]
	if !ok {
		return invalid(op, "loss %q is none of the protocol's: %s", safetext.Brief(name, 40), strings.Join(sortedKeys(losses), ", "))
	}
	for _, key := range l.config {
		if _, ok := config[key]; !ok {
			return invalid(op, "%s needs %s in its configuration; servers differ in what they take else", name, key)
		}
	}
	for _, key := range sortedKeys(config) {
		if !slices.Contains(l.config, key) && !slices.Contains(l.mayConfig, key) {
			return invalid(op, "%s has no %q in its configuration", name, safetext.Brief(key, 40))
		}
		if x := config[key]; math.IsNaN(x) || math.IsInf(x, 0) {
			return invalid(op, "%s of %s is %v", key, name, x)
		}
	}
	if len(data) == 0 {
		return invalid(op, "no datum")
	}
	for i := range data {
		if err := o.checkDatum(&data[i], name, l); err != nil {
			return invalid(op, "datum %d: %v", i, err)
		}
	}
	return nil
}

func (o *Options) checkDatum(d *Datum, name string, l loss) error {
	if len(d.Input) == 0 {
		return fmt.Errorf("no token")
	}
	if err := o.checkTokens("token", d.Input); err != nil {
		return err
	}
	for _, need := range append([]string{targets}, l.needs...) {
		if _, ok := d.Inputs.Get(need); !ok {
			return fmt.Errorf("%s needs %s", name, need)
		}
	}
	seen := map[string]bool{}
	for _, n := range d.Inputs {
		shown := safetext.Brief(n.Name, 40)
		switch {
		case n.Name != targets && !slices.Contains(l.needs, n.Name) && !slices.Contains(l.may, n.Name):
			return fmt.Errorf("%s has no tensor %q", name, shown)
		case seen[n.Name]:
			return fmt.Errorf("%q stands twice", shown)
		case n.Len() != len(d.Input):
			return fmt.Errorf("%s has %d elements for %d tokens", shown, n.Len(), len(d.Input))
		case (n.Name == targets) != (n.dtype == Int64) || n.Name != targets && n.dtype != Float32:
			return fmt.Errorf("%s is of %v; %s is of int64 and all else of float32", shown, n.dtype, targets)
		}
		seen[n.Name] = true
		if n.Name == targets {
			if err := o.checkTokens("target", n.ints); err != nil {
				return err
			}
		}
		if i := slices.IndexFunc(n.floats, notFinite); i >= 0 {
			return fmt.Errorf("%s[%d] is %v", shown, i, n.floats[i])
		}
	}
	return nil
}

func notFinite(x float32) bool { return math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) }

// checkTokens refuses what is no token of the vocabulary.
func (o *Options) checkTokens(what string, ids any) error {
	limit := int64(math.MaxInt32) + 1
	if o.Vocabulary > 0 {
		limit = min(limit, int64(o.Vocabulary))
	}
	bad := func(i int, id int64) error {
		return fmt.Errorf("%s %d is %d, and the vocabulary has the ids from 0 to %d", what, i, id, limit-1)
	}
	switch ids := ids.(type) {
	case []int64:
		if i := slices.IndexFunc(ids, func(id int64) bool { return id < 0 || id >= limit }); i >= 0 {
			return bad(i, ids[i])
		}
	case []int32:
		return o.checkTokens(what, ModelInput(ids))
	case ModelInput:
		if i := slices.IndexFunc(ids, func(id int32) bool { return id < 0 || int64(id) >= limit }); i >= 0 {
			return bad(i, int64(ids[i]))
		}
	}
	return nil
}

// checkAdam says what is wrong with an optimiser's parameters.
func checkAdam(a AdamParams) error {
	for name, c := range map[string]struct{ x, below float64 }{
		"learning_rate": {a.LearningRate, math.Inf(1)}, "beta1": {a.Beta1, 1}, "beta2": {a.Beta2, 1}, "eps": {a.Eps, math.Inf(1)},
		"weight_decay": {a.WeightDecay, math.Inf(1)}, "grad_clip_norm": {a.GradClipNorm, math.Inf(1)}} {
		if !(c.x >= 0 && c.x < c.below) {
			return invalid("optim_step", "%s is %v", name, c.x)
		}
	}
	return nil
}

// savedName is what every server takes as the name of saved weights.
var savedName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

func checkName(op, name string) error {
	if !savedName.MatchString(name) {
		return invalid(op, "weights cannot be named %q: letters, digits, _ and - are taken, 255 at most", safetext.Brief(name, 80))
	}
	return nil
}

// Prompt is what is sampled after, and how.
type Prompt struct {
	Tokens      []int32
	Samples     int     // replies; 0 = 1
	MaxTokens   int     // of each
	Temperature float64 // 0 takes the likeliest token
	TopP        float64 // 0 = 1
	TopK        int     // 0 = all
	Seed        *int64  // of the first reply; the others count on. nil = the server's choice
	Stop        []int32 // tokens that end a reply and are part of it
	LogProbs    bool    // of the prompt too
	TopLogProbs int     // of the likeliest tokens at each position of the prompt
}

// checkPrompt says what is wrong with a prompt.
func (o *Options) checkPrompt(p *Prompt) error {
	const op = "asample"
	for what, ids := range map[string][]int32{"prompt token": p.Tokens, "stop token": p.Stop} {
		if err := o.checkTokens(what, ids); err != nil {
			return invalid(op, "%v", err)
		}
	}
	switch {
	case len(p.Tokens) == 0:
		return invalid(op, "the prompt has no token")
	case p.MaxTokens < 1:
		return invalid(op, "a reply of %d tokens at most", p.MaxTokens)
	case p.Samples < 0:
		return invalid(op, "%d replies", p.Samples)
	case !(p.Temperature >= 0) || math.IsInf(p.Temperature, 0):
		return invalid(op, "the temperature is %v", p.Temperature)
	case !(p.TopP >= 0 && p.TopP <= 1):
		return invalid(op, "top_p is %v", p.TopP)
	case p.TopK < 0 || p.TopLogProbs < 0:
		return invalid(op, "top_k is %d, and %d top log-probabilities are asked for", p.TopK, p.TopLogProbs)
	case p.Seed != nil && *p.Seed < 0:
		return invalid(op, "the seed is %d", *p.Seed)
	}
	return nil
}

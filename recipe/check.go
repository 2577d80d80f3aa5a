package recipe

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"ballast/chat"
	"ballast/credit"
	"ballast/recipe/signal"
	"ballast/rollout"
	"ballast/supervise"
)

// report takes what is wrong with a key.
type report func(key, format string, args ...any)

// bound is a setting and the interval that it must lie in.
type bound struct {
	key    string
	v      float64
	lo, hi float64
}

var inf = math.Inf(1)

// within reports the settings that lie outside; no number lies nowhere.
func within(bad report, bounds ...bound) {
	for _, b := range bounds {
		switch {
		case b.v >= b.lo && b.v <= b.hi && !math.IsInf(b.v, 0):
		case b.hi == inf:
			bad(b.key, "must be at least %v, is %v", b.lo, b.v)
		default:
			bad(b.key, "must lie between %v and %v, is %v", b.lo, b.hi, b.v)
		}
	}
}

// Check reports every setting that cannot be honoured.
func (r *Recipe) Check() error {
	var errs []error
	seen, keys := map[string]bool{}, map[string]bool{} // a setting of many phases is reported once
	bad := func(key, format string, args ...any) {
		if err := fmt.Errorf(key+": "+format, args...); !seen[err.Error()] {
			seen[err.Error()], keys[key] = true, true
			errs = append(errs, err)
		}
	}
	for _, b := range []bound{{"adam.beta1", r.Adam.Beta1, 0, 1}, {"adam.beta2", r.Adam.Beta2, 0, 1}} {
		if !(b.v >= b.lo && b.v < b.hi) {
			bad(b.key, "must be at least 0 and below 1, is %v", b.v)
		}
	}
	if !(r.Adam.Eps > 0 && r.Adam.Eps < inf) { // 0 divides by 0 where a weight has no gradient
		bad("adam.eps", "must be positive, is %v", r.Adam.Eps)
	}
	if d := r.RL.Clip.Dual; d != 0 && !(d > 1 && d < inf) {
		bad("rl.clip.dual", "must be 0 (off) or above 1, is %v", d)
	}
	if e := r.Tasks.Eval; e != "" && e != "test" && e != "valid" {
		bad("tasks.eval", "%q is not one of test, valid", e)
	}
	if err := r.Quirks.Check(); err != nil {
		bad("quirks", "%v", err)
	}
	r.checkChat(bad)
	r.Guard.check(bad)
	if r.Guard.Do == "reference" && !r.referred() {
		bad("guard.do", "reference has no weight to raise: set rl.kl, or the signal %s",
			signalsWith(func(n signal.Needs) bool { return n.Reference }))
	}
	if len(r.Phases) == 0 && !Untrained(r.Method) {
		bad("phases", "the recipe has none; add e.g. `- rl: 50`")
	}
	if err := r.Judge.Check(); err != nil {
		errs = append(errs, err)
	}
	for i := range r.Phases[:min(len(r.Phases), mostPhases)] {
		r.checkPhase(i, bad)
	}
	// What lies outside of all reason, where nothing was said of the key.
	once := func(key, format string, args ...any) {
		if !keys[key] {
			bad(key, format, args...)
		}
	}
	r.checkSpans(once)
	for i := range r.Phases[:min(len(r.Phases), mostPhases)] {
		if in, err := r.In(i); err == nil {
			in.checkSpans(once)
		}
	}
	return errors.Join(errs...)
}

// Referred says whether a phase with these settings has the reference term.
func (rl *RL) Referred() bool { return rl.KL > 0 || signal.Need(rl.Signals).Reference }

// signalsWith lists the signals that have a need by default.
func signalsWith(need func(signal.Needs) bool) string {
	var names []string
	for _, s := range signal.All {
		if need(signal.Need(map[string]signal.Settings{s.Name: nil})) {
			names = append(names, s.Name)
		}
	}
	return strings.Join(names, " or ")
}

// referred says whether some RL phase has the reference term.
func (r *Recipe) referred() bool {
	for i, p := range r.Phases {
		in, err := r.In(i)
		if err == nil && p.RL > 0 && in.RL.Referred() {
			return true
		}
	}
	return false
}

func (r *Recipe) checkChat(bad report) {
	if _, err := chat.FormatByName(r.Chat.Format); err != nil {
		bad("chat.format", "%v", err)
	}
	if r.Chat.Template != "" && r.Jinja() == "" {
		if _, err := chat.TemplateByName(r.Chat.Template); err != nil {
			bad("chat.template", "%v, or give the path of a .jinja file", err)
		}
	}
	switch r.Chat.Malformed {
	case rollout.MalformedStop, rollout.MalformedRetry, rollout.MalformedAdvance:
	default:
		bad("chat.malformed", "%q is not one of stop, retry, advance", r.Chat.Malformed)
	}
}

// checkPhase reports what is wrong with phase i and with its settings.
func (r *Recipe) checkPhase(i int, bad report) {
	p, key := r.Phases[i], fmt.Sprintf("phases[%d]", i)
	in, err := r.In(i)
	switch {
	case err != nil:
		bad(key, "%v", err)
	case (p.RL != 0) == (p.SFT != ""):
		bad(key, "wants either rl or sft")
	case p.RL < 0:
		bad(key+".rl", "must be at least 1, is %d", p.RL)
	case p.RL > 0:
		in.checkRL(bad)
	case p.SFT != "":
		in.checkSFT(bad, key, p.SFT)
	}
	switch p.Reset {
	case "", "all", "optimizer", "reference", "none":
	default:
		bad(key+".reset", "%q is not one of all, optimizer, reference, none", p.Reset)
	}
}

func (r *Recipe) checkRL(bad report) {
	rl := &r.RL
	if _, err := signal.Open(rl.Signals, rl.Rollouts); err != nil {
		bad("rl.signals", "%v", err)
	}
	within(bad, bound{"rl.prompts", float64(rl.Prompts), 1, inf}, bound{"rl.minibatches", float64(rl.Minibatches), 1, inf},
		bound{"rl.warmup", float64(rl.Warmup), 0, inf}, bound{"rl.patience", float64(rl.Patience), 0, inf},
		bound{"rl.kl", rl.KL, 0, inf}, bound{"rl.progress", rl.Progress, 0, 1}, bound{"rl.format", rl.Format, 0, 1})
	if rl.Rollouts < 2 {
		bad("rl.rollouts", "a group needs at least 2 episodes, is %d", rl.Rollouts)
	}
	if rl.Minibatches > rl.Prompts {
		bad("rl.minibatches", "%d minibatches of %d prompts leave some empty", rl.Minibatches, rl.Prompts)
	}
	if !(rl.LR > 0 && rl.LR < inf) {
		bad("rl.lr", "must be positive, is %v", rl.LR)
	}
	// The outcome keeps the rest of the reward: a failure never pays like a success.
	if rl.Progress+rl.Format >= 1 {
		bad("rl.progress", "with rl.format it must stay below 1, so that success pays most; together they are %v", rl.Progress+rl.Format)
	}
	// The ratio compares log-probabilities at temperature 1 over the whole
	// vocabulary; other draws would make it that of a policy nobody sampled.
	if rl.Temperature != 1 {
		bad("rl.temperature", "must be 1, is %v: the learner's log-probabilities are those at temperature 1", rl.Temperature)
	}
	if _, _, err := credit.Advantages(rl.Advantage, nil); err != nil {
		bad("rl.advantage", "%v", err)
	}
	rl.checkLoss(bad)
	if a := rl.Aggregate; a != "token-mean" && a != "sequence-mean" {
		bad("rl.aggregate", "%q is not one of token-mean, sequence-mean", a)
	}
}

func (r *Recipe) checkSFT(bad report, key, source string) {
	for name := range strings.SplitSeq(source, "+") {
		if findSource(name) == nil {
			bad(key+".sft", "source %q is not known; choose among: %s, or join some with +", name, sourceNames(", "))
		}
		if s := findSource(name); s != nil && s.File && r.SFT.File == "" {
			bad("sft.file", "source %s needs the name of one", name)
		}
	}
	within(bad, bound{"sft.epochs", float64(r.SFT.Epochs), 1, inf}, bound{"sft.batch", float64(r.SFT.Batch), 1, inf},
		bound{"sft.warmup", r.SFT.Warmup, 0, 1}, bound{"sft.turns", float64(r.SFT.Turns), 0, inf}, bound{"sft.window", float64(r.SFT.Window), 0, inf})
	if p := r.SFT.Per; p != "" && p != "dialogue" && p != "turn" {
		bad("sft.per", "%q is not one of dialogue, turn", p)
	}
	if f := r.SFT.Rule; f != "" && f != supervise.RuleAll && f != supervise.RuleAny {
		bad("sft.rule", "%q is not one of all, any", f)
	}
	if !(r.SFT.LR > 0 && r.SFT.LR < inf) {
		bad("sft.lr", "must be positive, is %v", r.SFT.LR)
	}
	if s := r.SFT.Schedule; s != "cosine" && s != "constant" {
		bad("sft.schedule", "%q is not one of cosine, constant", s)
	}
	for _, f := range slices.Sorted(maps.Keys(r.SFT.Formats)) {
		if _, err := chat.FormatByName(f); err != nil {
			bad("sft.formats", "%v", err)
		}
	}
}

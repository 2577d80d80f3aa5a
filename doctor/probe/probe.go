// Package probe measures how much capability a tool-call format hides. A policy
// whose replies break by their control tokens fails every task in the format that
// it was trained in, while it may still know what to call. The probe plays the same
// tasks with the same seeds in that format (plain), in other formats, and with
// decoding constrained to the format (package constrain): what a variant solves and
// plain does not is capability that the format hides (paper, section 2).
//
// Contract: outcomes are paired by task; nothing but the variant differs between
// them. A constrained episode is token by token the plain one up to the first token
// that the format forbids, so tasks where none is drawn never differ.
//
// Failure: a format that the tokenizer cannot write is an error. Episodes that
// break for infrastructure are counted, and left out of their pair.
package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"ballast"
	"ballast/bounded"
	"ballast/chat"
	"ballast/chat/constrain"
	"ballast/durable"
	"ballast/eval"
	"ballast/rollout"
	"ballast/runlog"
)

// Plain is the name of the variant that the others are compared with.
const Plain = "plain"

// Variant is one way to play.
type Variant struct {
	Name      string // plain, a strength of package constrain, or a format
	Renderer  chat.Renderer
	Constrain constrain.Maker // nil: free
}

// Variants lists plain, the strengths that its format has, and other formats:
// those named, or without any name Python calls (hermes where those are the
// training format's), where the tokenizer has what it needs.
func Variants(s chat.Renderer, others []string) ([]Variant, error) {
	out := []Variant{{Name: Plain, Renderer: s}}
	for _, how := range []constrain.Strength{constrain.Control, constrain.Grammar} {
		if how == constrain.Grammar && s.Format.Name() != chat.Hermes.Name() {
			continue // it has no grammar
		}
		m, err := constrain.New(s, how)
		if err != nil {
			return nil, err
		}
		out = append(out, Variant{string(how), s, m})
	}
	given := len(others) > 0
	if !given {
		others = []string{chat.Pythonic.Name()}
		if s.Format.Name() == chat.Pythonic.Name() {
			others[0] = chat.Hermes.Name()
		}
	}
	for _, name := range others {
		f, err := chat.FormatByName(name)
		if err != nil {
			return nil, err
		}
		v := Variant{Name: name, Renderer: chat.Renderer{Tokenizer: s.Tokenizer, Template: s.Template, Format: f}}
		if name == s.Format.Name() {
			return nil, fmt.Errorf("probe: %s is the format of training, choose others", name)
		}
		if err := chat.Check(v.Renderer); err == nil {
			out = append(out, v)
		} else if given {
			return nil, err
		}
	}
	return out, nil
}

// Outcome is what came of one variant.
type Outcome struct {
	Variant string                `json:"variant"`
	Format  string                `json:"format"`
	Success eval.Count            `json:"success"`
	Kinds   [ballast.NumKinds]int `json:"forms"`   // replies, in the order of ballast.ReplyKind
	Reasons map[string]int        `json:"reasons"` // of replies that are not healthy
	Stops   map[ballast.Stop]int  `json:"stops"`
	Infra   int                   `json:"infra"` // episodes left out
	// Hidden compares with plain; nil for plain itself.
	Hidden *Difference `json:"hidden,omitempty"`
}

// Result is a probe of one policy.
type Result struct {
	Model       string    `json:"model"`
	Update      int       `json:"update,omitempty"` // of the checkpoint, where it is one of a run
	Tasks       string    `json:"tasks"`
	Count       int       `json:"count"`
	Temperature float64   `json:"temperature"`
	Outcomes    []Outcome `json:"outcomes"` // plain first
}

// Run plays the tasks in every variant. cfg says how episodes go; its renderer and
// constraint are the variants'. told, if not nil, hears of every outcome as it is
// there.
func Run(ctx context.Context, policy ballast.Policy, cfg rollout.Config, variants []Variant, tasks []ballast.Task,
	how ballast.Sampling, told func(Outcome)) (Result, error) {
	r := Result{Count: len(tasks), Temperature: how.Temperature}
	var plain []ballast.Episode
	for _, v := range variants {
		cfg.Renderer, cfg.Constrain = v.Renderer, v.Constrain
		res, err := eval.Run(ctx, policy, cfg, tasks, how)
		if err != nil {
			return r, fmt.Errorf("probe: %s: %w", v.Name, err)
		}
		o := Outcome{Variant: v.Name, Format: v.Renderer.Format.Name(), Success: res.Total, Kinds: res.Kinds, Reasons: faults(res.Episodes),
			Stops: res.Stops, Infra: res.Infra}
		if v.Name == Plain {
			plain = res.Episodes
		} else if plain != nil {
			d := eval.Compare(plain, res.Episodes)
			o.Hidden = &d
		}
		r.Outcomes = append(r.Outcomes, o)
		if told != nil {
			told(o)
		}
	}
	return r, nil
}

// faults counts the reasons of unhealthy replies.
func faults(eps []ballast.Episode) map[string]int {
	out := map[string]int{}
	for _, ep := range eps {
		for _, t := range ep.Turns {
			for _, s := range t.Steps {
				if s.Kind == ballast.KindPolluted || s.Kind == ballast.KindCollapsed {
					out[s.Reason]++
				}
			}
		}
	}
	return out
}

// Table is the result for a terminal.
func (r *Result) Table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-10s %9s   %-22s %-38s", "variant", "solved", "success [95%]", "more than plain [95%], p")
	for f := range ballast.ReplyKind(ballast.NumKinds) {
		fmt.Fprintf(&b, " %9s", f)
	}
	b.WriteString("  faults\n")
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		fmt.Fprintf(&b, "%-10s %4d/%-4d %-22s   %-38s", o.Variant, o.Success.OK, o.Success.All, o.Rate(), o.Gain())
		for _, share := range o.Shares() {
			fmt.Fprintf(&b, " %9s", share)
		}
		fmt.Fprintf(&b, "  %s", o.Faults())
		if o.Infra > 0 {
			fmt.Fprintf(&b, "; %d of %d played, %d left out", o.Success.All, o.Success.All+o.Infra, o.Infra)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Sentence sums the result up.
func (r *Result) Sentence() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Probe of %s on %d tasks (%s):", r.Who(), r.Count, r.Tasks)
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		if i > 0 {
			b.WriteByte(';')
		}
		fmt.Fprintf(&b, " %s solves %.1f%%", o.Variant, 100*o.Success.Rate())
		if d := o.Hidden; d != nil {
			fmt.Fprintf(&b, ", %+.1f points [%+.1f, %+.1f]", 100*d.Mean, 100*d.Lo, 100*d.Hi)
		}
	}
	return b.String() + "."
}

// Who names the policy.
func (r *Result) Who() string {
	if r.Update > 0 {
		return fmt.Sprintf("update %d", r.Update)
	}
	return r.Model
}

// Gain is the comparison with plain in words: points, interval, counts.
func (o *Outcome) Gain() string {
	if o.Hidden == nil {
		return ""
	}
	d := o.Hidden
	return fmt.Sprintf("%+.1f [%+.1f, %+.1f] (+%d -%d) p=%.2g", 100*d.Mean, 100*d.Lo, 100*d.Hi, d.Gained, d.Lost, d.P)
}

// Rate is the success rate with its Wilson interval, in percent; "-" where nothing was played.
func (o *Outcome) Rate() string {
	if o.Success.All == 0 {
		return "-"
	}
	lo, hi := o.Success.Wilson()
	return fmt.Sprintf("%5.1f%% [%.1f, %.1f]", 100*o.Success.Rate(), 100*lo, 100*hi)
}

// Shares are the shares of the forms among the replies, in percent.
func (o *Outcome) Shares() []string {
	n := 0
	for _, k := range o.Kinds {
		n += k
	}
	var out []string
	for _, k := range o.Kinds {
		out = append(out, fmt.Sprintf("%.1f%%", 100*float64(k)/float64(max(n, 1))))
	}
	return out
}

// Faults names the three most frequent reasons of unhealthy replies.
func (o *Outcome) Faults() string {
	list := slices.SortedFunc(maps.Keys(o.Reasons), func(a, b string) int {
		if o.Reasons[a] != o.Reasons[b] {
			return o.Reasons[b] - o.Reasons[a]
		}
		return strings.Compare(a, b)
	})
	for i, k := range list {
		list[i] = fmt.Sprintf("%s %d", strings.ReplaceAll(k, "_", " "), o.Reasons[k])
	}
	return strings.Join(list[:min(3, len(list))], ", ")
}

// Save keeps the result in the run directory that its checkpoint belongs to and
// returns the file. A probe of the same update is replaced.
func (r *Result) Save(run string) (string, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", fmt.Errorf("probe: %w", err)
	}
	path := runlog.Dir(run).Probe(r.Update)
	if err := durable.Subfolder(filepath.Dir(path)); err != nil {
		return "", fmt.Errorf("probe: %w", err)
	}
	if err := durable.ReplaceBytes(path, append(data, '\n')); err != nil {
		return "", fmt.Errorf("probe: %w", err)
	}
	return path, nil
}

// Load reads the probes of a run, by update. What can be read is returned beside
// the error.
func Load(run string) ([]Result, error) {
	updates, err := runlog.Dir(run).Probes()
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	var out []Result
	var errs []error
	for _, update := range updates {
		path := runlog.Dir(run).Probe(update)
		data, err := bounded.ReadFile(path, 64*bounded.MiB)
		var r Result
		if err == nil {
			err = json.Unmarshal(data, &r)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		default:
			out = append(out, r)
		}
	}
	return out, errors.Join(errs...)
}

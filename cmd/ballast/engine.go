package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/pflag"

	"ballast"
	"ballast/chat"
	"ballast/engine"
	"ballast/model"
	"ballast/recipe"
)

// openEngine opens the recipe's engine for a model, with a sampler that records the
// probabilities of control tokens. say is told what the engine says while it is open.
func openEngine(ctx context.Context, r *recipe.Recipe, m *model.Model, s chat.Renderer, say func(string)) (engine.Engine, error) {
	notice(r)
	ids, _ := s.Control()
	return engine.Open(ctx, r, m, ids, say)
}

// openSampler is openEngine for what does not learn; its sampler records the probabilities of
// the watched tokens.
func openSampler(ctx context.Context, r *recipe.Recipe, m *model.Model, watch []int32) (ballast.Engine, error) {
	notice(r)
	e, err := engine.Sampler(ctx, r, m, watch, (&teller{out: stderr}).say)
	if err != nil {
		return nil, fmt.Errorf("%w; --engine cpu samples on the processor", err)
	}
	return e, nil
}

// open is openSampler on the engine of the flag, for control tokens.
func (f engineFlag) open(ctx context.Context, r *recipe.Recipe, m *model.Model, s chat.Renderer) (ballast.Engine, error) {
	if err := f.apply(r); err != nil {
		return nil, err
	}
	watch, _ := s.Control()
	return openSampler(ctx, r, m, watch)
}

// engineLine says what the recipe's engine computes with here, or why it does not run.
func engineLine(r *recipe.Recipe) string {
	text, err := engine.Here(r)
	if err != nil {
		text = "none: " + err.Error()
	}
	if lacks := engine.Lacks(r, nil); lacks != "" {
		text += "; " + lacks
	}
	return text
}

// engineFlag chooses the engine of a command that has no recipe of its own.
type engineFlag []string

func (f *engineFlag) add(fl *pflag.FlagSet, otherwise string) {
	var names []string
	for _, k := range engine.All {
		names = append(names, fmt.Sprintf("%s (%s)", k.Name, k.Doc))
	}
	fl.StringSliceVar((*[]string)(f), "engine", nil, fmt.Sprintf("what computes: KIND[,KEY=VALUE]... with KIND %s and the keys of a "+
		"recipe's section engine, "+
		"such as xla,address=cuda,precision=bfloat16 (default: %s)", strings.Join(names, " or "), otherwise))
}

// items are KIND and what stands after it; the commas of a list in brackets part none.
func (f engineFlag) items() (out []string) {
	for _, text := range f {
		if last := len(out) - 1; last >= 0 && strings.Count(out[last], "[") > strings.Count(out[last], "]") {
			out[last] += "," + text
		} else {
			out = append(out, text)
		}
	}
	return out
}

// apply lays the flag over a recipe, if it was given.
func (f engineFlag) apply(r *recipe.Recipe) error {
	given := map[string]bool{}
	for i, text := range f.items() {
		if i == 0 {
			r.Engine, text = recipe.Engine{}, "kind="+text
		}
		key, _, valued := strings.Cut(text, "=")
		if !valued || key != "kind" && !slices.Contains(recipe.EngineKeys(), key) || given[key] {
			return fmt.Errorf("--engine %s: want KIND[,KEY=VALUE]... with the keys %s, each once", strings.Join(f, ","),
				strings.Join(recipe.EngineKeys(), ", "))
		}
		given[key] = true
		if err := r.Set("engine." + text); err != nil {
			return fmt.Errorf("--engine: %w", err)
		}
	}
	return engine.CheckSampler(r)
}

// recipe is the baseline's for a command that wants the flag.
func (f engineFlag) recipe() (recipe.Recipe, error) {
	r, err := recipe.New(recipe.Baseline)
	if err == nil && len(f) == 0 {
		err = errors.New("--engine: name one, such as xla,address=PLUGIN; with address go it computes in plain Go, without XLA")
	}
	if err == nil {
		err = f.apply(&r)
	}
	return r, err
}

var noticed sync.Map

// notice tells what there is to say of the recipe's engine here, once.
func notice(r *recipe.Recipe) {
	for _, text := range engine.Notices(r, os.Getenv) {
		if _, told := noticed.LoadOrStore(text, true); !told {
			fmt.Fprintln(stderr, "ballast:", text)
		}
	}
}

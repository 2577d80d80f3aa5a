// Package survey finds out what a live server holds: it calls the tools that only read, finds the
// values in their results, and fills the arguments of further calls with them.
//
// Contract: calls are made one after the other in the session that is given, and only of the tools
// that are given as reading ones. All draws come from a seed, so that a server that answers the
// same is surveyed the same. A value is a text of one line, a number or a truth value; what it is
// for is told by the names around it (Param.Fit) and never by what a model thinks.
//
// How it fails: a call that the server refuses is counted by tool and costs nothing else. An error
// of the session ends the survey and is returned.
package survey

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"

	"ballast"
	"ballast/value"
)

// Bounds of a survey.
const (
	maxRounds  = 6   // results of one round fill the arguments of the next
	maxPerTool = 24  // calls of one tool
	maxPerTurn = 8   // calls of one tool in a round
	maxCalls   = 300 // calls in all
)

// Call is a call that was made, and what came back.
type Call struct {
	Filled
	Result Result
}

// Survey is what was seen.
type Survey struct {
	Readers []ballast.Tool
	Calls   []Call
	Facts   []Fact
	// Refused counts the calls of a tool that the server refused, and Unfilled says which
	// parameter had no value, by tool.
	Refused  map[string]int
	Refusal  map[string]string // what the first said
	Unfilled map[string]string
	params   map[string][]*Param
	failed   func(string) bool
}

// Failed says whether a result is a mistake told in words: it begins with "error", or is an object
// whose key error is not empty.
func Failed(text string) bool {
	text = strings.TrimSpace(text)
	if len(text) >= 5 && strings.EqualFold(text[:5], "error") {
		return true
	}
	if !strings.HasPrefix(text, "{") {
		return false
	}
	v, _ := Parse(text)
	d, ok := v.(*value.Dict)
	if !ok {
		return false
	}
	e, has := d.GetString("error")
	return has && value.Truth(e)
}

// maxGuess is the largest number that is tried where nothing says which there are.
const maxGuess = 12

// Given are values that a person says are there, as facts: under the name of a parameter or of a key.
func Given(name string, values ...any) (out []Fact) {
	for _, v := range values {
		out = append(out, Fact{Value: v, Key: name, Path: name, key: singulars(name), above: singulars(name)})
	}
	return out
}

// Run surveys a session with tools that only read, from given values on. A tool that needs one number
// of which nothing is known is tried with the numbers from 1. failed says whether a result is a
// mistake told in words; nil is Failed.
func Run(ctx context.Context, s ballast.Session, readers []ballast.Tool, given []Fact, seed uint64,
	failed func(string) bool) (*Survey, error) {
	if failed == nil {
		failed = Failed
	}
	v := &Survey{Readers: readers, Refused: map[string]int{}, Refusal: map[string]string{}, Unfilled: map[string]string{},
		params: map[string][]*Param{}, failed: failed, Facts: slices.Clone(given)}
	for _, t := range readers {
		v.params[t.Name] = Params(t)
	}
	rng := rand.New(rand.NewPCG(seed, 0x5eed))
	made, count := map[string]bool{}, map[string]int{}
	for round := range maxRounds {
		facts := slices.Clone(v.Facts) // of this round's calls
		any := false
		for _, t := range readers {
			fill := &Filler{Rng: rng, Facts: facts}
			for range maxPerTurn {
				if count[t.Name] >= maxPerTool || len(v.Calls) >= maxCalls {
					break
				}
				filled, missing := fill.Fill(t, v.params[t.Name])
				if missing != "" {
					v.Unfilled[t.Name] = missing
					break
				}
				delete(v.Unfilled, t.Name)
				key := value.FormatCall(filled.Call)
				if made[key] {
					continue
				}
				made[key], any = true, true
				count[t.Name]++
				if err := v.call(ctx, s, filled); err != nil {
					return v, fmt.Errorf("%s: %w", key, err)
				}
			}
		}
		if any || round == 0 {
			continue
		}
		if guessed, err := v.guess(ctx, s, made); err != nil || !guessed {
			return v, err
		}
	}
	return v, nil
}

// guess tries numbers with the first tool that needs one and has none, and says whether something
// came of it.
func (v *Survey) guess(ctx context.Context, s ballast.Session, made map[string]bool) (bool, error) {
	for _, t := range v.Readers {
		missing := v.Unfilled[t.Name]
		i := slices.IndexFunc(v.params[t.Name], func(p *Param) bool { return p.Path == missing && p.Type == "integer" })
		if i < 0 {
			continue
		}
		before := len(v.Calls)
		for n := range int64(maxGuess) {
			f := &Filler{Rng: rand.New(rand.NewPCG(uint64(n), 1)), Facts: v.Facts, Pins: map[string]any{missing: n + 1}}
			filled, other := f.Fill(t, v.params[t.Name])
			key := value.FormatCall(filled.Call)
			if other != "" || made[key] {
				continue
			}
			made[key] = true
			if err := v.call(ctx, s, filled); err != nil {
				return false, fmt.Errorf("%s: %w", key, err)
			}
		}
		if len(v.Calls) == before {
			continue
		}
		delete(v.Unfilled, t.Name)
		for _, c := range v.Calls[before:] {
			v.Facts = append(v.Facts, Said(c.Call)...) // these are there
		}
		return true, nil
	}
	return false, nil
}

// call makes a call and keeps what it returns.
func (v *Survey) call(ctx context.Context, s ballast.Session, filled Filled) error {
	text, err := s.Call(ctx, filled.Call)
	if err != nil {
		return err
	}
	name := filled.Call.Name
	if v.failed(text) {
		if v.Refused[name]++; v.Refusal[name] == "" {
			v.Refusal[name] = value.FormatCall(filled.Call) + ": " + text
		}
		return nil
	}
	c := Observe(filled, text)
	v.Calls = append(v.Calls, c)
	v.Facts = append(v.Facts, c.Result.Facts...)
	return nil
}

// Observe reads the result of a call. Names in a folder that the call asked for are joined with it.
func Observe(filled Filled, text string) Call {
	c := Call{Filled: filled, Result: Read(filled.Call.Name, text)}
	for _, a := range filled.Args {
		folder, is := a.Value.(string)
		if _, _, takes := a.Param.wantsPath(); !is || !takes || !PathLike(folder) && folder != "." || fileName(path.Base(folder)) {
			continue
		}
		for _, f := range c.Result.Facts {
			if joined, ok := f.in(folder, c.Result.Facts); ok {
				c.Result.Facts = append(c.Result.Facts, joined)
			}
		}
	}
	return c
}

// in is the name of a file or a folder, joined with the folder that it was listed in.
func (f *Fact) in(folder string, all []Fact) (Fact, bool) {
	name, ok := f.Value.(string)
	if !ok || f.List == "" || name == "" || len(name) > 100 || strings.ContainsAny(name, "/\\") || strings.Count(f.Path, "[") != 1 {
		return Fact{}, false
	}
	if f.Key != "" && !slices.Contains([]string{"name", "file", "directory", "filename", "title"}, f.Key) {
		return Fact{}, false
	}
	kind := ""
	switch {
	case slices.Contains(f.key, "directory"):
		kind = "directory"
	case slices.Contains(f.key, "file"):
		kind = "file"
	}
	for i := range all { // what the entry says of itself
		if x := &all[i]; x.List == f.List && x.Item == f.Item && x.Key == "type" {
			if s, ok := x.Value.(string); ok && marks[strings.ToLower(s)] == "" {
				kind = strings.ToLower(s)
			}
		}
	}
	if kind == "" && fileName(name) {
		kind = "file"
	}
	out := *f
	out.Value, out.Joined = strings.TrimSuffix(folder, "/")+"/"+name, true
	out.key, out.above = []string{"path"}, nil
	if kind != "" {
		out.above = []string{kind}
	}
	return out, true
}

// Said are the values in the arguments of a call, as facts. A path says which folders it lies in,
// too.
func Said(c ballast.Call) []Fact {
	r := Result{}
	f := finder{r: &r}
	for _, a := range c.Args {
		f.walk(a.Value, place{key: a.Name, path: a.Name, above: nouns(c.Name)}, 0)
	}
	for _, x := range slices.Clone(r.Facts) {
		s, ok := x.Value.(string)
		if !ok || !PathLike(s) || !strings.HasPrefix(s, "/") {
			continue
		}
		for dir := path.Dir(s); dir != "/" && dir != "."; dir = path.Dir(dir) {
			r.Facts = append(r.Facts, Fact{Value: dir, Path: x.Path, key: []string{"path"}, above: []string{"directory"}, Joined: true})
		}
	}
	return r.Facts
}

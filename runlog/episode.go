package runlog

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/klauspost/compress/zstd"

	"ballast"
	"ballast/durable/jsonl"
	"ballast/env/sim"
	"ballast/value"
)

// wireEpisode is one line of an episode file. Facts that only sampled tokens have
// are written for the policy's tokens in order; owners as runs. Numbers are
// rounded for looking at: log-probabilities to 5 significant digits, entropies to
// 4, watched probabilities to 3 (below 1e-9 they are 0). Text that is not UTF-8
// gets U+FFFD; the tokens are the truth.
type wireEpisode struct {
	Task    string     `json:"task"`
	Group   int        `json:"group"`
	Sample  int        `json:"sample"`
	Seed    uint64     `json:"seed"`
	Stop    string     `json:"stop"`
	Error   string     `json:"error,omitempty"`
	Hinted  bool       `json:"hinted,omitempty"`
	Score   wireScore  `json:"score"`
	Turns   []wireTurn `json:"turns"`
	Prompt  int        `json:"prompt"`
	Tokens  []int32    `json:"tokens"`
	Owners  []int      `json:"owners"` // owner, length, owner, length, ...
	LogProb floats5    `json:"logprob,omitempty"`
	Entropy floats4    `json:"entropy,omitempty"`
	Watch   []floats3  `json:"watch,omitempty"`
}

type wireScore struct {
	Reward   number `json:"reward"`
	Success  bool   `json:"success,omitempty"`
	FailTurn int    `json:"fail_turn"`
	Reason   string `json:"reason,omitempty"`
	Progress number `json:"progress"`
	Format   number `json:"format"`
}

type wireTurn struct {
	User  string     `json:"user"`
	Steps []wireStep `json:"steps"`
	Check *Check     `json:"check,omitempty"`
}

// Check is a verdict as files have it. Those of earlier versions have the comparison with
// gold instead, without passed.
type Check struct {
	Done     bool   `json:"done,omitempty"`
	Passed   *bool  `json:"passed,omitempty"`
	Score    number `json:"score,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Where    string `json:"where,omitempty"`
	Empty    bool   `json:"empty,omitempty"`
	State    bool   `json:"state,omitempty"`
	Response bool   `json:"response,omitempty"`
	Extra    int    `json:"extra,omitempty"`
}

// NewCheck is a verdict to be written.
func NewCheck(c ballast.Check) Check {
	return Check{Done: c.Done, Passed: &c.Passed, Score: number(c.Score), Reason: c.Reason, Where: c.Where}
}

// Verdict is what was written.
func (w Check) Verdict() ballast.Check {
	if w.Passed != nil || !w.Done {
		return ballast.Check{Done: w.Done, Passed: w.Passed != nil && *w.Passed, Score: float64(w.Score), Reason: w.Reason, Where: w.Where}
	}
	return sim.Verdict{Done: w.Done, Empty: w.Empty, State: w.State, Response: w.Response, Extra: w.Extra, Where: w.Where}.Check()
}

type wireStep struct {
	Span    [2]int     `json:"span"`
	Text    string     `json:"text"`
	Kind    uint8      `json:"form"`
	Reason  string     `json:"reason,omitempty"`
	Calls   []wireCall `json:"calls,omitempty"`
	Results []string   `json:"results,omitempty"`
	Cut     bool       `json:"cut,omitempty"`
	Gold    bool       `json:"gold,omitempty"`
}

type wireCall struct {
	Name string    `json:"name"`
	Args []wireArg `json:"args,omitempty"`
}

// wireArg is one argument: its value as JSON, or as text where it is not strict
// JSON (Python's NaN and Infinity).
type wireArg struct {
	Name  string          `json:"name,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
	Text  string          `json:"text,omitempty"`
}

// encodeEpisodes writes a compressed file of episodes.
func encodeEpisodes(w io.Writer, episodes []ballast.Episode) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return err
	}
	buf := bufio.NewWriterSize(z, 64<<10)
	for i := range episodes {
		var line []byte
		if line, err = encodeEpisode(&episodes[i]); err != nil {
			err = fmt.Errorf("episode %d (task %s): %w", i, episodes[i].Task, err)
			break
		}
		if _, err = buf.Write(line); err != nil {
			break
		}
	}
	if err == nil {
		err = buf.Flush()
	}
	if cerr := z.Close(); err == nil {
		err = cerr
	}
	return err
}

// encodeEpisode returns one line.
func encodeEpisode(e *ballast.Episode) ([]byte, error) {
	n := len(e.Tokens)
	policy := count(e.Owners, ballast.OwnerPolicy)
	switch {
	case len(e.Owners) != n:
		return nil, fmt.Errorf("%d owners for %d tokens", len(e.Owners), n)
	case e.LogProb != nil && len(e.LogProb) != n:
		return nil, fmt.Errorf("%d log-probabilities for %d tokens", len(e.LogProb), n)
	case e.Entropy != nil && len(e.Entropy) != n:
		return nil, fmt.Errorf("%d entropies for %d tokens", len(e.Entropy), n)
	case e.Watch != nil && len(e.Watch) != policy:
		return nil, fmt.Errorf("%d watched rows for %d tokens of the policy", len(e.Watch), policy)
	}
	s := e.Score
	w := wireEpisode{
		Task: e.Task, Group: e.Group, Sample: e.Sample, Seed: e.Seed, Stop: string(e.Stop), Error: e.Error, Hinted: e.Hinted,
		Score:  wireScore{number(s.Reward), s.Success, s.FailTurn, s.Reason, number(s.Progress), number(s.Format)},
		Prompt: e.Prompt, Tokens: e.Tokens, Owners: runs(e.Owners),
		LogProb: pick(e.LogProb, e.Owners), Entropy: pick(e.Entropy, e.Owners),
	}
	for _, row := range e.Watch {
		w.Watch = append(w.Watch, row)
	}
	for _, t := range e.Turns {
		wt := wireTurn{User: t.User, Steps: []wireStep{}}
		if t.Check != (ballast.Check{}) {
			c := NewCheck(t.Check)
			wt.Check = &c
		}
		for _, step := range t.Steps {
			ws := wireStep{Span: [2]int{step.Start, step.End}, Text: step.Text, Kind: uint8(step.Kind), Reason: step.Reason,
				Results: step.Results, Cut: step.Cut, Gold: step.Gold}
			for _, c := range step.Calls {
				wc, err := encodeCall(c)
				if err != nil {
					return nil, err
				}
				ws.Calls = append(ws.Calls, wc)
			}
			wt.Steps = append(wt.Steps, ws)
		}
		w.Turns = append(w.Turns, wt)
	}
	return jsonl.Line(w)
}

func encodeCall(c ballast.Call) (wireCall, error) {
	w := wireCall{Name: c.Name}
	for _, a := range c.Args {
		text, err := value.JSON(a.Value)
		if err != nil {
			return w, fmt.Errorf("call of %s, argument %s: %w", c.Name, a.Name, err)
		}
		arg := wireArg{Name: a.Name, Value: json.RawMessage(text)}
		if !json.Valid(arg.Value) {
			arg.Value, arg.Text = nil, text
		}
		w.Args = append(w.Args, arg)
	}
	return w, nil
}

// decodeEpisode reads one line.
func decodeEpisode(line []byte) (*ballast.Episode, error) {
	var w wireEpisode
	if err := json.Unmarshal(line, &w); err != nil {
		return nil, err
	}
	e := &ballast.Episode{
		Task: w.Task, Group: w.Group, Sample: w.Sample, Seed: w.Seed, Stop: ballast.Stop(w.Stop), Error: w.Error, Hinted: w.Hinted,
		Score: ballast.Score{Reward: float64(w.Score.Reward), Success: w.Score.Success, FailTurn: w.Score.FailTurn,
			Reason: w.Score.Reason, Progress: float64(w.Score.Progress), Format: float64(w.Score.Format)},
		Prompt: w.Prompt, Tokens: w.Tokens,
	}
	if w.Prompt < 0 || w.Prompt > len(w.Tokens) {
		return nil, fmt.Errorf("a prompt of %d in %d tokens", w.Prompt, len(w.Tokens))
	}
	var err error
	if e.Owners, err = unrun(w.Owners, len(w.Tokens)); err != nil {
		return nil, err
	}
	if e.LogProb, err = spread(w.LogProb, e.Owners); err != nil {
		return nil, fmt.Errorf("logprob: %w", err)
	}
	if e.Entropy, err = spread(w.Entropy, e.Owners); err != nil {
		return nil, fmt.Errorf("entropy: %w", err)
	}
	if policy := count(e.Owners, ballast.OwnerPolicy); w.Watch != nil && len(w.Watch) != policy {
		return nil, fmt.Errorf("%d watched rows for %d tokens of the policy", len(w.Watch), policy)
	}
	for _, row := range w.Watch {
		e.Watch = append(e.Watch, row)
	}
	for _, wt := range w.Turns {
		t := ballast.Turn{User: wt.User}
		if wt.Check != nil {
			t.Check = wt.Check.Verdict()
		}
		for _, ws := range wt.Steps {
			step, err := decodeStep(ws, len(w.Tokens))
			if err != nil {
				return nil, err
			}
			t.Steps = append(t.Steps, step)
		}
		e.Turns = append(e.Turns, t)
	}
	return e, nil
}

func decodeStep(w wireStep, tokens int) (ballast.Step, error) {
	s := ballast.Step{Start: w.Span[0], End: w.Span[1], Text: w.Text, Kind: ballast.ReplyKind(w.Kind), Reason: w.Reason,
		Results: w.Results, Cut: w.Cut, Gold: w.Gold}
	if s.Start < 0 || s.End < s.Start || s.End > tokens {
		return s, fmt.Errorf("a step at %d to %d in %d tokens", s.Start, s.End, tokens)
	}
	if w.Kind >= ballast.NumKinds {
		return s, fmt.Errorf("kind %d of a reply is not known: use a newer ballast", w.Kind)
	}
	for _, wc := range w.Calls {
		c := ballast.Call{Name: wc.Name}
		for _, a := range wc.Args {
			text := []byte(a.Text)
			if a.Text == "" {
				text = a.Value
			}
			v, err := value.ParseJSON(text)
			if err != nil {
				return s, fmt.Errorf("call of %s, argument %s: %w", wc.Name, a.Name, err)
			}
			c.Args = append(c.Args, ballast.Arg{Name: a.Name, Value: v})
		}
		s.Calls = append(s.Calls, c)
	}
	return s, nil
}

// count returns how many tokens an owner has.
func count(owners []ballast.Owner, owner ballast.Owner) (n int) {
	for _, o := range owners {
		if o == owner {
			n++
		}
	}
	return n
}

// runs encodes owners as pairs of owner and length.
func runs(owners []ballast.Owner) []int {
	out := []int{}
	for i, o := range owners {
		if i == 0 || o != owners[i-1] {
			out = append(out, int(o), 0)
		}
		out[len(out)-1]++
	}
	return out
}

// unrun is the inverse for n tokens.
func unrun(pairs []int, n int) ([]ballast.Owner, error) {
	out := make([]ballast.Owner, 0, n)
	for i := 0; i+1 < len(pairs); i += 2 {
		owner, length := pairs[i], pairs[i+1]
		if owner < 0 || owner > int(ballast.OwnerGold) || length < 0 || length > n-len(out) {
			return nil, fmt.Errorf("owners: a run of %d tokens of owner %d at token %d of %d", length, owner, len(out), n)
		}
		for range length {
			out = append(out, ballast.Owner(owner))
		}
	}
	if len(out) != n || len(pairs)%2 != 0 {
		return nil, fmt.Errorf("owners of %d tokens, want %d", len(out), n)
	}
	return out, nil
}

// pick returns the values at the policy's tokens; nil stays nil.
func pick(values []float32, owners []ballast.Owner) []float32 {
	if values == nil {
		return nil
	}
	out := []float32{}
	for i, o := range owners {
		if o == ballast.OwnerPolicy {
			out = append(out, values[i])
		}
	}
	return out
}

// spread is the inverse: values back at the policy's tokens, 0 elsewhere. No
// values at all are none recorded.
func spread(values []float32, owners []ballast.Owner) ([]float32, error) {
	if len(values) == 0 {
		return nil, nil
	}
	if n := count(owners, ballast.OwnerPolicy); len(values) != n {
		return nil, fmt.Errorf("%d values for %d tokens of the policy", len(values), n)
	}
	out := make([]float32, len(owners))
	next := 0
	for i, o := range owners {
		if o == ballast.OwnerPolicy {
			out[i] = values[next]
			next++
		}
	}
	return out, nil
}

// floats3, floats4 and floats5 are numbers written with that many significant
// digits; floats3 are probabilities. What is not finite is written as null and
// reads as NaN.
type (
	floats3 []float32
	floats4 []float32
	floats5 []float32
)

func (f floats3) MarshalJSON() ([]byte, error) { return appendFloats(f, 3, 1e-9), nil }
func (f floats4) MarshalJSON() ([]byte, error) { return appendFloats(f, 4, 0), nil }
func (f floats5) MarshalJSON() ([]byte, error) { return appendFloats(f, 5, 0), nil }

func (f *floats3) UnmarshalJSON(data []byte) error { return readFloats((*[]float32)(f), data) }
func (f *floats4) UnmarshalJSON(data []byte) error { return readFloats((*[]float32)(f), data) }
func (f *floats5) UnmarshalJSON(data []byte) error { return readFloats((*[]float32)(f), data) }

// appendFloats writes numbers, those nearer to 0 than tiny as 0.
func appendFloats(values []float32, digits int, tiny float64) []byte {
	out := append(make([]byte, 0, 2+8*len(values)), '[')
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		x := float64(v)
		switch {
		case math.IsNaN(x) || math.IsInf(x, 0):
			out = append(out, "null"...)
		case x == 0 || math.Abs(x) < tiny:
			out = append(out, '0')
		default:
			out = strconv.AppendFloat(out, x, 'g', digits, 32)
		}
	}
	return append(out, ']')
}

// readFloats reads numbers and nulls.
func readFloats(dst *[]float32, data []byte) error {
	var list []*float32
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	if list == nil {
		*dst = nil
		return nil
	}
	*dst = make([]float32, len(list))
	for i, p := range list {
		if p == nil {
			(*dst)[i] = float32(math.NaN())
		} else {
			(*dst)[i] = *p
		}
	}
	return nil
}

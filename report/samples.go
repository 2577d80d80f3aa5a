package report

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"ballast"
	"ballast/chat/bpe"
	"ballast/env/sim"
	"ballast/monitor"
	"ballast/report/plot"
	"ballast/runlog"
	"ballast/value"
)

// sampleGroup is a few episodes of one update.
type sampleGroup struct {
	Update   int
	Why      string // first, middle, last, best, worst
	Reward   string // of the update
	Episodes []sampleEpisode
}

// sampleEpisode is one episode as the page shows it.
type sampleEpisode struct {
	Task, Why, Facts string
	Success          bool
	Reward           string
	Group            []string // rewards of its group's episodes
	Turns            []sampleTurn
	Tokens           []piece // the whole conversation; nil without a tokenizer
	Error            string
}

// sampleTurn is one user turn.
type sampleTurn struct {
	User   string
	Steps  []sampleStep
	Closed bool
	OK     bool
	Check  string // what the check found
}

// sampleStep is one reply and what the tools answered.
type sampleStep struct {
	Form, Reason string
	Facts        string
	Pieces       []piece
	Calls        []sampleCall
}

// sampleCall is one call and its result.
type sampleCall struct{ Call, Result string }

// piece is text of one owner; for the policy's tokens, one token.
type piece struct {
	Class, Title template.HTMLAttr
	Text         string
}

// promptShown is how many tokens of a long prompt the page keeps at each end, and
// tokensShown how many tokens of an episode it shows at all.
const promptShown, tokensShown = 200, 4000

// samples chooses updates and episodes to show: the first, middle and last update
// that recorded any, and those of highest and lowest reward.
func (r *run) samples() ([]sampleGroup, error) {
	updates, err := r.log.EpisodeUpdates()
	if err != nil || len(updates) == 0 {
		return nil, err
	}
	why := map[int][]string{}
	note := func(u int, text string) { why[u] = append(why[u], text) }
	note(updates[0], "first")
	if len(updates) > 2 {
		note(updates[len(updates)/2], "middle")
	}
	if len(updates) > 1 {
		note(updates[len(updates)-1], "last")
	}
	rewards := map[int]float64{}
	for i, v := range r.metrics[monitor.RewardMean] {
		rewards[r.x[i]] = v
	}
	if best, worst := extremes(updates, rewards); best != worst {
		note(best, "highest reward")
		note(worst, "lowest reward")
	}
	tok := Tokenizer(r.log)
	var groups []sampleGroup
	for _, u := range updates {
		if why[u] == nil {
			continue
		}
		g := sampleGroup{Update: u, Why: strings.Join(why[u], ", ")}
		if v, ok := rewards[u]; ok && plot.IsFinite(v) {
			g.Reward = fmt.Sprintf("%.3f", v)
		}
		if g.Episodes, err = r.choose(u, tok); err != nil {
			return groups, err
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// extremes returns the updates of highest and lowest reward, the latest of equals;
// both are 0 where no reward is known.
func extremes(updates []int, rewards map[int]float64) (best, worst int) {
	high, low := math.Inf(-1), math.Inf(1)
	for _, u := range updates {
		v, ok := rewards[u]
		if !ok || !plot.IsFinite(v) {
			continue
		}
		if v >= high {
			best, high = u, v
		}
		if v <= low {
			worst, low = u, v
		}
	}
	return best, worst
}

// Tokenizer reads the tokenizer of a run's newest checkpoint that has one; nil means that
// replies are shown as they were recorded.
func Tokenizer(log *runlog.Log) *bpe.Tokenizer {
	list, err := log.Checkpoints()
	if err != nil {
		return nil
	}
	for _, c := range slices.Backward(list) {
		if tok, err := bpe.Load(filepath.Join(c.Dir, "tokenizer.json")); err == nil {
			return tok
		}
	}
	return nil
}

// choose picks up to three episodes of an update: one of highest and one of lowest
// reward, and one with a sick reply, or else the one with the most calls.
func (r *run) choose(update int, tok *bpe.Tokenizer) ([]sampleEpisode, error) {
	var best, worst, sick, busy *ballast.Episode
	calls := -1
	groups := map[int][]string{}
	for e, err := range r.log.Episodes(update) {
		if err != nil {
			return nil, err
		}
		if e.Stop == ballast.StopInfra {
			continue
		}
		groups[e.Group] = append(groups[e.Group], plot.Short(e.Score.Reward))
		if best == nil || e.Score.Reward > best.Score.Reward {
			best = e
		}
		if worst == nil || e.Score.Reward < worst.Score.Reward {
			worst = e
		}
		n, ill := vitals(e)
		if n > calls {
			busy, calls = e, n
		}
		if ill && sick == nil {
			sick = e
		}
	}
	var list []sampleEpisode
	seen := map[*ballast.Episode]bool{nil: true}
	for _, c := range []struct {
		why string
		e   *ballast.Episode
	}{{"highest reward", best}, {"lowest reward", worst}, {"an unhealthy reply", sick}, {"most calls", busy}} {
		if seen[c.e] || len(list) == 3 {
			continue
		}
		seen[c.e] = true
		s := show(c.e, tok)
		s.Why, s.Group = c.why, groups[c.e.Group]
		list = append(list, s)
	}
	return list, nil
}

// vitals returns the calls of an episode and whether a reply is of a sick kind.
func vitals(e *ballast.Episode) (calls int, ill bool) {
	for _, t := range e.Turns {
		for _, s := range t.Steps {
			calls += len(s.Calls)
			ill = ill || s.Kind == ballast.KindPolluted || s.Kind == ballast.KindCollapsed
		}
	}
	return calls, ill
}

// show prepares an episode for the page.
func show(e *ballast.Episode, tok *bpe.Tokenizer) sampleEpisode {
	s := sampleEpisode{Task: e.Task, Success: e.Score.Success, Reward: plot.Short(e.Score.Reward), Error: e.Error}
	facts := []string{"stop: " + strings.ReplaceAll(string(e.Stop), "_", " "), plural(len(e.Tokens), "token"),
		fmt.Sprintf("prompt %d", e.Prompt)}
	if !e.Score.Success && e.Score.Reason != "" {
		facts = append([]string{fmt.Sprintf("failed at turn %d: %s", e.Score.FailTurn+1, strings.ReplaceAll(e.Score.Reason, "_", " "))}, facts...)
	}
	if e.Hinted {
		facts = append(facts, "hinted")
	}
	s.Facts = strings.Join(facts, " | ")
	for _, t := range e.Turns {
		s.Turns = append(s.Turns, showTurn(e, t, tok))
	}
	if tok != nil {
		s.Tokens = conversation(e, tok)
	}
	return s
}

// reason is why a turn failed, in words where the grader is one of ours.
func reason(word string) string {
	return cmp.Or(map[string]string{
		sim.ReasonEmpty:    "no call was made where some were needed",
		sim.ReasonState:    "the state differs",
		sim.ReasonResponse: "a result is missing",
		sim.ReasonCalls:    "calls beyond those that the turn may have",
	}[word], word, "it did not pass")
}

func showTurn(e *ballast.Episode, t ballast.Turn, tok *bpe.Tokenizer) sampleTurn {
	v := sampleTurn{User: t.User, Closed: t.Check.Done, OK: t.Check.Passed}
	switch c := t.Check; {
	case !c.Done:
		v.Check = "the turn was not closed"
	case c.Passed:
		v.Check = "passed"
	case c.Where == "":
		v.Check = reason(c.Reason)
	default:
		v.Check = reason(c.Reason) + ": " + c.Where
	}
	for _, step := range t.Steps {
		s := sampleStep{Form: step.Kind.String(), Reason: step.Reason, Facts: plural(step.End-step.Start, "token")}
		if step.Cut {
			s.Facts += ", cut"
		}
		if step.Gold {
			s.Facts += ", demonstration"
		}
		if s.Pieces = []piece{{Text: step.Text}}; tok != nil && step.End > step.Start {
			s.Pieces = pieces(e, step.Start, step.End, tok)
		}
		for i, c := range step.Calls {
			sc := sampleCall{Call: value.FormatCall(c)}
			if i < len(step.Results) {
				sc.Result = step.Results[i]
			}
			s.Calls = append(s.Calls, sc)
		}
		v.Steps = append(v.Steps, s)
	}
	return v
}

// conversation shows all tokens of an episode, long prompts without their middle.
func conversation(e *ballast.Episode, tok *bpe.Tokenizer) []piece {
	start, end := 0, min(len(e.Tokens), tokensShown)
	var list []piece
	if e.Prompt > 2*promptShown+50 {
		list = pieces(e, 0, promptShown, tok)
		start = e.Prompt - promptShown
		list = append(list, piece{Class: `class="gap"`, Text: fmt.Sprintf(" [%d tokens of the prompt left out] ", start-promptShown)})
		end = min(len(e.Tokens), start+tokensShown)
	}
	list = append(list, pieces(e, start, end, tok)...)
	if end < len(e.Tokens) {
		list = append(list, piece{Class: `class="gap"`, Text: fmt.Sprintf(" [%d more tokens]", len(e.Tokens)-end)})
	}
	return list
}

// pieces shows tokens [start, end): the policy's one by one with their
// probability, those of other owners joined.
func pieces(e *ballast.Episode, start, end int, tok *bpe.Tokenizer) []piece {
	var list []piece
	var buf []byte
	from := start
	flush := func(to int) {
		if len(buf) == 0 {
			return
		}
		p := piece{Text: strings.ToValidUTF8(string(buf), "\ufffd")}
		owner := e.Owners[from]
		p.Class = template.HTMLAttr(`class="o-` + owner.String() + `"`)
		if owner == ballast.OwnerPolicy && e.LogProb != nil {
			prob := math.Exp(float64(e.LogProb[from]))
			p.Class = template.HTMLAttr(fmt.Sprintf(`class="o-policy p%d"`, Rarity(prob)))
			p.Title = template.HTMLAttr(fmt.Sprintf(`title="p %s, id %d"`, plot.Short(prob), e.Tokens[from]))
		}
		list = append(list, p)
		buf, from = nil, to
	}
	for i := start; i < end; i++ {
		// A character may be spread over tokens: only whole ones are shown.
		whole := utf8.Valid(buf) || i-from > 3
		if owner := e.Owners[i]; owner != e.Owners[from] || owner == ballast.OwnerPolicy && whole {
			flush(i)
			from = i
		}
		buf = tok.Bytes(buf, e.Tokens[i:i+1])
	}
	flush(end)
	return list
}

// Rarity is the class of a sampled token on a page: 0 for an expected token and 4 for a very unlikely one.
func Rarity(p float64) int {
	for i, edge := range []float64{0.9, 0.5, 0.1, 0.01} {
		if p >= edge {
			return i
		}
	}
	return 4
}

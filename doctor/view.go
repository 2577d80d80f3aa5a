package doctor

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"ballast"
	"ballast/chat/bpe"
	"ballast/chat/constrain"
	"ballast/chat/format"
	"ballast/monitor"
	"ballast/report"
	"ballast/report/plot"
	"ballast/safetext"
)

// shown is one episode as the page shows it.
type shown struct {
	Update int
	Task   string
	Reward string
	Steps  []shownStep
	Tokens []piece // the whole conversation by owner; nil without a tokenizer
}

// shownStep is one reply.
type shownStep struct {
	Form, Reason string
	Pieces       []piece
}

// piece is a run of text of one class: an owner, or a control token that is legal
// or forbidden where it stands.
type piece struct{ Class, Title, Text string }

// The classes of control tokens.
const (
	legal     = "ctl ok"
	forbidden = "ctl no"
)

// mostTokens bounds the tokens of an episode that are shown.
const mostTokens = 3000

// mostReplies bounds the replies of an episode that are shown.
const mostReplies = 100

func count(ep *ballast.Episode) (n int) {
	for _, t := range ep.Turns {
		n += len(t.Steps)
	}
	return n
}

// show prepares an episode. tok may be nil.
func show(ep *ballast.Episode, update int, f format.Format, tok *bpe.Tokenizer) shown {
	s := shown{Update: update, Task: ep.Task, Reward: plot.Short(ep.Score.Reward)}
	for _, t := range ep.Turns {
		for _, step := range t.Steps {
			if len(s.Steps) > mostReplies {
				continue
			}
			if len(s.Steps) == mostReplies {
				s.Steps = append(s.Steps, shownStep{"", "", []piece{{Text: fmt.Sprintf("[%d more replies]", count(ep)-mostReplies)}}})
				continue
			}
			pieces := sampled(ep, step, f, tok)
			if pieces == nil {
				pieces = marked(step.Text, f, "o-policy")
			}
			s.Steps = append(s.Steps, shownStep{step.Kind.String(), step.Reason, pieces})
		}
	}
	if tok == nil || len(ep.Tokens) == 0 {
		return s
	}
	from := max(0, ep.Prompt-200) // long prompts are mostly tool documentation
	for at, end := from, min(len(ep.Tokens), from+mostTokens); at < end; {
		to := at
		for to < end && ep.Owners[to] == ep.Owners[at] {
			to++
		}
		text := string(tok.Bytes(nil, ep.Tokens[at:to]))
		if owner := ep.Owners[at]; owner == ballast.OwnerPolicy {
			s.Tokens = append(s.Tokens, marked(text, f, "o-policy")...)
		} else {
			s.Tokens = append(s.Tokens, piece{Class: "o-" + owner.String(), Text: text})
		}
		at = to
	}
	return s
}

// sampled cuts a reply of the policy into its tokens, each with the probability it
// had when it was drawn; nil where that was not recorded.
func sampled(ep *ballast.Episode, step ballast.Step, f format.Format, tok *bpe.Tokenizer) []piece {
	if tok == nil || step.Gold || step.End > len(ep.LogProb) || step.End <= step.Start {
		return nil
	}
	var out []piece
	var state format.State
	end := min(step.End, step.Start+mostTokens)
	for i, j := step.Start, step.Start; i < end; i = j {
		var text []byte
		for j < end && (j == i || j < i+4 && !utf8.Valid(text)) { // characters are shown whole
			text = tok.Bytes(text, ep.Tokens[j:j+1])
			j++
		}
		p := math.Exp(float64(ep.LogProb[i]))
		x := piece{Class: "o-policy p" + strconv.Itoa(report.Rarity(p)), Text: strings.ToValidUTF8(string(text), "\ufffd"),
			Title: "p " + plot.Short(p)}
		if i < len(ep.Entropy) {
			x.Title += ", entropy " + plot.Short(float64(ep.Entropy[i]))
		}
		if control, ok := constrain.Judge(f, state, string(text)); control && ok {
			x.Class, x.Title = legal, x.Title+", legal here"
		} else if control {
			x.Class, x.Title = forbidden, x.Title+", forbidden here: "+monitor.SiteOf(state.Place).String()
		}
		out = append(out, x)
		state = f.Next(state, string(text))
	}
	if end < step.End {
		out = append(out, piece{Text: fmt.Sprintf(" [%d more tokens]", step.End-end)})
	}
	return out
}

// marked cuts a reply into text and control tokens by legality.
func marked(text string, f format.Format, class string) []piece {
	if len(text) > keptText {
		text = text[:keptText] + " [...]"
	}
	var out []piece
	var state format.State
	for _, p := range f.Split(strings.Clone(text)) {
		x := piece{Class: class, Text: p.Text}
		if p.Control {
			x.Class, x.Title = legal, "legal here"
			if !f.Legal(state, p.Text) {
				x.Class, x.Title = forbidden, "forbidden here: "+monitor.SiteOf(state.Place).String()
			}
		}
		out = append(out, x)
		state = f.Next(state, p.Text)
	}
	return out
}

// Text is the summary for a terminal, each line ended by a newline.
func (r *Report) Text() string {
	var b strings.Builder
	for _, s := range r.Summary {
		fmt.Fprintln(&b, safetext.Line(s))
	}
	for _, n := range r.Notes {
		fmt.Fprintln(&b, "note:", safetext.Line(n))
	}
	if len(r.updates) > 1 {
		for _, name := range []string{monitor.RewardMean, monitor.KindPrefix + "call", monitor.KindPrefix + "polluted",
			monitor.KindPrefix + "collapsed", monitor.IllegalReplies} {
			if y := r.values(name); len(plot.Finite(y)) > 1 {
				fmt.Fprintf(&b, "%-16s %s %s\n", name, spark(y, 50), plot.Short(plot.Last(y)))
			}
		}
	}
	for _, one := range r.Others {
		fmt.Fprintf(&b, "\nAnother run, %s:\n%s", safetext.Line(one.Name()), one.Text())
	}
	return b.String()
}

// values is a metric over the updates, NaN where it was not recorded.
func (r *Report) values(name string) []float64 {
	y := make([]float64, len(r.updates))
	for i, u := range r.updates {
		v, ok := u.Metrics[name]
		if y[i] = v; !ok {
			y[i] = math.NaN()
		}
	}
	return y
}

// spark draws values as a row of characters from low to high, with 0, or what is below
// it, at the bottom.
func spark(y []float64, width int) string {
	const marks = " .:-=+*#%@"
	low, top := 0.0, math.Inf(-1)
	for _, v := range plot.Finite(y) {
		low, top = min(low, v), max(top, v)
	}
	span := max(top-low, 1e-9)
	n := min(width, len(y))
	out := make([]byte, n)
	for i := range n {
		part := plot.Finite(y[i*len(y)/n : (i+1)*len(y)/n])
		if out[i] = ' '; len(part) > 0 {
			sum := 0.0
			for _, v := range part {
				sum += (v - low) / span
			}
			out[i] = marks[max(0, min(len(marks)-1, int(sum/float64(len(part))*float64(len(marks)-1)+0.5)))]
		}
	}
	return "[" + string(out) + "]"
}

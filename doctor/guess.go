package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"ballast"
	"ballast/chat/format"
	"ballast/doctor/history"
)

// The choice of a format looks at so many replies, and bytes of them.
const (
	guessed      = 400
	guessedBytes = 8 << 20
)

// guess is a format with the evidence for it.
type guess struct {
	format format.Format
	calls  int // replies that are healthy calls in it
	broken int // other replies that hold calls which can be read in it
	tags   int // other replies that hold one of its control tokens
	of     int
}

// weight is how much speaks for the format.
func (g guess) weight() int { return 3*g.calls + 2*g.broken + g.tags }

// guessFormat chooses the tool-call format of replies. A healthy call in a format speaks
// for it most, a call in a broken reply less, a control token of the format least: a policy that
// writes nothing but an open tag writes in the format of the tag. Hermes where nothing speaks for any, or as
// much for hermes; other ties go to the first by name.
func guessFormat(list []string) guess {
	best := guess{format: format.Hermes, of: len(list)}
	names := slices.Sorted(maps.Keys(format.All))
	for _, name := range append([]string{format.Hermes.Name()}, names...) {
		if g := evidence(format.All[name], list); g.weight() > best.weight() {
			best = g
		}
	}
	return best
}

// evidence is what speaks for a format in replies.
func evidence(f format.Format, list []string) guess {
	g := guess{format: f, of: len(list)}
	for _, r := range list {
		switch p := f.Parse(r, nil); {
		case p.Kind == ballast.KindCall:
			g.calls++
		case len(p.Calls) > 0:
			g.broken++
		case slices.ContainsFunc(f.Control(), func(tag string) bool { return strings.Contains(r, tag) }):
			g.tags++
		}
	}
	return g
}

// otherThan says that replies have no healthy call in the format that the user named, and have some in another one: then what counts
// as broken is the format's name, and not the policy. "" where that is not so.
func otherThan(named format.Format, list []string) string {
	if evidence(named, list).calls > 0 {
		return ""
	}
	g := guessFormat(list)
	if g.calls == 0 || g.format.Name() == named.Name() {
		return ""
	}
	return fmt.Sprintf("the first %d replies have no healthy call in format %s, which --format names, and %d in format %s: perhaps that is "+
		"theirs", g.of, named.Name(), g.calls, g.format.Name())
}

// String says what the format was chosen by.
func (g guess) String() string {
	if g.weight() == 0 {
		return fmt.Sprintf("no healthy call in the first %d replies in any known format: read as %s; name another with --format", g.of,
			g.format.Name())
	}
	return fmt.Sprintf("Format guessed: %s, by %d healthy calls and %d other replies with its calls or tags among the first %d (--format "+
		"names another).",
		g.format.Name(), g.calls, g.broken+g.tags, g.of)
}

// unreadMarks begin tool calls of syntaxes that no format reads.
var unreadMarks = []string{
	"\uff5cDSML\uff5c",                  // DeepSeek since V3.2
	"assistantcommentary to=",           // gpt-oss, without its control tokens
	"<|tool_calls_section_begin|>",      // Kimi
	"<function_calls>", "<invoke name=", // tags of Anthropic's kind
	"<start_function_call>", "<tool_use", // Gemma, others
	"<|tool_call|>", // Granite
}

// unreadCall reports whether a reply that is prose in its format, or a call in another
// syntax, holds a tool call in a syntax that is not read: it is neither health nor a fault.
func unreadCall(s *ballast.Step) bool {
	if s.Kind != ballast.KindResponse && s.Reason != string(format.ReasonOtherSyntax) && s.Reason != string(format.ReasonControlInText) {
		return false
	}
	return slices.ContainsFunc(unreadMarks, func(mark string) bool { return strings.Contains(s.Text, mark) })
}

// unreadShare is the share of replies with such a call.
func unreadShare(eps []ballast.Episode) float64 {
	n, unread := 0, 0
	for i := range eps {
		for _, t := range eps[i].Turns {
			for k := range t.Steps {
				n++
				if unreadCall(&t.Steps[k]) {
					unread++
				}
			}
		}
	}
	return float64(unread) / float64(max(1, n))
}

// mostRuns bounds the runs of a folder that are examined.
const mostRuns = 12

// foreign reads a file or a folder of another trainer: the first run into the
// report itself, others into reports of their own.
func (r *Report) foreign(path string, f format.Format, o Options) error {
	runs, err := history.Open(path, history.Options{Reward: o.Reward})
	if err != nil {
		return err
	}
	for i, h := range runs {
		if i >= mostRuns {
			r.note("%d more runs are not examined; name one of them", len(runs)-i)
			break
		}
		one := r
		if i > 0 {
			one = &Report{Path: path}
		}
		one.follow(h, f)
		if one.Records == 0 {
			if i == 0 {
				return fmt.Errorf("%s holds no record that can be read: %s", path, strings.Join(one.Notes, "; "))
			}
			r.note("%s: no record that can be read: %s", h.Name, strings.Join(one.Notes, "; "))
			continue
		}
		if i > 0 {
			r.Others = append(r.Others, one)
		}
	}
	return nil
}

// follow reads the history of one run.
func (r *Report) follow(h *history.Run, f format.Format) {
	r.Kind, r.Files, r.Bytes, r.Reading = h.Kind, h.Files, h.Bytes, &h.Reading
	d := newFolder(r, f)
	notes := h.Each(d.add)
	d.end()
	for _, n := range notes {
		r.note("%s", n)
	}
	r.Diagnosis, r.shown = d.detector.Diagnosis(), d.shown
}

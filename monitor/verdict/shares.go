package verdict

import (
	"math"

	"ballast"
	"ballast/monitor"
)

// Shares are the kinds of the replies of some updates, taken as one pool.
type Shares struct {
	From    int              `json:"from"` // updates
	To      int              `json:"to"`
	Replies int              `json:"replies"` // how many; 0: nobody noted it
	Kinds   map[string]Share `json:"kinds"`   // by ballast.ReplyKind
	Cut     Share            `json:"cut"`     // polluted only because a budget cut them
	Other   Share            `json:"other"`   // calls in a syntax that is not read
}

// Share is a share of replies with its 95% Wilson interval, as if replies were
// independent of each other.
type Share struct {
	Of float64 `json:"of"`
	Lo float64 `json:"lo"`
	Hi float64 `json:"hi"`
}

// The levels of a pool of replies that nothing earlier is known of, as shares: those of the
// rules for a run, without the distance to its best level.
const (
	MuchCollapsed = 0.3
	MuchBroken    = 0.4
	MuchOther     = 0.2
)

// Bad is the share of broken replies: polluted, but for cut ones, and collapsed.
func (s *Shares) Bad() Share {
	return s.share(max(0, s.Kinds[ballast.KindPolluted.String()].Of-s.Cut.Of) + s.Kinds[ballast.KindCollapsed.String()].Of)
}

func (s *Shares) share(of float64) Share {
	lo, hi := monitor.Wilson(of*float64(s.Replies), float64(s.Replies))
	return Share{of, lo, hi}
}

// Verdict is what the pool says by itself: collapsed or polluted where the interval of
// the share lies above the level, too short where it holds the level.
func (s *Shares) Verdict() State {
	collapsed, bad, other := s.Kinds[ballast.KindCollapsed.String()], s.Bad(), s.Other
	broken := s.share(max(0, bad.Of-other.Of)) // whatever those are that are not read
	switch {
	case s.Replies == 0:
		return TooShort
	case collapsed.Lo >= MuchCollapsed:
		return Collapsed
	case broken.Lo >= MuchBroken:
		return Polluted
	case other.Of >= MuchOther:
		return NotJudged
	case bad.Hi >= MuchBroken || collapsed.Hi >= MuchCollapsed:
		return TooShort
	}
	return WellFormed
}

// count is what the replies of one update were.
type count struct {
	at         int
	n          float64
	forms      [ballast.NumKinds]float64
	cut, other float64
}

// counted reads an update's shares. Runs from before the number of replies was noted
// have the sampled tokens and the mean length of a reply.
func counted(u ballast.Update) count {
	c := count{at: u.Index}
	n, ok := finite(u.Metrics, monitor.Replies)
	if !ok {
		tokens, _ := finite(u.Metrics, monitor.TokensSampled)
		if length, ok := finite(u.Metrics, monitor.ReplyLength); ok && length > 0 {
			n = math.Round(tokens / length)
		}
	}
	c.n = n
	for f := range c.forms {
		v, _ := finite(u.Metrics, monitor.KindPrefix+ballast.ReplyKind(f).String())
		c.forms[f] = v * n
	}
	cut, _ := finite(u.Metrics, monitor.ReasonFor+"cut")
	other, _ := finite(u.Metrics, monitor.UnreadSyntax)
	c.cut, c.other = cut*n, other*n
	return c
}

// pool adds counts up.
func pool(list []count) Shares {
	var sum count
	for _, c := range list {
		sum.n += c.n
		for f := range c.forms {
			sum.forms[f] += c.forms[f]
		}
		sum.cut, sum.other = sum.cut+c.cut, sum.other+c.other
	}
	s := Shares{Replies: int(sum.n), Kinds: map[string]Share{}}
	if len(list) > 0 {
		s.From, s.To = list[0].at, list[len(list)-1].at
	}
	n := max(sum.n, 1)
	for f := range sum.forms {
		s.Kinds[ballast.ReplyKind(f).String()] = s.share(sum.forms[f] / n)
	}
	s.Cut, s.Other = s.share(sum.cut/n), s.share(sum.other/n)
	return s
}

// Pool takes the replies of updates together, whatever their order: what is said of a
// pile of transcripts.
func Pool(updates []ballast.Update) Shares {
	var list []count
	for _, u := range updates {
		if replied(u) {
			list = append(list, counted(u))
		}
	}
	return pool(list)
}

// replied reports whether an update sampled replies.
func replied(u ballast.Update) bool {
	_, ok := u.Metrics[monitor.KindPrefix+ballast.KindCall.String()]
	return ok
}

// shares pools the newest replies: of the last updates, or of all in the phase where
// these are too few for a course.
func (d *Detector) shares() Shares {
	n := filter
	if d.State() == TooShort {
		n = Enough
	}
	return pool(d.recent[max(0, len(d.recent)-n):])
}

// known reports whether rewards were read up to the end.
func (d *Detector) known() bool { return d.rewards > 0 && d.silent < filter }

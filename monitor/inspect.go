package monitor

import (
	"ballast"
	"ballast/chat/format"
)

// Tokens gives the exact bytes of tokens; *bpe.Tokenizer is one.
type Tokens interface {
	Bytes(dst []byte, ids []int32) []byte
}

// Lens is what is needed to see control tokens in episodes.
type Lens struct {
	Format  format.Format
	Tokens  Tokens  // nil: only what the texts of replies say is measured
	Watched []int32 // in the order of Episode.Watch
	// Advantages are those that the update learns with, one for each episode; nil
	// leaves the push on logits unmeasured.
	Advantages []float64
}

// Site is where in a reply a control token may stand, coarser than format.Place.
type Site uint8

// The sites.
const (
	SiteStart     Site = iota // no word was written yet
	SiteOpen                  // right after an open tag
	SiteArguments             // inside the body of a call
	SiteAfter                 // after a close tag or an end token
	SiteProse                 // in text, thoughts included
	NumSites
)

// String returns the lower-case name, the last part of metric names.
func (s Site) String() string {
	return [...]string{"start", "open", "arguments", "after", "prose"}[s]
}

// SiteOf returns the site of a place of the automaton.
func SiteOf(p format.Place) Site {
	switch p {
	case format.PlaceStart, format.PlaceMark, format.PlaceThought:
		return SiteStart
	case format.PlaceOpen:
		return SiteOpen
	case format.PlaceCall:
		return SiteArguments
	case format.PlaceAfter, format.PlaceEnd:
		return SiteAfter
	}
	return SiteProse
}

// Inspect adds to m what Measure leaves out: reasons of forms and transitions
// between them, control tokens by site with the mass on forbidden ones, and the
// push of the policy gradient on their logits. Its cost is linear in the sampled
// tokens times the watched ones. Demonstrations and episodes that failed for
// infrastructure count for nothing.
func Inspect(eps []ballast.Episode, lens *Lens, m map[string]float64) {
	c := census{lens: lens, reasons: map[string]float64{}, texts: map[int32]string{}}
	for _, id := range lens.Watched {
		c.names = append(c.names, c.text(id))
	}
	n := len(c.names)
	for s := range c.prob {
		c.prob[s], c.illegal[s] = make([]float64, n), make([]float64, n)
	}
	c.self, c.other = make([]float64, n), make([]float64, n)
	for i := range eps {
		if eps[i].Stop == ballast.StopInfra {
			continue
		}
		advantage := 0.0
		if lens.Advantages != nil {
			advantage = lens.Advantages[i]
		}
		c.episode(&eps[i], advantage)
	}
	c.fill(m)
}

// census counts over episodes.
type census struct {
	lens    *Lens
	names   []string         // texts of the watched tokens
	texts   map[int32]string // texts of tokens seen so far
	buf     []byte
	reasons map[string]float64
	next    [ballast.NumKinds][ballast.NumKinds]float64 // replies by the form before them
	replies float64
	stained float64           // replies that hold a forbidden control token
	tokens  [NumSites]float64 // sampled tokens with watched probabilities
	prob    [NumSites][]float64
	illegal [NumSites][]float64
	self    []float64
	other   []float64
}

// text returns a token's text.
func (c *census) text(id int32) string {
	s, ok := c.texts[id]
	if !ok {
		c.buf = c.lens.Tokens.Bytes(c.buf[:0], []int32{id})
		s = string(c.buf)
		c.texts[id] = s
	}
	return s
}

func (c *census) episode(ep *ballast.Episode, advantage float64) {
	k, before := 0, -1 // sampled tokens and the form so far
	for t := range ep.Turns {
		for i := range ep.Turns[t].Steps {
			s := &ep.Turns[t].Steps[i]
			if s.Gold {
				before = -1
				continue
			}
			c.replies++
			if s.Reason != "" {
				c.reasons[s.Reason]++
			}
			if before >= 0 {
				c.next[before][s.Kind]++
			}
			before = int(s.Kind)
			if _, _, bad := forbidden(c.lens.Format, s.Text); bad {
				c.stained++
			}
			n := s.End - s.Start
			if c.lens.Tokens != nil && k+n <= len(ep.Watch) && s.End <= len(ep.Tokens) {
				c.reply(ep.Tokens[s.Start:s.End], ep.Watch[k:k+n], advantage)
			}
			k += n
		}
	}
}

// reply adds the watched probabilities of one reply.
func (c *census) reply(tokens []int32, watch [][]float32, advantage float64) {
	var state format.State
	for i, id := range tokens {
		site := SiteOf(state.Place)
		c.tokens[site]++
		prob, illegal := c.prob[site], c.illegal[site]
		for j, name := range c.names {
			p := float64(watch[i][j])
			prob[j] += p
			if p > 1e-9 && !c.lens.Format.Legal(state, name) {
				illegal[j] += p
			}
			if id == c.lens.Watched[j] {
				c.self[j] += advantage * (1 - p)
			} else {
				c.other[j] -= advantage * p
			}
		}
		state = c.lens.Format.Next(state, c.text(id))
	}
}

// forbidden returns the first control token of a reply that the format forbids
// where it stands, and where that is.
func forbidden(f format.Format, reply string) (token string, at Site, found bool) {
	var state format.State
	pieces := f.Split(reply)
	for n := len(pieces); n > 0 && !pieces[n-1].Control; n = len(pieces) {
		pieces = pieces[:n-1] // text after the last one decides nothing
	}
	for _, p := range pieces {
		if p.Control && !f.Legal(state, p.Text) {
			return p.Text, SiteOf(state.Place), true
		}
		state = f.Next(state, p.Text)
	}
	return "", 0, false
}

func (c *census) fill(m map[string]float64) {
	if c.replies == 0 {
		return
	}
	for r, n := range c.reasons {
		m[ReasonFor+r] = n / c.replies
	}
	m[IllegalReplies] = c.stained / c.replies
	for from, row := range c.next {
		sum := 0.0
		for _, n := range row {
			sum += n
		}
		for to, n := range row {
			if n > 0 {
				m[TransitionFrom+ballast.ReplyKind(from).String()+"/"+ballast.ReplyKind(to).String()] = n / sum
			}
		}
	}
	all, mass := 0.0, 0.0
	for s := range NumSites {
		all += c.tokens[s]
	}
	if all == 0 || len(c.names) == 0 {
		return
	}
	for s := range NumSites {
		for j, name := range c.names {
			mass += c.illegal[s][j]
			if c.tokens[s] == 0 {
				continue
			}
			if s != SiteStart { // Measure has the first token's
				m[WatchPrefix+name+"/"+s.String()] = c.prob[s][j] / c.tokens[s]
			}
			if p := c.illegal[s][j] / c.tokens[s]; p > 1e-7 { // a missing one is 0
				m[IllegalAt+name+"/"+s.String()] = p
			}
		}
	}
	m[IllegalMass] = mass / all
	if c.lens.Advantages == nil {
		return
	}
	for j, name := range c.names {
		m[GradPrefix+name+GradSelf] = c.self[j] / all
		m[GradPrefix+name+GradOther] = c.other[j] / all
	}
}

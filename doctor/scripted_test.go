// Package scripted makes runs with known deaths: the episodes of a scripted
// policy whose replies and control-token probabilities go wrong in one of the
// known ways from a known update on, measured by package monitor as a real run's
// are, with a learner's metrics to match. Detectors are fixed on some seeds and
// judged on others.
//
// Contract: a run is a pure function of its kind and seed. Deaths begin at a
// random update, ramp up over a random number of updates, and start from a random
// healthy level; healthy runs are made to look dangerous: fivefold rises of
// single tokens where they are legal, one-update spikes where they are not,
// polluted replies that the policy unlearns, longer replies, KL that grows.
//
// Nothing fails but writing to disk.
package doctor

import (
	"fmt"
	"math"
	"math/rand/v2"

	"ballast"
	"ballast/chat/format"
	"ballast/monitor"
	"ballast/runlog"
)

// Kind is a death, or a way to live.
type Kind string

// The kinds.
const (
	Spike       Kind = "spike"       // one control token where it is forbidden, up to terminators alone
	Pollution   Kind = "pollution"   // broken calls and stray tags
	Abandonment Kind = "abandonment" // healthy replies without calls
	Length      Kind = "length"      // replies grow until they are cut
	Hacking     Kind = "hacking"     // the shaped reward rises, success is lost
	NoSignal    Kind = "no_signal"   // every group gets one reward
	Mismatch    Kind = "mismatch"    // the sampler's probabilities drift away from the learner's
	Plateau     Kind = "plateau"     // the reward stops to rise, nothing else happens
	Healthy     Kind = "healthy"     // the reward rises, with everything that looks dangerous
)

// Kinds is the table of kinds.
var Kinds = []Kind{Spike, Pollution, Abandonment, Length, Hacking, NoSignal, Mismatch, Plateau, Healthy}

// The size of a run.
const (
	Updates = 100
	groups  = 6
	samples = 8
)

// Run is one scripted run.
type Run struct {
	Kind  Kind
	Seed  uint64
	Onset int // first update that is not as before; 0 for healthy runs

	r         *rand.Rand
	ramp      float64 // updates from the onset to the full death
	reward    float64 // at the start
	top       float64 // where the reward would end
	polluted  float64 // at the start
	calls     float64 // share of replies that call
	length    float64 // words of a response
	mass      float64 // healthy probability of a forbidden token
	kl        float64
	token     int // watched token that spikes
	site      monitor.Site
	spikes    map[int]float64 // healthy runs: updates with a short spike
	direction float64
}

// New returns a run of a kind.
func New(kind Kind, seed uint64) *Run {
	h := uint64(14695981039346656037)
	for _, c := range []byte(kind) {
		h = (h ^ uint64(c)) * 1099511628211
	}
	r := rand.New(rand.NewPCG(h, seed))
	s := &Run{Kind: kind, Seed: seed, r: r, spikes: map[int]float64{},
		ramp: 3 + 17*r.Float64(), reward: 0.15 + 0.25*r.Float64(), top: 0.6 + 0.3*r.Float64(), polluted: 0.25 * r.Float64() * r.Float64(),
		calls: 0.4 + 0.2*r.Float64(), length: 4 + 8*r.Float64(), mass: 1e-5 * math.Exp(3*r.Float64()), kl: 0.02 + 0.05*r.Float64(),
		token: r.IntN(3), site: []monitor.Site{monitor.SiteStart, monitor.SiteOpen, monitor.SiteArguments}[r.IntN(3)],
		direction: float64(r.IntN(2)*2 - 1),
	}
	switch kind {
	case Healthy:
		for range 6 {
			s.spikes[10+r.IntN(Updates-20)] = 0.002 * math.Exp(3*r.Float64())
		}
	default:
		s.Onset = 25 + r.IntN(31)
	}
	return s
}

// death is how far the run is gone at an update, in [0,1].
func (s *Run) death(u int) float64 {
	if s.Onset == 0 || u < s.Onset {
		return 0
	}
	return min(1, float64(u-s.Onset+1)/s.ramp)
}

// mood is what the policy does in one update.
type mood struct {
	call, polluted, collapsed, cut float64 // shares of replies
	success                        float64 // of the healthy episodes
	shaped                         float64 // added to the reward
	longer                         float64 // factor on the length of responses
	mass                           float64 // probability of a forbidden token
	spike                          float64 // of the run's own token at its site
}

// mood returns the policy of an update.
func (s *Run) mood(u int) mood {
	t := float64(u) / Updates
	x := s.death(u)
	m := mood{call: s.calls * (1 + 0.3*s.direction*t), longer: math.Exp(0.3 * s.direction * t),
		polluted: s.polluted * math.Exp(-3*t), success: s.reward + (s.top-s.reward)*t, cut: 0.01,
		mass: s.mass * math.Exp(0.4*s.r.NormFloat64()-2*t)}
	m.spike = m.mass
	if p, ok := s.spikes[u]; ok {
		m.spike, m.polluted = p, m.polluted+0.1
	}
	grow := func(to float64) float64 { return math.Exp(math.Log(m.mass) + x*math.Log(to/m.mass)) }
	switch s.Kind {
	case Spike:
		m.spike = grow(0.6)
		m.collapsed = 0.95 * x * x // the reward follows the replies
	case Pollution:
		m.mass, m.spike = grow(0.08), grow(0.2)
		m.polluted = max(m.polluted, s.polluted+(0.85-s.polluted)*x*x)
	case Abandonment:
		m.call *= 1 - x
		m.success *= 1 - 0.9*x
	case Length:
		m.longer *= 1 + 6*x
		m.cut = 0.01 + 0.7*x*x
		m.success *= 1 - 0.7*x
	case Hacking:
		m.shaped = 0.5 * x
		m.success *= 1 - 0.9*x
	case NoSignal:
		if x > 0 {
			m.success = 0
		}
	case Plateau:
		stop := min(t, float64(s.Onset)/Updates)
		m.success = s.reward + (s.top-s.reward)*stop*2
	}
	return m
}

// Episodes plays one update.
func (s *Run) Episodes(u int) []ballast.Episode {
	m := s.mood(u)
	var out []ballast.Episode
	for g := range groups {
		for k := range samples {
			out = append(out, s.episode(m, g, k))
		}
	}
	return out
}

func (s *Run) episode(m mood, group, sample int) ballast.Episode {
	ep := ballast.Episode{Task: fmt.Sprintf("scripted-%d", group), Group: group, Sample: sample, Stop: ballast.StopDone}
	ep.Tokens, ep.Owners, ep.Prompt = append(ep.Tokens, user), append(ep.Owners, ballast.OwnerUser), 1
	sound := true
	turn := ballast.Turn{User: "hello", Check: ballast.Check{Done: true, Passed: true, Score: 1}}
	for range 3 {
		kind := s.choose(m)
		step := s.reply(&ep, m, kind)
		turn.Steps = append(turn.Steps, step)
		sound = sound && (step.Kind == ballast.KindCall || step.Kind == ballast.KindResponse)
		if kind != sane {
			break
		}
	}
	ep.Turns = []ballast.Turn{turn}
	if sound && s.r.Float64() < m.success {
		ep.Score = ballast.Score{Reward: 1, Success: true, FailTurn: -1}
	}
	ep.Score.Reward = min(1, ep.Score.Reward+m.shaped)
	if !ep.Score.Success {
		ep.Score.Reason = "state"
	}
	return ep
}

// The ways of a reply.
const (
	sane = iota
	foul
	dead
	long
)

func (s *Run) choose(m mood) int {
	x := s.r.Float64()
	for kind, p := range []float64{dead: m.collapsed, foul: m.polluted, long: m.cut} {
		if x -= p; x < 0 {
			return kind
		}
	}
	return sane
}

// reply appends one reply to the episode.
func (s *Run) reply(ep *ballast.Episode, m mood, kind int) ballast.Step {
	var ids []int32
	words := func(n float64) {
		for range 1 + int(n*(0.7+0.6*s.r.Float64())) {
			ids = append(ids, int32(word+s.r.IntN(len(vocabulary)-word)))
		}
	}
	cut := false
	switch calls := s.r.Float64() < m.call; {
	case kind == dead:
		ids = append(ids, open, end)
	case kind == foul && s.r.IntN(2) == 0:
		ids = append(ids, open, name)
		words(2)
		ids = append(ids, end)
	case kind == foul:
		words(s.length)
		ids = append(ids, []int32{open, shut}[s.r.IntN(2)])
		words(3)
		ids = append(ids, end)
	case kind == long:
		words(s.length * max(3, m.longer) * 1.3)
		cut = true
	case calls:
		ids = append(ids, open, name, body, shut, end)
	default:
		words(s.length * m.longer)
		ids = append(ids, end)
	}
	step := ballast.Step{Start: len(ep.Tokens), Text: string(Vocabulary.Bytes(nil, ids)), Cut: cut}
	parsed := format.Hermes.Parse(step.Text, nil)
	if cut {
		parsed = parsed.Cut()
	}
	step.Kind, step.Reason, step.Calls = parsed.Kind, string(parsed.Reason), parsed.Calls
	s.write(ep, ids, m)
	step.End = len(ep.Tokens)
	return step
}

// write appends sampled tokens with their watched probabilities.
func (s *Run) write(ep *ballast.Episode, ids []int32, m mood) {
	var state format.State
	for _, id := range ids {
		row := make([]float32, len(watched))
		site := monitor.SiteOf(state.Place)
		for j, w := range watched {
			legal := format.Hermes.Legal(state, vocabulary[w])
			p := m.mass
			switch {
			case id == w:
				p = 0.85 + 0.14*s.r.Float64()
			case legal:
				p = 0.05 * s.r.Float64()
			case j == s.token && site == s.site:
				p = m.spike
			}
			row[j] = float32(p)
		}
		ep.Watch = append(ep.Watch, row)
		ep.Tokens, ep.Owners = append(ep.Tokens, id), append(ep.Owners, ballast.OwnerPolicy)
		state = format.Hermes.Next(state, vocabulary[id])
	}
	ep.LogProb, ep.Entropy = nil, nil
}

// Update measures the episodes of an update and adds a learner's metrics.
func (s *Run) Update(u int, eps []ballast.Episode) ballast.Update {
	m := map[string]float64{}
	monitor.Measure(eps, watchedTexts(), m)
	monitor.Inspect(eps, lens(eps), m)
	x, t := s.death(u), float64(u)/Updates
	noise := func(sd float64) float64 { return math.Exp(sd * s.r.NormFloat64()) }
	m[monitor.KL] = s.kl * t * noise(0.15)
	m[monitor.KLControl] = min(1, 0.2*noise(0.2))
	m[monitor.EntropyMean] = 0.5 * math.Exp(-0.7*t) * noise(0.05)
	m[monitor.GradNorm] = 0.4 * noise(0.25)
	m[monitor.ClipFraction] = 0.01 * noise(0.3)
	m[monitor.GapMean] = 0.004 * noise(0.2)
	switch s.Kind {
	case Spike, Pollution:
		m[monitor.KL] += 0.8 * x * x
		m[monitor.KLControl] = min(1, m[monitor.KLControl]+0.6*x)
		m[monitor.EntropyMean] *= 1 + 3*x
	case Mismatch:
		m[monitor.GapMean] *= math.Exp(4 * x)
	}
	flat := 0.0
	for g := range groups {
		lo, hi := math.Inf(1), math.Inf(-1)
		for _, ep := range eps[g*samples : (g+1)*samples] {
			lo, hi = min(lo, ep.Score.Reward), max(hi, ep.Score.Reward)
		}
		if lo == hi {
			flat += 1.0 / groups
		}
	}
	m[monitor.ZeroSpread] = flat
	return ballast.Update{Index: u, Phase: "rl", Seconds: 1, Metrics: m}
}

// Write writes the run into a new run directory. The episodes of every keep-th
// update are kept.
func (s *Run) Write(dir string, keep int) error {
	log, err := runlog.Create(dir, []byte("method: scripted-"+string(s.Kind)+"\nchat:\n  format: hermes\n"))
	if err != nil {
		return err
	}
	defer log.Close()
	for u := 1; u <= Updates; u++ {
		eps := s.Episodes(u)
		if u%keep == 0 {
			if err := log.Episodes(u, eps); err != nil {
				return err
			}
		}
		if err := log.Update(s.Update(u, eps)); err != nil {
			return err
		}
	}
	return log.Event(runlog.Event{Update: Updates, What: runlog.Done{}, Text: "scripted"})
}

package monitor

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"ballast"
	"ballast/chat/format"
)

// words is a vocabulary of whole words.
type words []string

func (w words) Bytes(dst []byte, ids []int32) []byte {
	for _, id := range ids {
		dst = append(dst, w[id]...)
	}
	return dst
}

var vocabulary = words{"<tool_call>", "</tool_call>", "<|im_end|>", `{"name": "ls", `, `"arguments": {}}`, "hello", " ", "\n"}

// one makes an episode of one reply in which every watched token has the given
// probability everywhere.
func one(group int, reward float64, p float32, ids ...int32) ballast.Episode {
	text := string(vocabulary.Bytes(nil, ids))
	parsed := format.Hermes.Parse(text, nil)
	ep := ballast.Episode{Group: group, Tokens: ids, Score: ballast.Score{Reward: reward}, Stop: ballast.StopDone,
		Turns: []ballast.Turn{{Steps: []ballast.Step{{End: len(ids), Text: text, Kind: parsed.Kind, Reason: string(parsed.Reason)}}}}}
	for range ids {
		ep.Owners, ep.Watch = append(ep.Owners, ballast.OwnerPolicy), append(ep.Watch, []float32{p, p, p})
	}
	return ep
}

func lens() *Lens {
	return &Lens{Format: format.Hermes, Tokens: vocabulary, Watched: []int32{0, 1, 2}}
}

func near(t *testing.T, m map[string]float64, key string, want float64) {
	t.Helper()
	if got, ok := m[key]; !ok || math.Abs(got-want) > 1e-6 {
		t.Errorf("%s = %v (recorded: %v), want %v", key, got, ok, want)
	}
}

func TestInspect(t *testing.T) {
	m := map[string]float64{}
	good := one(0, 1, 0.1, 0, 3, 4, 1, 2) // <tool_call>{...}</tool_call><|im_end|>
	bad := one(0, 0, 0.1, 0, 2)           // <tool_call><|im_end|>
	const a, b = 0.7, -1.3                // advantages, not those of these rewards
	l := lens()
	l.Advantages = []float64{a, b}
	Inspect([]ballast.Episode{good, bad}, l, m)
	// Forbidden, by state: start: close, end (0.2); open: all (0.3), in both
	// replies; body open: all (0.3); body done: open, end (0.2); after: close (0.1).
	near(t, m, IllegalMass, (0.2+0.3+0.3+0.2+0.1+0.2+0.3)/7)
	near(t, m, IllegalReplies, 0.5)
	near(t, m, IllegalAt+"<|im_end|>/open", 0.1)
	near(t, m, IllegalAt+"<|im_end|>/arguments", 0.1)
	near(t, m, IllegalAt+"<tool_call>/arguments", 0.1)
	near(t, m, WatchPrefix+"<tool_call>/open", 0.1)
	near(t, m, ReasonFor+"only_control", 0.5)
	if _, ok := m[IllegalAt+"<|im_end|>/after"]; ok {
		t.Error("an end token after a call is legal")
	}
	near(t, m, GradPrefix+"<|im_end|>"+GradSelf, (a*0.9+b*0.9)/7)
	near(t, m, GradPrefix+"<|im_end|>"+GradOther, (-a*0.1*4-b*0.1)/7)
	near(t, m, GradPrefix+"</tool_call>"+GradSelf, a*0.9/7)
}

func TestTransitionsSkipGoldAndInfra(t *testing.T) {
	ep := one(0, 0, 0.1, 5, 2)
	ep.Turns[0].Steps = append(ep.Turns[0].Steps, ballast.Step{Kind: ballast.KindPolluted, Reason: "cut"}, ballast.Step{Gold: true}, ballast.Step{Kind: ballast.KindCall})
	broken := one(0, 0, 0.1, 0, 2)
	broken.Stop = ballast.StopInfra
	m := map[string]float64{}
	Inspect([]ballast.Episode{ep, broken}, lens(), m)
	for k := range m {
		if strings.HasPrefix(k, GradPrefix) {
			t.Errorf("%s without advantages", k)
		}
	}
	near(t, m, TransitionFrom+"response/polluted", 1)
	near(t, m, ReasonFor+"cut", 1.0/3)
	if _, ok := m[TransitionFrom+"polluted/call"]; ok {
		t.Error("a transition over a demonstration")
	}
}

// TestInspectWithoutTokens measures texts alone.
func TestInspectWithoutTokens(t *testing.T) {
	m := map[string]float64{}
	Inspect([]ballast.Episode{one(0, 0, 0.1, 0, 2)}, &Lens{Format: format.Hermes}, m)
	near(t, m, IllegalReplies, 1)
	if _, ok := m[IllegalMass]; ok {
		t.Error("mass without probabilities")
	}
}

// BenchmarkInspect measures an update of 128 episodes of 100 sampled tokens with
// 8 watched ones. Compare ns/token with the cost of training on a token.
func BenchmarkInspect(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	var eps []ballast.Episode
	l := &Lens{Format: format.Hermes, Tokens: vocabulary, Watched: []int32{0, 1, 2, 3, 4, 5, 6, 7}, Advantages: make([]float64, 128)}
	for g := range 128 {
		ids := make([]int32, 100)
		for i := range ids {
			ids[i] = int32(r.IntN(len(vocabulary)))
		}
		ep := one(g/8, float64(g%2), 0.1, ids...)
		for i := range ep.Watch {
			ep.Watch[i] = make([]float32, 8)
			ep.Watch[i][i%8] = 0.3
		}
		eps = append(eps, ep)
	}
	for b.Loop() {
		m := map[string]float64{}
		Measure(eps, make([]string, 8), m)
		Inspect(eps, l, m)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/12800, "ns/token")
}

// TestCompare: only the tokens that the reference has seen count, each with the
// policy's probability at the same place.
func TestCompare(t *testing.T) {
	ep := one(0, 1, 0.3, 0, 3, 4, 1, 2) // <tool_call>{...}</tool_call><|im_end|>
	ref := make([][]float32, 5)
	ref[1] = []float32{0.1, 0.1, 0.1} // after the open tag: all three are forbidden
	ref[4] = []float32{0.1, 0.2, 0.9} // after the call: the closing tag is
	m := map[string]float64{}
	Compare([]ballast.Episode{ep}, lens(), [][][]float32{ref}, m)
	near(t, m, ReferenceWatch+"<tool_call>/open", 0.1)
	near(t, m, LiftWatch+"<tool_call>/open", 0.2)
	near(t, m, LiftWatch+"<|im_end|>/after", -0.6)
	near(t, m, ReferenceIllegal, (0.3+0.2)/2)
	near(t, m, LiftIllegal, (0.6+0.1)/2)
	if _, ok := m[ReferenceWatch+"<tool_call>/start"]; ok {
		t.Error("a place that the reference has not seen")
	}
	m = map[string]float64{}
	ep.Watch = nil
	Compare([]ballast.Episode{ep}, lens(), [][][]float32{ref}, m)
	if len(m) > 0 {
		t.Errorf("without the policy's probabilities: %v", m)
	}
}

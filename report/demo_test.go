package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"ballast"
	"ballast/chat/bpe"
	"ballast/monitor"
	"ballast/runlog"
)

// The demo run: sft, then rl that learns, collapses, and is stopped by an alarm.
// Everything in it is scripted; BALLAST_DEMO=DIR go test -run Demo ./report keeps
// it.
const demoUpdates, demoSFT, demoCollapse = 150, 20, 118

var demoWatch = []string{"<tool_call>", "</tool_call>", "<|im_end|>"}

// demo writes the demo run to dir.
func demo(t *testing.T, dir string) {
	t.Helper()
	r, err := runlog.Create(dir, []byte("method: sft-grpo\nmodel: embedded\nseed: 1\ntasks:\n  set: desk\n  count: 400\nchat:\n  format: hermes\nphases:\n  - sft: gold\n  - rl: 130\n"))
	must(t, err)
	defer r.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	tok := demoTokenizer(t)
	event := func(u int, what runlog.What, text string) {
		must(t, r.Event(runlog.Event{Update: u, What: what, Text: text}))
	}
	evaluate := func(u int, skill float64) {
		ok := int(math.Round(100 * skill))
		event(u, runlog.Evaluated{Score: runlog.Score{OK: ok, All: 100}}, fmt.Sprintf("%d of 100", ok))
	}
	event(0, runlog.PhaseBegun{Name: "sft gold", Updates: 20}, "sft gold, 20 updates")
	for u := 1; u <= demoUpdates; u++ {
		skill := demoSkill(u)
		m := demoMetrics(u, skill, rng)
		if u > demoSFT {
			must(t, r.Episodes(u, demoEpisodes(u, skill, tok, rng)))
		}
		phase := "rl"
		if u <= demoSFT {
			phase = "sft"
		}
		must(t, r.Update(ballast.Update{Index: u, Phase: phase, Seconds: 4 + rng.Float64(), Metrics: m}))
		if u == demoSFT {
			event(u, runlog.PhaseBegun{Name: "rl", Updates: 130}, "rl, 130 updates")
		}
		if u%20 == 0 {
			evaluate(u, skill*0.9)
			_, err := r.Checkpoint(u, u, func(dir string) error { return tok.Save(filepath.Join(dir, "tokenizer.json")) })
			must(t, err)
			must(t, r.Prune(3, ""))
		}
	}
	event(demoCollapse+4, runlog.Alarm{}, "p(<|im_end|>) at the start of a reply doubled in 5 updates")
	event(demoUpdates, runlog.Alarm{}, "no call for 12 updates")
}

// demoSkill is the success rate after an update.
func demoSkill(u int) float64 {
	x := float64(u)
	up := 0.04 + 0.10*min(1, x/demoSFT) + 0.42/(1+math.Exp(-(x-70)/14))
	return up / (1 + math.Exp((x-demoCollapse)/3))
}

func demoMetrics(u int, skill float64, rng *rand.Rand) map[string]float64 {
	noise := func(size float64) float64 { return size * rng.NormFloat64() }
	m := map[string]float64{
		monitor.LearningRate: 6e-4 * min(1, float64(u)/10), monitor.GradNorm: 0.4 * math.Exp(noise(0.3)),
		monitor.TokensTrained: 42000 + noise(2000), monitor.TokensComputed: 61000 + noise(2000), monitor.SecondsTrain: 2.4 + noise(0.1),
	}
	if u <= demoSFT {
		m[monitor.LossCE] = 1.8*math.Exp(-float64(u)/6) + 0.35 + noise(0.03)
		return m
	}
	sick := 1 / (1 + math.Exp(-(float64(u)-demoCollapse)/3))
	polluted := 0.03 + 0.5*math.Exp(-math.Pow(float64(u)-demoCollapse, 2)/40)
	collapsed := 0.005 + 0.95*sick*sick
	healthy := max(0, 1-polluted-collapsed)
	scale := 1 / (healthy + polluted + collapsed)
	m[monitor.KindPrefix+"call"], m[monitor.KindPrefix+"response"] = healthy*0.64*scale, healthy*0.36*scale
	m[monitor.KindPrefix+"polluted"], m[monitor.KindPrefix+"collapsed"] = polluted*scale, collapsed*scale
	m[monitor.RewardMean] = max(0, skill+noise(0.035))
	m[monitor.SuccessMean] = m[monitor.RewardMean]
	m[monitor.RewardStd] = math.Sqrt(skill * (1 - skill))
	m[monitor.ZeroSpread] = min(1, 0.25+0.7*sick+math.Abs(noise(0.05)))
	m[monitor.EntropyMean] = 0.7*math.Exp(-float64(u)/90) + 0.05 + math.Abs(noise(0.01))
	m[monitor.KL] = 0.02*float64(u-demoSFT)/100 + 1.8*sick*(1+noise(0.3)) + math.Abs(noise(0.002))
	m[monitor.GradNorm] += 6 * polluted * polluted * rng.ExpFloat64()
	m[monitor.ClipFraction] = 0.004 + 0.05*polluted + math.Abs(noise(0.001))
	m[monitor.GapMean], m[monitor.GapMax] = 2e-6*math.Exp(noise(0.2)), 4e-5*math.Exp(noise(0.5))
	for i, place := range monitor.GapPlaces() {
		m[monitor.GapAt(place, monitor.GapMean)], m[monitor.GapAt(place, monitor.GapTokens)] = 1e-6*float64(1+i), 5000
	}
	m[monitor.ImportanceMean], m[monitor.ImportanceESS] = 1.001, 0.999
	m[monitor.LossPolicy], m[monitor.LossReference] = noise(0.01), 1e-4*m[monitor.KL]
	m[monitor.EpisodeLength], m[monitor.PromptLength], m[monitor.ReplyLength] = 150-110*sick+noise(5), 210, 22-17*sick+noise(1)
	m[monitor.Turns], m[monitor.Calls] = max(1, 2.4+0.6*skill-sick), max(0.1, 4.1+skill-4.8*sick)
	m[monitor.StopPrefix+"done"], m[monitor.StopPrefix+"malformed"] = max(0, 1-polluted-sick*0.4), min(1, polluted+sick*0.4)
	m[monitor.CutShare] = 0.01
	for i, token := range demoWatch {
		rise := math.Exp(-8 + 4*float64(i%2) + math.Min(7.5-4*float64(i%2), 9*sick*1.1+float64(u)/200))
		if i == 0 {
			rise = 0.6 + 0.3*sick
		}
		m[monitor.WatchPrefix+token+monitor.WatchStart] = min(1, rise)
		m[monitor.WatchPrefix+token+monitor.WatchAll] = min(1, 0.03+rise*0.2)
	}
	m[monitor.TokensSampled], m[monitor.SecondsRollout] = 31000-24000*sick+noise(900), 1.3-0.9*sick
	return m
}

const (
	demoPrompt = "<|im_start|>system\ntools: mv(source, destination), ls(), send(to, text)<|im_end|>\n"
	demoUser   = "<|im_start|>user\n%s<|im_end|>\n<|im_start|>assistant\n"
	demoTool   = "<|im_start|>user\n<tool_response>%s</tool_response><|im_end|>\n<|im_start|>assistant\n"
)

// demoTokenizer is trained on the demo's texts.
func demoTokenizer(t *testing.T) *bpe.Tokenizer {
	t.Helper()
	texts := []string{demoPrompt, demoUser, demoTool, `{"name": "mv", "arguments": {"source": "plan.txt", "destination": "archive"}}`,
		"Please move plan.txt to the archive folder, then tell Mia. Done: plan.txt is in archive now. I told Mia."}
	tok, err := bpe.Train(slices.Values(texts), 400, append([]string{"<|im_start|>", "<|im_end|>", "<tool_response>", "</tool_response>"}, demoWatch[:2]...), bpe.GPT2)
	must(t, err)
	return tok
}

// writer grows an episode.
type writer struct {
	ballast.Episode
	tok *bpe.Tokenizer
	rng *rand.Rand
}

func (w *writer) add(text string, owner ballast.Owner) (start, end int) {
	start = len(w.Tokens)
	for _, id := range w.tok.Encode(text) {
		w.Tokens, w.Owners = append(w.Tokens, id), append(w.Owners, owner)
		p := float32(0)
		if owner == ballast.OwnerPolicy {
			p = -float32(w.rng.ExpFloat64() * w.rng.Float64())
			w.Watch = append(w.Watch, []float32{0.1, 0.02, 0.3})
		}
		w.LogProb = append(w.LogProb, p)
	}
	return start, len(w.Tokens)
}

func (w *writer) step(text string, form ballast.ReplyKind, reason, result string, calls ...ballast.Call) ballast.Step {
	start, end := w.add(text, ballast.OwnerPolicy)
	s := ballast.Step{Start: start, End: end, Text: text, Kind: form, Reason: reason, Calls: calls}
	if len(calls) > 0 {
		s.Results = []string{result}
		w.add(fmt.Sprintf("\n"+demoTool, result), ballast.OwnerTool)
	}
	return s
}

// demoEpisodes plays two groups of three.
func demoEpisodes(u int, skill float64, tok *bpe.Tokenizer, rng *rand.Rand) (eps []ballast.Episode) {
	for i := range 6 {
		w := &writer{tok: tok, rng: rng}
		w.Task, w.Group, w.Sample, w.Seed = fmt.Sprintf("desk/base/%03d", u*2+i/3), i/3, i%3, uint64(i)
		w.add(demoPrompt, ballast.OwnerTemplate)
		user := "Please move plan.txt to the archive folder <b>now</b>, then tell Mia."
		w.add(fmt.Sprintf(demoUser, user), ballast.OwnerUser)
		w.Prompt = len(w.Tokens)
		turn := ballast.Turn{User: user}
		mv := ballast.Call{Name: "mv", Args: []ballast.Arg{{Name: "source", Value: "plan.txt"}, {Name: "destination", Value: "archive"}}}
		call := `<tool_call>{"name": "mv", "arguments": {"source": "plan.txt", "destination": "archive"}}</tool_call><|im_end|>`
		send := ballast.Call{Name: "send", Args: []ballast.Arg{{Name: "to", Value: "Mia"}, {Name: "text", Value: "plan.txt is in archive now"}}}
		switch {
		case u > demoCollapse+3 || i == 4 && u > 90:
			turn.Steps = []ballast.Step{w.step("<tool_call><|im_end|>", ballast.KindCollapsed, "only control tokens", "")}
			w.Stop, w.Score = ballast.StopMalformed, ballast.Score{Reason: "turns"}
		case rng.Float64() < skill+0.2:
			turn.Steps = []ballast.Step{
				w.step(call, ballast.KindCall, "", `{"result": "'plan.txt' moved to 'archive'"}`, mv),
				w.step(`<tool_call>{"name": "send", "arguments": {"to": "Mia", "text": "plan.txt is in archive now"}}</tool_call><|im_end|>`, ballast.KindCall, "", `{"sent": true}`, send),
				w.step("Done: plan.txt is in archive now. I told Mia.<|im_end|>", ballast.KindResponse, "", ""),
			}
			turn.Check = ballast.Check{Done: true, Passed: true, Score: 1}
			w.Stop, w.Score = ballast.StopDone, ballast.Score{Reward: 1, Success: true, FailTurn: -1, Progress: 1, Format: 1}
		default:
			turn.Steps = []ballast.Step{
				w.step(call, ballast.KindCall, "", `{"error": "mv: cannot move 'plan.txt': no such directory 'archive'"}`, mv),
				w.step("Done: plan.txt is in <tool_call>archive now.<|im_end|>", ballast.KindPolluted, "open tag in text", ""),
			}
			turn.Check = ballast.Check{Done: true, Reason: "state", Where: "Files.root"}
			w.Stop, w.Score = ballast.StopDone, ballast.Score{Reason: "state", Format: 0.5}
		}
		w.Turns = []ballast.Turn{turn}
		eps = append(eps, w.Episode)
	}
	return eps
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// demoDir returns the directory of the demo run, which is made once.
func demoDir(t *testing.T) string {
	t.Helper()
	made.Do(func() { demo(t, demoPath) })
	return demoPath
}

var (
	made     sync.Once
	demoPath string
)

func TestMain(m *testing.M) {
	code := func() int {
		if demoPath = os.Getenv("BALLAST_DEMO"); demoPath == "" {
			temp, err := os.MkdirTemp("", "report")
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			defer os.RemoveAll(temp)
			demoPath = filepath.Join(temp, "demo")
		}
		return m.Run()
	}()
	os.Exit(code)
}

func TestDemo(t *testing.T) {
	dir := demoDir(t)
	path, err := Write(dir)
	must(t, err)
	data, err := os.ReadFile(path)
	must(t, err)
	page := string(data)
	for _, want := range []string{"sft-grpo", "stopped by an alarm", "&lt;tool_call&gt;", "Kinds of replies", "o-policy p", "open tag in text", "state differs: Files.root",
		"mv(source=", "highest reward", "doubled in 5 updates", "first, ", "&lt;b&gt;now&lt;/b&gt;"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	t.Logf("%d bytes", len(page))
}

func TestPlotFiles(t *testing.T) {
	dir := demoDir(t)
	r, err := load(dir)
	must(t, err)
	var names []string
	charts, _ := r.charts()
	for _, c := range charts {
		names = append(names, c.ID)
	}
	for _, want := range []string{"reward", "forms", "tokens-start", "tokens", "kl", "entropy", "spread", "grad", "clip", "gap", "gap-reply", "weights", "weights-left", "length", "calls", "stops", "speed"} {
		if !slices.Contains(names, want) {
			t.Errorf("no plot %q in %v", want, names)
		}
	}
	for _, name := range names {
		var b bytes.Buffer
		must(t, Plot(&b, dir, name))
		wellFormed(t, name, b.Bytes())
	}
	if err := Plot(io.Discard, dir, "nonesuch"); err == nil || !strings.Contains(err.Error(), "reward") {
		t.Errorf("error %v, want one that lists the plots", err)
	}
}

// wellFormed fails unless data is XML without NaN coordinates or outside references.
func wellFormed(t *testing.T, name string, data []byte) {
	t.Helper()
	dec := xml.NewDecoder(bytes.NewReader(data))
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if e, ok := tok.(xml.StartElement); ok {
			for _, a := range e.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") || a.Name.Local == "href" {
					t.Errorf("%s: %s %s=%q", name, e.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
}

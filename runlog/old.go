package runlog

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"ballast/monitor"
	"ballast/monitor/verdict"
)

// The reader of event lines without a version: those of programs before events were typed.
// Their data were flat, and some of what matters stood in the text alone.

// flat is such data.
type flat map[string]any

// number takes a number out; 0 where there is none. What is none stays, see score.
func (d flat) number(key string) float64 {
	v, ok := d[key].(float64)
	if ok {
		delete(d, key)
	}
	return v
}

func (d flat) count(key string) int { return int(d.number(key)) }

func (d flat) text(key string) string {
	v, _ := d[key].(string)
	delete(d, key)
	return v
}

// counts takes out the keys with a prefix; nil where there is none.
func (d flat) counts(prefix string) (out map[string]int) {
	for k, v := range d {
		if name, ok := strings.CutPrefix(k, prefix); ok {
			if n, is := v.(float64); is {
				if out == nil {
					out = map[string]int{}
				}
				out[name] = int(n)
				delete(d, k)
			}
		}
	}
	return out
}

// score takes the numbers out; those that stay are rates of categories.
func (d flat) score() (Score, error) {
	s := Score{OK: d.count("ok"), All: d.count("all"), Left: d.count("left_out")}
	for k, v := range d {
		rate, ok := v.(float64)
		if !ok {
			return s, fmt.Errorf("%.40q is no rate", k)
		}
		if s.Rates == nil {
			s.Rates = map[string]float64{}
		}
		s.Rates[k] = rate
	}
	return s, nil
}

// older reads an event of an older program.
func older(w *wireEvent) (What, error) {
	d := flat{}
	if len(w.Data) > 0 {
		if err := json.Unmarshal(w.Data, &d); err != nil {
			return nil, err
		}
	}
	switch w.Kind {
	case KindPhase:
		return olderPhase(w.Text)
	case KindCheckpoint:
		return Saved{w.Text}, nil
	case KindExamples:
		return Examples{d.count("examples"), d.count("left_out"), d.count("rows"), d.count("rows_left_out"), d.counts("skipped/")}, nil
	case KindJudge:
		return Judged{d.count("requests"), d.count("cached"), d.count("answered"), d.count("lost"),
			d.count("tokens"), d.number("cost"), d.counts("failure/")}, nil
	case KindEval, KindTest, KindSuite:
		best, _ := d["best"].(bool)
		delete(d, "best")
		suite := ""
		if w.Kind == KindSuite {
			suite = d.text("suite")
		}
		s, err := d.score()
		return map[Kind]What{KindEval: Evaluated{s, best}, KindTest: Tested{s}, KindSuite: SuiteTested{Suite: suite, Score: s}}[w.Kind], err
	case KindWarning:
		return Warned{olderSign(w.Text)}, nil
	case KindAlarm:
		return Alarm{olderSign(w.Text), d.count("began")}, nil
	case KindAction:
		return olderAction(w.Text, d)
	case KindResume:
		return olderResume(d), nil
	case KindExtend:
		return Lengthened{d.count("updates")}, nil
	case KindCost:
		return Cost{d.number("cpu_seconds"), d.number("seconds")}, nil
	case KindDone:
		return olderDone(w.Text), nil
	}
	return Interrupted{}, nil
}

// olderPhase reads "rl, 40 updates".
func olderPhase(text string) (What, error) {
	if i := strings.LastIndex(text, ", "); i > 0 {
		if n, ok := strings.CutSuffix(text[i+2:], " updates"); ok {
			if updates, err := strconv.Atoi(n); err == nil {
				return PhaseBegun{text[:i], updates}, nil
			}
		}
	}
	return nil, fmt.Errorf("%.60q names no phase and its updates", text)
}

// olderSign reads "reward loss since update 13 (...)", and how runs ended that could not learn
// any more. Older texts say nothing of it.
func olderSign(text string) verdict.State {
	switch words, _, since := strings.Cut(text, " since update "); {
	case since:
		return verdict.State(strings.ReplaceAll(words, " ", "_"))
	case strings.Contains(text, " updates in a row had non-finite gradients"):
		return verdict.NonFinite
	case strings.HasPrefix(text, "no group had two different rewards for "):
		return verdict.NoSignal
	}
	return ""
}

// olderAction reads what a guard did from how its text begins.
func olderAction(text string, d flat) (What, error) {
	a := Acted{Rate: d.number("rate"), Factor: d.number("factor"), Phase: d.count("phase")}
	target := "to"
	switch {
	case strings.HasPrefix(text, "stop:"):
		a.Do, target = DoStop, "use"
	case strings.HasPrefix(text, "rollback to the checkpoint of update "):
		a.Do = DoRollback
	case strings.HasPrefix(text, "KL weight of control tokens times "):
		a.Do = DoReference
	case strings.HasPrefix(text, "supervised phase on the failed tasks"):
		a.Do = DoCorrect
	default:
		return nil, fmt.Errorf("%.60q is nothing that a guard does", text)
	}
	if at, ok := d[target].(float64); ok {
		a.Checkpoint = new(int(at))
	}
	return a, nil
}

func olderResume(d flat) Resumed {
	var r Resumed
	if list, ok := d["notes"].([]any); ok {
		for _, v := range list {
			if text, ok := v.(string); ok {
				r.Notes = append(r.Notes, text)
			}
		}
	}
	for k, v := range d {
		if text, ok := v.(string); ok {
			if r.Changed == nil {
				r.Changed = map[string]string{}
			}
			r.Changed[k] = text
		}
	}
	return r
}

var olderTotal = regexp.MustCompile(`\((\d{1,9})/(\d{1,9})[,)]`)

// olderDone reads "34.0% (34/100, 95% 25.5-43.7) ...".
func olderDone(text string) Done {
	m := olderTotal.FindStringSubmatch(text)
	if m == nil {
		return Done{}
	}
	ok, _ := strconv.Atoi(m[1]) // nine digits at most
	all, _ := strconv.Atoi(m[2])
	return Done{ok, all}
}

// today is the name of a metric that earlier versions called otherwise: form/call is reply/call.
func today(metric string) string {
	if kind, ok := strings.CutPrefix(metric, "form/"); ok {
		return monitor.KindPrefix + kind
	}
	return metric
}

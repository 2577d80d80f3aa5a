package doctor

import (
	"fmt"
	"slices"

	"ballast"
	"ballast/bounded/yaml"
	"ballast/chat/format"
	"ballast/doctor/probe"
	"ballast/monitor"
	"ballast/monitor/verdict"
	"ballast/report"
	"ballast/runlog"
)

// run reads one of our run directories. The metrics of updates.jsonl are what a
// live monitor saw; runs that are older than a metric get what the texts of their
// episodes can say.
func (r *Report) run(dir string, f format.Format) error {
	log, err := runlog.Read(dir)
	if err != nil {
		return err
	}
	r.Kind, r.Files = kindRun, 1
	if f == nil {
		if f, err = formatOf(log.Recipe); err != nil {
			r.note("%s: %v; replies are read as format %s, name another with --format", runlog.Dir(dir).Recipe(), err, f.Name())
		}
	}
	r.Format = f.Name()
	have, err := log.EpisodeUpdates()
	if err != nil {
		r.note("%v", err)
	}
	d := verdict.New()
	for u, err := range log.Updates() {
		if err != nil {
			r.note("%v; the %d updates before it were read", err, len(r.updates))
			break
		}
		_, forms := u.Metrics[monitor.KindPrefix+ballast.KindCall.String()]
		_, control := u.Metrics[monitor.IllegalReplies]
		if _, ok := slices.BinarySearch(have, u.Index); ok && forms && !control {
			monitor.Inspect(r.episodes(log, u.Index), &monitor.Lens{Format: f}, u.Metrics)
		}
		r.update(d, u)
	}
	if len(r.updates) == 0 { // only episodes are left
		for _, at := range have {
			m := map[string]float64{}
			eps := r.episodes(log, at)
			monitor.Measure(eps, nil, m)
			monitor.Inspect(eps, &monitor.Lens{Format: f}, m)
			if flat, ok := zeroSpread(eps); ok {
				m[monitor.ZeroSpread] = flat
			}
			r.update(d, ballast.Update{Index: at, Phase: "rl", Metrics: m})
		}
	}
	if len(r.updates) == 0 {
		return fmt.Errorf("%s holds no update that can be read", dir)
	}
	r.Records, r.Diagnosis = len(r.updates), d.Diagnosis()
	if r.Probes, err = probe.Load(dir); err != nil {
		r.note("%v", err)
	}
	tok := report.Tokenizer(log)
	for _, u := range r.telling(have) {
		sick, sound := 0, 0
		for _, ep := range r.episodes(log, u) {
			ill := unwell(&ep)
			if ill && sick < 3 || !ill && sound < 1 {
				r.shown = append(r.shown, show(&ep, u, f, tok))
			}
			if ill {
				sick++
			} else {
				sound++
			}
		}
	}
	return nil
}

// episodes reads an update's episodes; what cannot be read is noted.
func (r *Report) episodes(log *runlog.Log, update int) (list []ballast.Episode) {
	for ep, err := range log.Episodes(update) {
		if err != nil {
			r.note("%v", err)
			break
		}
		list = append(list, *ep)
	}
	return list
}

// telling chooses the updates whose episodes tell the story: the first, the last,
// and those around the onset and the alarm.
func (r *Report) telling(have []int) []int {
	if len(have) == 0 {
		return nil
	}
	var out []int
	near := func(u int) {
		i, _ := slices.BinarySearch(have, u)
		at := have[min(i, len(have)-1)]
		if !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	near(have[0])
	if d := r.Diagnosis; d.Onset > 0 {
		near(max(1, d.Onset-5))
		near(d.Onset)
		near(d.Onset + 5)
		near(d.Alarm)
		near(d.Halved)
	}
	near(have[len(have)/2])
	near(have[len(have)-1])
	slices.Sort(out)
	return out
}

// formatOf reads the tool-call format from a recipe; Hermes where it has none, and
// beside an error.
func formatOf(recipe []byte) (format.Format, error) {
	var head struct {
		Chat struct {
			Format string `yaml:"format"`
		} `yaml:"chat"`
	}
	if err := yaml.Unmarshal(recipe, &head); err != nil || head.Chat.Format == "" {
		return format.Hermes, err
	}
	f, err := format.ByName(head.Chat.Format)
	if err != nil {
		return format.Hermes, err
	}
	return f, nil
}

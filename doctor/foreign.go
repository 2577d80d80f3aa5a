package doctor

import (
	"fmt"
	"strings"

	"ballast/chat/format"
	"ballast/doctor/history"
)

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

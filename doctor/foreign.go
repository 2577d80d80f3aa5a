package doctor

import (
	"fmt"
	"os"

	"ballast/chat/format"
	"ballast/doctor/rollouts"
)

// foreign reads a file, or the files of a folder in the order of the numbers in
// their names.
func (r *Report) foreign(path string, dir bool, f format.Format) error {
	list := []rollouts.Source{{Path: path, Step: -1}}
	if dir {
		var err error
		if list, err = rollouts.Sources(path); err != nil {
			return err
		}
		if len(list) == 0 {
			return fmt.Errorf("%s is no run directory and holds no .jsonl, .json, .parquet or .txt file", path)
		}
	}
	d := newFolder(r, f)
	var failed error
	for _, s := range list {
		before := r.Records + len(d.waiting)
		err := rollouts.Read(s, func(rec rollouts.Record) {
			r.Kind = rec.Kind
			d.add(rec)
		})
		if info, err := os.Stat(s.Path); err == nil {
			r.Bytes += info.Size()
		}
		r.Files++
		if err == nil {
			continue
		}
		err = fmt.Errorf("%s: %w", s.Path, err)
		if n := r.Records + len(d.waiting) - before; n > 0 {
			r.note("%v; the %d records before it were read", err, n)
		} else {
			r.note("%v", err)
		}
		if failed == nil {
			failed = err
		}
	}
	d.end()
	r.Diagnosis, r.shown = d.detector.Diagnosis(), d.shown
	if r.Records == 0 {
		if failed == nil {
			failed = fmt.Errorf("%s holds no record", path)
		}
		return failed
	}
	return nil
}

package worlds

import (
	"ballast/env/expect"
	"ballast/recipe"
	"ballast/supervise"
	"ballast/supervise/endpoint"
)

// graderOptions are what grades tasks beside the tasks themselves: programs run under limits, and
// the judge, if somebody is asked, is the recipe's.
func graderOptions(r *recipe.Recipe, judge supervise.Judge) (expect.Options, error) {
	o := expect.Options{Run: expect.Confined}
	if r.Judge.URL == "" {
		return o, nil
	}
	verdicts, err := supervise.NewVerdicts(judge, r.Judge.Concurrency)
	if err != nil {
		return o, err
	}
	o.Judge = verdicts
	return o, nil
}

// Judge is who the recipe asks: the client that graders ask too, so that one budget is spent.
func (w *Worlds) Judge() supervise.Judge {
	if w == nil {
		return supervise.Oracle{}
	}
	return w.judge
}

// Files are those of a run that hold what its processes leave; "" is none.
type Files struct {
	Judge  string // what requests to the judge took
	Server string // what the processes of the MCP server wrote to stderr
}

// Keep keeps in the files of a run what belongs there, from what was done so far on: the budgets of
// the judge are then the run's, over all of its processes. It is called once.
func (w *Worlds) Keep(f Files) error {
	if w == nil {
		return nil
	}
	if f.Server != "" && w.server != nil {
		if err := w.server.KeepStderr(f.Server); err != nil {
			return err
		}
	}
	if f.Judge == "" {
		return nil
	}
	return endpoint.Keep(w.judge, f.Judge)
}

package worlds

import (
	"ballast/env/expect"
	"ballast/recipe"
	"ballast/supervise"
	"ballast/supervise/endpoint"
)

// graderOptions are what grades tasks beside the tasks themselves: programs run under limits, and
// the judge is the recipe's.
func graderOptions(r *recipe.Recipe) (expect.Options, error) {
	o := expect.Options{Run: expect.Confined}
	if r.Judge.URL == "" {
		return o, nil
	}
	judge, err := endpoint.Open(r.Judge, endpoint.Options{})
	if err != nil {
		return o, err
	}
	verdicts, err := supervise.NewVerdicts(judge, r.Judge.Concurrency)
	if err != nil {
		return o, err
	}
	o.Judge = verdicts
	return o, nil
}

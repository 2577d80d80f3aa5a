package train

import (
	"ballast/model"
)

// Plan is how a learner cuts its work up. It depends on the options and the
// model only, never on the machine's cores, because sums of gradients must have
// one order.
type Plan struct {
	Budget int  // rows of a batch
	Shards int  // gradients summed side by side
	Keep   bool // activations are kept for the backward pass
}

// inner is the number of goroutines of one attention call: batches side by side
// keep the cores busy unless there is one shard only.
func (p Plan) inner() int {
	if p.Shards > 1 {
		return 1
	}
	return 64
}

func (o *Options) plan(c *model.Config) Plan {
	if o.fixed != nil {
		return *o.fixed
	}
	p := Plan{Budget: o.Budget, Shards: 8, Keep: true}
	if p.Budget == 0 {
		p.Budget = 2048
	}
	return p
}

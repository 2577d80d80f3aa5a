package train

import "testing"

func TestPlans(t *testing.T) {
	o := Default()
	if p := o.Plan(&small); !p.Keep || p.Shards != 8 || p.Rows < longest {
		t.Errorf("small model: %+v", p)
	}
	p := o.Plan(&smol)
	if p.Keep || p.Shards != 2 || p.Rows < longest {
		t.Errorf("SmolLM2: %+v", p)
	}
	t.Logf("SmolLM2: %+v, %s", p, Memory(&smol, p))
	if total := Memory(&smol, p).Total; total > 8<<30 {
		t.Errorf("SmolLM2 takes %d bytes", total)
	}
}

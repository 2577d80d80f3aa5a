package loop

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ballast/model/servedtest"
	"ballast/monitor"
	"ballast/tinker/tinkertest"
)

// beside has two servers sample in the place of the course's own.
func (c *course) beside() (out [2]*servedtest.Server) {
	c.t.Helper()
	for i := range out {
		out[i] = c.server.Beside(servedtest.Options{})
		c.t.Cleanup(out[i].Close)
	}
	for _, pair := range []string{"engine.adapters=" + c.t.TempDir(), "engine.samplers=" + out[0].URL + "," + out[1].URL} {
		if err := c.recipe.Set(pair); err != nil {
			c.t.Fatal(err)
		}
	}
	return out
}

// TestSamplersBesideALearner: with servers that sample beside the training server a run ends with
// the same weights whether nothing happens or one of them dies in the middle of a rollout, comes
// back and misses an update, the training server is restarted, and the process is killed. Every
// reply was sampled with the weights that the learner had: their log-probabilities are equal.
func TestSamplersBesideALearner(t *testing.T) {
	for reduction, habits := range map[string]tinkertest.Habits{"mean": tinkertest.SkyRL(), "sum": tinkertest.TuFT()} {
		if testing.Short() && reduction == "sum" {
			continue
		}
		t.Run(habits.Name, func(t *testing.T) {
			t.Parallel()
			whole := begin(t, "grpo", habits, reduction)
			whole.beside()
			if err := whole.live(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			broken := begin(t, "grpo", habits, reduction)
			pair := broken.beside()
			deaths := broken.troubled(pair)
			compareRuns(t, whole, broken, deaths)
			for _, u := range append(whole.log.updates, broken.log.updates...) {
				if n, most := u.Metrics[monitor.GapTokens], u.Metrics[monitor.GapMax]; n == 0 || !(most < 1e-4) {
					t.Errorf("update %d: the sampler and the learner are %v apart, over %v tokens", u.Index, most, n)
				}
			}
		})
	}
}

// troubled runs to the end through all of it, and says how often it died.
func (c *course) troubled(pair [2]*servedtest.Server) (deaths []string) {
	c.t.Helper()
	ctx, kill := context.WithCancel(c.t.Context())
	go func() { // in the middle of an update
		for ctx.Err() == nil && c.server.Ledger().Faults[tinkertest.HangAfter.String()] == 0 {
			time.Sleep(time.Millisecond)
		}
		kill()
	}()
	var asked, loads atomic.Int64
	dies := func(w http.ResponseWriter, r *http.Request) bool {
		return asked.Add(1) > 18 && servedtest.Break(w, r)
	}
	misses := func(w http.ResponseWriter, r *http.Request) bool {
		return strings.HasSuffix(r.URL.Path, "/load_lora_adapter") && loads.Add(1) == 2 && servedtest.Dead(w, r)
	}
	for life, do := range []func(){
		func() {
			c.server.Script(tinkertest.Fault{On: "optim_step", Nth: 2, Do: tinkertest.HangAfter})
			pair[1].Fail(dies)
		},
		func() {
			c.server.Script(tinkertest.Fault{On: "optim_step", Nth: 2, Do: tinkertest.RestartAfter})
			pair[1].Restart()
			pair[1].Fail(nil)
		},
		func() { pair[0].Fail(misses) },
	} {
		c.server.Unscript()
		do()
		on := c.t.Context()
		if life == 0 {
			on = ctx
		}
		err := c.live(on, nil)
		if err == nil {
			break
		}
		deaths = append(deaths, err.Error())
	}
	if asked.Load() <= 18 || loads.Load() < 2 || len(deaths) != 2 {
		c.t.Errorf("%d requests to a server that dies, %d adapters for one that misses its second, deaths %q", asked.Load(), loads.Load(), deaths)
	}
	return deaths
}

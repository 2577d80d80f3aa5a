package doctor

import (
	"fmt"
	"slices"

	"ballast/doctor/rollouts"
	"ballast/monitor"
	"ballast/monitor/verdict"
)

// unread says how far the reward was not read; "" where it was.
func (r *Report) unread() string {
	w := r.Diagnosis.Rewards
	if w.Updates > 0 && w.Known {
		return r.sparse()
	}
	if w.Updates > 0 {
		return fmt.Sprintf("reward not read after update %s (%s)", r.at(w.Last), r.unreadKey())
	}
	return fmt.Sprintf("reward not read (%s)", r.unreadKey())
}

// coverage says how many of an update's records have a reward.
type coverage struct{ read, all int }

// sparse says where fewer than half of the records have a reward, on the whole, at the
// end or at the beginning: failures whose reward is null, NaN or infinite would leave
// the successes alone, and a key with a new name one half of the run.
func (r *Report) sparse() string {
	if r.Reading == nil || r.piled() || len(r.covered) == 0 {
		return ""
	}
	n := min(verdict.Enough, len(r.covered))
	for _, part := range []struct {
		list []coverage
		of   string
	}{{r.covered, ""}, {r.covered[len(r.covered)-n:], fmt.Sprintf(" of the last %s", updates(n))},
		{r.covered[:n], fmt.Sprintf(" of the first %s", updates(n))}} {
		var sum coverage
		for _, c := range part.list {
			sum.read, sum.all = sum.read+c.read, sum.all+c.all
		}
		if 2*sum.read < sum.all {
			return fmt.Sprintf("reward read in %s of the records%s only (%s)", percent(float64(sum.read)/float64(sum.all)), part.of, r.unreadKey())
		}
	}
	return ""
}

// unreadKey names the key of a reward that was not read.
func (r *Report) unreadKey() string {
	a := r.Reading
	switch {
	case a == nil && r.Kind == kindRun:
		return "key " + monitor.RewardMean + ": not in the updates"
	case a == nil:
		return "no key for one"
	case a.Reward.Unreadable > 0:
		i := slices.IndexFunc(a.Unread, func(u rollouts.Unread) bool { return u.Key == a.Reward.Key })
		if i = max(i, 0); i < len(a.Unread) {
			return fmt.Sprintf("key %s: %s", quoted(a.Unread[i].Key), a.Unread[i].Why)
		}
		return "key " + quoted(a.Reward.Key)
	case a.Reward.Missing > 0:
		return fmt.Sprintf("key %s: empty, null or no number", quoted(a.Reward.Key))
	case a.Reward.Key != "":
		return "key " + quoted(a.Reward.Key)
	case len(a.Unread) > 0:
		return fmt.Sprintf("key %s: %s", quoted(a.Unread[0].Key), a.Unread[0].Why)
	}
	return "no key for one"
}

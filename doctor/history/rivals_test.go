package history

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestRivals: where several keys could be the reward, one that varies is taken, and the
// others are named.
func TestRivals(t *testing.T) {
	for _, c := range []struct{ name, text, key, rivals string }{
		{"one", `"score": HALF`, "score", ""},
		{"constant before", `"reward": 1.0, "score": HALF`, "score", "reward (always 1, in 8 records)"},
		{"constant after", `"reward": HALF, "score": 1.0`, "reward", "score (always 1, in 8 records)"},
		{"texts", `"reward": "1.0", "score": "HALF"`, "score", "reward (always 1, in 8 records)"},
		{"both vary", `"reward": RISE, "score": HALF`, "reward", "score (0 to 1, in 8 records)"},
		{"as often in another order", `"reward": HALF, "score": ODD`, "reward", "score (0 to 1, in 8 records)"},
		{"both constant", `"reward": 1, "score": 0`, "reward", "never varies"},
		{"a copy", `"reward": HALF, "metadata": {"reward": HALF}`, "reward", ""},
		{"inside varies", `"reward": 1, "metadata": {"score": HALF}`, "metadata.score", "reward (always 1"},
		{"functions vary", `"reward": 1, "a_reward": HALF, "b_reward": 0`, "sum of a_reward, b_reward", "reward (always 1"},
		{"parts of a whole", `"reward": HALF, "a_reward": RISE, "reward_std": 0.5`, "reward", ""},
		{"a name of its own", `"reward": 1, "judge_score": HALF`, "reward", "judge_score (0 to 1, in 8 records); to judge by one of them: --reward KEY. The one that is taken never varies"},
		{"success is another thing", `"reward": 1, "acc": HALF`, "reward", ""},
	} {
		var b strings.Builder
		for i := range 8 {
			numbers := strings.NewReplacer("HALF", fmt.Sprint(i/4), "RISE", fmt.Sprint(i), "ODD", fmt.Sprint(i%2))
			fmt.Fprintf(&b, "{\"output\": \"a\", \"step\": %d, %s}\n", i+1, numbers.Replace(c.text))
		}
		runs, err := Open(filepath.Join(tree(t, map[string]string{"a.jsonl": b.String()}), "a.jsonl"), Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		r := runs[0].Reading
		if r.Reward.Key != c.key || c.rivals == "" && r.Rivals != "" || !strings.Contains(r.Rivals, c.rivals) {
			t.Errorf("%s: reward from %q, %q; want %q, %q", c.name, r.Reward.Key, r.Rivals, c.key, c.rivals)
		}
	}
}

package decline

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"ballast"
)

// What docs/ood.md says of these replies: so many are called abstained, so many of them by right, and so many abstain.
const (
	saidAbstained = 32
	saidRight     = 29
	saidAbstain   = 32
)

// The figures of docs/ood.md hold on replies of a real model, labelled by hand.
func TestMeasured(t *testing.T) {
	file, err := os.ReadFile("testdata/smollm2.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var called, right, abstain int
	for line := range strings.Lines(string(file)) {
		var r struct {
			User, Reply     string
			Abstains, Close bool
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		got := Turn(&ballast.Turn{User: r.User, Steps: []ballast.Step{{Kind: ballast.KindResponse, Text: r.Reply}}})
		if r.Abstains {
			abstain++
		}
		if got == Abstained {
			called++
			if r.Abstains {
				right++
			}
		}
		if (got == Abstained) != r.Abstains {
			t.Logf("%s, read as abstains=%v: %q", got, r.Abstains, r.Reply)
		}
	}
	if abstain != saidAbstain {
		t.Fatalf("%d replies of the file abstain, docs/ood.md says %d", abstain, saidAbstain)
	}
	if right < saidRight || right*saidAbstained < saidRight*called {
		t.Errorf("precision %d/%d, recall %d/%d; docs/ood.md says %d/%d and %d/%d: more errors than before",
			right, called, right, abstain, saidRight, saidAbstained, saidRight, saidAbstain)
	}
}

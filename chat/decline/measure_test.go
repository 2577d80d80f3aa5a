package decline

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"ballast"
)

// TestMeasured: the figures of docs/ood.md hold on replies of a real model with the labels of one reader (testdata/README.md).
func TestMeasured(t *testing.T) {
	file, err := os.ReadFile("testdata/smollm2.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var called, right, abstain int
	for line := range strings.Lines(string(file)) {
		var r struct {
			User, Reply string
			Abstains    bool
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
	said := fmt.Sprintf("%d of %d that count as abstained do abstain, and %d of %d that abstain are counted", right, called, right, abstain)
	docs, err := os.ReadFile("../../docs/ood.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(docs), said) {
		t.Errorf("docs/ood.md does not say: %s", said)
	}
}

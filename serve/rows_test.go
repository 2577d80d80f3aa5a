package serve

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// TestRows: a row's extra_info begins its task, and its prompt has the tools and the user's first words.
func TestRows(t *testing.T) {
	s, h := serving(t, nil)
	var out bytes.Buffer
	if err := s.Rows(&out); err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(out.String()) {
		var row struct {
			Prompt []struct{ Role, Content string }
			Extra  map[string]any `json:"extra_info"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil || len(row.Prompt) != 2 {
			t.Fatalf("%s %v", line, err)
		}
		x := &s.cfg.Tasks[n]
		if row.Prompt[0].Role != "system" || !strings.Contains(row.Prompt[0].Content, "<tools>") || row.Prompt[1].Content != x.Turns[0].User {
			t.Errorf("%s", line)
		}
		if got := post(t, h, one(x.ID, script(t, x)[0], row.Extra)); got.code != 200 || !got.Valids[0] {
			t.Errorf("%+v", got)
		}
		n++
	}
	if n != len(s.cfg.Tasks) {
		t.Errorf("%d rows of %d tasks", n, len(s.cfg.Tasks))
	}
}

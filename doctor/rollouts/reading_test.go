package rollouts

import (
	"slices"
	"testing"
)

// TestColumn: every record is in one of a column's four states.
func TestColumn(t *testing.T) {
	for _, c := range []struct {
		column Column
		n      int
		share  float64
	}{
		{Column{}, 0, 0},
		{Column{Present: 3, Missing: 2, Unreadable: 4, Absent: 1}, 10, 0.3},
		{Column{Absent: 7}, 7, 0},
	} {
		if n, share := c.column.Records(), c.column.Share(); n != c.n || share != c.share {
			t.Errorf("%+v: %d records, share %v", c.column, n, share)
		}
	}
}

// TestStepNames: an update has the trainer's own number, with the part where the numbers
// began again.
func TestStepNames(t *testing.T) {
	plain := &Reading{Segments: []Segment{{From: 1, To: 9}}}
	again := &Reading{Segments: []Segment{{From: 1, To: 20}, {From: 1, To: 5, Offset: 20}, {From: 3, To: 8, Offset: 25}}}
	resumed := &Reading{Segments: []Segment{{From: 1, To: 20}, {From: 15, To: 30}}}
	for _, c := range []struct {
		reading *Reading
		index   int
		want    string
	}{
		{&Reading{}, 4, "4"}, {plain, 4, "4"}, {again, 20, "20"}, {again, 21, "1 of part 2"}, {again, 25, "5 of part 2"},
		{again, 28, "3 of part 3"}, {again, 33, "8 of part 3"}, {resumed, 14, "14"}, {resumed, 16, "16"},
	} {
		if got := c.reading.Step(c.index); got != c.want {
			t.Errorf("%+v: update %d is %q, want %q", c.reading.Segments, c.index, got, c.want)
		}
	}
}

// TestKeys: what a key may hold, by its name.
func TestKeys(t *testing.T) {
	for _, c := range []struct {
		key                 string
		reward, part, steps bool
	}{
		{"reward", true, false, false},
		{"Reward", true, false, false},
		{"score", true, false, false},
		{"format_reward", true, true, false},
		{"rewards/format", true, true, false},
		{"reward_std", false, false, false},
		{"rewards/format/mean", false, false, false},
		{"acc", false, false, false},
		{"step", false, false, true},
		{"global_step", false, false, true},
		{"output", false, false, false},
		{"", false, false, false},
	} {
		if reward, part, steps := Rewarding(c.key), Part(c.key), StepKey(c.key); reward != c.reward || part != c.part || steps != c.steps {
			t.Errorf("%q: reward %t, part %t, step %t; want %+v", c.key, reward, part, steps, c)
		}
	}
}

// TestTold: a column of text is a transcript or messages as JSON; brackets that are no
// JSON are a reply.
func TestTold(t *testing.T) {
	for text, want := range map[string][]string{
		`[{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]`: {"a"},
		`[{"role": `: {`[{"role": `},
		"plain":      {"plain"},
	} {
		if got := told([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

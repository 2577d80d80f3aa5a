package synthesize

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ballast"
)

// Report says what came out, and what did not.
type Report struct {
	Survey, Values int            // calls that looked around, and values in their results
	Tasks          int            //
	Splits         map[string]int // tasks by split
	Categories     map[string]int // by category
	Attempts       int            // tasks that were begun
	Tools          []Tool         // in the server's order
	Dropped        []Drop         // those of most first
	Notes          []string       // what a person should know
}

// Tool is what came of one tool.
type Tool struct {
	Name  string
	Tasks int    // whose gold calls it
	Why   string // there are none, "" where there are some
}

// Drop is one reason for which something was not made.
type Drop struct {
	Tool, Reason string
	Count        int
	First        string // what the first was
}

func newReport(tools []ballast.Tool) *Report {
	r := &Report{Splits: map[string]int{}, Categories: map[string]int{}}
	for _, t := range tools {
		r.Tools = append(r.Tools, Tool{Name: t.Name})
	}
	return r
}

func (r *Report) of(tool string) *Tool {
	for i := range r.Tools {
		if r.Tools[i].Name == tool {
			return &r.Tools[i]
		}
	}
	return &Tool{}
}

func (r *Report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

func (r *Report) drop(tool, reason, first string, n int) {
	for i := range r.Dropped {
		if d := &r.Dropped[i]; d.Tool == tool && d.Reason == reason {
			d.Count += n
			return
		}
	}
	if len(first) > 200 {
		first = strings.ToValidUTF8(first[:200], "") + "..."
	}
	r.Dropped = append(r.Dropped, Drop{tool, reason, n, first})
}

// count fills in the figures at the end.
func (r *Report) count(m *maker, tasks []Task) {
	r.Tasks = len(tasks)
	for _, t := range tasks {
		r.Splits[t.Split]++
		r.Categories[t.Category]++
		used := map[string]bool{}
		for _, turn := range t.Turns {
			for _, c := range turn.Gold {
				if !used[c.Name] {
					used[c.Name] = true
					r.of(c.Name).Tasks++
				}
			}
		}
	}
	slices.SortStableFunc(r.Dropped, func(a, b Drop) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Tool, b.Tool), cmp.Compare(a.Reason, b.Reason))
	})
	for i := range r.Tools {
		t := &r.Tools[i]
		if t.Tasks > 0 {
			t.Why = ""
			continue
		}
		if p := m.known.Unfilled[t.Name]; p != "" && t.Why == "" {
			t.Why = fmt.Sprintf("no value is known for its parameter %s", p)
		}
		for _, d := range r.Dropped {
			if d.Tool == t.Name && t.Why == "" {
				t.Why = d.Reason + ": " + d.First
			}
		}
		if t.Why == "" {
			t.Why = "no request with it came up"
		}
	}
}

// String is the report as lines of text.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "looked around with %d calls, which showed %d values\n", r.Survey, r.Values)
	fmt.Fprintf(&b, "made %d tasks in %d attempts: train %d, test %d; ", r.Tasks, r.Attempts, r.Splits[Train], r.Splits[Test])
	for i, c := range Categories {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %d", c, r.Categories[c])
	}
	b.WriteString("\n")
	for _, t := range r.Tools {
		fmt.Fprintf(&b, "  %-28s in %d tasks", t.Name, t.Tasks)
		if t.Why != "" {
			b.WriteString(": " + t.Why)
		}
		b.WriteString("\n")
	}
	if len(r.Dropped) > 0 {
		b.WriteString("what was dropped:\n")
	}
	for _, d := range r.Dropped {
		fmt.Fprintf(&b, "  %4d  %s", d.Count, d.Reason)
		if d.Tool != "" {
			b.WriteString(" (" + d.Tool + ")")
		}
		if d.First != "" {
			b.WriteString("; the first: " + d.First)
		}
		b.WriteString("\n")
	}
	for _, n := range r.Notes {
		b.WriteString("note: " + n + "\n")
	}
	return b.String()
}

package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

var update = flag.Bool("update", false, "write orders.jsonl anew")

const path = "orders.jsonl"

// The categories are those of BFCL's multi-turn tasks.
const (
	base      = "base"
	missFunc  = "miss_func"  // the tool is not there until the second turn
	missParam = "miss_param" // an argument is told in the second turn
)

// compose writes all tasks of a split: half of them base, a quarter each of the others.
func (c *composer) compose(count int) (out []task) {
	byNumber, byName := func() request { return c.place(false) }, func() request { return c.place(true) }
	plain := []func() request{c.status, c.pieces, c.total, c.cancel, c.orders, c.move, c.price, byNumber, c.stock, byName,
		c.customerNumber, c.address, c.priceOfOrdered}
	for i := range count / 2 {
		r := []request{plain[i%len(plain)]()}
		if i%4 == 3 { // a second wish, of another kind
			r = append(r, plain[(i+3)%len(plain)]())
		}
		out = append(out, c.task(base, i, r...))
	}
	held := []func() request{c.total, c.move, c.cancel, c.pieces, byNumber, c.price, c.status}
	for i := range count / 4 {
		out = append(out, c.missing(i, held[i%len(held)]()))
	}
	vague := []func() request{c.pieces, c.move, byNumber, c.cancel}
	for i := range count / 4 {
		out = append(out, c.vague(i, vague[i%len(vague)]()))
	}
	return out
}

// task lists the tools that requests need, and others.
func (c *composer) task(category string, i int, requests ...request) task {
	t := task{ID: fmt.Sprintf("%s/%s/%d", c.split, category, i+1), Split: c.split, Category: category}
	var needs []string
	for _, r := range requests {
		t.Turns = append(t.Turns, r.turn)
		needs = append(needs, r.needs...)
	}
	t.Tools = c.offer(needs, nil)
	return t
}

// offer lists three to five tools: those that are needed, and others but those of not.
func (c *composer) offer(needs, not []string) (out []string) {
	most := 3 + c.turned%3
	listed := slices.Clone(needs)
	for i := range allTools {
		name := allTools[(4*c.turned+i)%len(allTools)]
		if !slices.Contains(listed, name) && !slices.Contains(not, name) && len(listed) < most {
			listed = append(listed, name)
		}
	}
	c.turned++
	for _, name := range allTools {
		if slices.Contains(listed, name) {
			out = append(out, name)
		}
	}
	return out
}

// missing holds back the tool of a request's last call until the user tries again.
func (c *composer) missing(i int, r request) task {
	held := r.Gold[len(r.Gold)-1].Name
	t := c.task(missFunc, i, r)
	t.Hold = []string{held}
	t.Tools = c.offer(without(r.needs, held), append(r.bar, held))
	again := t.Turns[0]
	again.User, again.Reveal = "try again.", t.Hold
	refused := turn{User: r.User, Reply: "No tool for that.",
		Expect: &expect{Calls: &calls{Match: "any_order"}, Reply: &reply{Matches: `(?i)\b(no|not|cannot|unable|sorry|without)\b|n['’]t\b`}}}
	t.Turns = []turn{refused, again}
	return t
}

// vague leaves an argument out until the assistant has asked for it.
func (c *composer) vague(i int, r request) task {
	t := c.task(missParam, i, r)
	filled := t.Turns[0]
	filled.User = r.fill
	asked := turn{User: r.part, Reply: r.ask, Expect: &expect{Calls: &calls{Match: "any_order"},
		Reply: &reply{Matches: `(?is)(which|what|tell|provide|specify|give|need|know|enter|please)\b.*(` + r.about + `)|(` + r.about + `).*\?`}}}
	t.Turns = []turn{asked, filled}
	return t
}

func without(list []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == name })
}

// TestTasks holds the file to what is composed from the seed, and plays every task.
func TestTasks(t *testing.T) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, split := range []struct {
		name  string
		count int
	}{{"train", 40}, {"test", 20}} {
		for _, x := range newComposer(t, split.name).compose(split.count) {
			if err := enc.Encode(x); err != nil {
				t.Fatal(err)
			}
		}
	}
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, b.Bytes()) {
		t.Errorf("%s is not what the seed makes; run go test -run TestTasks -update", path)
	}
	tasks := read(t, text)
	if len(tasks) != 60 {
		t.Fatalf("%d tasks", len(tasks))
	}
	for _, x := range tasks {
		t.Run(x.ID, func(t *testing.T) {
			checkTools(t, x)
			playGold(t, x)
		})
	}
}

func read(t *testing.T, text []byte) (tasks []task) {
	t.Helper()
	for line := range bytes.Lines(text) {
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields()
		var x task
		if err := dec.Decode(&x); err != nil {
			t.Fatal(err)
		}
		tasks = append(tasks, x)
	}
	return tasks
}

// checkTools: few tools are listed, those of the calls among them, and what is held back is not.
func checkTools(t *testing.T, x task) {
	t.Helper()
	if n := len(x.Tools); n < 3 || n > 5 {
		t.Errorf("%d tools", n)
	}
	shown := slices.Clone(x.Tools)
	for i, turn := range x.Turns {
		shown = append(shown, turn.Reveal...)
		for _, c := range turn.Gold {
			if !slices.Contains(shown, c.Name) {
				t.Errorf("turn %d calls %s, which is not shown", i, c.Name)
			}
		}
	}
	for _, name := range x.Hold {
		if slices.Contains(x.Tools, name) {
			t.Errorf("%s is held back and shown", name)
		}
	}
}

// playGold plays the right calls on a fresh server; all that the task expects must hold. What
// the user wants to know must stand in what the last call answers, so that the reply is no guess.
func playGold(t *testing.T, x task) {
	t.Helper()
	s, calls := connect(t), 0
	for i, turn := range x.Turns {
		before := make([]bool, len(turn.Expect.State))
		for k, want := range turn.Expect.State {
			before[k] = holds(t, s, want)
		}
		last := ""
		for _, c := range turn.Gold {
			text, failed := play(t, s, c.Name, arguments(c))
			if failed {
				t.Errorf("turn %d: %s answers %s", i, c.Name, text)
			}
			last = text
		}
		for k, want := range turn.Expect.State {
			switch {
			case !holds(t, s, want):
				t.Errorf("turn %d: state %d does not hold after the right calls", i, k)
			case before[k]:
				t.Errorf("turn %d: state %d holds before the calls, and so says nothing", i, k)
			}
		}
		if !turn.Expect.Reply.fits(turn.Reply) {
			t.Errorf("turn %d: the reply %q is not as expected", i, turn.Reply)
		}
		if len(turn.Gold) > 0 && (turn.Expect.Reply == nil) == (turn.Expect.State == nil) || !turn.Expect.Reply.fits(last) && last != "" {
			t.Errorf("turn %d: what the user wants to know does not stand in the answer %s", i, last)
		}
		if c := turn.Expect.Calls; c == nil || c.Match != "any_order" || len(turn.Gold) > 0 != (len(c.Calls) > 0) {
			t.Errorf("turn %d: expects the calls %v", i, c)
		}
		calls += len(turn.Gold)
		for _, c := range turn.Expect.Calls.Calls {
			if !slices.ContainsFunc(turn.Gold, func(g call) bool { return reflect.DeepEqual(g, c) }) {
				t.Errorf("turn %d: expects %v, which gold does not call", i, c)
			}
		}
	}
	if calls == 0 {
		t.Error("wants no call")
	}
}

// holds makes the call of a state. Of what it must return, the keys that are there count.
func holds(t *testing.T, s *mcp.ClientSession, want state) bool {
	t.Helper()
	text, failed := play(t, s, want.Call.Name, arguments(want.Call))
	var got map[string]any
	if failed || json.Unmarshal([]byte(text), &got) != nil {
		return false
	}
	for k, v := range want.Returns {
		if got[k] != v {
			return false
		}
	}
	return true
}

func arguments(c call) string { return string(must(json.Marshal(c.Arguments))) }

var digits = regexp.MustCompile(`[0-9]+`)

// fits says whether a reply is as expected; nothing expected fits all.
func (r *reply) fits(text string) bool {
	if r == nil {
		return true
	}
	for _, c := range r.Contains {
		if !strings.Contains(text, c) {
			return false
		}
	}
	if r.Matches != "" && !regexp.MustCompile(r.Matches).MatchString(text) {
		return false
	}
	return r.Number == nil || slices.Contains(digits.FindAllString(text, -1), strconv.Itoa(r.Number.Value))
}

// TestQuestions: what is a question for a missing argument, and what only claims to have done it.
func TestQuestions(t *testing.T) {
	c := newComposer(t, "train")
	for _, r := range []request{c.pieces(), c.move(), c.cancel(), c.place(false)} {
		want := c.vague(0, r).Turns[0].Expect.Reply
		for _, no := range []string{"Done.", "I have done that.", "", "155.", "All set, anything else?"} {
			if want.fits(no) {
				t.Errorf("%q passes for %s", no, r.part)
			}
		}
		word := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(r.ask, "Which "), "?"))
		for _, yes := range []string{r.ask, "What " + word + " would you like?", "Please tell me the " + word + ".",
			"Could you give me the new " + word + "?",
			"The " + word + " is missing. Could you add it?"} {
			if !want.fits(yes) {
				t.Errorf("%q fails for %s", yes, r.part)
			}
		}
	}
	refusal := c.missing(0, c.total()).Turns[0].Expect.Reply
	for text, want := range map[string]bool{"No tool for that.": true, "I can't do this.": true,
		"Sorry, I am unable to.": true, "I don’t have a tool.": true,
		"Done.": false, "The total price is 29.": false, "I set it.": false} {
		if refusal.fits(text) != want {
			t.Errorf("%q passes as a refusal: %t", text, !want)
		}
	}
}

// TestSplits: 40 tasks for training, 20 for tests, and nothing that a test task names stands in
// a training task.
func TestSplits(t *testing.T) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	number, named := map[string]int{}, map[string]map[string]bool{"train": {}, "test": {}}
	for _, x := range read(t, text) {
		number[x.Split]++
		number[x.Split+" "+x.Category]++
		if n := len(x.Turns); n < 1 || n > 2 {
			t.Errorf("%s has %d turns", x.ID, n)
		}
		for _, turn := range x.Turns {
			for _, c := range turn.Gold {
				for key, v := range c.Arguments {
					if key != "quantity" {
						named[x.Split][fmt.Sprint(key, " ", v)] = true
					}
				}
			}
		}
	}
	want := map[string]int{"train": 40, "train base": 20, "train miss_func": 10, "train miss_param": 10,
		"test": 20, "test base": 10, "test miss_func": 5, "test miss_param": 5}
	if !reflect.DeepEqual(number, want) {
		t.Errorf("has %v tasks, want %v", number, want)
	}
	for what := range named["test"] {
		if named["train"][what] {
			t.Errorf("%s stands in tasks of both splits", what)
		}
	}
	if len(named["test"]) < 20 {
		t.Errorf("test tasks name only %d things", len(named["test"]))
	}
}

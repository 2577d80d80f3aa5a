package acebench

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/bounded"
	"ballast/value"
	world "ballast/world/acebench"
)

// agents are the 50 items of the agents, without their tools, and the recorded dialogues of each that reach gold's states.
func agents(t testing.TB) (items []*Item, solved map[string]map[string][]string) {
	t.Helper()
	f, err := os.Open("../../world/acebench/testdata/agents.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in, _, err := bounded.Unpack(f, bounded.GiB)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	solved = map[string]map[string][]string{}
	for l, err := range bounded.Lines(in, 16*bounded.MiB) {
		if err != nil {
			t.Fatal(err)
		}
		v, err := value.ParseJSON(l.Text)
		if err != nil {
			t.Fatal(err)
		}
		switch d := v.(*value.Dict); {
		case d.Text("type") == "item":
			id := d.Text("id")
			it := &Item{ID: id, Category: id[:strings.LastIndex(id, "_")], Question: d.Text("question"), Config: d.Object("initial_config"),
				Gold: d.Member("ground_truth"), Milestones: d.Member("mile_stone").(*value.List)}
			for _, c := range d.Array("involved_classes") {
				it.Classes = append(it.Classes, c.(string))
			}
			items = append(items, it)
		case strings.HasSuffix(d.Text("id"), "/solution"):
			by := solved[d.Text("item")]
			if by == nil {
				by = map[string][]string{}
				solved[d.Text("item")] = by
			}
			for _, x := range d.Array("agent") {
				by[d.Text("mode")] = append(by[d.Text("mode")], x.(string))
			}
		}
	}
	if len(items) != 50 || len(solved) != 50 {
		t.Fatalf("%d items, %d solved", len(items), len(solved))
	}
	return items, solved
}

// agentTask is the task of an item.
func agentTask(t testing.TB, it *Item, format string) *ballast.Task {
	t.Helper()
	task := &ballast.Task{ID: it.ID, Category: it.Category}
	if err := AgentTask(task, it, format); err != nil {
		t.Fatal(err)
	}
	return task
}

// converse plays a dialogue as package env does, and gives the episode. The agent says what it likes, given the user's line
// where that was the last one.
func converse(t testing.TB, task *ballast.Task, user ballast.User, agent func(line string) string) *ballast.Episode {
	t.Helper()
	s, err := open(task)
	if err != nil {
		t.Fatal(err)
	}
	g, err := NewAgentGrader(t.Context(), task, s)
	if err != nil {
		t.Fatal(err)
	}
	ep := &ballast.Episode{Task: task.ID}
	for !s.Ended() {
		line, more, err := user.Next(t.Context(), ep)
		if err != nil || !more {
			t.Fatal(err, more)
		}
		ep.Turns = append(ep.Turns, ballast.Turn{User: line})
		turn := &ep.Turns[len(ep.Turns)-1]
		for s.Told(line); !s.Ended(); line = "" {
			step := ballast.Step{Text: agent(line)}
			if step.Results, err = s.Heard(t.Context(), step.Text); err != nil {
				t.Fatal(err)
			}
			if turn.Steps = append(turn.Steps, step); step.Results == nil {
				break
			}
		}
		if turn.Check, err = g.Grade(t.Context(), ep, len(ep.Turns)-1); err != nil {
			t.Fatal(err)
		}
	}
	return ep
}

// passed says whether an episode is right under official, and its findings.
func passed(task *ballast.Task, ep *ballast.Episode) (official bool, found map[string]float64) {
	found = map[string]float64{}
	for _, f := range AgentFindings(task, ep) {
		found[f.Name] = f.Share
	}
	return ep.Turns[len(ep.Turns)-1].Check.Passed, found
}

// scripted says texts in turn, then the words that end the dialogue.
func scripted(texts []string) func(string) string {
	n := 0
	return func(string) string {
		if n++; n <= len(texts) {
			return texts[n-1]
		}
		return world.Finish
	}
}

// Who does what was recorded as a solution is right in all items, under both verdicts, whoever speaks as the user.
func TestPerfectAgent(t *testing.T) {
	items, solved := agents(t)
	for _, it := range items {
		for _, format := range Formats {
			task := agentTask(t, it, format)
			rules, err := NewRules(t.Context(), task)
			if err != nil {
				t.Fatal(err)
			}
			for _, user := range []ballast.User{Lines{Said: []string{it.Question}, Rest: "Please continue."}, rules} {
				ep := converse(t, task, user, scripted(solved[it.ID][format]))
				if ok, found := passed(task, ep); !ok || found[FindingStrict] != 1 || found[FindingProcess] != 1 || found[FindingMilestones] != 1 ||
					found["none"] != 1 {
					t.Errorf("%s %s: %v %v %+v", it.ID, format, ok, found, ep.Turns)
				}
			}
		}
	}
}

// Who never calls is wrong in every item, has met no milestone, and misses the first one first. Nothing that is not executed counts.
func TestNeverCalls(t *testing.T) {
	items, _ := agents(t)
	for _, it := range items {
		for _, format := range Formats {
			for _, reply := range []string{"", "I am sorry, I cannot help with that.", "Which one?", "[]", "<tool_call>"} {
				task := agentTask(t, it, format)
				rules, err := NewRules(t.Context(), task)
				if err != nil {
					t.Fatal(err)
				}
				ep := converse(t, task, rules, func(string) string { return reply })
				ok, found := passed(task, ep)
				if ok || found[FindingStrict] != 0 || found[FindingProcess] != 0 || found[FindingMilestones] != 0 || found["1"] != 1 {
					t.Errorf("%s %s %q: %v %v", it.ID, format, reply, ok, found)
				}
				steps := 0
				for _, turn := range ep.Turns {
					steps += 1 + 2*len(turn.Steps)
				}
				if c := ep.Turns[len(ep.Turns)-1].Check; steps > 3*world.MaxSteps || c.Reason == "" || c.Score != 0 {
					t.Errorf("%s %s: %d messages, %+v", it.ID, format, steps, c)
				}
			}
		}
	}
}

// An agent that asks before it does anything, and says what it has done, is given everything that its calls need and is not
// cut off by the user of rules.
func TestRulesWithAgentThatAsks(t *testing.T) {
	items, solved := agents(t)
	won, all := 0, 0
	questions := map[string][]string{
		"BaseApi": {"What is your full name?", "Please provide your username and password.", "What is the content of the message?",
			"The inbox is full. Which message should I delete?"},
		"Travel": {"What is your user ID, and your password?", "Which cabin class do you want, and how do you want to pay?",
			"How many pieces of baggage, and which flight?"},
	}
	for _, it := range items {
		if it.Category != MultiTurn {
			continue
		}
		for _, format := range Formats {
			task := agentTask(t, it, format)
			rules, err := NewRules(t.Context(), task)
			if err != nil {
				t.Fatal(err)
			}
			steps, k, said, heard := solved[it.ID][format], 0, 0, ""
			ask := questions[it.Classes[0]]
			ep := converse(t, task, rules, func(line string) string {
				heard += line + "\n"
				switch {
				case k < len(ask):
					k++
					return ask[k-1]
				case said < len(steps):
					said++
					return steps[said-1]
				}
				return "I have completed that successfully. Is there anything else?"
			})
			for _, c := range task.Turns[0].Gold { // what the instruction says of gold's calls was told
				for _, a := range c.Args {
					if text, ok := a.Value.(string); ok && strings.Contains(it.Question, text) && !strings.Contains(heard, text) {
						t.Errorf("%s: the user did not tell %q of %s: %s", it.ID, text, c.Name, heard)
					}
				}
			}
			all++
			if ok, _ := passed(task, ep); ok && ep.Turns[len(ep.Turns)-1].User == world.Finish {
				won++
			} else {
				t.Logf("%s %s: %d of %d steps, %s", it.ID, format, said, len(steps), heard)
			}
			if said < len(steps) {
				t.Errorf("%s %s: the user ended the dialogue before step %d of %d", it.ID, format, said, len(steps))
			}
		}
	}
	if won != all || all != 60 {
		t.Errorf("%d of %d", won, all)
	}
}

// A dialogue that no item belongs to is refused, and so is a grader of another world.
func TestAgentRefuses(t *testing.T) {
	for _, task := range []*ballast.Task{{}, {Turns: []ballast.TaskTurn{{}}}, {Turns: []ballast.TaskTurn{{Want: value.NewDict("category", MultiStep)}}}} {
		if _, err := (World{}).Open(t.Context(), task); err == nil {
			t.Errorf("%+v is opened", task)
		}
		if _, err := NewRules(t.Context(), task); err == nil {
			t.Errorf("%+v has a user", task)
		}
		if found := AgentFindings(task, &ballast.Episode{}); found != nil {
			t.Errorf("%+v: %v", task, found)
		}
	}
	items, _ := agents(t)
	task := agentTask(t, items[0], Tool)
	if _, err := NewAgentGrader(t.Context(), task, nil); err == nil {
		t.Error("a session of another world is graded")
	}
	s, err := open(task)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Heard(t.Context(), "hello"); err == nil {
		t.Error("the agent speaks before the user")
	}
	task.APIs = []string{"Nothing"}
	if _, err := (World{}).Open(t.Context(), task); err == nil || !strings.Contains(err.Error(), "no class is named") {
		t.Error(err)
	}
}

// What the user's model is given is the original's.
func TestUserMessages(t *testing.T) {
	items, _ := agents(t)
	for _, it := range items {
		if it.Category != MultiTurn {
			continue
		}
		task := agentTask(t, it, AST)
		ep := &ballast.Episode{}
		m := UserMessages(task, ep)
		if len(m) != 2 || m[0].Role != "system" || !strings.HasPrefix(m[0].Text, "You are a user interacting with an agent.\n\nInstruction: "+it.Question) ||
			m[1] != (ballast.Message{Role: "user", Text: "Is there anything you need help with today?"}) {
			t.Fatalf("%+v", m)
		}
		if travel := strings.Contains(m[0].Text, "round-trip flight, you need"); travel == slices.Contains(it.Classes, "BaseApi") {
			t.Errorf("%s: %s", it.ID, m[0].Text)
		}
		ep.Turns = []ballast.Turn{{User: "one", Steps: []ballast.Step{{Text: "[f()]", Results: []string{"[]"}}, {Text: "user:hello"}}},
			{User: "two", Steps: []ballast.Step{{Text: "agent: yes"}}}}
		want := fmt.Sprint([]ballast.Message{{Role: "system", Text: "one"}, {Role: "user", Text: "hello"}, {Role: "system", Text: "two"},
			{Role: "user", Text: " yes"}})
		if got := fmt.Sprint(UserMessages(task, ep)[2:]); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestFirstPerson(t *testing.T) {
	const said = "Your name is Grace. You want to send: 'Are you free? You are.' Your account is yours, and what is sent to you, you can change. " +
		"You are Frank (user ID: user2), and need 'x. Y'."
	got := sentences(said)
	for i := range got {
		got[i] = firstPerson(got[i])
	}
	want := []string{"My name is Grace.", "I want to send: 'Are you free? You are.'",
		"My account is yours, and what is sent to me, I can change.", "I am Frank (user ID: user2), and need 'x. Y'."}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// What the user of rules says to what an agent says.
func TestRules(t *testing.T) {
	const phone = "You are Grace. You need to view the messages Frank sent to you and use the information to place a food delivery order for him. " +
		"Afterward, you need to send a message to Frank: 'The total cost is () yuan.' Your food delivery platform account username is Grace, " +
		"and the password is password789. You will respond to the agent but will not proactively provide any unsolicited information. " +
		"If a message needs to be deleted, you generally delete the oldest message."
	const first, second = "I need to view the messages Frank sent to me and use the information to place a food delivery order for him.",
		"Afterward, I need to send a message to Frank: 'The total cost is () yuan.'"
	const account = "My food delivery platform account username is Grace, and the password is password789."
	for _, c := range []struct {
		name string
		says []string // of the agent
		want []string // of the user, after the first line
	}{
		{"asks", []string{"What is your username and password?", "What is your full name?", "The inbox is full. Which message should be deleted?",
			"The order has been placed.", "The message has been sent. Is there anything else?"},
			[]string{account, "I am Grace.", "Delete the oldest message.", second, world.Finish}},
		{"reports at once", []string{"Done: the order was placed successfully.", "The message was sent successfully."}, []string{second, world.Finish}},
		{"confirms", []string{"Shall I proceed with the order?", "Should I place it now?"}, []string{agrees, agrees}},
		{"chats", []string{"Sure.", "Sure.", "Sure.", "Sure.", "Sure."}, []string{second, goOn, goOn, goOn, world.Finish}},
		{"asks what nobody knows", []string{"What is your shoe size?", "What is your shoe size?"}, []string{second, unknown}},
		{"says nothing", []string{"", ""}, []string{second, goOn}},
	} {
		task := agentTask(t, &Item{ID: "x", Category: MultiTurn, Question: phone, Config: &value.Dict{}, Gold: value.NewList(),
			Milestones: value.NewList("[f()]")}, Tool)
		u, err := NewRules(t.Context(), task)
		if err != nil {
			t.Fatal(err)
		}
		ep := &ballast.Episode{}
		for i, want := range append([]string{first}, c.want...) {
			line, more, err := u.Next(t.Context(), ep)
			if line != want || !more || err != nil {
				t.Errorf("%s, line %d: %q, want %q", c.name, i, line, want)
			}
			if i < len(c.says) {
				ep.Turns = append(ep.Turns, ballast.Turn{User: line, Steps: []ballast.Step{{Text: c.says[i]}}})
			}
		}
	}
}

// Whatever the instruction is and whatever an agent says, the user says something, and ends a dialogue that leads nowhere.
func FuzzRules(f *testing.F) {
	items, _ := agents(f)
	for _, it := range items {
		if it.Category == MultiTurn {
			f.Add(it.Question, "Which message should I delete? What is the title, and your password?")
		}
	}
	f.Add("", "")
	f.Add("You will respond to the agent but will not proactively provide any unsolicited information.", "done?")
	f.Fuzz(func(t *testing.T, instruction, says string) {
		p := newPerson(instruction)
		line := p.first()
		for n := 0; line != world.Finish; n++ {
			if line == "" || n > len(p.facts)+patience+2 {
				t.Fatalf("%d lines, then %q", n, line)
			}
			line = p.answer(says)
		}
	})
}

// Dialogues that are over leave nothing behind, with their findings: the live heap after 100 passes is that after one.
func TestFlatMemory(t *testing.T) {
	items, solved := agents(t)
	live := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var after []int64
	for n := 1; n <= 100; n++ {
		for _, it := range items[20:30] {
			task := agentTask(t, it, Tool)
			if ok, _ := passed(task, converse(t, task, Lines{Said: []string{it.Question}}, scripted(solved[it.ID][Tool]))); !ok {
				t.Fatal(it.ID)
			}
		}
		if n == 1 || n == 10 || n == 100 {
			after = append(after, live())
		}
	}
	t.Logf("live heap after 1, 10 and 100 passes: %d, %d and %d bytes", after[0], after[1], after[2])
	const slack = 64 << 10 // of the runtime's own
	if after[1]-after[0] > slack || after[2]-after[0] > slack {
		t.Errorf("the live heap grows: %v", after)
	}
	runtime.KeepAlive(items)
	runtime.KeepAlive(solved)
}

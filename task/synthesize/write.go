package synthesize

import (
	"context"
	"strings"

	"ballast"
	"ballast/env/expect"
	"ballast/task/file"
	"ballast/value"
)

// write makes a task of a draft.
func (m *maker) write(ctx context.Context, d *draft, id string) (Task, error) {
	t := Task{Split: d.split, Task: ballast.Task{ID: id, Category: d.category, World: file.World, Grader: expect.Name}}
	if d.held != "" {
		t.Init = file.Held(d.held)
	}
	for i, r := range d.requests {
		turn := ballast.TaskTurn{User: r.user, Gold: r.gold, Reply: r.reply, Want: m.want(d, i)}
		if m.o.Word != nil && (i != d.special || d.category != "miss_param") {
			turn.User = m.reword(ctx, r)
		}
		if i != d.special {
			t.Turns = append(t.Turns, turn)
			continue
		}
		nothing := value.NewDict(expect.PartCalls, value.NewDict("match", expect.AnyOrder, "calls", value.NewList()))
		if d.category == "miss_param" {
			turn.User = r.fill
			t.Turns = append(t.Turns, ballast.TaskTurn{User: r.part, Reply: r.ask, Want: nothing}, turn)
			continue
		}
		first := ballast.TaskTurn{User: turn.User, Reply: "No tool that I have does that.", Want: nothing}
		turn.User, turn.Reveal = "", []string{d.held}
		t.Turns = append(t.Turns, first, turn)
	}
	return t, nil
}

// reword has a request worded in another way. A wording that fails, or that loses a value, is not
// taken.
func (m *maker) reword(ctx context.Context, r *request) string {
	text, err := m.o.Word(ctx, r.user, r.gold)
	if err != nil {
		m.report.drop("", "worded by the template, as the other wording failed", err.Error(), 1)
		return r.user
	}
	for _, v := range r.said {
		if s := plainText(v); strings.Contains(r.user, s) && !strings.Contains(text, s) {
			m.report.drop("", "worded by the template, as the other wording lost a value", text, 1)
			return r.user
		}
	}
	if strings.TrimSpace(text) == "" {
		return r.user
	}
	return text
}

// want is what a request must come to.
func (m *maker) want(d *draft, i int) any {
	r := d.requests[i]
	match := expect.AnyOrder // and others only of tools that say that they read
	if !m.told {
		match = expect.Subset
	}
	calls := &value.List{}
	for _, c := range r.need {
		calls.Items = append(calls.Items, file.Call(c))
	}
	out := value.NewDict(expect.PartCalls, value.NewDict("match", match, "calls", calls))
	switch v := r.answer.(type) {
	case string:
		out.Set(expect.PartReply, value.NewDict("contains", value.NewList(v)))
	case int64:
		out.Set(expect.PartReply, value.NewDict("number", value.NewDict("value", v)))
	case float64:
		out.Set(expect.PartReply, value.NewDict("number", value.NewDict("value", v, "within", 0.01)))
	}
	state := &value.List{}
	for k, w := range r.state {
		if v, ok := d.stable[i][k]; ok {
			state.Items = append(state.Items, value.NewDict("call", file.Call(w.call), "returns", v))
		}
	}
	if len(state.Items) > 0 {
		out.Set(expect.PartState, state)
	}
	return out
}

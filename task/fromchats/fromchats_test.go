package fromchats

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast"
	"ballast/task/file"
	"ballast/task/livetest"
	"ballast/value"
)

// chat is a dialogue as JSON: what the user says, then calls in Python's syntax with their results
// ("call -> result"), then a reply; and so on.
func chat(t *testing.T, lines ...string) string {
	t.Helper()
	messages := &value.List{}
	add := func(pairs ...any) { messages.Items = append(messages.Items, value.NewDict(pairs...)) }
	for i, line := range lines {
		who, text, _ := strings.Cut(line, ": ")
		switch who {
		case "user", "assistant":
			add("role", who, "content", text)
		case "call":
			written, result, _ := strings.Cut(text, " -> ")
			c, err := value.ParseCall(written)
			if err != nil {
				t.Fatal(err)
			}
			args, err := value.JSON(file.Call(c))
			if err != nil {
				t.Fatal(err)
			}
			v, _ := value.ParseJSON([]byte(args))
			d, _ := v.(*value.Dict).GetString("arguments")
			if d == nil {
				d = &value.Dict{}
			}
			id := fmt.Sprintf("c%d", i)
			add("role", "assistant", "content", nil, "tool_calls", value.NewList(value.NewDict("id", id, "type", "function",
				"function", value.NewDict("name", c.Name, "arguments", d))))
			add("role", "tool", "tool_call_id", id, "content", result)
		}
	}
	text, err := value.JSON(value.NewDict("messages", messages))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func written(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chats.jsonl")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// order is what the shop says of an order.
const order = `{"id": 101, "customer_id": "c-11", "product": "lamp", "quantity": 1, "total": 5.5, "status": "%s"}`

// TestConvert: dialogues that come back the same become tasks; of the others it is said why not, and
// where they stand.
func TestConvert(t *testing.T) {
	open, cancelled := fmt.Sprintf(order, "open"), fmt.Sprintf(order, "cancelled")
	good := chat(t, "user: How is order 101?", "call: get_order(order_id=101) -> "+open, "assistant: It is open.",
		"user: Cancel it.", `call: cancel_order(order_id=101) -> {"ok": true}`, "call: get_order(order_id=101) -> "+cancelled, "assistant: Cancelled.",
		"user: Thanks.", "assistant: You are welcome.")
	path := written(t,
		good,
		chat(t, "user: How is order 101?", "call: get_order(order_id=101) -> "+cancelled, "assistant: It is cancelled."),
		chat(t, "user: Hello.", "assistant: Hello."),
		chat(t, "user: Fly.", "call: fly(to='moon') -> ok", "assistant: Done."),
		chat(t, "user: How is order 1?", "call: get_order(order_id=1) -> Error: there is no order 1", "assistant: There is none."),
		chat(t, "user: How is order 1?", "call: get_order(order_id=1) -> "+open, "assistant: Open."),
		good,
		"{",
		chat(t, "user: Order?", "call: get_order(id=101) -> "+open, "assistant: Open."),
		chat(t, "user: Order 104?", `call: get_order(order_id=104) -> {"status": "paid", "quantity": 2.0, "id": 104, "customer_id": "c-46", "product": "desk", "total": 15.5}`,
			"assistant: Paid."),
		strings.TrimSuffix(chat(t, "user: Fly.", "call: fly(to='moon') -> ok", "assistant: Done."), "}")+`, "tools": [{"name": "fly"}]}`,
	)
	w := livetest.Orders()
	tasks, report, err := Convert(t.Context(), w, path, Options{Writes: true})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i := range tasks {
		ids = append(ids, tasks[i].ID)
		if failed, err := livetest.Play(t.Context(), w, &tasks[i], true); failed != "" || err != nil {
			t.Errorf("%s: gold fails: %s %v", tasks[i].ID, failed, err)
		}
		if failed, err := livetest.Play(t.Context(), w, &tasks[i], false); failed == "" || err != nil {
			t.Errorf("%s: silence passes: %v", tasks[i].ID, err)
		}
	}
	if got := strings.Join(ids, " "); got != "chats-line-1 chats-line-10" || report.Tasks != 2 || report.Rows != 11 {
		t.Errorf("tasks %s of %d rows", got, report.Rows)
	}
	left := report.Left.String()
	for _, want := range []string{
		reasonDiffers + " (first: line 2, messages[1].tool_calls", reasonNoCall + " (first: line 3", "1: a call of a tool that is not documented (first: line 4",
		reasonFails + " (first: line 5", reasonRefused + " (first: line 6", reasonTwice + " (first: line 7", reasonUnknown + " (first: line 11", "it is not JSON", "1: " + reasonRefused,
		"1: arguments that the tool does not take (first: line 9, messages[1].tool_calls: get_order.id is no argument of get_order",
	} {
		if !strings.Contains(left, want) && !strings.Contains(left, strings.Replace(want, ".tool_calls", "", 1)) {
			t.Errorf("no %q in %s", want, left)
		}
	}
	line, err := file.Marshal(&tasks[0], "")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id": "chats-line-1", "turns": [` +
		`{"user": "How is order 101?", "gold": [{"name": "get_order", "arguments": {"order_id": 101}}], "reply": "It is open.", ` +
		`"expect": {"calls": {"match": "any_order", "calls": [{"name": "get_order", "arguments": {"order_id": 101}}]}}}, ` +
		`{"user": "Cancel it.", "gold": [{"name": "cancel_order", "arguments": {"order_id": 101}}, {"name": "get_order", "arguments": {"order_id": 101}}], ` +
		`"reply": "Cancelled.", "expect": {"calls": {"match": "any_order", "calls": [{"name": "cancel_order", "arguments": {"order_id": 101}}]}, ` +
		`"state": [{"call": {"name": "get_order", "arguments": {"order_id": 101}}, "returns": ` +
		`{"id": 101, "customer_id": "c-11", "product": "lamp", "quantity": 1, "total": 5.5, "status": "cancelled"}}`
	if !strings.HasPrefix(string(line), want) {
		t.Errorf("%s\nwant %s...", line, want)
	}
	if _, err := file.Read(written(t, string(line))); err != nil {
		t.Error(err)
	}
}

// TestWithoutWrites: nothing that writes is called unless that is allowed.
func TestWithoutWrites(t *testing.T) {
	path := written(t, chat(t, "user: Cancel 101.", `call: cancel_order(order_id=101) -> {"ok": true}`, "assistant: Done."),
		chat(t, "user: Order 101?", "call: get_order(order_id=101) -> "+fmt.Sprintf(order, "open"), "assistant: Open."))
	tasks, report, err := Convert(t.Context(), livetest.Orders(), path, Options{})
	if err != nil || len(tasks) != 1 || !strings.Contains(report.Left.String(), reasonWrites+" (first: line 1") {
		t.Errorf("%v, %d tasks, %s", err, len(tasks), report.Left.String())
	}
	bare := livetest.Orders().Bare()
	tasks, _, err = Convert(t.Context(), bare, path, Options{Reads: []string{"get_order"}})
	if err != nil || len(tasks) != 1 || !strings.Contains(value.Repr(tasks[0].Turns[0].Want), "'subset'") {
		t.Errorf("a server without annotations: %v, %d tasks", err, len(tasks))
	}
	if tasks, report, err := Convert(t.Context(), bare, path, Options{}); err != nil || len(tasks) != 0 || report.Left.Rows() != 2 {
		t.Errorf("the same without a list: %v, %d tasks", err, len(tasks))
	}
	if _, _, err := Convert(t.Context(), bare, path, Options{Reads: []string{"moon"}}); err == nil {
		t.Error("a tool that is not there was taken")
	}
}

// TestIgnore: keys that a person names may differ, and nothing is expected of them.
func TestIgnore(t *testing.T) {
	path := written(t, chat(t, "user: Roll ivory.", `call: roll_dice(dice_name='ivory') -> {"dice": "ivory", "rolled": 3}`, "assistant: 3."))
	if tasks, report, err := Convert(t.Context(), livetest.Drawn(), path, Options{}); err != nil || len(tasks) != 0 || !strings.Contains(report.Left.String(), reasonDiffers) {
		t.Errorf("%v, %d tasks", err, len(tasks))
	}
	if tasks, report, err := Convert(t.Context(), livetest.Drawn(), path, Options{Ignore: []string{"rolled"}}); err != nil || len(tasks) != 1 {
		t.Errorf("%v, %d tasks, %s", err, len(tasks), report.Left.String())
	}
}

// TestIgnoredState: a key that a person names may differ from session to session where changes are looked for, too: it is
// no change that outlives a session.
func TestIgnoredState(t *testing.T) {
	w := livetest.Orders()
	inner, sessions := w.New, 0
	w.New = func() func(string, *value.Dict) string {
		sessions++
		n, answer := sessions, inner()
		return func(name string, args *value.Dict) string {
			return strings.Replace(answer(name, args), "{", fmt.Sprintf(`{"session": %d, `, n), 1)
		}
	}
	path := written(t, chat(t, "user: Cancel 101.", `call: cancel_order(order_id=101) -> {"ok": true}`, "assistant: Done."))
	tasks, report, err := Convert(t.Context(), w, path, Options{Writes: true, Ignore: []string{"session"}})
	if err != nil || len(tasks) != 1 {
		t.Fatalf("%v, %d tasks, %s", err, len(tasks), report.Left.String())
	}
	if want := value.Repr(tasks[0].Turns[0].Want); !strings.Contains(want, "'cancelled'") || strings.Contains(want, "session") {
		t.Error(want)
	}
}

// TestLeak: where sessions see each other's changes, no dialogue that changes something is a task.
func TestLeak(t *testing.T) {
	w := livetest.Orders()
	w.Shared = true
	path := written(t, chat(t, "user: Cancel 101.", `call: cancel_order(order_id=101) -> {"ok": true}`, "assistant: Done."),
		chat(t, "user: Cancel 107.", `call: cancel_order(order_id=107) -> {"ok": true}`, "assistant: Done."),
		chat(t, "user: Order 104?", `call: get_order(order_id=104) -> {"id": 104, "customer_id": "c-46", "product": "desk", "quantity": 2, "total": 15.5, "status": "paid"}`,
			"assistant: Paid."))
	tasks, report, err := Convert(t.Context(), w, path, Options{Writes: true})
	if err != nil || len(tasks) != 1 || !strings.Contains(report.Left.String(), reasonLeak+" (first: line 1") ||
		!strings.Contains(report.Left.String(), reasonWrites+" (first: line 2") {
		t.Errorf("%v, %d tasks, %s", err, len(tasks), report.Left.String())
	}
}

// TestBroken: a server that is gone ends the work; one that stumbles costs a dialogue.
func TestBroken(t *testing.T) {
	var lines []string
	for i := range 8 {
		lines = append(lines, chat(t, fmt.Sprintf("user: %d: order 101?", i), "call: get_order(order_id=101) -> "+fmt.Sprintf(order, "open"), "assistant: Open."))
	}
	path := written(t, lines...)
	w := livetest.Orders()
	w.Broken = func(n int64) error {
		if n == 3 {
			return errors.New("gone")
		}
		return nil
	}
	tasks, report, err := Convert(t.Context(), w, path, Options{})
	if err != nil || len(tasks) != 7 || !strings.Contains(report.Left.String(), reasonBroken+" (first: line 2") {
		t.Errorf("%v, %d tasks, %s", err, len(tasks), report.Left.String())
	}
	if _, _, err := Convert(t.Context(), livetest.Failing(1), path, Options{}); err == nil || !strings.Contains(err.Error(), "5 dialogues in a row") {
		t.Error(err)
	}
	if _, _, err := Convert(t.Context(), w, written(t, `{"x": 1}`), Options{}); err == nil {
		t.Error("a file of nothing")
	}
}

var _ ballast.World = (*livetest.World)(nil)

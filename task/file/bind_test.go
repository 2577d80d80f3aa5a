package file

import (
	"path/filepath"
	"strings"
	"testing"

	"ballast"
	"ballast/value"
)

// server has the tools of orders, with schemas as MCP servers write them.
func server(t testing.TB) []ballast.Tool {
	t.Helper()
	tool := func(name, parameters string) ballast.Tool {
		v, err := value.ParseExact([]byte(`{"name":"` + name + `","parameters":` + parameters + `}`))
		if err != nil {
			t.Fatal(err)
		}
		return ballast.Tool{Name: name, Schema: v, ReadOnly: name == "get_order"}
	}
	return []ballast.Tool{
		tool("get_order", `{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"]}`),
		tool("cancel_order", `{"type":"object","properties":{"id":{"type":"integer"},"why":{"type":"string","enum":["late","wrong"]},
			"note":{"anyOf":[{"type":"string"},{"type":"null"}],"default":null},"lines":{"type":"array","items":{"$ref":"#/$defs/Line"}},
			"how":{"type":["string","boolean"]},"unit":{"const":"EUR"}},"required":["id"],
			"$defs":{"Line":{"type":"object","properties":{"n":{"type":"number"},"of":{"$ref":"#/$defs/Line"}},"required":["n"],"additionalProperties":false}}}`),
		tool("refund", `{"type":"object","properties":{},"additionalProperties":true}`),
		tool("count", `{"type":"object","properties":{}}`),
		tool("pay", `{"type":"object","properties":{},"oneOf":[{"properties":{"card":{}}},{"properties":{"cash":{}}}]}`),
		tool("tag", `{"type":"object","properties":{},"patternProperties":{"^x-":{}},"additionalProperties":false}`),
	}
}

// TestStatic: what a server's tools say of a task is said before anything is played.
func TestStatic(t *testing.T) {
	call := func(name, args string) string {
		return line(`"user":"u","gold":[{"name":"` + name + `","arguments":{` + args + `}}]`)
	}
	for _, c := range []struct{ text, want string }{
		{call("cancel_order", `"id":17,"why":"late","note":null,"lines":[{"n":1.5,"of":{"n":2}}],"how":true,"unit":"EUR"`), ""},
		{call("cancel_order", `"id":17.0,"note":"x","how":"fast"`), ""},
		{call("refund", `"what":[1]`)[:0] + `{"id":"a","turns":[{"user":"u","gold":[{"name":"refund","arguments":{"what":[1]}}]}]}`, ""},
		{call("pay", `"card":1`), ""},
		{call("tag", `"x-a":1`), ""},
		{call("cancel", `"id":17`), `turns[0].gold[0].name is "cancel", which is no tool of the server; it has get_order, cancel_order, refund, count, pay, tag`},
		{call("cancel_order", `"order":17`), `turns[0].gold[0].arguments.order is no argument of cancel_order; it takes id, why, note, lines, how, unit` + "|" +
			`turns[0].gold[0].arguments.id is missing, and cancel_order needs it`},
		{call("count", `"id":1`), `turns[0].gold[0].arguments.id is no argument of count; it takes none`},
		{call("cancel_order", `"id":"17"`), `turns[0].gold[0].arguments.id is text, and cancel_order takes integer`},
		{call("cancel_order", `"id":1.5`), `turns[0].gold[0].arguments.id is a number, and cancel_order takes integer`},
		{call("cancel_order", `"id":true`), `turns[0].gold[0].arguments.id is true or false, and cancel_order takes integer`},
		{call("cancel_order", `"id":17,"why":"old"`), `turns[0].gold[0].arguments.why is 'old', and cancel_order takes one of 'late', 'wrong'`},
		{call("cancel_order", `"id":17,"note":3`), `turns[0].gold[0].arguments.note is 3, and cancel_order takes string or null`},
		{call("cancel_order", `"id":17,"how":3`), `turns[0].gold[0].arguments.how is a number, and cancel_order takes string or boolean`},
		{call("cancel_order", `"id":17,"unit":"USD"`), `turns[0].gold[0].arguments.unit is 'USD', and cancel_order takes 'EUR'`},
		{call("cancel_order", `"id":17,"lines":[{"n":1},{"of":{"n":"2"},"x":1}]`), `turns[0].gold[0].arguments.lines[1].of.n is text, and cancel_order takes number|` +
			`turns[0].gold[0].arguments.lines[1].x is no argument of cancel_order; it takes n, of|turns[0].gold[0].arguments.lines[1].n is missing, and cancel_order needs it`},
		{`{"id":"a","tools":["get_order","get_orders"],"hold":["fly"],"turns":[{"user":"u"}]}`,
			`tools[1] is "get_orders", which is no tool of the server; it has get_order, cancel_order, refund, count, pay, tag|hold[0] is "fly", which is no tool of the server; it has get_order, cancel_order, refund, count, pay, tag`},
		{line(`"user":"u","gold":[{"name":"cancel_order","arguments":{"id":17}}],"expect":{"calls":{"match":"exact","calls":[{"name":"cancel_order","arguments":{"id":18}}]}}`),
			`turns[0].expect.calls refuses the turn's own gold: call 1 is cancel_order(id=17), wanted cancel_order(id=18); mend one of both`},
		{line(`"user":"u","gold":[{"name":"cancel_order","arguments":{"id":17}}],"expect":{"calls":{"match":"one_of","calls":[{"name":"cancel_order","arguments":{"id":17,"note":null}},{"name":"count"}]}}`), ""},
		{line(`"user":"u","gold":[{"name":"get_order","arguments":{"id":17}},{"name":"count"}],"expect":{"calls":{"calls":[{"name":"count"}]}}`), ""},
		{line(`"user":"u","gold":[{"name":"count"}],"expect":{"calls":{"calls":[{"name":"cuont"}]}}`),
			`turns[0].expect.calls.calls[0].name is "cuont", which is no tool of the server; it has get_order, cancel_order, refund, count, pay, tag`},
		{line(`"user":"u","expect":{"state":[{"call":{"name":"get_order","arguments":{"id":"x"}},"returns":1}]}`),
			`turns[0].expect.state[0].call.arguments.id is text, and get_order takes integer`},
	} {
		f := read(t, c.text)
		var got []string
		for _, x := range Bind(f.Tasks, server(t)) {
			if !strings.HasPrefix(x.At, filepath.Dir(f.Path)) || !strings.HasSuffix(x.At, "orders.jsonl:1") {
				t.Errorf("%s stands nowhere", x.Error())
			}
			got = append(got, x.Key+" "+x.Text)
		}
		if text := strings.Join(got, "|"); text != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.text, text, c.want)
		}
	}
}

// TestReferencesThatLeadToThemselves: a schema without an end does not keep the check.
func TestReferencesThatLeadToThemselves(t *testing.T) {
	tools := server(t)
	v, err := value.ParseExact([]byte(`{"name":"count","parameters":{"properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"$ref":"#/$defs/A"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	tools[3].Schema = v
	f := read(t, line(`"user":"u","gold":[{"name":"count","arguments":{"a":1}}]`))
	if found := Check(f.Tasks, tools); len(found) > 0 {
		t.Error(found)
	}
}

// TestBind: a task has the tools that its line says, the revealed ones last, and those that are held
// for good not.
func TestBind(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{good, "get_order cancel_order refund count pay tag"},
		{line(`"user":"u"`), "get_order cancel_order count pay tag"},
		{line(`"user":"u"},{"reveal":["refund"]`), "get_order cancel_order count pay tag refund"},
		{`{"id":"a","tools":["count","get_order"],"turns":[{"user":"u"}]}`, "count get_order"},
		{`{"id":"a","tools":["count"],"hold":["refund","get_order"],"turns":[{"user":"u"},{"reveal":["get_order"]}]}`, "count get_order"},
		{`{"id":"a","hold":["get_order","cancel_order","refund","count","pay","tag"],"turns":[{"user":"u"}]}`, ""},
	} {
		f := read(t, c.text)
		for range 2 { // bound again, it is the same
			if found := Bind(f.Tasks, server(t)); len(found) > 0 {
				t.Error(found)
			}
		}
		var got []string
		for _, x := range f.Tasks[0].Tools {
			got = append(got, x.Name)
		}
		if text := strings.Join(got, " "); text != c.want || f.Tasks[0].Tools == nil {
			t.Errorf("%s: %s, want %s", c.text, text, c.want)
		}
	}
}

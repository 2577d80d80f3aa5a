package survey

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"ballast"
	"ballast/task/livetest"
	"ballast/value"
)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// readers are the tools of a world that only read.
func readers(w *livetest.World) (out []ballast.Tool) {
	for _, t := range w.List {
		if t.ReadOnly {
			out = append(out, t)
		}
	}
	return out
}

func open(t *testing.T, w ballast.World) ballast.Session {
	t.Helper()
	s, err := w.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestRun: the survey finds its way from what needs nothing to what needs what was seen, and makes the
// same calls every time.
func TestRun(t *testing.T) {
	for name, c := range map[string]struct {
		world *livetest.World
		want  []string
	}{
		"orders": {livetest.Orders(), []string{"list_orders()", "list_customers()", "get_order(order_id=", "get_customer(customer_id='c-"}},
		"files": {livetest.Files(), []string{"list_allowed_directories()", "list_directory(path='/data')", "list_directory(path='/data/l", "read_text_file(path='/data/",
			"read_text_file(path='/data/l"}},
	} {
		var first string
		for range 2 {
			v, err := Run(t.Context(), open(t, c.world), readers(c.world), nil, 7, nil)
			if err != nil {
				t.Fatal(err)
			}
			var calls strings.Builder
			for _, x := range v.Calls {
				calls.WriteString(value.FormatCall(x.Call) + "\n")
			}
			for _, w := range c.want {
				if !strings.Contains(calls.String(), w) {
					t.Errorf("%s: no call %s in\n%s", name, w, calls.String())
				}
			}
			if first != "" && first != calls.String() {
				t.Errorf("%s: other calls the second time:\n%s\n%s", name, first, calls.String())
			}
			first = calls.String()
		}
	}
	v, err := Run(t.Context(), open(t, livetest.Refusing()), livetest.Refusing().List, nil, 1, nil)
	if err != nil || len(v.Calls) != 0 || v.Refused["list_things"] != 1 || v.Unfilled["get_thing"] != "thing_id" {
		t.Errorf("a server that refuses: %v, %d calls, refused %v, unfilled %v", err, len(v.Calls), v.Refused, v.Unfilled)
	}
	broken := livetest.Failing(3)
	if _, err := Run(t.Context(), open(t, broken), readers(broken), nil, 1, nil); err == nil || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("a server that breaks: %v", err)
	}
}

// TestWatch: what a call may have changed is looked for where its values say.
func TestWatch(t *testing.T) {
	for _, c := range []struct {
		name  string
		world *livetest.World
		call  string
		want  string
	}{
		{"an order", livetest.Orders(), "cancel_order(order_id=101)", "get_order(order_id=101)"},
		{"a new file", livetest.Files(), "write_file(path='/data/new.txt', content='x')", "read_text_file(path='/data/new.txt')"},
		{"its folder", livetest.Files(), "write_file(path='/data/log/new.txt', content='x')", "list_directory(path='/data/log')"},
		{"an entity", livetest.Memory(), "create_entities(entities=[{'name': 'Ada', 'entityType': 'x', 'observations': ['y']}])", "open_nodes(names=['Ada'])"},
	} {
		v, err := Run(t.Context(), open(t, c.world), readers(c.world), nil, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		call, err := value.ParseCall(c.call)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		watch := v.Watch([]ballast.Call{call}, 1)
		for _, w := range watch {
			found = found || value.FormatCall(w) == c.want
		}
		if !found || len(watch) > maxWatched {
			t.Errorf("%s: no %s among %v", c.name, c.want, watch)
		}
	}
}

// dead is a session that fails.
type dead struct{ ballast.Session }

func (dead) Call(context.Context, ballast.Call) (string, error) { return "", errors.New("gone") }

func TestLook(t *testing.T) {
	if _, err := Look(t.Context(), dead{}, []ballast.Call{{Name: "x"}}); err == nil {
		t.Error("a dead session showed something")
	}
}

// TestGuess: where every tool needs a value, numbers from 1 are tried; a person may say others.
func TestGuess(t *testing.T) {
	schema := func(param, kind string) any {
		return value.NewDict("name", "x", "parameters", value.NewDict("type", "object", "properties", value.NewDict(param, value.NewDict("type", kind)),
			"required", value.NewList(param)))
	}
	param := func(name, kind string) []ballast.Param {
		return []ballast.Param{{Name: name, Type: kind, Required: true}}
	}
	w := &livetest.World{List: []ballast.Tool{
		{Name: "get_item", ReadOnly: true, Params: param("item", "integer"), Schema: schema("item", "integer")},
		{Name: "item_price", ReadOnly: true, Params: param("item", "integer"), Schema: schema("item", "integer")},
		{Name: "find_maker", ReadOnly: true, Params: param("maker", "string"), Schema: schema("maker", "string")},
	}, New: func() func(string, *value.Dict) string {
		return func(name string, args *value.Dict) string {
			item, _ := args.GetString("item")
			maker, _ := args.GetString("maker")
			switch {
			case name == "find_maker" && maker == "Ada":
				return `{"maker": "Ada", "town": "Oslo"}`
			case name == "get_item" && (item == int64(3) || item == int64(7)):
				return `{"size": 12}`
			case name == "item_price" && (item == int64(3) || item == int64(7)):
				return `{"price": 4}`
			}
			return "Error: there is none"
		}
	}}
	v, err := Run(t.Context(), open(t, w), w.List, Given("maker", "Ada"), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, c := range v.Calls {
		got[value.FormatCall(c.Call)] = true
	}
	for _, want := range []string{"get_item(item=3)", "get_item(item=7)", "item_price(item=3)", "item_price(item=7)", "find_maker(maker='Ada')"} {
		if !got[want] {
			t.Errorf("no %s among %v", want, got)
		}
	}
	if v.Refused["get_item"] != maxGuess-2 || v.Refused["item_price"] != 0 {
		t.Errorf("refused %v", v.Refused)
	}
}

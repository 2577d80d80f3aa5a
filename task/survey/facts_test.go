package survey

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ballast"
	"ballast/value"
)

// facts are the values of a result as key=value, without those of a table's header.
func facts(tool, text string) (out []string) {
	r := Read(tool, text)
	for _, f := range r.Facts {
		out = append(out, fmt.Sprintf("%s=%v", f.Key, f.Value))
	}
	return out
}

func TestRead(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"an object", `{"id": 7, "name": "Ada", "tags": ["a b"], "none": null, "ok": true}`, "id=7 name=Ada tags=a b ok=true"},
		{"a list of objects", `[{"id": 1}, {"id": 2}]`, "id=1 id=2"},
		{"a list under a key", `{"orders": [{"id": 1, "lines": [{"sku": "x"}]}]}`, "id=1 sku=x"},
		{"objects, one a line", "{\"id\": 1}\n{\"id\": 2}\n", "id=1 id=2"},
		{"Python", `[{'name': 'products', 'rows': 12}, {'name': 'it''s'}]`, "name=products rows=12 name=its"},
		{"a table in Python", `[('products',), ('orders',)]`, "=products =orders"},
		{"a heading and lines", "Allowed directories:\n/data\n/tmp/x", "=/data =/tmp/x"},
		{"marks", "[FILE] a.txt\n[DIR] sub folder", "file=a.txt directory=sub folder"},
		{"bullets and numbers", "- ada\n* bo\n1. cleo\n2) dan", "=ada =bo =cleo =dan"},
		{"pairs", "size: 12\nisDirectory: false\nmodified at: today", "size=12 isDirectory=false modified at=today"},
		{"a table with bars", "| id | name |\n|----|------|\n| 1 | Ada |\n| 2 | Bo |", "id=1 name=Ada id=2 name=Bo"},
		{"a sentence", "This is a long sentence of words that says nothing at all.", ""},
		{"a text in JSON", `"plain"`, "=plain"},
		{"a time", "12:30", "=12:30"},
		{"nothing", "  \n ", ""},
		{"a long text is no value", `{"body": "` + strings.Repeat("x", 500) + `"}`, ""},
	} {
		if got := strings.Join(facts("list_things", c.text), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{`{"a": [1, {"b": "c"}]}`, "[FILE] a\n- b: c\n| x | y |\n| 1 | 2 |", "[('a',)]", "a: b", "1. x", "{\"a\": 1}\n{", "[DIR]", "||", "\xff: \xfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := Read("get_things", text)
		if len(r.Facts) > maxFacts {
			t.Fatalf("%d facts", len(r.Facts))
		}
		for i := range r.Facts {
			x := &r.Facts[i]
			switch v := x.Value.(type) {
			case string:
				if strings.TrimSpace(v) == "" || len(v) > maxText || strings.ContainsAny(v, "\n\r") {
					t.Fatalf("the value %q", v)
				}
			case int64, float64, bool:
			default:
				t.Fatalf("a value of type %T", v)
			}
			if x.Path == "" && x.Key != "" {
				t.Fatalf("%q has no path", x.Key)
			}
		}
		if again := Read("get_things", text); len(again.Facts) != len(r.Facts) {
			t.Fatal("it reads in two ways")
		}
		if _, whole, ok := (Compare{}).Stable(text, text); ok && !whole && !strings.Contains(text, "an") && !strings.Contains(text, "Na") { // NaN differs from itself
			t.Fatal("a text differs from itself")
		}
	})
}

func TestWords(t *testing.T) {
	for name, want := range map[string]string{"order_id": "order id", "orderId": "order id", "HTTPServer": "http server", "list-all.items": "list all items", "x2": "x2"} {
		if got := strings.Join(Words(name), " "); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for word, want := range map[string]string{"orders": "order", "entities": "entity", "boxes": "box", "status": "status", "address": "address", "addresses": "address",
		"id": "id", "axis": "axis", "cases": "case", "branches": "branch"} {
		if got := Singular(word); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
	for name, want := range map[string]bool{"get_order": true, "list_all": true, "read_text_file": true, "order_get": true, "create_order": false, "get_or_create": false,
		"cancel_order": false, "weather": false} {
		if Reading(name) != want {
			t.Errorf("%s: %t", name, !want)
		}
	}
}

func TestPathLike(t *testing.T) {
	for text, want := range map[string]bool{"/data/a b.txt": true, "a.txt": true, "src/main.go": true, `C:\x`: true, "3.14": false, "and/or else": false, "https://x.org/a": false,
		"hello": false, "e.g.": false, "1/2": false, "./x": true} {
		if PathLike(text) != want {
			t.Errorf("%q: %t", text, !want)
		}
	}
}

// documented is a tool of the JSON of its schema.
func documented(t *testing.T, name, schema string) ballast.Tool {
	t.Helper()
	v, err := value.ParseJSON([]byte(schema))
	if err != nil {
		t.Fatal(err)
	}
	return ballast.Tool{Name: name, Schema: value.NewDict("name", name, "parameters", v)}
}

// TestFit: which value goes to which parameter.
func TestFit(t *testing.T) {
	const orders, customers = `{"orders": [{"id": 7, "customer_id": "c1"}]}`, `{"customers": [{"id": "c1", "name": "Ada"}]}`
	for _, c := range []struct{ tool, param, from, result, want string }{
		{"get_order", `"order_id": {"type": "integer"}`, "list_orders", orders, "7"},
		{"get_order", `"id": {"type": "integer"}`, "list_orders", orders, "7"},
		{"get_customer", `"customer_id": {"type": "string"}`, "list_orders", orders, "c1"},
		{"get_customer", `"id": {"type": "string"}`, "list_customers", customers, "c1"},
		{"get_order", `"id": {"type": "integer"}`, "list_customers", customers, ""},
		{"create_order", `"customer_id": {"type": "string"}`, "list_customers", customers, "c1"},
		{"create_order", `"customerId": {"anyOf": [{"type": "null"}, {"type": "string"}]}`, "list_customers", customers, "c1"},
		{"describe_table", `"table_name": {"type": "string"}`, "list_tables", `[{'name': 'products'}]`, "products"},
		{"get_weather", `"city": {"type": "string"}`, "list_cities", `{"cities": ["Oslo"]}`, "Oslo"},
		{"create_relation", `"from": {"type": "string", "description": "The name of the entity where it starts"}`, "read_graph", `{"entities": [{"name": "Ada"}]}`, "Ada"},
		{"open_nodes", `"names": {"type": "array", "items": {"type": "string"}, "description": "names of entities"}`, "read_graph", `{"entities": [{"name": "Ada"}]}`, `["Ada"]`},
		{"list_directory", `"path": {"type": "string"}`, "list_roots", "Allowed directories:\n/data/x", "/data/x"},
		{"read_file", `"path": {"type": "string"}`, "list_roots", "Allowed directories:\n/data/x", ""},
		{"get_order", `"order_id": {"type": "integer"}`, "list_prices", `{"prices": [{"amount": 3}]}`, ""},
		{"roll", `"sides": {"type": "integer", "enum": [6, 8]}`, "x", "{}", "6|8"},
		{"first", `"limit": {"type": "integer", "maximum": 1}`, "x", "{}", "1"},
	} {
		tool := documented(t, c.tool, `{"type": "object", "properties": {`+c.param+`}, "required": [`+c.param[:strings.Index(c.param, ":")]+`]}`)
		filled, missing := (&Filler{Rng: newRand(1), Facts: Read(c.from, c.result).Facts}).Fill(tool, Params(tool))
		got := ""
		if missing == "" {
			got, _ = value.JSON(filled.Call.Args[0].Value)
			got = strings.Trim(got, `"`)
		}
		if !slices.Contains(strings.Split(c.want, "|"), got) {
			t.Errorf("%s(%s) from %s: %q, want %q", c.tool, c.param, c.result, got, c.want)
		}
	}
}

// TestParams: references, alternatives and types of others are read.
func TestParams(t *testing.T) {
	tool := documented(t, "f", `{"type": "object", "$defs": {"Line": {"type": "object", "properties": {"sku": {"type": "string"}}, "required": ["sku"]}},
		"properties": {"lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}}, "n": {"anyOf": [{"type": "null"}, {"type": "integer"}], "default": 3},
		"when": {"type": ["null", "string"], "description": "Such as 'today' or \"now\"."}}, "required": ["lines"]}`)
	var got []string
	var walk func(p *Param)
	walk = func(p *Param) {
		got = append(got, fmt.Sprintf("%s %s %t %v", p.Path, p.Type, p.Required, p.Examples))
		for _, f := range p.Fields {
			walk(f)
		}
		if p.Item != nil {
			walk(p.Item)
		}
	}
	for _, p := range Params(tool) {
		walk(p)
	}
	want := "lines array true []; lines[] object true []; lines[].sku string true []; n integer false [3]; when string false [today now]"
	if s := strings.Join(got, "; "); s != want {
		t.Errorf("%s\nwant %s", s, want)
	}
	loop := documented(t, "g", `{"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}}`)
	if p := Params(loop); len(p) != 1 {
		t.Errorf("a reference to itself: %v", p)
	}
}

func TestStable(t *testing.T) {
	day := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ name, a, b, want string }{
		{"equal", `{"a": 1, "b": [1]}`, `{"b": [1], "a": 1.0}`, `{"a": 1, "b": [1]} whole`},
		{"a key differs", `{"a": 1, "t": 5}`, `{"a": 1, "t": 6}`, `{"a": 1}`},
		{"a key more", `{"a": 1}`, `{"a": 1, "b": 2}`, `{"a": 1}`},
		{"true is not 1", `{"a": 1, "b": 2}`, `{"a": true, "b": 2}`, `{"b": 2}`},
		{"a list of another length", `[1]`, `[1, 2]`, ""},
		{"inside of a list", `[{"a": 1, "t": 1}]`, `[{"a": 1, "t": 2}]`, `[{"a": 1}]`},
		{"an ignored key", `{"a": 1, "at": 5}`, `{"a": 1, "at": 6}`, `{"a": 1} whole`},
		{"nothing but an ignored key", `{"at": 5}`, `{"at": 6}`, `{} whole`},
		{"text", "a b ", "a b", `"a b" whole`},
		{"other text", "a", "b", ""},
		{"today", `{"a": 1, "day": "on 2026-03-04"}`, `{"a": 1, "day": "on 2026-03-04"}`, `{"a": 1}`},
		{"tomorrow", `{"a": 1, "day": "2026-03-05T01:00"}`, `{"a": 1, "day": "2026-03-05T01:00"}`, `{"a": 1}`},
		{"a week ago", `{"day": "2026-02-25"}`, `{"day": "2026-02-25"}`, `{"day": "2026-02-25"} whole`},
		{"text and value", "a", "1", ""},
	} {
		v, whole, ok := Compare{Ignore: []string{"at"}, Today: day}.Stable(c.a, c.b)
		got := ""
		if ok {
			if got, _ = value.JSON(v); whole {
				got += " whole"
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestFailed(t *testing.T) {
	for text, want := range map[string]bool{"Error: no": true, " error executing": true, `{"error": "no"}`: true, `{"error": null}`: false, `{"error": "", "a": 1}`: false,
		"erratic": false, "": false, `{"errors": 3}`: false, `["error"]`: false} {
		if Failed(text) != want {
			t.Errorf("%q: %t", text, !want)
		}
	}
}

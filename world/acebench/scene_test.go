package acebench

import (
	"os"
	"strings"
	"testing"

	"ballast/bounded"
	"ballast/value"
)

// records yields the records of a corpus in testdata.
func records(t testing.TB, name string) func(func(*value.Dict) bool) {
	t.Helper()
	return func(yield func(*value.Dict) bool) {
		f, err := os.Open("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		in, _, err := bounded.Unpack(f, bounded.GiB)
		if err != nil {
			t.Fatal(err)
		}
		for l, err := range bounded.Lines(in, 64*bounded.MiB) {
			if err != nil {
				t.Fatal(err)
			}
			v, err := value.ParseJSON(l.Text)
			if err != nil {
				t.Fatal(err)
			}
			if !yield(v.(*value.Dict)) {
				return
			}
		}
	}
}

// TestScenes replays a sample of what the original recorded; `ballast world replay` replays all of it.
func TestScenes(t *testing.T) {
	counts := map[string]int{}
	for d := range records(t, "scenes.jsonl.gz") {
		err := ReplayScene(d, func(what, got, want string) {
			if counts[what]++; got != want {
				t.Errorf("%s: %s\n got %.700s\nwant %.700s", d.Text("id"), what, got, want)
			}
		})
		if err != nil {
			t.Errorf("%s: %v", d.Text("id"), err)
		}
	}
	for what, least := range map[string]int{"results (L and N)": 500, "results (E and S)": 10, "saved": 100, "recipient": 600} {
		if counts[what] < least {
			t.Errorf("only %d comparisons of %s", counts[what], what)
		}
	}
}

// A wrong record is noticed.
func TestReplayTells(t *testing.T) {
	const record = `{"id": "x", "set": "step", "mode": "ast", "classes": ["BaseApi"], "config": {}, "rounds": [{"text": "[turn_on_wifi()]",
"recipient": "execution", "exec": ["turn_on_wifi()"], "kinds": "L", "raw": ["{\"status\": true, \"message\": \"Wi-Fi is on\"}"],
"message": [{"status": true}], "feed": "[]", "instances": false, "state": {"BaseApi": {"wifi": false, "logged_in": true}}}], "saved": []}`
	v, err := value.ParseJSON([]byte(record))
	if err != nil {
		t.Fatal(err)
	}
	differ := map[string]bool{}
	if err := ReplayScene(v.(*value.Dict), func(what, got, want string) { differ[what] = got != want }); err != nil {
		t.Fatal(err)
	}
	for what, want := range map[string]bool{"recipient": false, "calls": false, "results (L and N)": true, "message (L and N)": true,
		"feed (L and N)": true, "instances": true, "state of BaseApi": true, "saved": true} {
		if got, compared := differ[what]; got != want || !compared {
			t.Errorf("%s: differs is %v, want %v (compared %v)", what, got, want, compared)
		}
	}
}

// Names and values that are odd; the wants are the original's.
func TestOddCalls(t *testing.T) {
	tool := func(name, arguments string) string {
		text, err := value.JSON(name)
		if err != nil {
			t.Fatal(err)
		}
		return `<tool_call>{"name": ` + text + `, "arguments": ` + arguments + `}</tool_call>`
	}
	phone, plane := []string{"BaseApi", "FoodPlatform"}, []string{"Travel"}
	const bags = "calculate_baggage_fee(membership_level='gold', cabin_class='Business Class', baggage_count="
	for _, c := range []struct {
		format        Format
		classes       []string
		message, want string
	}{
		{Tool, phone, tool("turn_on_wifi()", "{}"), "['Error during execution: 'dict' object is not callable']"},
		{Tool, phone, tool("check_balance(user_name='Eve')", `{"a": "x"}`), "['Error during execution: 'float' object is not callable']"},
		{Tool, phone, tool("get_products(merchant_name='x')()", "{}"), "['Error during execution: 'dict' object is not callable']"},
		{Tool, phone, tool("check_balance\n", `{"user_name": "Eve"}`), "[500.0]"},
		{Tool, phone, tool(" check_balance", `{"user_name": "Eve"}`), "[500.0]"},
		{Tool, phone, tool("\n check_balance", `{"user_name": "Eve"}`), "['Error during execution: unexpected indent (<string>, line 2)']"},
		{Tool, phone, tool("api['x'].check_balance", "{}"), "['Error during execution: name 'api' is not defined']"},
		{Tool, phone, tool("await check_balance", "{}"), "['Error during execution: 'await' outside function (<string>, line 1)']"},
		{Tool, phone, tool("écheck_balance", "{}"), "['Error during execution: " + unknownFirst + "']"},
		{Tool, phone, tool("check_balance(user_name='Eve', user_name='Eve')", "{}"),
			"['Error during execution: keyword argument repeated: user_name (<string>, line 1)']"},
		{AST, plane, "[" + bags + "1.0), " + bags + "3.0), " + bags + "4.0)]", "[0, 0.0, 50.0]"},
		{AST, plane, "[reserve_flight(user_id='user3', password='password789', flight_no='CA1234', cabin='Economy Class', " +
			"payment_method='bank', baggage_count=3.0)]",
			"['Booking successful. Reservation ID: res_5. Total cost: 1200.0 yuan (including baggage fees).']"},
		{AST, plane, "[get_user_details(user_id=2j, password='x')]",
			"[{'status': 'error', 'message': 'Incorrect username or password.'}]"},
	} {
		s, err := NewScene(Step, c.format, c.classes, nil)
		if err != nil {
			t.Fatal(err)
		}
		e := s.Execute(c.message, false)
		if got := strings.ReplaceAll(e.Feed(), `"`, "'"); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.message, got, c.want)
		}
		if d, ok := s.Dump().Member("BaseApi").(*value.Dict); ok && d.Member("wifi") != strings.Contains(c.message, "turn_on_wifi") {
			t.Errorf("%s: the Wi-Fi is %v", c.message, d.Member("wifi"))
		}
	}
}

package acebench

import (
	"os"
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

package serve

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// actionRequests are requests, and whether they are read without encoding/json.
var actionRequests = []struct {
	body string
	fast bool
}{
	{`{"trajectory_ids":["a","b"],"actions":["[f(x='1')]","é \"\n\u00e9\ud83d\ude00 \ud800"],"finish":[false,true],` +
		`"is_last_step":[true,false],"extra_fields":[{"ballast_task":"t","index":1,"split":"train","a":{"b":[1,{"c":"]}\""}]},` +
		`"d":null,"e":-1.5e3},{"ballast_task":7,"ballast_step":0}]}`, true},
	{" {\n\t\"actions\" : [ \"x\" ] , \"trajectory_ids\":[\"a\"]\r\n} ", true},
	{`{"trajectory_ids":[],"actions":[],"extra_fields":[]}`, true},
	{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"ballast_task":[{"a":1}],"finish":true,"is_last_step":false}]}`, true},
	{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"ballast_task":null}]}`, true},
	{`{"trajectory_ids":["a"],"actions":["` + "\xff\xfe" + `"]}`, true},
	{`{}`, true},
	{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[null]}`, false},
	{`{"trajectory_ids":["a"],"actions":[null],"finish":null}`, false},
	{`{"Trajectory_IDs":["a"],"actions":["x"]}`, false},
	{`{"trajectory_ids":["a"],"trajectory_ids":["b"],"actions":["x"]}`, false},
	{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"FINISH":true}]}`, false},
	{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"fini\u0073h":true}]}`, false},
	{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"finish":true,"finish":false}]}`, false},
	{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"ballast_step":-1}]}`, false},
	{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"ballast_step":1e2}]}`, false},
	{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"ballast_step":007}]}`, false},
	{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"a":1"b"}]}`, false},
	{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"a":[1,]}]}`, false},
	{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"a":"\x"}]}`, false},
	{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"a":}]}`, false},
	{`{"trajectory_ids":["a"],"actions":["x"],"extra_fields":[{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}]}`, false},
	{`{"trajectory_ids":["a"],"actions":["x"],"other":1}`, false},
	{`{"trajectory_ids":["a"],"actions":["x"]} {}`, false},
	{`{"trajectory_ids":["a",],"actions":["x"]}`, false},
	{`{"trajectory_ids":["a"],"actions":["x"],}`, false},
	{"{\"trajectory_ids\":[\"a\"],\"actions\":[\"x\ny\"]}", false},
	{`{"trajectory_ids":["a"],"actions":["x\"]}`, false},
	{`{"trajectory_ids":["a"`, false},
	{`[]`, false},
	{``, false},
}

// TestReadActions: what is read in one pass is what encoding/json reads.
func TestReadActions(t *testing.T) {
	for _, c := range actionRequests {
		if got := sameRequest(t, []byte(c.body)); got != c.fast {
			t.Errorf("%s: read in one pass: %v, want %v", c.body, got, c.fast)
		}
	}
}

func FuzzReadActions(f *testing.F) {
	for _, c := range actionRequests {
		f.Add([]byte(c.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { sameRequest(t, body) })
}

// sameRequest compares both ways to read a request, if it is read in one pass.
func sameRequest(t *testing.T, body []byte) bool {
	t.Helper()
	var fast, slow actionRequest
	if !readActions(body, &fast) {
		return false
	}
	if err := json.Unmarshal(body, &slow); err != nil {
		t.Errorf("%s: %v", body, err)
	}
	if fast.Actions == nil {
		fast.Actions = []*string{}
	}
	if slow.Actions == nil {
		slow.Actions = []*string{}
	}
	if !reflect.DeepEqual(fast, slow) {
		t.Errorf("%s: %+v, want %+v", body, fast, slow)
	}
	return true
}

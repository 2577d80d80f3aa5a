package file

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"ballast"
)

// TestRoundTrip: a line that is read and written again says the same.
func TestRoundTrip(t *testing.T) {
	const lines = `{"id":"a","split":"train","category":"miss_func","tools":["get","put"],"hold":["drop"],"turns":[` +
		`{"user":"Do \"it\".","gold":[{"name":"get","arguments":{"id":17,"x":[1.5,null,true,{"a":"ü"}]}}],"reply":"Yes 17.",` +
		`"expect":{"calls":{"match":"exact","calls":[]},"reply":{"number":{"value":17,"within":0.1}},"state":[{"call":{"name":"get"},"returns":{"a":[1]}}]}},` +
		`{"reveal":["drop"],"gold":[{"name":"drop"}]}],"hint":"Look."}` + "\n" +
		`{"id":"b","split":"test","turns":[{"user":"Hello."}]}` + "\n"
	dir := t.TempDir()
	path := filepath.Join(dir, "tasks.jsonl")
	read := func(text []byte) *File {
		t.Helper()
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := read([]byte(lines))
	var b bytes.Buffer
	if err := Write(&b, f.Tasks, f.Split); err != nil {
		t.Fatal(err)
	}
	if again := read(b.Bytes()); !reflect.DeepEqual(again, f) {
		t.Errorf("%+v\nis read again as\n%+v\nfrom %s", f, again, b.Bytes())
	}
	bad := ballast.Task{ID: "c", Turns: []ballast.TaskTurn{{User: "x", Gold: []ballast.Call{{Name: "f", Args: []ballast.Arg{{Name: "a", Value: math.NaN()}}}}}}}
	if line, err := Marshal(&bad, ""); err == nil {
		t.Errorf("NaN is written as %s", line)
	}
}

package file

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"ballast/value"
)

var update = flag.Bool("update", false, "write the golden files again")

// schema is the schema of a line, as an independent validator reads it.
func schema(t testing.TB) *jsonschema.Resolved {
	t.Helper()
	var s jsonschema.Schema
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	r, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// valid says whether the schema takes a line.
func valid(t testing.TB, r *jsonschema.Resolved, line []byte) bool {
	t.Helper()
	var v any
	if err := json.Unmarshal(line, &v); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return r.Validate(v) == nil
}

// full are lines that use every key.
var full = []string{
	`{"id":"o-1","split":"train","category":"base","tools":["get_order","cancel_order"],"hold":["refund"],"hint":"Look first.","turns":[` +
		`{"user":"Cancel order 17.","gold":[{"name":"cancel_order","arguments":{"id":17,"note":null,"how":{"fast":true,"at":[1,2.5]}}}],"reply":"Order 17 is cancelled.",` +
		`"expect":{"calls":{"match":"exact","calls":[{"name":"cancel_order","arguments":{"id":17}}]},"results":[{"returns":"ok"},{"contains":["ok"],"returns":{"a":1}}],` +
		`"reply":{"equals":"Order 17 is cancelled.","contains":["17"],"matches":"cancel+ed","number":{"value":17,"within":0.5}},` +
		`"state":[{"call":{"name":"get_order","arguments":{"id":17}},"returns":{"status":"cancelled"}},{"call":{"name":"count"},"contains":["3","orders"]}],` +
		`"program":{"command":["python","grade.py",""],"seconds":10},"judge":{"question":"Is the reply polite?"}}},` +
		`{"reveal":["refund"],"gold":[{"name":"refund"}]}]}`,
	good,
	`{"id":"none","turns":[{"user":"Sing.","expect":{"calls":{"match":"exact","calls":[]}}}]}`,
}

// TestSchema: the schema that editors read is the golden one, valid itself, and takes the lines
// that use every key.
func TestSchema(t *testing.T) {
	const golden = "testdata/schema.json"
	if *update {
		if err := os.WriteFile(golden, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != string(Schema()) {
		t.Errorf("%s differs (%v); go test ./task/file -update writes it again", golden, err)
	}
	r := schema(t)
	for _, line := range full {
		if !valid(t, r, []byte(line)) {
			t.Errorf("the schema refuses %s", line)
		}
		if got := faults(t, line); got != nil {
			t.Errorf("the reader refuses %s: %q", line, got)
		}
	}
}

// TestReaderAndSchemaAgree: of lines that were changed at random, the table's own reading and the
// schema in another's hands take the same ones.
func TestReaderAndSchemaAgree(t *testing.T) {
	r, rng := schema(t), rand.New(rand.NewPCG(1, 2))
	taken, refused := 0, 0
	for i := range 4000 {
		v, err := value.ParseExact([]byte(full[i%len(full)]))
		if err != nil {
			t.Fatal(err)
		}
		for range 1 + rng.IntN(2) {
			v = mutate(rng, v, 1+rng.IntN(30))
		}
		text, err := value.JSON(v)
		if err != nil {
			t.Fatal(err)
		}
		found := Line.Check(v)
		if ok := valid(t, r, []byte(text)); ok != (len(found) == 0) {
			t.Fatalf("the schema says %t, the reader %v, of %s", ok, found, text)
		} else if ok {
			taken++
		} else {
			refused++
		}
	}
	if taken < 400 || refused < 400 {
		t.Errorf("%d lines were taken and %d refused: the changes say little", taken, refused)
	}
}

// odd are values of all kinds.
func odd(rng *rand.Rand) any {
	return [...]any{nil, true, int64(0), int64(-1), int64(17), 0.05, 1e300, "", "x", "train", "exact", "a\x00b", "a\nb", "ü", value.NewList(), value.NewList("x", "x"),
		value.NewList(int64(1)), value.NewList(""), value.NewDict(), value.NewDict("name", "f"), value.NewDict("user", "u"), value.NewDict("", int64(1)),
		value.NewDict("call", value.NewDict("name", "f"), "returns", nil)}[rng.IntN(23)]
}

// mutate changes one place of a value, which is about n steps away.
func mutate(rng *rand.Rand, v any, n int) any {
	switch x := v.(type) {
	case *value.Dict:
		d := x.Clone()
		if n > 1 && d.Len() > 0 && rng.IntN(4) > 0 {
			k, y := d.At(rng.IntN(d.Len()))
			d.Set(k, mutate(rng, y, n-1))
			return d
		}
		switch rng.IntN(4) {
		case 0:
			keys := strings.Fields("id split category tools hold turns hint user gold reply reveal expect calls match results state program judge equals contains matches number value within seconds x")
			d.Set(keys[rng.IntN(len(keys))], odd(rng))
			return d
		case 1:
			if d.Len() > 0 {
				k, _ := d.At(rng.IntN(d.Len()))
				d.Delete(k)
			}
			return d
		}
	case *value.List:
		l := value.Clone(x).(*value.List)
		if n > 1 && len(l.Items) > 0 && rng.IntN(4) > 0 {
			i := rng.IntN(len(l.Items))
			l.Items[i] = mutate(rng, l.Items[i], n-1)
			return l
		}
		switch rng.IntN(4) {
		case 0:
			l.Items = append(l.Items, odd(rng))
			return l
		case 1:
			if len(l.Items) > 0 {
				l.Items = append(l.Items, l.Items[rng.IntN(len(l.Items))])
			}
			return l
		case 2:
			if len(l.Items) > 0 {
				l.Items = l.Items[1:]
			}
			return l
		}
	}
	return odd(rng)
}

// FuzzRead: whatever a file holds, reading it ends, every fault has a place and words, and a line
// of a file without faults is one that the schema takes.
func FuzzRead(f *testing.F) {
	for _, line := range full {
		f.Add([]byte(line))
	}
	for _, text := range []string{"", "\n", "{", `{"id":1}`, "\xef\xbb\xbf{}", line(`"user":"u","gold":[{"name":"f","arguments":{"x":1,"x":2}}]`)} {
		f.Add([]byte(text))
	}
	r := schema(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := readFrom("orders.jsonl", bytes.NewReader(data))
		if err != nil {
			if e, ok := err.(*Error); ok {
				for _, x := range e.Faults {
					if x.At == "" || x.Text == "" {
						t.Errorf("%+v", x)
					}
				}
			}
			return
		}
		lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		if len(lines) != len(file.Tasks) {
			t.Fatalf("%d lines, %d tasks", len(lines), len(file.Tasks))
		}
		for _, line := range lines {
			if !valid(t, r, []byte(line)) {
				t.Errorf("the schema refuses %q", line)
			}
		}
	})
}

package file

import "testing"

// TestOrders: the tasks of examples/orders, a module of its own whose tests cannot import this
// package, are a file that Read takes.
func TestOrders(t *testing.T) {
	f, err := Read("../../examples/orders/orders.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	for i := range f.Tasks {
		n[f.Split[i]+" "+f.Tasks[i].Category]++
	}
	for _, want := range []struct {
		what  string
		count int
	}{{"train base", 20}, {"train miss_func", 10}, {"train miss_param", 10}, {"test base", 10}, {"test miss_func", 5}, {"test miss_param", 5}} {
		if n[want.what] != want.count {
			t.Errorf("%d tasks of %s, want %d", n[want.what], want.what, want.count)
		}
	}
}

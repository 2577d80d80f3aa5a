package table

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

// TestCells: a figure is written with its interval and, where a row has more
// replicates, with how many had it; what is not known is a dash, an empty field or
// null.
func TestCells(t *testing.T) {
	one, three, none := NewStat([]float64{0.5}), NewStat([]float64{0.1, 0.2, 0.3}), NewStat(nil)
	tab := Table{Name: "x", Title: "X", Notes: []string{"Some note."}, Head: []string{"method", "n", "id", "rate", "min"}, Rows: [][]Cell{
		{Textf("a_%d", 1), Textf("3"), Figure(three, Share), Figure(one, Number), Figure(none, Time)},
		{Textf("b|c"), Textf("1"), Figure(one, Share), Textf("-"), Figure(NewStat([]float64{90}), Time)}}}
	text := "X\nmethod  n            id       rate  min\na_1     3  20.0 +- 24.8  0.500 (1)    -\nb|c     1          50.0          -  1.5\n  Some note.\n"
	if got := tab.Text(); got != text {
		t.Errorf("got\n%swant\n%s", got, text)
	}
	mark := "| method | n | id | rate | min |\n| --- | ---: | ---: | ---: | ---: |\n| a\\_1 | 3 | 20.0 +- 24.8 | 0.500 (1) | - |\n| b\\|c | 1 | 50.0 | - | 1.5 |\n\nSome note.\n"
	if got := tab.Markdown(); got != mark {
		t.Errorf("got\n%swant\n%s", got, mark)
	}
	var b strings.Builder
	if err := tab.CSV(&b); err != nil {
		t.Fatal(err)
	}
	csv := "method,n,id,id ci95,id n,rate,rate ci95,rate n,min,min ci95,min n\na_1,3,0.2,0.248417,3,0.5,,1,,,0\nb|c,1,0.5,,1,-,,,90,,1\n"
	if b.String() != csv {
		t.Errorf("got\n%swant\n%s", b.String(), csv)
	}
	data, err := json.Marshal(tab)
	if err != nil || !strings.Contains(string(data), `"min":{"ci95":null,"mean":null,"n":0}`) {
		t.Errorf("%v %s", err, data)
	}
}

// TestStat checks the interval on a worked example (mean 5, s 1.5811, n 5) and the
// quantiles on the printed table of Student's t.
func TestStat(t *testing.T) {
	s := NewStat([]float64{3, 4, 5, 6, 7, math.NaN()})
	if s.N != 5 || s.Mean != 5 || math.Abs(s.Half-1.9632) > 1e-3 {
		t.Errorf("%+v", s)
	}
	if s := NewStat([]float64{2}); s.Mean != 2 || !math.IsNaN(s.Half) {
		t.Errorf("one value: %+v", s)
	}
	for df, want := range map[int]float64{1: 12.706, 4: 2.776, 11: 2.201, 15: 2.131, 30: 2.042, 120: 1.980} {
		if got := tQuantile(df); math.Abs(got-want) > 1e-3 {
			t.Errorf("t(%d) = %v, want %v", df, got, want)
		}
	}
}

package acebench

import (
	"encoding/hex"
	"fmt"
	"iter"
	"math"
	"strings"

	ace "ballast/env/acebench"
	"ballast/value"
)

// reply compares what a reply to an item is read as, and its verdict.
func (p *replayer) reply(d *value.Dict) {
	it := p.item(d)
	if it == nil {
		return
	}
	format, reply := d.Text("mode"), d.Text("reply")
	if !ace.Special(it.Category) {
		p.same("calls read, format "+format, ace.Decoded(it.Category, format, reply), wantDecoded(d.Member("decoded")))
	}
	p.verdict(it, format, reply, d.Object("verdict"))
	p.mended(it, format, reply)
}

// verdict compares a verdict: right or wrong, the kind of error, and its words.
func (p *replayer) verdict(it *ace.Item, format, reply string, want *value.Dict) {
	v := ace.Explain(it, format, reply, ace.Official)
	kind := "single"
	if ace.Special(it.Category) {
		kind = "special"
	}
	p.same("verdicts, "+kind+", format "+format, summary(v.Correct, v.Kind, v.Crash),
		summary(value.Equal(want.Member("correct"), int64(1)), want.Text("error_type"), want.Text("crash")))
	if want.Has("error") {
		p.same("words of errors, "+kind+", format "+format, shown(v.Error), shown(want.Member("error")))
	}
}

func summary(correct bool, kind, crash string) string {
	return fmt.Sprintf("%t %q %q", correct, kind, crash)
}

func shown(v any) string { return value.Repr(v) }

// wantDecoded is what the corpus has of a decoded reply, as ace.Decoded writes it.
func wantDecoded(v any) string {
	if d, ok := v.(*value.Dict); ok && d.Has("$raises") {
		return "raises"
	}
	return value.Repr(plain(v))
}

// plain is a value of the corpus without its marks for kinds that JSON lacks.
func plain(v any) any {
	switch v := v.(type) {
	case *value.List:
		out := value.NewList()
		for _, x := range v.Items {
			out.Items = append(out.Items, plain(x))
		}
		return out
	case *value.Dict:
		if v.Len() == 1 {
			if k, x := v.At(0); k != any("") && k.(string)[0] == '$' {
				return marked(k.(string), x)
			}
		}
		out := &value.Dict{}
		for i := range v.Len() {
			k, x := v.At(i)
			out.Set(k, plain(x))
		}
		return out
	}
	return v
}

// marked is a value of a kind that JSON lacks.
func marked(kind string, v any) any {
	switch kind {
	case "$dict":
		out := &value.Dict{}
		for _, pair := range v.(*value.List).Items {
			p := pair.(*value.List).Items
			out.Set(plain(p[0]), plain(p[1]))
		}
		return out
	case "$tuple":
		return &value.Tuple{Items: plain(v).(*value.List).Items}
	case "$float":
		return map[any]float64{"nan": math.NaN(), "inf": math.Inf(1), "-inf": math.Inf(-1)}[v]
	case "$bytes":
		b, _ := hex.DecodeString(v.(string))
		return value.Bytes(b)
	}
	return verbatim(v.(string))
}

// verbatim is a value of a kind that only its repr tells, as $repr in the corpus.
type verbatim string

// TypeName is that of no kind.
func (verbatim) TypeName() string { return "verbatim" }

// AppendRepr appends the text.
func (v verbatim) AppendRepr(dst []byte) []byte { return append(dst, v...) }

// EqualTo compares texts.
func (v verbatim) EqualTo(other any) bool { return other == any(v) }

// custom compares the verdict on a call of a function that was made up.
func (p *replayer) custom(d *value.Dict) {
	it := &ace.Item{ID: d.Text("id"), Category: d.Text("category"), Gold: d.Member("ground_truth")}
	for _, f := range d.Array("function") {
		it.Functions = append(it.Functions, ace.Function{Name: f.(*value.Dict).Text("name"), Doc: f.(*value.Dict)})
	}
	p.verdict(it, d.Text("mode"), d.Text("reply"), d.Object("verdict"))
}

// ways are how a text is decoded, by the member via of a line: a category that does so, and the format.
var ways = map[string][2]string{
	"single_ast": {"normal_similar_api", ace.AST}, "nospace_ast": {"normal_multi_turn_user_adjust", ace.AST},
	"tool": {"normal_similar_api", ace.Tool}, "nospace_tool": {"normal_multi_turn_user_adjust", ace.Tool},
}

// decode compares what a text is read as. Where the original raises, the corpus has its words in the text's
// place; then only what stands between brackets is known, where that is what is read.
func (p *replayer) decode(d *value.Dict) {
	via, text := d.Text("via"), d.Text("text")
	want, raised := wantDecoded(d.Member("value")), d.Member("value") == nil
	if raised {
		bracket, known := d.Member("bracket").(string)
		if via != "single_ast" || !known {
			p.report.Unknown++
			return
		}
		text, want = bracket, "raises"
	}
	if via == "raw_ast" { // that of single_ast, without the brackets
		p.same("texts decoded, "+via, ace.DecodedList(text), want)
		return
	}
	way, ok := ways[via]
	if !ok {
		p.err = fmt.Errorf("via is %q", via)
		return
	}
	p.same("texts decoded, "+via, ace.Decoded(way[0], way[1], text), want)
}

func (p *replayer) standardize(d *value.Dict) {
	p.same("texts standardised", ace.Standard(d.Text("text")), d.Text("value"))
}

// batch compares the score of a whole category, and which items are listed as wrong.
func (p *replayer) batch(d *value.Dict) {
	items, replies := p.items(d.Text("category")), d.Array("replies")
	if p.err == nil && len(items) != len(replies) {
		p.err = fmt.Errorf("%d replies to %d items of %s", len(replies), len(items), d.Text("category"))
	}
	if p.err != nil {
		return
	}
	right, listed := make([]bool, len(items)), value.NewList()
	for i := range items {
		v := ace.Check(&items[i], d.Text("mode"), replies[i].(string), ace.Official)
		if right[i] = v.Correct; !v.Correct || v.Again {
			listed.Items = append(listed.Items, items[i].ID)
		}
	}
	s, want := ace.ScoreOf(d.Text("category"), items, right), d.Object("header")
	got := value.NewDict("accuracy", s.Accuracy, "correct_count", int64(s.Correct), "total_count", int64(s.Total))
	if want.Has("process_accuracy") {
		got.Set("process_accuracy", s.Process)
	}
	p.same("scores of categories", value.Repr(got), value.Repr(want))
	p.same("items listed as wrong", value.Repr(listed), value.Repr(d.Member("wrong_ids")))
}

// summary compares the row of the table of results.
func (p *replayer) summary(d *value.Dict) {
	scores := map[string]ace.Score{}
	for k, v := range pairs(d.Object("scores")) {
		s := v.(*value.Dict)
		scores[strings.TrimPrefix(k, "data_")] = ace.Score{Accuracy: number(s.Member("accuracy")), Process: number(s.Member("process_accuracy"))}
	}
	columns, row := value.NewList("Model"), value.NewList(d.Array("row")[0])
	for i, x := range ace.Summary(scores) {
		columns.Items, row.Items = append(columns.Items, ace.Columns[i]), append(row.Items, x)
	}
	p.same("columns of the table", value.Repr(columns), value.Repr(d.Member("columns")))
	want := value.NewList(d.Array("row")[0])
	for _, x := range d.Array("row")[1:] {
		want.Items = append(want.Items, number(x))
	}
	p.same("rows of the table", value.Repr(row), value.Repr(want))
}

// number is a number as a float; 0 for none.
func number(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return 0
}

// pairs goes over an object with keys of text.
func pairs(d *value.Dict) iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for i := range d.Len() {
			if k, v := d.At(i); !yield(k.(string), v) {
				return
			}
		}
	}
}

// mended counts the replies whose verdict each mend changes, and all together.
func (p *replayer) mended(it *ace.Item, format, reply string) {
	was := ace.Check(it, format, reply, ace.Official).Correct
	count := func(name string, m ace.Mend) {
		now := ace.Check(it, format, reply, m).Correct
		if now == was {
			return
		}
		c := p.report.Mends[name]
		if c == nil {
			c = &Changed{}
			p.report.Mends[name] = c
		}
		if now {
			c.Right++
		} else {
			c.Wrong++
		}
	}
	for _, m := range ace.Mends {
		count(m.Name, m.Of)
	}
	count("strict", ace.Strict)
}

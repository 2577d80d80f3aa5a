package acebench

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"

	"ballast"
	"ballast/bounded"
	ace "ballast/env/acebench"
	"ballast/value"
)

// Corpora lists the types of lines that Replay compares. One of another type is an error.
func Corpora() []string { return slices.Sorted(maps.Keys(replays)) }

// replays are the types of lines of the corpora, and how each is compared.
var replays = map[string]func(*replayer, *value.Dict){
	"prompt": (*replayer).prompt, "reply": (*replayer).reply, "custom": (*replayer).custom, "decode": (*replayer).decode,
	"standardize": (*replayer).standardize, "batch": (*replayer).batch, "summary": (*replayer).summary,
	"seq": (*replayer).scene, "run": (*replayer).agent, "transcript": (*replayer).agent, "judge": (*replayer).agent,
}

// ReplayOptions says what Replay does.
type ReplayOptions struct {
	Data        string // folder of the benchmark's data
	Every       int    // one line in so many of each type; 0 and 1 mean all
	Differences int    // most differences that the report lists; 0 means 10
}

// Count counts comparisons.
type Count struct {
	Equal int `json:"equal"`
	Total int `json:"total"`
}

// Difference is one difference from what the original recorded.
type Difference struct {
	ID   string `json:"id"`
	What string `json:"what"`
	Got  string `json:"got"`
	Want string `json:"want"`
}

// Report is what Replay found. Counts are by what is compared.
type Report struct {
	Lines       int               `json:"lines"`
	Counts      map[string]*Count `json:"counts"`
	Differences []Difference      `json:"differences,omitempty"`
	// Unknown lines lack what would have to be compared.
	Unknown int `json:"unknown,omitempty"`
	// Mends has how many replies each mend of the verdicts changes by itself, and strict, which is all of them.
	Mends map[string]*Changed `json:"mends,omitempty"`
}

// Changed counts verdicts that a mend changes.
type Changed struct {
	Right int `json:"to_right"` // from wrong
	Wrong int `json:"to_wrong"` // from right
}

// Failed is the number of differences.
func (r *Report) Failed() (n int) {
	for _, c := range r.Counts {
		n += c.Total - c.Equal
	}
	return n
}

// Bounds on a corpus, unpacked, and on one of its lines.
const maxCorpus, maxRecord = bounded.GiB, 16 * bounded.MiB

// Replay compares a corpus of JSON lines, gzipped or not, which the original program recorded, with
// what this program makes of the same items. Errors are those of reading; what differs is in the
// report.
func Replay(r io.Reader, o ReplayOptions) (Report, error) {
	p := replayer{o: o, categories: map[string][]ace.Item{}, seen: map[string]int{},
		report: Report{Counts: map[string]*Count{}, Mends: map[string]*Changed{}}}
	p.o.Differences = cmp.Or(o.Differences, 10)
	in, _, err := bounded.Unpack(r, maxCorpus)
	if err != nil {
		return p.report, fmt.Errorf("acebench: corpus: %w", err)
	}
	defer in.Close()
	for l, err := range bounded.Lines(in, maxRecord) {
		if err == nil {
			err = p.line(l.Text)
		}
		if err != nil {
			return p.report, fmt.Errorf("acebench: corpus: line %d: %w", l.Number, err)
		}
	}
	return p.report, nil
}

type replayer struct {
	o          ReplayOptions
	categories map[string][]ace.Item
	seen       map[string]int // lines by type
	err        error          // of the data, on the line that is compared
	id         string         // of that line
	report     Report
}

// line compares one line.
func (p *replayer) line(text []byte) error {
	v, err := value.ParseJSON(text)
	if err != nil {
		return err
	}
	d, ok := v.(*value.Dict)
	if !ok {
		return fmt.Errorf("is %s; want an object", value.TypeName(v))
	}
	kind := d.Text("type")
	if kind == "meta" {
		return nil
	}
	compare := replays[kind]
	if compare == nil {
		return fmt.Errorf("type is %q; want one of %v", kind, Corpora())
	}
	if p.seen[kind]++; p.o.Every > 1 && p.seen[kind]%p.o.Every != 1 {
		return nil
	}
	p.report.Lines++
	p.id, p.err = d.Text("id"), nil
	compare(p, d)
	return p.err
}

// items are those of a category; an error is noted.
func (p *replayer) items(category string) []ace.Item {
	items, there := p.categories[category]
	if !there {
		if items, p.err = Read(p.o.Data, category); p.err != nil {
			return nil
		}
		p.categories[category] = items
	}
	return items
}

// item finds an item, and notes an error where there is none.
func (p *replayer) item(d *value.Dict) *ace.Item {
	items := p.items(d.Text("category"))
	for i := range items {
		if items[i].ID == d.Text("item") {
			return &items[i]
		}
	}
	if p.err == nil {
		p.err = fmt.Errorf("item %q is not among those of %s in %s", d.Text("item"), d.Text("category"), p.o.Data)
	}
	return nil
}

// same counts a comparison and says whether it is equal.
func (p *replayer) same(what, got, want string) bool {
	c := p.report.Counts[what]
	if c == nil {
		c = &Count{}
		p.report.Counts[what] = c
	}
	if c.Total++; got == want {
		c.Equal++
		return true
	}
	if len(p.report.Differences) < p.o.Differences {
		p.report.Differences = append(p.report.Differences, Difference{p.id, what, got, want})
	}
	return false
}

// firstLine is what the user of multi-turn items had said where the corpus has their prompts.
const firstLine = "Hello there"

// prompt compares the messages of an item.
func (p *replayer) prompt(d *value.Dict) {
	it := p.item(d)
	if it == nil {
		return
	}
	history := ""
	switch it.Category {
	case ace.MultiStep:
		history = ace.History(ballast.Message{Role: ace.SpeakerUser, Text: it.Question})
	case ace.MultiTurn:
		history = ace.History(ballast.Message{Role: ace.SpeakerUser, Text: firstLine})
	}
	got := value.NewList()
	for _, m := range ace.Messages(it, d.Text("mode"), history) {
		got.Items = append(got.Items, value.NewDict("role", m.Role, "content", m.Text))
	}
	p.same("prompts of "+it.Category, value.Repr(got), value.Repr(d.Member("messages")))
}

package bfcl

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"ballast/bounded"
	"ballast/value"
	"ballast/world"
)

// ReplayOptions says what Replay does.
type ReplayOptions struct {
	// Every replays one trajectory in so many; 0 and 1 mean all. Gold answers
	// are always read.
	Every int
	// Classes replays only trajectories whose classes are all among these;
	// empty means all.
	Classes []string
	// Differences is the most differences that the report lists; 0 means 10.
	Differences int
	// Trajectory, if not nil, is called with every record that was replayed and
	// the number of differences found in it.
	Trajectory func(record *value.Dict, differences int)
}

// Count counts comparisons.
type Count struct {
	Equal int `json:"equal"`
	Total int `json:"total"`
	// Unsettled comparisons are no failures: the answer depends on the order of
	// a set, holds lone surrogates, or follows a call that the original
	// evaluates and this package does not.
	Unsettled int `json:"unsettled,omitempty"`
}

func (c *Count) add(equal, settled bool) {
	switch c.Total++; {
	case equal:
		c.Equal++
	case !settled:
		c.Unsettled++
	}
}

// Failed is the number of differences that count.
func (c Count) Failed() int { return c.Total - c.Equal - c.Unsettled }

// Difference is one difference from the golden corpus.
type Difference struct {
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Variant int64  `json:"variant"`
	Turn    int    `json:"turn"`
	What    string `json:"what"` // the call, "state of CLASS" or "verdict"
	Got     string `json:"got"`
	Want    string `json:"want"`
}

// Report is what Replay found.
type Report struct {
	Trajectories int               `json:"trajectories"`
	Crashes      int               `json:"crashes"` // records whose call ends the original's process; not replayed
	Calls        map[string]*Count `json:"calls"`   // by kind: L, Q, N, E, S
	Methods      map[string]*Count `json:"methods"` // by class.method, kinds L and Q
	Classes      map[string]*Count `json:"classes"` // calls of kind L by class
	States       map[string]*Count `json:"states"`  // by class, one for each turn and the start
	Verdicts     Count             `json:"verdicts"`
	Differences  []Difference      `json:"differences,omitempty"`
}

// OK reports whether nothing differs.
func (r *Report) OK() bool {
	for _, m := range []map[string]*Count{r.Calls, r.States} {
		for _, c := range m {
			if c.Failed() > 0 {
				return false
			}
		}
	}
	return r.Verdicts.Failed() == 0
}

// Replay plays every trajectory of a golden corpus (JSON lines, gzipped or not)
// and compares answers, states and verdicts. The verdicts and states of isolated
// episodes are used where the original leaked. Errors are those of reading; what
// differs is in the report.
func Replay(r io.Reader, opts ReplayOptions) (Report, error) {
	p := replayer{opts: opts, gold: make(map[string]*goldAnswer), report: Report{
		Calls: make(map[string]*Count), Methods: make(map[string]*Count),
		Classes: make(map[string]*Count), States: make(map[string]*Count),
	}}
	p.opts.Differences = cmp.Or(p.opts.Differences, 10)
	in, _, err := bounded.Unpack(r, maxCorpus)
	if err != nil {
		return p.report, fmt.Errorf("bfcl: golden corpus: %w", err)
	}
	defer in.Close()
	for l, err := range bounded.Lines(in, maxRecord) {
		if err != nil {
			return p.report, fmt.Errorf("bfcl: golden corpus: %w", err)
		}
		if err := p.line(l.Number, l.Text); err != nil {
			return p.report, fmt.Errorf("bfcl: golden corpus: line %d: %w", l.Number, err)
		}
	}
	return p.report, nil
}

// Bounds on a golden corpus, unpacked, and on one of its lines.
const maxCorpus, maxRecord = 4 * bounded.GiB, 64 * bounded.MiB

// goldAnswer is a task as its record of kind gt tells it.
type goldAnswer struct {
	config *value.Dict
	calls  [][]string // by turn
}

type replayer struct {
	opts   ReplayOptions
	gold   map[string]*goldAnswer
	report Report
	seen   int
}

// line replays one record. A record that lacks a field panics inside; that is an
// error of the file.
func (p *replayer) line(n int, text []byte) (err error) {
	v, err := value.ParseJSON(text)
	if err != nil {
		return err
	}
	d, ok := v.(*value.Dict)
	if !ok {
		return errors.New("not a JSON object")
	}
	switch kind, _ := d.Get("type"); kind {
	case "meta":
		return nil
	case "crash":
		p.report.Crashes++
		return nil
	case "traj":
	default:
		return fmt.Errorf("unknown type of record %v", kind)
	}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case missingField:
			err = fmt.Errorf("field %q is missing or of a wrong type", string(r))
		case runtime.Error: // a list that is too short, a member of another kind
			err = fmt.Errorf("the record cannot be replayed: %w", r)
		default:
			panic(r)
		}
	}()
	return p.trajectory(record{d})
}

type missingField string

// record reads fields that must be there.
type record struct{ *value.Dict }

func (r record) text(key string) string {
	v, _ := r.Get(key)
	s, ok := v.(string)
	if !ok {
		panic(missingField(key))
	}
	return s
}

func (r record) list(key string) []any {
	v, _ := r.Get(key)
	l, ok := v.(*value.List)
	if !ok {
		panic(missingField(key))
	}
	return l.Items
}

func (r record) object(key string) (record, bool) {
	v, _ := r.Get(key)
	d, ok := v.(*value.Dict)
	return record{d}, ok
}

// texts converts a list of strings.
func texts(v any) []string {
	l, ok := v.(*value.List)
	if !ok {
		panic(missingField("list of strings"))
	}
	out := make([]string, len(l.Items))
	for i, x := range l.Items {
		s, ok := x.(string)
		if !ok {
			panic(missingField("list of strings"))
		}
		out[i] = s
	}
	return out
}

// play is one trajectory being replayed.
type play struct {
	*replayer
	id, kind   string
	variant    int64
	classes    []string
	states     []world.State
	surrogate  bool
	unsettled  bool // the original's state can no longer be known
	nondet     map[[3]int]bool
	differing  int
	answers    [][]string // of the policy, by turn
	goldStates []world.State
	gold       *goldAnswer
	verdict    *verdict
}

func (p *replayer) trajectory(r record) error {
	t := play{replayer: p, id: r.text("id"), kind: r.text("kind"), nondet: make(map[[3]int]bool)}
	for _, c := range r.list("classes") {
		t.classes = append(t.classes, c.(string))
	}
	v, _ := r.Get("variant")
	t.variant, _ = v.(int64)
	t.gold = p.gold[t.id]
	if config, ok := r.object("initial_config"); ok {
		t.gold = &goldAnswer{config: config.Dict}
		if t.kind == "gt" {
			for _, turn := range r.list("turns") {
				var calls []string
				for _, step := range (record{turn.(*value.Dict)}).list("steps") {
					calls = append(calls, texts(step)...)
				}
				t.gold.calls = append(t.gold.calls, calls)
			}
			p.gold[t.id] = t.gold
		}
	}
	if t.gold == nil {
		return fmt.Errorf("trajectory of %s comes before its gold answer", t.id)
	}
	for _, c := range t.classes {
		if len(p.opts.Classes) > 0 && !slices.Contains(p.opts.Classes, c) {
			return nil
		}
	}
	if p.seen++; p.opts.Every > 1 && p.seen%p.opts.Every != 0 {
		return nil
	}
	return t.run(r)
}

// start makes the states of the trajectory's classes.
func (t *play) start(variant string) ([]world.State, error) {
	var states []world.State
	for _, c := range t.classes {
		w, err := Get(c)
		if err != nil {
			return nil, err
		}
		config, _ := t.gold.config.Get(c)
		s, err := w.New(config, variant)
		if err != nil {
			return nil, err
		}
		states = append(states, s.Copy()) // as a session does
	}
	return states, nil
}

func (t *play) run(r record) (err error) {
	t.report.Trajectories++
	variant := ""
	if long, _ := r.Get("long_context"); long == true {
		variant = world.LongContext
	}
	if t.states, err = t.start(variant); err != nil {
		return err
	}
	if t.goldStates, err = t.start(variant); err != nil {
		return err
	}
	s, _ := r.Get("surrogate")
	t.surrogate = s == true
	if nondet, ok := r.Get("nondet"); ok {
		for _, x := range nondet.(*value.List).Items {
			at := x.(*value.List).Items
			t.nondet[[3]int{int(at[0].(int64)), int(at[1].(int64)), int(at[2].(int64))}] = true
		}
	}
	t.compareStart(r)
	turns := r.list("turns")
	isolated := turns
	if v, ok := r.Get("turns_isolated"); ok {
		isolated = v.(*value.List).Items
	}
	for i := range turns {
		t.turn(i, record{turns[i].(*value.Dict)}, record{isolated[i].(*value.Dict)})
	}
	want, ok := r.object("verdict_isolated")
	if !ok {
		want, ok = r.object("verdict")
	}
	if ok {
		t.compareVerdict(want)
	}
	if t.opts.Trajectory != nil {
		t.opts.Trajectory(r.Dict, t.differing)
	}
	return nil
}

// compareStart compares the initial states.
func (t *play) compareStart(r record) {
	hashes, ok := r.object("init_h")
	if !ok {
		init, _ := r.object("init")
		d := &value.Dict{}
		for _, c := range t.classes {
			o, _ := init.object(c)
			d.Set(c, o.text("h"))
		}
		hashes = record{d}
	}
	t.compareStates(-1, hashes)
}

func (t *play) compareStates(turn int, hashes record) {
	for i, c := range t.classes {
		want, got := hashes.text(c), Hash(t.states[i].Dump())
		t.count(t.report.States, c, got == want, !t.unsettled && !t.surrogate)
		if got != want && !t.unsettled && !t.surrogate {
			text, _ := value.JSON(t.states[i].Dump())
			t.differ(turn, "state of "+c, text, want)
		}
	}
}

func (t *play) count(m map[string]*Count, key string, equal, settled bool) {
	c := m[key]
	if c == nil {
		c = new(Count)
		m[key] = c
	}
	c.add(equal, settled)
}

func (t *play) differ(turn int, what, got, want string) {
	t.differing++
	if len(t.report.Differences) < t.opts.Differences {
		t.report.Differences = append(t.report.Differences, Difference{t.id, t.kind, t.variant, turn, what, got, want})
	}
}

// turn replays one turn and compares its answers and states.
func (t *play) turn(i int, turn, isolated record) {
	kinds := turn.list("kinds")
	results := isolated.list("results")
	steps := turn.list("steps")
	var answers []string
	for j, s := range steps {
		want := texts(results[j])
		for k, text := range texts(s) {
			kind := kinds[j].(string)[k : k+1]
			answers = append(answers, t.call(i, text, kind, want[k], t.nondet[[3]int{i, j, k}]))
		}
	}
	h, _ := isolated.object("h")
	t.compareStates(i, h)
	t.answers = append(t.answers, answers)
	if t.gold.calls != nil && t.verdict == nil && i < len(t.gold.calls) {
		empty := len(steps) == 0 || len(steps) == 1 && len(steps[0].(*value.List).Items) == 0
		t.check(i, empty)
	}
}

// execute plays one call text against states.
func (t *play) execute(states []world.State, text string) (answer, method string) {
	call, err := value.ParseCall(text)
	if err != nil {
		text := err.Error()
		if syntax := (*value.SyntaxError)(nil); errors.As(err, &syntax) {
			text = syntax.Text
		}
		return failed(text + " (<string>, line 1)"), ""
	}
	for i, c := range t.classes {
		w, _ := Get(c)
		for _, m := range w.Tools() {
			if m.Name == call.Name {
				return states[i].Call(call), c + "." + m.Name
			}
		}
	}
	name, _, _ := strings.Cut(text, "(")
	return Unknown(strings.TrimRight(name, " \t")), "" // blanks behind the name go before it is looked at
}

// call replays one call. After a call that only the original evaluates, its
// state is unknown.
func (t *play) call(turn int, text, kind, want string, nondet bool) string {
	got, method := t.execute(t.states, text)
	const prefix = "Error during execution:"
	evaluated := kind == "Q" || kind == "E" || kind == "S" || method == "" && !strings.HasPrefix(want, prefix)
	if evaluated && strings.HasPrefix(got, prefix) && strings.HasPrefix(want, prefix) {
		t.count(t.report.Calls, kind, true, true)
		t.unsettled = t.unsettled || kind == "E" && t.mayChange(text, want)
		return got
	}
	settled := !t.unsettled && !t.surrogate && !nondet && !evaluated
	t.count(t.report.Calls, kind, got == want, settled)
	if method != "" && kind == "L" {
		t.count(t.report.Methods, method, got == want, settled)
		class, _, _ := strings.Cut(method, ".")
		t.count(t.report.Classes, class, got == want, settled)
	}
	if got != want && settled {
		t.differ(turn, text, got, want)
	}
	t.unsettled = t.unsettled || evaluated
	return got
}

// mayChange reports whether the original may have changed a state before an
// expression failed: it called a method, unless a name was missing among the
// arguments of the only call.
func (t *play) mayChange(text, want string) bool {
	calls := 0
	for _, c := range t.classes {
		w, _ := Get(c)
		for _, m := range w.Tools() {
			calls += strings.Count(text, m.Name+"(")
		}
	}
	return calls > 1 || calls == 1 && !strings.HasPrefix(want, "Error during execution: name '")
}

package sim

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"ballast"
	"ballast/value"
	"ballast/world"
)

// testAPI checks what every simulated API promises, on the default configuration and
// on those given, as it is and in the variant LongContext where it has that:
//
//   - calls never panic, whatever the arguments, and do not change them;
//   - the same calls on two states give the same answers and equal states, whose
//     dumps are the same;
//   - states share nothing with each other, nor with the configuration;
//   - a copy goes on as its original would have, and what copies do shows neither
//     in the original nor in each other;
//   - states that differ have different dumps;
//   - a variant that nobody knows is an error of New;
//   - a call whose answer the API calls failed (Failer) left the state alone.
//
// The calls are random; seeds are fixed, so a failure comes again.
func testAPI(t *testing.T, w world.API, configs ...any) {
	t.Helper()
	testTable(t, w)
	if _, err := w.New(nil, "no such variant"); err == nil {
		t.Error("a variant that does not exist is taken for another")
	}
	for i, config := range append([]any{nil}, configs...) {
		for _, variant := range []string{"", world.LongContext} {
			if _, err := w.New(config, variant); err != nil && variant != "" {
				continue
			}
			t.Run(fmt.Sprintf("config %d %s", i, variant), func(t *testing.T) {
				c := &conformance{T: t, world: w, config: config, variant: variant}
				c.tools = c.documented()
				before := value.Repr(config)
				for seed := range uint64(2) {
					c.twins(seed)
					c.copies(seed)
					c.hostile(seed)
				}
				if after := value.Repr(config); after != before {
					t.Errorf("the configuration was changed from %s to %s", before, after)
				}
			})
		}
	}
}

// testTable checks names and documentation.
func testTable(t *testing.T, w world.API) {
	t.Helper()
	if w.Name() == "" {
		t.Error("the world has no name")
	}
	if len(w.Tools()) == 0 {
		t.Error("the world has no functions")
	}
	seen := make(map[string]bool)
	for _, tool := range w.Tools() {
		if tool.Name == "" || seen[tool.Name] {
			t.Errorf("function name %q is empty or occurs twice", tool.Name)
		}
		seen[tool.Name] = true
	}
}

// conformance is one run of the checks.
type conformance struct {
	*testing.T
	world   world.API
	config  any
	variant string
	tools   []ballast.Tool // of the configuration
}

// documented returns the functions of the configuration, each of which there must be, and no other.
func (c *conformance) documented() []ballast.Tool {
	c.Helper()
	e := entries[c.world.Name()]
	s := c.start()
	tools := e.tools(s)
	for _, t := range tools {
		if !e.have(s, t.Name) {
			c.Errorf("%s is documented and not had", t.Name)
		}
	}
	if e.have(s, "no such function") || e.have(s.Copy(), "") {
		c.Error("a function is had that nobody documents")
	}
	return tools
}

func (c *conformance) start() world.State {
	c.Helper()
	s, err := c.world.New(c.config, c.variant)
	if err != nil {
		c.Fatalf("New: %v", err)
	}
	return s
}

// call runs one call and fails the test on a panic or a changed argument.
func (c *conformance) call(s world.State, call ballast.Call) string {
	c.Helper()
	defer func() {
		if r := recover(); r != nil {
			c.Fatalf("%s panics: %v", describe(call), r)
		}
	}()
	before := describe(call)
	answer := s.Call(call)
	if after := describe(call); after != before {
		c.Fatalf("%s was changed to %s", before, after)
	}
	return answer
}

// twins plays the same plausible calls on two states, and leaves a third alone.
func (c *conformance) twins(seed uint64) {
	c.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	a, b, idle := c.start(), c.start(), c.start()
	untouched := value.Repr(idle.Dump())
	failer, _ := c.world.(world.Failer)
	words := stringsIn(nil, idle.Dump())
	for i := range 150 {
		call := c.random(rng, words, plausible)
		answer := c.call(a, call)
		if failer != nil && failer.Failed(answer) {
			if where := a.Equal(b); where != "" {
				c.Fatalf("%s answers %q but changes %s", describe(call), answer, where)
			}
		}
		if again := c.call(b, call); again != answer {
			c.Fatalf("%s answers %q, and %q in an equal state", describe(call), answer, again)
		}
		c.equal(a, b, i)
	}
	c.same(idle, c.start())
	if now := value.Repr(idle.Dump()); now != untouched {
		c.Errorf("calls on one state changed another from %s to %s", untouched, now)
	}
	if a.Equal(idle) != "" && value.Repr(a.Dump()) == untouched {
		c.Errorf("states differ in %s but have the same dump", a.Equal(idle))
	}
	if (a.Equal(idle) == "") != (idle.Equal(a) == "") {
		c.Error("Equal is not symmetrical")
	}
}

// copies plays calls on a state, copies it, and plays on, on the copies and on a
// state with the same history.
func (c *conformance) copies(seed uint64) {
	c.Helper()
	rng := rand.New(rand.NewPCG(seed, 3))
	original, witness := c.start(), c.start()
	words := stringsIn(nil, original.Dump())
	for range 40 {
		call := c.random(rng, words, plausible)
		c.call(original, call)
		c.call(witness, call)
	}
	before := value.Repr(original.Dump())
	one, two := original.Copy(), original.Copy()
	c.same(one, original)
	for i := range 100 {
		call := c.random(rng, words, plausible)
		answer := c.call(one, call)
		if want := c.call(witness, call); want != answer {
			c.Fatalf("%s answers %q in a copy, and %q in a state of the same history", describe(call), answer, want)
		}
		c.equal(one, witness, i)
		c.call(two, c.random(rng, words, plausible))
	}
	if after := value.Repr(original.Dump()); after != before {
		c.Errorf("calls on copies changed the original from %s to %s", before, after)
	}
	c.same(original.Copy(), original)
	later := one.Copy()
	c.same(later, witness)
	call := c.random(rng, words, plausible)
	if answer, want := c.call(later, call), c.call(witness, call); answer != want {
		c.Fatalf("%s answers %q in a copy of a copy, want %q", describe(call), answer, want)
	}
}

// equal demands equal states after call i. Dumps take most of the time: they are
// compared after every tenth call.
func (c *conformance) equal(a, b world.State, i int) {
	c.Helper()
	if i%10 == 9 {
		c.same(a, b)
	} else if where := a.Equal(b); where != "" {
		c.Fatalf("equal histories differ in %s", where)
	}
}

// same demands equal states with the same dump.
func (c *conformance) same(a, b world.State) {
	c.Helper()
	if where := a.Equal(b); where != "" {
		c.Fatalf("equal histories differ in %s", where)
	}
	if x, y := value.Repr(a.Dump()), value.Repr(b.Dump()); x != y {
		c.Fatalf("equal histories have the dumps %s and %s", x, y)
	}
}

// hostile plays calls with arguments of every kind.
func (c *conformance) hostile(seed uint64) {
	c.Helper()
	rng := rand.New(rand.NewPCG(seed, 2))
	s := c.start()
	words := stringsIn(nil, s.Dump())
	for range 400 {
		call := c.random(rng, words, nasty)
		if rng.IntN(20) == 0 {
			call.Name += "x"
		}
		c.call(s, call)
	}
	s.Dump()
	if where := s.Equal(c.start()); where == "" {
		return
	}
	s.Equal(s)
}

// random makes a call of some function with arguments drawn by draw. Most calls
// name the documented parameters; the others are positional, too few or too many.
func (c *conformance) random(rng *rand.Rand, words []string, draw func(*rand.Rand, []string, string) any) ballast.Call {
	tool := c.tools[rng.IntN(len(c.tools))]
	call := ballast.Call{Name: tool.Name}
	named := rng.IntN(4) > 0
	for _, p := range tool.Params {
		if rng.IntN(12) == 0 {
			continue
		}
		a := ballast.Arg{Value: draw(rng, words, p.Type)}
		if named {
			a.Name = p.Name
		}
		call.Args = append(call.Args, a)
	}
	for rng.IntN(8) == 0 || len(tool.Params) == 0 && rng.IntN(2) == 0 {
		a := ballast.Arg{Value: draw(rng, words, "")}
		if rng.IntN(2) == 0 {
			a.Name = "other"
		}
		call.Args = append(call.Args, a)
	}
	return call
}

// plausible draws a value of the type, often one that occurs in the state.
func plausible(rng *rand.Rand, words []string, kind string) any {
	switch kind {
	case "integer":
		return rng.Int64N(30)
	case "number", "float":
		return float64(rng.IntN(60)) / 2
	case "boolean":
		return rng.IntN(2) == 0
	case "array":
		return value.NewList(plausible(rng, words, "string"))
	case "object", "dict":
		return value.NewDict("key", plausible(rng, words, "string"))
	}
	if len(words) > 0 && rng.IntN(4) > 0 {
		return words[rng.IntN(len(words))]
	}
	return [...]string{"a", "b c", "mon", "new.txt"}[rng.IntN(4)]
}

// nasty draws any value at all.
func nasty(rng *rand.Rand, words []string, kind string) any {
	huge := new(big.Int).Lsh(big.NewInt(-1), 100)
	odd := []any{
		nil, true, int64(0), int64(-1), int64(math.MaxInt64), int64(math.MinInt64), huge,
		0.5, -0.0, 1e300, math.NaN(), math.Inf(1), math.Inf(-1),
		"", " ", "\x00", "a\nb", "\xff\xfe", "..", "/", "{}", "'", strings.Repeat("long", 3000),
		value.NewList(), value.NewList(nil, "a", value.NewList()), &value.Dict{},
		value.NewDict("a", value.NewList(1.5), int64(1), "b", nil, nil),
	}
	if i := rng.IntN(len(odd) * 2); i < len(odd) {
		return odd[i]
	}
	return plausible(rng, words, kind)
}

// stringsIn collects the strings of a value.
func stringsIn(out []string, v any) []string {
	switch v := v.(type) {
	case string:
		out = append(out, v)
	case *value.List:
		for _, item := range v.Items {
			out = stringsIn(out, item)
		}
	case *value.Dict:
		for i := range v.Len() {
			k, item := v.At(i)
			out = stringsIn(stringsIn(out, k), item)
		}
	}
	return out
}

// describe renders a call with its argument values.
func describe(c ballast.Call) string {
	var b strings.Builder
	for _, a := range c.Args {
		fmt.Fprintf(&b, " %s=%s", a.Name, value.Repr(a.Value))
	}
	return c.Name + "(" + b.String() + " )"
}

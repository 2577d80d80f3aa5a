package expect

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"ballast"
	"ballast/value"
	"ballast/value/shape"
)

// The ways in which calls are compared.
const (
	Exact    = "exact"
	AnyOrder = "any_order"
	Subset   = "subset"
	OneOf    = "one_of"
)

// Bounds of a program's time, in seconds.
const (
	defaultSeconds = 10
	mostSeconds    = 100
)

var (
	words   = shape.Shape{Kind: shape.Text, Least: 1}
	anyWord = shape.Shape{Kind: shape.Text}
)

// Call is the shape of a call.
var Call = shape.Shape{Kind: shape.Object, Fields: []shape.Field{
	{Key: "name", Must: true, Of: &shape.Shape{Kind: shape.Text, Least: 1, Doc: "The tool's name."}},
	{Key: "arguments", Of: &shape.Shape{Kind: shape.Object, Open: true, Doc: "The arguments by name; absent: none."}},
}}

// Shape is the shape of what a turn expects.
var Shape = shape.Shape{Kind: shape.Object, Some: parts, Fields: []shape.Field{
	{Key: PartCalls, Of: &shape.Shape{Kind: shape.Object, Doc: "The calls of the turn.", Fields: []shape.Field{
		{Key: "match", Of: &shape.Shape{Kind: shape.Text, Words: []string{Exact, AnyOrder, Subset, OneOf},
			Doc: "exact: these calls in this order, and no others. any_order (the default): these calls, and others only of tools that only " +
				"read. subset: these calls, and any others. one_of: one of these calls, and others only of tools that only read."}},
		{Key: "calls", Of: &shape.Shape{Kind: shape.List, Items: &Call, Doc: "The calls; absent: those of gold."}},
	}}},
	{Key: PartResults, Of: &shape.Shape{Kind: shape.List, Least: 1, Items: result(false),
		Doc: "What results of the turn's calls must say, each some result of the turn."}},
	{Key: PartReply, Of: &shape.Shape{Kind: shape.Object, Some: []string{"equals", "contains", "matches", "number"},
		Doc: "The reply that closes the turn.", Fields: []shape.Field{
			{Key: "equals", Of: &shape.Shape{Kind: shape.Text, Least: 1, Doc: "The reply without the white space around it."}},
			{Key: "contains", Of: &shape.Shape{Kind: shape.List, Least: 1, Items: &words, Doc: "Texts that all stand in the reply."}},
			{Key: "matches", Of: &shape.Shape{Kind: shape.Text, Least: 1, Doc: "A regular expression (RE2) with a match in the reply."}},
			{Key: "number", Of: &shape.Shape{Kind: shape.Object, Doc: "A number that stands in the reply.", Fields: []shape.Field{
				{Key: "value", Must: true, Of: &shape.Shape{Kind: shape.Number}},
				{Key: "within", Of: &shape.Shape{Kind: shape.Number, From: shape.At(0), Doc: "How far off it may be; absent: 0."}},
			}}},
		}}},
	{Key: PartState, Of: &shape.Shape{Kind: shape.List, Least: 1, Items: result(true),
		Doc: "Calls that are made when the turn closes, and what each must return. They are no calls of the policy."}},
	{Key: PartProgram, Of: &shape.Shape{Kind: shape.Object, Doc: "A program that reads the transcript as JSON and answers with a score.",
		Fields: []shape.Field{
			{Key: "command", Must: true, Of: &shape.Shape{Kind: shape.List, Least: 1, Items: &anyWord, Doc: "The program and its arguments."}},
			{Key: "seconds", Of: &shape.Shape{Kind: shape.Number, From: shape.At(0.1), To: shape.At(mostSeconds),
				Doc: fmt.Sprintf("How long it may take; absent: %d.", defaultSeconds)}},
		}}},
	{Key: PartJudge, Of: &shape.Shape{Kind: shape.Object, Doc: "A question about the transcript that a model answers with yes or no.",
		Fields: []shape.Field{
			{Key: "question", Must: true, Of: &shape.Shape{Kind: shape.Text, Least: 1, Doc: "The question; yes passes."}},
		}}},
}}

// result is the shape of what a result must say, with the call that it is the result of.
func result(call bool) *shape.Shape {
	s := &shape.Shape{Kind: shape.Object, Some: []string{"returns", "contains"}}
	if call {
		s.Fields = append(s.Fields, shape.Field{Key: "call", Must: true, Of: &Call})
	}
	s.Fields = append(s.Fields,
		shape.Field{Key: "returns", Of: &shape.Shape{Doc: "The result: text, or a value that the result is as JSON. Of an object the keys " +
			"that are here count, and it may have more."}},
		shape.Field{Key: "contains", Of: &shape.Shape{Kind: shape.List, Least: 1, Items: &words, Doc: "Texts that all stand in the result."}})
	return s
}

// Want is what a turn expects; a part that is nil is not asked for.
type Want struct {
	Calls   *Calls
	Results []Result
	Reply   *Reply
	State   []State
	Program *Program
	Judge   *Judgement
}

// Calls are the calls that a turn expects.
type Calls struct {
	Match string
	Calls []ballast.Call
}

// Result is what a result must say.
type Result struct {
	Returns  any
	Whole    bool // Returns counts
	Contains []string
}

// State is a call at the turn's close and what it must return.
type State struct {
	Call ballast.Call
	Result
}

// Reply is what the closing reply must say.
type Reply struct {
	Equals   string
	Contains []string
	Matches  *regexp.Regexp
	Number   *Number
}

// Number is a number in a reply.
type Number struct{ Value, Within float64 }

// Program is a program that scores a turn.
type Program struct {
	Command []string
	Time    time.Duration
}

// Judgement is a question to a judge.
type Judgement struct{ Question string }

// Parse reads what a turn expects. Without an expectation it is gold's calls in any order. The
// faults are those of a text that a person wrote, with paths from v on; a want that has some
// is not complete.
func Parse(v any, gold []ballast.Call) (*Want, []shape.Fault) {
	if v == nil {
		return &Want{Calls: &Calls{AnyOrder, gold}}, nil
	}
	if faults := Shape.Check(v); len(faults) > 0 {
		return &Want{}, faults
	}
	p := parser{gold: gold}
	w := &Want{}
	d := node{v.(*value.Dict)}
	if c, ok := d.sub(PartCalls); ok {
		w.Calls = p.calls(c)
	}
	for _, x := range d.list(PartResults) {
		w.Results = append(w.Results, resultOf(x))
	}
	if r, ok := d.sub(PartReply); ok {
		w.Reply = p.reply(r)
	}
	for _, x := range d.list(PartState) {
		call, _ := x.sub("call")
		w.State = append(w.State, State{ReadCall(call.Dict), resultOf(x)})
	}
	if x, ok := d.sub(PartProgram); ok {
		w.Program = p.program(x)
	}
	if x, ok := d.sub(PartJudge); ok {
		w.Judge = &Judgement{x.text("question")}
	}
	return w, p.faults
}

// ReadCall is a call that has the shape Call.
func ReadCall(d *value.Dict) ballast.Call {
	c := ballast.Call{Name: node{d}.text("name")}
	if args, ok := (node{d}).sub("arguments"); ok {
		for i := range args.Len() {
			k, v := args.At(i)
			c.Args = append(c.Args, ballast.Arg{Name: k.(string), Value: v})
		}
	}
	return c
}

// node is an object that has its shape.
type node struct{ *value.Dict }

func (n node) sub(key string) (node, bool) {
	v, _ := n.GetString(key)
	d, ok := v.(*value.Dict)
	return node{d}, ok
}

func (n node) text(key string) string {
	v, _ := n.GetString(key)
	s, _ := v.(string)
	return s
}

func (n node) number(key string, otherwise float64) float64 {
	v, ok := n.GetString(key)
	if !ok {
		return otherwise
	}
	return float(v)
}

func (n node) items(key string) []any {
	v, _ := n.GetString(key)
	l, ok := v.(*value.List)
	if !ok {
		return nil
	}
	return l.Items
}

func (n node) list(key string) (out []node) {
	for _, x := range n.items(key) {
		out = append(out, node{x.(*value.Dict)})
	}
	return out
}

func (n node) texts(key string) (out []string) {
	for _, x := range n.items(key) {
		out = append(out, x.(string))
	}
	return out
}

func resultOf(n node) Result {
	r := Result{Contains: n.texts("contains")}
	r.Returns, r.Whole = n.GetString("returns")
	return r
}

// parser reads the parts that may be wrong although they have their shape.
type parser struct {
	gold   []ballast.Call
	faults []shape.Fault
}

func (p *parser) say(path, format string, args ...any) {
	p.faults = append(p.faults, shape.Fault{Path: path, Text: fmt.Sprintf(format, args...)})
}

func (p *parser) calls(n node) *Calls {
	c := &Calls{Match: n.text("match"), Calls: p.gold}
	if c.Match == "" {
		c.Match = AnyOrder
	}
	if _, own := n.GetString("calls"); own {
		c.Calls = nil
		for _, x := range n.list("calls") {
			c.Calls = append(c.Calls, ReadCall(x.Dict))
		}
	}
	if len(c.Calls) == 0 && slices.Contains([]string{Subset, OneOf}, c.Match) {
		p.say("calls", "wants %s of no calls, which says nothing; list calls, or write match exact for a turn without calls", c.Match)
	}
	return c
}

func (p *parser) reply(n node) *Reply {
	r := &Reply{Equals: n.text("equals"), Contains: n.texts("contains")}
	if text := n.text("matches"); text != "" {
		re, err := regexp.Compile(text)
		switch {
		case err != nil:
			p.say("reply.matches", "is no regular expression: %v; mend it (the syntax is RE2's)", err)
		case re.MatchString(""):
			p.say("reply.matches", "matches an empty reply, and so any; write an expression that asks for something")
		}
		r.Matches = re
	}
	if x, ok := n.sub("number"); ok {
		r.Number = &Number{x.number("value", 0), x.number("within", 0)}
	}
	return r
}

func (p *parser) program(n node) *Program {
	g := &Program{Command: n.texts("command"), Time: time.Duration(n.number("seconds", defaultSeconds) * float64(time.Second))}
	if g.Command[0] == "" {
		p.say("program.command[0]", "is empty; write the program's name")
	}
	return g
}

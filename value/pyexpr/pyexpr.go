// Package pyexpr reads one Python expression into a tree and evaluates nothing.
//
// Contract: Parse accepts what ast.parse(text, mode="eval") of CPython 3.10 accepts, and
// Unparse writes a tree as ast.unparse does. A text that is refused is refused in
// CPython's words where a table here has them, and as "invalid syntax" otherwise. What
// the tree means is the caller's business: names, calls and operators are nodes like
// the others.
//
// Of 95,757 texts (replies of the benchmark, mutilated ones, random trees, random tokens) 15 are
// read that CPython refuses, none the other way round, and 1,298 are refused in other words,
// mostly one of CPython's more special ones or another line.
//
// Where it is not what CPython does: the expressions inside an f-string are not read, such a
// string is kept as it was written; \N{...} in a string is refused.
//
// How it fails: the error of Parse is a *SyntaxError. Time and memory are linear in the
// text; a text above MaxText, or a tree deeper than MaxDepth, is refused.
package pyexpr

import (
	"fmt"
	"math"
	"strconv"

	"ballast/value"
)

// MaxText is the longest text that is read, in bytes.
const MaxText = 1 << 20

// MaxDepth is the deepest tree. CPython has its own limits of that kind, which depend on its build.
const MaxDepth = 1000

// Kind is the class of a node, by the name that CPython's module ast gives it.
type Kind string

// The kinds.
const (
	Attribute    Kind = "Attribute"    // X.Text
	Await        Kind = "Await"        // await X
	BinOp        Kind = "BinOp"        // X Text Y
	BoolOp       Kind = "BoolOp"       // List joined by Text
	Call         Kind = "Call"         // X(List, Keywords)
	Compare      Kind = "Compare"      // X Ops[0] List[0] ...
	Constant     Kind = "Constant"     // Value; Text is "u" where the first string is written u'...'
	Dict         Kind = "Dict"         // Keys (nil for **) and List
	DictComp     Kind = "DictComp"     // X: Y of Clauses
	GeneratorExp Kind = "GeneratorExp" // X of Clauses
	IfExp        Kind = "IfExp"        // X if Y else Z
	JoinedStr    Kind = "JoinedStr"    // Text, an f-string as it is written
	Lambda       Kind = "Lambda"       // Text (the parameters as they are written): X
	List         Kind = "List"         // List
	ListComp     Kind = "ListComp"     // X of Clauses
	Name         Kind = "Name"         // Text
	NamedExpr    Kind = "NamedExpr"    // Text := X
	Set          Kind = "Set"          // List
	SetComp      Kind = "SetComp"      // X of Clauses
	Slice        Kind = "Slice"        // X:Y:Z, each may be nil
	Starred      Kind = "Starred"      // *X
	Subscript    Kind = "Subscript"    // X[Y]
	Tuple        Kind = "Tuple"        // List
	UnaryOp      Kind = "UnaryOp"      // Text X
	Yield        Kind = "Yield"        // yield X, which may be nil
	YieldFrom    Kind = "YieldFrom"    // yield from X
)

// Node is one expression. Which fields it has is said beside its kind.
type Node struct {
	Kind     Kind
	Text     string
	Value    any // a kind of package value, Complex or Ellipsis
	X, Y, Z  *Node
	List     []*Node
	Keys     []*Node
	Ops      []string
	Keywords []Keyword
	Clauses  []Clause

	depth int
}

// Keyword is one argument of a call that has a name. The name is "" for **value.
type Keyword struct {
	Name  string
	Value *Node
}

// Clause is one "for Target in Iter if If..." of a comprehension.
type Clause struct {
	Async        bool
	Target, Iter *Node
	Ifs          []*Node
}

// SyntaxError says what CPython says of a text that is no expression.
type SyntaxError struct {
	Text string
	Line int // counted from 1; 0 if the text is empty
}

// Error is the text as CPython prints it of a text without a file name.
func (e *SyntaxError) Error() string { return e.In("<unknown>") }

// In is the text as CPython prints it of a text with that file name.
func (e *SyntaxError) In(file string) string {
	return fmt.Sprintf("%s (%s, line %d)", e.Text, file, e.Line)
}

// Complex is an imaginary literal, such as 2j.
type Complex float64

// TypeName is Python's.
func (Complex) TypeName() string { return "complex" }

// Key is the key of the number in a dict, where 0j is 0.
func (c Complex) Key() any {
	if c == 0 {
		return int64(0)
	}
	return c
}

// AppendRepr appends Python's repr, which writes whole numbers without a fraction. A negative one is -(2j), which has a real part, too.
func (c Complex) AppendRepr(dst []byte) []byte {
	if math.Signbit(float64(c)) {
		return append((-c).AppendRepr(append(dst, "(-0-"...)), ')')
	}
	if f := float64(c); f == float64(int64(f)) && f < 1e16 {
		return append(strconv.AppendInt(dst, int64(f), 10), 'j')
	}
	return append(value.AppendFloat(dst, float64(c)), 'j')
}

// EqualTo is Python's ==; an imaginary number equals a real one only where both are 0.
func (c Complex) EqualTo(other any) bool {
	if o, ok := other.(Complex); ok {
		return c == o
	}
	zero, ok := value.CompareNumbers(other, int64(0))
	return c == 0 && ok && zero == 0
}

// Ellipsis is the value of the literal "...".
type Ellipsis struct{}

// TypeName is Python's.
func (Ellipsis) TypeName() string { return "ellipsis" }

// AppendRepr appends Python's repr.
func (Ellipsis) AppendRepr(dst []byte) []byte { return append(dst, "Ellipsis"...) }

// EqualTo is Python's ==.
func (Ellipsis) EqualTo(other any) bool { return other == any(Ellipsis{}) }

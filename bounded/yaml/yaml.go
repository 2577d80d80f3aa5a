// Package yaml reads YAML of strangers, and writes ours.
//
// Contract: a text is measured before the parser, which recurses and expands, sees
// it: bytes, tokens, nesting of blocks and brackets, nodes after aliases are put in.
// What is past a bound is an error that names the line and wraps
// bounded.ErrTooLarge. A byte order mark of UTF-8 is skipped. Everything else is the
// library's.
package yaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"ballast/bounded"
)

// Bounds on one text.
const (
	MaxBytes  = 256 * bounded.KiB
	maxTokens = 20_000
	maxDepth  = 64
	maxNodes  = 100_000 // with aliases put in
	maxError  = 2_000   // bytes of an error's text; the library's quotes the line
)

// mark is the byte order mark that editors put before UTF-8.
var mark = []byte("\ufeff")

// Unmarshal reads the first document of a text.
func Unmarshal(text []byte, v any) error {
	text = bytes.TrimPrefix(text, mark)
	if err := check(text); err != nil {
		return err
	}
	return short(yaml.Unmarshal(text, v))
}

// Strict reads a text of at most one document; a key that v does not have is an
// error, and so is null, which would leave what v holds as it is. Null stands only
// under the dotted keys that null, if it is not nil, says yes to. ok is false where the
// text says nothing.
func Strict(text []byte, v any, null func(key string) bool) (ok bool, err error) {
	text = bytes.TrimPrefix(text, mark)
	if err := check(text); err != nil {
		return false, err
	}
	if err := checkNulls(text, null); err != nil {
		return false, err
	}
	if silent(text) { // the decoder would make v zero
		return false, nil
	}
	d := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := d.Decode(v); errors.Is(err, io.EOF) {
		return false, errors.New("its first document, before ---, is empty")
	} else if err != nil {
		return false, short(err)
	}
	var more any
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return false, errors.New("there is a second document, after ---; one is read")
	}
	return true, nil
}

// silent says whether a text has nothing but comments and marks of documents.
func silent(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' && string(line) != "---" && string(line) != "..." {
			return false
		}
	}
	return true
}

// Map is a map in an order, MapItem one of its keys with its value.
type (
	Map     = yaml.MapSlice
	MapItem = yaml.MapItem
)

// Marshal writes a value.
func Marshal(v any) ([]byte, error) { return yaml.Marshal(v) }

// Mistyped says whether an error of reading is a value of another kind than what it is read into, and at which line, 0 where
// that is not known.
func Mistyped(err error) (line int, is bool) {
	if !errors.As(err, new(*yaml.TypeError)) && !errors.As(err, new(*yaml.UnexpectedNodeTypeError)) {
		return 0, false
	}
	if e := yaml.Error(nil); errors.As(err, &e) && e.GetToken() != nil && e.GetToken().Position != nil {
		line = e.GetToken().Position.Line
	}
	return line, true
}

// Unknown says whether an error of reading is a key that the value does not have, which key, and at which line.
func Unknown(err error) (key string, line int, is bool) {
	var e *yaml.UnknownFieldError
	if !errors.As(err, &e) || e.Token == nil || e.Token.Position == nil {
		return "", 0, false
	}
	return e.Token.Value, e.Token.Position.Line, true
}

// short cuts an error's text.
func short(err error) error {
	if err == nil || len(err.Error()) <= maxError {
		return err
	}
	return cut{err}
}

type cut struct{ error }

func (c cut) Error() string { return strings.ToValidUTF8(c.error.Error()[:maxError], "") + " ..." }
func (c cut) Unwrap() error { return c.error }

// check says whether a text is within the bounds. A text that is no YAML is left to
// the parser.
func check(text []byte) error {
	if len(text) > MaxBytes {
		return fmt.Errorf("%d bytes of YAML: %w: more than %s", len(text), bounded.ErrTooLarge, bounded.Bytes(MaxBytes))
	}
	tokens := lexer.Tokenize(string(text))
	if err := checkDepth(tokens); err != nil {
		return err
	}
	aliases := false
	for _, t := range tokens {
		aliases = aliases || t.Type == token.AliasType
	}
	if !aliases {
		return nil
	}
	f, err := parser.Parse(tokens, 0)
	if err != nil {
		return short(err)
	}
	e := expander{anchors: map[string]int{}}
	for _, d := range f.Docs {
		if _, err := e.size(d.Body); err != nil {
			return err
		}
	}
	return nil
}

// checkDepth bounds the number of tokens and how deep they nest. Brackets are
// counted; blocks nest where a line's first token, or the one after an indicator,
// stands further right than those before it.
func checkDepth(tokens token.Tokens) error {
	if len(tokens) > maxTokens {
		return tooLarge(tokens[maxTokens], "%d tokens, more than %d", len(tokens), maxTokens)
	}
	flow, line, opened := 0, 0, false
	var columns []int
	for _, t := range tokens {
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow = max(flow-1, 0)
		}
		if pos := t.Position; flow == 0 && pos != nil && (pos.Line != line || opened) {
			for len(columns) > 0 && columns[len(columns)-1] >= pos.Column {
				columns = columns[:len(columns)-1]
			}
			columns, line = append(columns, pos.Column), pos.Line
		}
		opened = t.Type == token.SequenceEntryType || t.Type == token.MappingKeyType || t.Type == token.MappingValueType ||
			t.Type == token.TagType || t.Type == token.AnchorType
		if len(columns)+flow > maxDepth {
			return tooLarge(t, "nested more than %d deep", maxDepth)
		}
	}
	return nil
}

func tooLarge(t *token.Token, format string, args ...any) error {
	line := 0
	if t != nil && t.Position != nil {
		line = t.Position.Line
	}
	return fmt.Errorf("line %d: %w: %s", line, bounded.ErrTooLarge, fmt.Sprintf(format, args...))
}

// expander counts the nodes that a tree has once its aliases are put in.
type expander struct {
	anchors map[string]int // their sizes; -1 while they are open
}

// size returns the size of a node.
func (e *expander) size(n ast.Node) (int, error) {
	sum := 1
	var err error
	add := func(child ast.Node) {
		if child != nil && err == nil {
			var k int
			k, err = e.size(child)
			sum += k
		}
	}
	switch n := n.(type) {
	case nil:
		return 0, nil
	case *ast.AliasNode:
		k, known := e.anchors[name(n.Value)]
		if known && k < 0 {
			return 0, fmt.Errorf("line %d: alias *%s is inside of what it stands for", n.GetToken().Position.Line, name(n.Value))
		}
		sum += k
	case *ast.AnchorNode:
		e.anchors[name(n.Name)] = -1
		add(n.Value)
		e.anchors[name(n.Name)] = sum
	case *ast.TagNode:
		add(n.Value)
	case *ast.MappingNode:
		for _, v := range n.Values {
			add(v)
		}
	case *ast.MappingValueNode:
		add(n.Key)
		add(n.Value)
	case *ast.MappingKeyNode:
		add(n.Value)
	case *ast.SequenceNode:
		for _, v := range n.Values {
			add(v)
		}
	}
	if err == nil && sum > maxNodes {
		err = tooLarge(n.GetToken(), "aliases make more than %d nodes of it", maxNodes)
	}
	return sum, err
}

func name(n ast.Node) string {
	if n == nil {
		return ""
	}
	return n.GetToken().Value
}

package yaml

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// checkNulls fails at the first null whose dotted key may does not say yes to. A text
// that is no YAML is left to the decoder.
func checkNulls(text []byte, may func(key string) bool) error {
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil
	}
	for _, d := range f.Docs {
		if err := findNull("", d.Body, may); err != nil {
			return err
		}
	}
	return nil
}

func findNull(key string, n ast.Node, may func(key string) bool) error {
	switch n := n.(type) {
	case *ast.NullNode:
		return isNull(key, n.GetToken(), may)
	case *ast.TagNode:
		if n.Start.Value == string(token.NullTag) {
			return isNull(key, n.Start, may)
		}
		return findNull(key, n.Value, may)
	case *ast.AnchorNode:
		return findNull(key, n.Value, may)
	case *ast.MappingNode:
		for _, v := range n.Values {
			if err := findNull(key, v, may); err != nil {
				return err
			}
		}
	case *ast.MappingValueNode:
		in := strings.TrimPrefix(key+"."+name(n.Key), ".")
		if n.Key.IsMergeKey() {
			in = key
		}
		return findNull(in, n.Value, may)
	case *ast.SequenceNode:
		for i, v := range n.Values {
			if err := findNull(fmt.Sprintf("%s[%d]", key, i), v, may); err != nil {
				return err
			}
		}
	}
	return nil
}

func isNull(key string, t *token.Token, may func(key string) bool) error {
	if may != nil && may(key) {
		return nil
	}
	return fmt.Errorf("line %d: %s has no value (null): give it one, or take the key out", t.Position.Line, cmp.Or(key, "the text"))
}

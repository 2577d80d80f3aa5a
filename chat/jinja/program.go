package jinja

import (
	"fmt"
	"math/big"

	lib "github.com/ardanlabs/jinja"

	"ballast/value"
)

// program is a compiled template.
type program struct{ t *lib.Template }

func compile(source string, limits Limits) (*program, error) {
	if len(source) > limits.Source {
		return nil, sourceLimit(limits)
	}
	t, err := lib.Compile(source)
	if err != nil {
		return nil, err
	}
	return &program{t}, nil
}

func sourceLimit(limits Limits) error {
	return &LimitError{"source", fmt.Sprintf("%d bytes", limits.Source)}
}

func (p *program) render(data *value.Dict, limits Limits) (string, error) {
	vars := map[string]lib.Value{"tools": lib.None(), "documents": lib.None(), "add_generation_prompt": lib.NewBool(false)}
	for i := range data.Len() {
		k, v := data.At(i)
		name, ok := k.(string)
		if !ok {
			return "", fmt.Errorf("a variable's name is no text: %s", value.Repr(k))
		}
		x, err := from(v)
		if err != nil {
			return "", fmt.Errorf("variable %s: %w", name, err)
		}
		vars[name] = x
	}
	return p.t.RenderValues(vars)
}

// from converts a value to the library's kinds, in order.
func from(v any) (lib.Value, error) {
	switch v := v.(type) {
	case nil:
		return lib.None(), nil
	case bool:
		return lib.NewBool(v), nil
	case int:
		return lib.NewInt(int64(v)), nil
	case int64:
		return lib.NewInt(v), nil
	case float64:
		return lib.NewFloat(v), nil
	case string:
		return lib.NewString(v), nil
	case *big.Int:
		return lib.Value{}, fmt.Errorf("the integer %s is too large for this package's templates", v.Text(10))
	case *value.List:
		items := make([]lib.Value, len(v.Items))
		for i, x := range v.Items {
			y, err := from(x)
			if err != nil {
				return lib.Value{}, err
			}
			items[i] = y
		}
		return lib.NewList(items), nil
	case *value.Dict:
		d := lib.NewDict()
		for i := range v.Len() {
			k, x := v.At(i)
			name, ok := k.(string)
			if !ok {
				return lib.Value{}, fmt.Errorf("the key %s is no text", value.Repr(k))
			}
			y, err := from(x)
			if err != nil {
				return lib.Value{}, err
			}
			d.AsDict().Set(name, y)
		}
		return d, nil
	}
	return lib.Value{}, fmt.Errorf("templates know no value of type %T", v)
}

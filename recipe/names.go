package recipe

import (
	"encoding/json"
	"strings"

	"ballast/bounded/yaml"
)

// Names are names of a table, in YAML a list, or one alone.
type Names []string

// UnmarshalYAML reads a list, or one name.
func (n *Names) UnmarshalYAML(text []byte) error {
	return n.read(func(v any) error { return yaml.Unmarshal(text, v) })
}

// MarshalYAML writes one name alone, without brackets.
func (n Names) MarshalYAML() (any, error) {
	if len(n) == 1 {
		return n[0], nil
	}
	return []string(n), nil
}

// UnmarshalJSON reads a list, or what a checkpoint of the version before has: names that are
// joined by +, "none", or nothing.
func (n *Names) UnmarshalJSON(text []byte) error {
	if err := n.read(func(v any) error { return json.Unmarshal(text, v) }); err != nil || len(*n) != 1 {
		return err
	}
	switch one := (*n)[0]; one {
	case "", "all":
		*n = nil
	case "none":
		*n = Names{}
	default:
		*n = strings.Split(one, "+")
	}
	return nil
}

func (n *Names) read(decode func(any) error) error {
	var one string
	if decode(&one) == nil {
		*n = Names{one}
		return nil
	}
	list := []string{}
	err := decode(&list)
	*n = list
	return err
}

// String is the names in a row.
func (n Names) String() string { return strings.Join(n, ", ") }

package jinja

import (
	"strings"

	"ballast/value"
)

// What Python's types have. Names that methods lacks are refused, since Jinja finds them
// before an item of that name.
var attributes = map[string]string{
	"str": " capitalize casefold center count encode endswith expandtabs find format format_map index isalnum isalpha isascii " +
		"isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip maketrans " +
		"partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title translate upper zfill ",
	"list":        " append clear copy count extend index insert pop remove reverse sort ",
	"tuple":       " count index ",
	"dict":        " clear copy fromkeys get items keys pop popitem setdefault update values ",
	"int":         " as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag is_integer numerator real to_bytes ",
	"bool":        " as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag is_integer numerator real to_bytes ",
	"float":       " as_integer_ratio conjugate fromhex hex imag is_integer real ",
	"range":       " count index start step stop ",
	"dict_keys":   " isdisjoint mapping ",
	"dict_values": " mapping ",
	"dict_items":  " isdisjoint mapping ",
	"generator":   " close gi_code gi_frame gi_running gi_suspended gi_yieldfrom send throw ",
	"Macro":       " arguments caller catch_kwargs catch_varargs explicit_caller name ",
	"Cycler":      " current items next pos reset ",
	"LoopContext": " changed cycle depth depth0 first index index0 last length nextitem previtem revindex revindex0 ",
	"Markup":      " ",
}

// attribute is what Python's getattr finds.
func (r *run) attribute(of any, name string) (any, bool, error) {
	if strings.HasPrefix(name, "__") {
		return nil, false, unsupported("the attribute '%s'", name)
	}
	if n, ok := of.(*namespace); ok {
		*n.reads++
		v, ok := n.vars.Get(name)
		return v, ok, nil
	}
	kind := value.TypeName(of)
	if _, ok := of.(*markup); ok || kind == "function" {
		return nil, false, unsupported("an attribute of a value of type %s", kind)
	}
	if !strings.Contains(attributes[kind], " "+name+" ") {
		return nil, false, nil
	}
	switch of := of.(type) {
	case string:
		if do := r.tables.strings[name]; do != nil {
			return &function{name, func(r *run, a args) (any, error) { return do(r, of, a) }}, true, nil
		}
	case *value.Dict:
		if do := r.tables.dicts[name]; do != nil {
			return &function{name, func(r *run, a args) (any, error) { return do(r, of, a) }}, true, nil
		}
	case *value.List:
		return r.sequenceMethod(of.Items, kind, name)
	case *value.Tuple:
		return r.sequenceMethod(of.Items, kind, name)
	case *span:
		switch name {
		case "start":
			return int64(of.start), true, nil
		case "stop":
			return int64(of.stop), true, nil
		case "step":
			return int64(of.step), true, nil
		}
	case *loopState:
		v, err := of.attribute(name)
		return v, true, err
	case *macro:
		if name == "name" && of.name != "" {
			return of.name, true, nil
		}
	case *counter:
		v, err := of.attribute(name)
		return v, true, err
	}
	return nil, false, unsupported("the attribute '%s' of a value of type %s", name, kind)
}

func (r *run) sequenceMethod(items []any, kind, name string) (any, bool, error) {
	switch name {
	case "count":
		return &function{name, func(r *run, a args) (any, error) {
			v, err := a.bind(name, "value", "/")
			n := int64(0)
			for i := 0; err == nil && i < len(items); i++ {
				var same bool
				if same, err = r.equal(items[i], v[0]); same {
					n++
				}
			}
			return n, err
		}}, true, nil
	case "index":
		return &function{name, func(r *run, a args) (any, error) {
			v, err := a.bind(name, "value", "/")
			for i := 0; err == nil && i < len(items); i++ {
				var same bool
				if same, err = r.equal(items[i], v[0]); same {
					return int64(i), err
				}
			}
			if err == nil {
				err = failed("a value is not in the list")
			}
			return nil, err
		}}, true, nil
	case "copy":
		return &function{name, func(r *run, a args) (any, error) {
			_, err := a.bind(name)
			return &value.List{Items: items}, err
		}}, true, nil
	}
	return &function{name, func(*run, args) (any, error) {
		return nil, failed("the sandbox allows no %s.%s, which changes the %s", kind, name, kind)
	}}, true, nil
}

type dictMethod func(r *run, d *value.Dict, a args) (any, error)

func dictTable() map[string]dictMethod {
	return map[string]dictMethod{
		"get": func(r *run, d *value.Dict, a args) (any, error) {
			v, err := a.bind("get", "key", "default?", "/")
			if err != nil {
				return nil, err
			}
			if _, ok := v[0].(*undefined); !ok {
				if !value.Hashable(v[0]) {
					return nil, r.unhashable(v[0])
				}
				if x, ok := d.Get(v[0]); ok {
					return x, nil
				}
			}
			if v[1] == (missing{}) {
				return nil, nil
			}
			return v[1], nil
		},
		"items": func(r *run, d *value.Dict, a args) (any, error) {
			_, err := a.bind("items")
			if err == nil {
				err = r.times(d.Len(), 64)
			}
			return &view{"dict_items", pairs(d)}, err
		},
		"keys": func(r *run, d *value.Dict, a args) (any, error) {
			_, err := a.bind("keys")
			if err == nil {
				err = r.times(d.Len(), 16)
			}
			return &view{"dict_keys", d.Keys()}, err
		},
		"values": func(r *run, d *value.Dict, a args) (any, error) {
			_, err := a.bind("values")
			if err == nil {
				err = r.times(d.Len(), 16)
			}
			var out []any
			for i := range d.Len() {
				_, v := d.At(i)
				out = append(out, v)
			}
			return &view{"dict_values", out}, err
		},
		"copy": func(r *run, d *value.Dict, a args) (any, error) {
			_, err := a.bind("copy")
			return d, err // nothing changes a dict
		},
		"update": frozen("update"), "pop": frozen("pop"), "popitem": frozen("popitem"), "clear": frozen("clear"),
		"setdefault": frozen("setdefault"),
	}
}

func frozen(name string) dictMethod {
	return func(*run, *value.Dict, args) (any, error) {
		return nil, failed("the sandbox allows no dict.%s, which changes the dict", name)
	}
}

func pairs(d *value.Dict) []any {
	out := make([]any, d.Len())
	for i := range out {
		k, v := d.At(i)
		out[i] = &value.Tuple{Items: []any{k, v}}
	}
	return out
}

// attribute is loop.name.
func (l *loopState) attribute(name string) (any, error) {
	n := len(l.items)
	switch name {
	case "index":
		return int64(l.at + 1), nil
	case "index0":
		return int64(l.at), nil
	case "revindex":
		return int64(n - l.at), nil
	case "revindex0":
		return int64(n - l.at - 1), nil
	case "first":
		return l.at == 0, nil
	case "last":
		return l.at == n-1, nil
	case "length":
		return int64(n), nil
	case "depth":
		return int64(l.depth + 1), nil
	case "depth0":
		return int64(l.depth), nil
	case "previtem":
		if l.at == 0 {
			return &undefined{"there is no previous item"}, nil
		}
		return l.items[l.at-1], nil
	case "nextitem":
		if l.at == n-1 {
			return &undefined{"there is no next item"}, nil
		}
		return l.items[l.at+1], nil
	case "cycle":
		at := l.at
		return &function{name, func(r *run, a args) (any, error) {
			if len(a.pos) == 0 || len(a.names) > 0 {
				return nil, failed("no items for cycling given")
			}
			return a.pos[at%len(a.pos)], nil
		}}, nil
	}
	return &function{name, func(r *run, a args) (any, error) {
		if len(a.names) > 0 {
			return nil, failed("changed takes no argument with a name")
		}
		if l.last != nil {
			same, err := r.equal(&value.Tuple{Items: *l.last}, &value.Tuple{Items: a.pos})
			if err != nil || same {
				return false, err
			}
		}
		l.last = &a.pos
		return true, nil
	}}, nil
}

func (c *counter) attribute(name string) (any, error) {
	if c.sep != nil {
		return nil, unsupported("the attribute '%s' of a joiner", name)
	}
	switch name {
	case "current":
		return c.items[c.at], nil
	case "next", "reset":
		return &function{name, func(r *run, a args) (any, error) {
			if _, err := a.bind(name); err != nil {
				return nil, err
			}
			if name == "reset" {
				c.at = 0
				return nil, nil
			}
			v := c.items[c.at]
			c.at = (c.at + 1) % len(c.items)
			return v, nil
		}}, nil
	}
	return nil, unsupported("the attribute '%s' of a cycler", name)
}

package jinja

import (
	"slices"
	"strconv"
	"strings"

	"ballast/value"
)

func sequenceFilters() map[string]filter {
	return map[string]filter{
		"length": filterLength, "count": filterLength, "list": filterList, "items": filterItems, "dictsort": filterDictsort,
		"first": filterFirst, "last": filterLast, "reverse": filterReverse, "batch": filterBatch, "sum": filterSum,
		"map": filterMap, "select": selector("select", false, true), "reject": selector("reject", false, false),
		"selectattr": selector("selectattr", true, true), "rejectattr": selector("rejectattr", true, false),
		"sort": filterSort, "unique": filterUnique, "min": extreme("min", "<"), "max": extreme("max", ">"),
	}
}

func filterLength(r *run, v any, a args) (any, error) {
	if _, err := a.bind("length"); err != nil {
		return nil, err
	}
	n, err := length(v)
	return int64(n), err
}

func filterList(r *run, v any, a args) (any, error) {
	if _, err := a.bind("list"); err != nil {
		return nil, err
	}
	items, err := r.iterate(v)
	return &value.List{Items: items}, err
}

func filterItems(r *run, v any, a args) (any, error) {
	if _, err := a.bind("items"); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case *undefined:
		return &generator{}, nil
	case *value.Dict:
		return &generator{items: pairs(v)}, r.times(v.Len(), 64)
	}
	return lazily(nil, failed("the filter items is for mappings, not for a value of type %s", value.TypeName(v)))
}

func filterFirst(r *run, v any, a args) (any, error) {
	if _, err := a.bind("first"); err != nil {
		return nil, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	if g, ok := v.(*generator); ok && len(items) > 0 {
		g.items = items[1:]
	}
	if len(items) == 0 {
		return &undefined{"there is no first item, the sequence is empty"}, nil
	}
	return items[0], nil
}

func filterLast(r *run, v any, a args) (any, error) {
	if _, err := a.bind("last"); err != nil {
		return nil, err
	}
	if _, ok := v.(*generator); ok {
		return nil, failed("a generator has no last item")
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return &undefined{"there is no last item, the sequence is empty"}, nil
	}
	return items[len(items)-1], nil
}

func filterReverse(r *run, v any, a args) (any, error) {
	if _, err := a.bind("reverse"); err != nil {
		return nil, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	items = slices.Clone(items)
	slices.Reverse(items)
	if _, ok := v.(string); ok {
		var b strings.Builder
		for _, c := range items {
			b.WriteString(c.(string))
		}
		return b.String(), r.charge(b.Len())
	}
	return &generator{items: items}, nil
}

func filterBatch(r *run, v any, a args) (any, error) {
	p, err := a.bind("batch", "linecount", "fill_with?")
	if err != nil {
		return nil, err
	}
	n, err := number("batch", p[0], 0)
	if err != nil {
		return nil, err
	}
	if n < 1 {
		return nil, unsupported("batch with less than 1 item")
	}
	items, err := r.iterate(v)
	if err != nil {
		return lazily(nil, err)
	}
	var out []any
	for i := 0; i < len(items); i += n {
		part := slices.Clone(items[i:min(i+n, len(items))])
		if p[1] != nil && p[1] != (missing{}) {
			if err := r.times(n-len(part), 16); err != nil {
				return nil, err
			}
			for len(part) < n {
				part = append(part, p[1])
			}
		}
		out = append(out, &value.List{Items: part})
	}
	return &generator{items: out}, r.times(len(items), 32)
}

func filterSum(r *run, v any, a args) (any, error) {
	p, err := a.bind("sum", "attribute?", "start?")
	if err != nil {
		return nil, err
	}
	items, err := r.attributes(v, p[0])
	if err != nil {
		return nil, err
	}
	total := p[1]
	if total == (missing{}) {
		total = int64(0)
	}
	if _, ok := total.(string); ok {
		return nil, failed("sum does not add texts")
	}
	floats := 0
	for _, x := range items {
		if isFloat(x) {
			floats++
		}
		if floats > 2 { // which newer versions of Python add more exactly than older ones
			return nil, unsupported("a sum of floats")
		}
		if total, err = r.arith("+", total, x); err != nil {
			return nil, err
		}
	}
	return total, nil
}

// attributes are the items of v, or their attributes where one is named.
func (r *run) attributes(v, attribute any) ([]any, error) {
	items, err := r.iterate(v)
	if err != nil || attribute == nil || attribute == (missing{}) {
		return items, err
	}
	out := make([]any, len(items))
	for i, x := range items {
		if out[i], err = r.path(x, attribute, nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// path follows an attribute like "a.0.b". What is undefined on the way becomes otherwise.
func (r *run) path(v, attribute, otherwise any) (any, error) {
	parts := []any{attribute}
	if s, ok := attribute.(string); ok {
		parts = nil
		for _, p := range strings.Split(s, ".") {
			if n, err := strconv.ParseInt(p, 10, 62); err == nil && p[0] != '-' && p[0] != '+' {
				parts = append(parts, n)
			} else {
				parts = append(parts, p)
			}
		}
	}
	for _, p := range parts {
		if err := r.step(); err != nil {
			return nil, err
		}
		var err error
		if v, err = r.item(v, p); err != nil {
			return nil, err
		}
		if _, ok := v.(*undefined); ok && otherwise != nil {
			v = otherwise
		}
	}
	return v, nil
}

// folded is a key for sorting: texts without their case, unless that counts.
func folded(v any, sensitive bool) any {
	if s, ok := v.(string); ok && !sensitive {
		return lower(s)
	}
	return v
}

func flag(v any) (bool, error) {
	if v == (missing{}) {
		return false, nil
	}
	return truth(v)
}

// keyed is an item with what it is sorted by.
type keyed struct{ item, key any }

func (r *run) sorted(list []keyed, reverse bool) ([]any, error) {
	if err := r.times(len(list), 48); err != nil {
		return nil, err
	}
	var err error
	slices.SortStableFunc(list, func(a, b keyed) int {
		if err != nil {
			return 0
		}
		c, nan, wrong := r.three(a.key, b.key, "<")
		if wrong != nil || nan {
			if err = wrong; err == nil {
				err = unsupported("a sorted list with NaN")
			}
		}
		if reverse {
			return -c
		}
		return c
	})
	out := make([]any, len(list))
	for i, k := range list {
		out[i] = k.item
	}
	return out, err
}

func filterDictsort(r *run, v any, a args) (any, error) {
	p, err := a.bind("dictsort", "case_sensitive?", "by?", "reverse?")
	if err != nil {
		return nil, err
	}
	sensitive, err := flag(p[0])
	if err != nil {
		return nil, err
	}
	reverse, err := flag(p[2])
	if err != nil {
		return nil, err
	}
	at := 0
	switch p[1] {
	case missing{}, "key":
	case "value":
		at = 1
	default:
		return nil, failed("dictsort sorts by key or value")
	}
	d, ok := v.(*value.Dict)
	if !ok {
		if u, ok := v.(*undefined); ok {
			return nil, u.fail()
		}
		return nil, failed("dictsort is for mappings, not for a value of type %s", value.TypeName(v))
	}
	if err := r.times(d.Len(), 64); err != nil {
		return nil, err
	}
	var list []keyed
	for _, x := range pairs(d) {
		list = append(list, keyed{x, folded(x.(*value.Tuple).Items[at], sensitive)})
	}
	out, err := r.sorted(list, reverse)
	return &value.List{Items: out}, err
}

// by lists items with their keys: themselves, or the attributes that are named.
func (r *run) by(v, attribute any, sensitive bool) ([]keyed, error) {
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	keys, err := r.attributes(&value.List{Items: items}, attribute)
	if err != nil {
		return nil, err
	}
	out := make([]keyed, len(items))
	for i := range items {
		out[i] = keyed{items[i], folded(keys[i], sensitive)}
	}
	return out, nil
}

func filterSort(r *run, v any, a args) (any, error) {
	p, err := a.bind("sort", "reverse?", "case_sensitive?", "attribute?")
	if err != nil {
		return nil, err
	}
	reverse, err := flag(p[0])
	if err != nil {
		return nil, err
	}
	sensitive, err := flag(p[1])
	if err != nil {
		return nil, err
	}
	items, err := r.by(v, nil, sensitive)
	if err != nil {
		return nil, err
	}
	if p[2] != nil && p[2] != (missing{}) { // one attribute or several
		paths := []any{p[2]}
		if s, ok := p[2].(string); ok {
			paths = list(strings.Split(s, ",")).Items
		}
		for i := range items {
			key := &value.List{}
			for _, path := range paths {
				k, err := r.path(items[i].item, path, nil)
				if err != nil {
					return nil, err
				}
				key.Items = append(key.Items, folded(k, sensitive))
			}
			items[i].key = key
		}
	}
	out, err := r.sorted(items, reverse)
	return &value.List{Items: out}, err
}

func filterUnique(r *run, v any, a args) (any, error) {
	p, err := a.bind("unique", "case_sensitive?", "attribute?")
	if err != nil {
		return nil, err
	}
	sensitive, err := flag(p[0])
	if err != nil {
		return nil, err
	}
	list, err := r.by(v, p[1], sensitive)
	if err != nil {
		return lazily(nil, err)
	}
	seen := value.NewDict()
	var out []any
	for _, k := range list {
		if !value.Hashable(k.key) {
			return lazily(nil, r.unhashable(k.key))
		}
		if _, ok := seen.Get(k.key); !ok {
			seen.Set(k.key, true)
			out = append(out, k.item)
		}
	}
	return &generator{items: out}, r.times(len(list), 64)
}

func extreme(name, op string) filter {
	return func(r *run, v any, a args) (any, error) {
		p, err := a.bind(name, "case_sensitive?", "attribute?")
		if err != nil {
			return nil, err
		}
		sensitive, err := flag(p[0])
		if err != nil {
			return nil, err
		}
		list, err := r.by(v, p[1], sensitive)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return &undefined{"the sequence is empty"}, nil
		}
		best := list[0]
		for _, k := range list[1:] {
			yes, err := r.order(op, k.key, best.key)
			if err != nil {
				return nil, err
			}
			if yes {
				best = k
			}
		}
		return best.item, nil
	}
}

func filterJoin(r *run, v any, a args) (any, error) {
	p, err := a.bind("join", "d?", "attribute?")
	if err != nil {
		return nil, err
	}
	sep := ""
	if p[0] != any(missing{}) {
		if sep, err = r.str(p[0]); err != nil {
			return nil, err
		}
	}
	items, err := r.attributes(v, p[1])
	if err != nil {
		return nil, err
	}
	parts := make([]string, len(items))
	for i, x := range items {
		if parts[i], err = r.str(x); err != nil {
			return nil, err
		}
	}
	return r.joinAll(sep, parts)
}

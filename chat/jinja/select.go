package jinja

// nothing says that select and its like do not even look at v.
func nothing(v any) (bool, error) {
	yes, err := truth(v)
	return !yes, err
}

func filterMap(r *run, v any, a args) (any, error) { return lazily(r.mapped(v, a)) }

func (r *run) mapped(v any, a args) ([]any, error) {
	if no, err := nothing(v); err != nil || no {
		return nil, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(items))
	if err := r.times(len(items), 16); err != nil {
		return nil, err
	}
	if len(a.pos) == 0 {
		p, err := a.bind("map", "attribute", "default?")
		if err != nil {
			return nil, err
		}
		if p[1] == (missing{}) {
			p[1] = nil
		}
		for i, x := range items {
			if out[i], err = r.path(x, p[0], p[1]); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	name, err := text("map", a.pos[0])
	if err != nil {
		return nil, err
	}
	rest := args{a.pos[1:], a.names, a.named}
	for i, x := range items {
		if err := r.step(); err != nil {
			return nil, err
		}
		if out[i], err = r.filter(name, x, rest); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// selector is select and its like: of the items, or of an attribute of each.
func selector(name string, attribute, keep bool) filter {
	return func(r *run, v any, a args) (any, error) { return lazily(r.selected(name, attribute, keep, v, a)) }
}

func (r *run) selected(name string, attribute, keep bool, v any, a args) ([]any, error) {
	if no, err := nothing(v); err != nil || no {
		return nil, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	rest := a.pos
	var path any
	if attribute {
		if len(rest) == 0 {
			return nil, failed("%s lacks its attribute", name)
		}
		path, rest = rest[0], rest[1:]
	}
	check, tests := "", len(rest) > 0
	if tests {
		if check, err = text(name, rest[0]); err != nil {
			return nil, err
		}
		rest = rest[1:]
	}
	var out []any
	for _, x := range items {
		tested := x
		if attribute {
			if tested, err = r.path(x, path, nil); err != nil {
				return nil, err
			}
		}
		var yes bool
		if !tests {
			yes, err = truth(tested)
		} else {
			yes, err = r.check(check, tested, args{rest, a.names, a.named})
		}
		if err != nil {
			return nil, err
		}
		if err := r.step(); err != nil {
			return nil, err
		}
		if yes == keep {
			out = append(out, x)
		}
	}
	return out, r.times(len(items), 16)
}

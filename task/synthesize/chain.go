package synthesize

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ballast"
	"ballast/task/survey"
	"ballast/value"
)

// source is a call whose result may fill a parameter.
type source struct {
	call  *survey.Call
	param *survey.Param
}

// chain asks for a call whose value another call returns first: the user says how to find it.
func (s *scene) chain(ctx context.Context, t ballast.Tool) (*request, error) {
	src, ok := s.source(t)
	if !ok {
		return nil, errEmpty
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	text, err := s.ses.Call(ctx, src.call.Call)
	if err != nil {
		return nil, err
	}
	if s.o.Failed(text) { // the session has moved on
		return nil, errEmpty
	}
	c := survey.Observe(src.call.Filled, text)
	target, say := s.target(src.param, &c)
	if say == nil {
		return nil, errEmpty
	}
	filled, missing := s.filler(t, s.knows(), map[string]any{src.param.Path: target.Value}).Fill(t, s.params[t.Name])
	if missing != "" || slices.ContainsFunc(filled.Args, func(a survey.Arg) bool {
		return a.Param.Path != src.param.Path && fmt.Sprint(a.Value) == fmt.Sprint(target.Value)
	}) {
		return nil, errEmpty
	}
	r := &request{last: filled, gold: []ballast.Call{src.call.Call}, results: []string{text}, finds: say.finds}
	if !target.Joined {
		r.finds = append(r.finds, find{0, target.Path, target.Value})
	}
	r.said = append(r.said, say.said...)
	for _, a := range src.call.Args {
		if named(a) {
			r.said = append(r.said, a.Value)
		}
	}
	if err := s.act(ctx, r, filled); err != nil {
		return nil, err
	}
	first := s.wording(s.tool(src.call.Call.Name), src.call.Args, nil)
	second := s.wording(t, filled.Args, map[string]string{src.param.Path: ""})
	if first == nil || second == nil {
		return nil, errEmpty
	}
	s.question(r, second)
	r.user = chained(s.rng, first, second, say.text, target.Label(), src.param.Label())
	return r, nil
}

// source draws a call of the survey that shows values for a parameter of the tool: the tool first,
// then one of its calls.
func (s *scene) source(t ballast.Tool) (source, bool) {
	by := map[string][]source{}
	var names []string
	for _, p := range leavesOf(s.params[t.Name]) {
		for i := range s.known.Calls {
			c := &s.known.Calls[i]
			if !s.mayCall(c.Filled) || c.Call.Name == t.Name && len(c.Call.Args) > 0 {
				continue
			}
			if !slices.ContainsFunc(c.Result.Facts, func(f survey.Fact) bool { return p.Fit(&f) >= 7 && s.allows(f.Value) }) {
				continue
			}
			if by[c.Call.Name] == nil {
				names = append(names, c.Call.Name)
			}
			by[c.Call.Name] = append(by[c.Call.Name], source{c, p})
		}
	}
	if len(names) == 0 {
		return source{}, false
	}
	list := by[names[s.rng.IntN(len(names))]]
	return list[s.rng.IntN(len(list))], true
}

// mayCall says whether the values of a call may occur.
func (s *scene) mayCall(f survey.Filled) bool {
	return !slices.ContainsFunc(f.Args, func(a survey.Arg) bool { return named(a) && !s.allows(a.Value) })
}

// pointer is how the user says which value of a result is meant.
type pointer struct {
	text  string // the order whose customer is Ann
	said  []any
	finds []find
}

// target draws a value of a result that fits a parameter, and a way to say which it is.
func (s *scene) target(p *survey.Param, c *survey.Call) (target *survey.Fact, say *pointer) {
	facts := c.Result.Facts
	var fit []int
	for i := range facts {
		f := &facts[i]
		if p.Fit(f) >= 7 && s.allows(f.Value) && !says(c.Args, f.Value) {
			fit = append(fit, i)
		}
	}
	s.rng.Shuffle(len(fit), func(i, k int) { fit[i], fit[k] = fit[k], fit[i] })
	for _, i := range fit {
		f := &facts[i]
		if f.List == "" {
			if len(c.Args) == 0 || strings.Contains(f.Path, "[") {
				continue
			}
			return f, &pointer{text: "its " + f.Label()}
		}
		if ways := s.pointers(f, facts); len(ways) > 0 {
			return f, &ways[s.rng.IntN(len(ways))]
		}
	}
	return nil, nil
}

// pointers are the ways to say which item of a list is meant.
func (s *scene) pointers(target *survey.Fact, facts []survey.Fact) (out []pointer) {
	noun := nounOf(target)
	var last int
	for i := range facts {
		if f := &facts[i]; f.List == target.List && f.Joined == target.Joined {
			last = max(last, f.Item)
		}
	}
	for i := range facts {
		f := &facts[i]
		if f.List != target.List || f.Item != target.Item || f.Field == target.Field || f.Key == "" || f.Joined || target.Joined {
			continue
		}
		lowest, highest, alone := compare(f, facts)
		label := f.Label()
		switch v := f.Value.(type) {
		case string:
			if alone && len(v) <= 40 && v != fmt.Sprint(target.Value) && s.allows(v) && sayable(v) {
				out = append(out, pointer{"the " + noun + " whose " + label + " is " + quote(s.rng, v), []any{v}, []find{{0, f.Path, v}}})
			}
		case int64, float64:
			if alone && s.allows(v) && fmt.Sprint(v) != fmt.Sprint(target.Value) && !lowest && !highest {
				out = append(out, pointer{fmt.Sprintf("the %s whose %s is %s", noun, label, number(v)), []any{v}, []find{{0, f.Path, v}}})
			}
			if lowest != highest && !strings.HasSuffix(label, "id") {
				word := map[bool]string{true: "highest", false: "lowest"}[highest]
				out = append(out, pointer{"the " + noun + " with the " + word + " " + label, nil, []find{{0, f.Path, v}}})
			}
		}
	}
	if last > 0 && len(out) == 0 {
		switch target.Item {
		case 0:
			out = append(out, pointer{text: "the first " + noun})
		case last:
			out = append(out, pointer{text: "the last " + noun})
		}
	}
	return out
}

// nounOf is the word for an item of the list that a value is in.
func nounOf(f *survey.Fact) string {
	if n := f.Noun(); n != "" {
		return n
	}
	return "entry"
}

// compare says how a value stands among those of the same field in the other items: whether it is
// the only one, the lowest number of all, the highest.
func compare(f *survey.Fact, facts []survey.Fact) (lowest, highest, alone bool) {
	lowest, highest, alone = true, true, true
	n := 0
	for i := range facts {
		g := &facts[i]
		if g.List != f.List || g.Field != f.Field || g.Item == f.Item || g.Joined {
			continue
		}
		n++
		alone = alone && !value.Equal(f.Value, g.Value)
		c, ok := value.CompareNumbers(f.Value, g.Value)
		lowest, highest = lowest && ok && c < 0, highest && ok && c > 0
	}
	return lowest && n > 1, highest && n > 1, alone && n > 0
}

// tool finds a tool.
func (m *maker) tool(name string) ballast.Tool {
	for _, t := range m.tools {
		if t.Name == name {
			return t
		}
	}
	return ballast.Tool{Name: name}
}

package synthesize

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"ballast"
	"ballast/task/survey"
	"ballast/value"
)

// request is one thing that the user wants.
type request struct {
	user string
	// A request that can be made with a value left out says so in part; ask is the question that the
	// assistant then has, fill what the user answers.
	part, ask, fill string
	gold            []ballast.Call // in order
	results         []string       // of gold
	need            []ballast.Call // of gold, those that no other way replaces
	said            []any          // values that name things, in the text or the arguments
	reply           string         // that answers, "" where the user asks nothing
	answer          any            // in it, nil for none
	state           []shown        // what the calls change
	changes         bool
	finds           []find // what must be there again when gold is played
	last            survey.Filled
}

// shown is a call that shows a change.
type shown struct {
	call          ballast.Call
	before, after string
}

// find is a value that a call of gold must return at a path.
type find struct {
	call  int
	path  string
	value any
}

// scene is a session in which a task is composed.
type scene struct {
	*maker
	rng     *rand.Rand
	split   string
	alone   bool            // the task changes something, and has a session of its own
	ses     ballast.Session // nil until a call is made
	facts   []survey.Fact   // of what this session has shown or was told
	prior   *request        // the one before
	touched bool            // a call was made that may have changed something
}

// begin opens the session where there is none: most attempts end before they need one.
func (s *scene) begin(ctx context.Context) (err error) {
	if s.ses == nil {
		if s.alone {
			s.close() // where sessions share something after all, the other would see it
		}
		if s.ses, err = s.world.Open(ctx, &ballast.Task{}); err != nil {
			return fmt.Errorf("opening a session: %w", err)
		}
	}
	return nil
}

// end closes the session.
func (s *scene) end() {
	if s.ses != nil {
		s.ses.Close()
	}
}

// kind is one way to make a request with a tool at its end.
type kind struct {
	name string
	make func(s *scene, ctx context.Context, t ballast.Tool) (*request, error)
}

// kinds is the table of the ways. make returns errEmpty where there is nothing to ask for.
var kinds = []kind{
	{"direct", (*scene).direct},
	{"chain", (*scene).chain},
	{"follow", (*scene).follow},
}

// allows says whether a value that names something may occur.
func (s *scene) allows(v any) bool { return splitOf(v, s.salt) == s.split }

// filler fills arguments with what is known.
func (s *scene) filler(t ballast.Tool, facts []survey.Fact, pins map[string]any) *survey.Filler {
	return &survey.Filler{Rng: s.rng, Facts: facts, Allows: s.allows, Make: s.writes(t.Name), Optional: 0.25, Pins: pins}
}

// known are the facts of the survey and of this session.
func (s *scene) knows() []survey.Fact {
	return slices.Concat(s.facts, s.known.Facts)
}

// give up says why a call of a tool led to nothing.
func (s *scene) giveUp(tool, reason, first string) error {
	s.report.drop(tool, reason, first, 1)
	return errEmpty
}

// direct asks for one call whose values the user says.
func (s *scene) direct(ctx context.Context, t ballast.Tool) (*request, error) {
	filled, missing := s.filler(t, s.knows(), nil).Fill(t, s.params[t.Name])
	if missing != "" {
		return nil, s.giveUp(t.Name, "no value of the split is known for "+missing, "")
	}
	r := &request{last: filled}
	if err := s.act(ctx, r, filled); err != nil {
		return nil, err
	}
	w := s.wording(t, filled.Args, nil)
	if w == nil {
		return nil, s.giveUp(t.Name, "a value cannot be said in a sentence", value.FormatCall(filled.Call))
	}
	s.question(r, w)
	r.user = w.sentence()
	s.partial(r, t, filled, w)
	return r, nil
}

// follow asks for a call with a value of the request before, which the user does not repeat.
func (s *scene) follow(ctx context.Context, t ballast.Tool) (*request, error) {
	if s.prior == nil {
		return nil, errEmpty
	}
	said := survey.Said(s.prior.last.Call)
	leaves := leavesOf(s.params[t.Name])
	s.rng.Shuffle(len(leaves), func(i, k int) { leaves[i], leaves[k] = leaves[k], leaves[i] })
	for _, p := range leaves {
		for i := range said {
			known := slices.ContainsFunc(s.prior.said, func(v any) bool { return value.Equal(v, said[i].Value) })
			if p.Fit(&said[i]) < 8 || said[i].Joined || !known {
				continue
			}
			filled, missing := s.filler(t, s.knows(), map[string]any{p.Path: said[i].Value}).Fill(t, s.params[t.Name])
			if missing != "" {
				continue
			}
			r := &request{last: filled}
			if err := s.act(ctx, r, filled); err != nil {
				return nil, err
			}
			w := s.wording(t, filled.Args, map[string]string{p.Path: "the same " + said[i].Label()})
			if w == nil {
				return nil, errEmpty
			}
			s.question(r, w)
			r.user = w.sentence()
			return r, nil
		}
	}
	return nil, errEmpty
}

// leavesOf are the parameters that take one value, and the parts of those that must have some.
func leavesOf(params []*survey.Param) (out []*survey.Param) {
	for _, p := range params {
		switch {
		case !p.Required:
		case p.Type == "object":
			out = append(out, leavesOf(p.Fields)...)
		case p.Type == "array":
			out = append(out, leavesOf([]*survey.Param{p.Item})...)
		default:
			out = append(out, p)
		}
	}
	return out
}

// act makes the last call of a request and looks at what came of it.
func (s *scene) act(ctx context.Context, r *request, filled survey.Filled) error {
	name := filled.Call.Name
	writes := s.writes(name)
	var watch []ballast.Call
	var before []string
	var err error
	if err := s.begin(ctx); err != nil {
		return err
	}
	if writes {
		watch = s.known.Watch([]ballast.Call{filled.Call}, s.rng.Uint64())
		if before, err = survey.Look(ctx, s.ses, watch); err != nil {
			return err
		}
	}
	s.touched = s.touched || writes
	text, err := s.ses.Call(ctx, filled.Call)
	if err != nil {
		return err
	}
	shownCall := value.FormatCall(filled.Call)
	if s.o.Failed(text) {
		return s.giveUp(name, "refused", shownCall+": "+text)
	}
	c := survey.Observe(filled, text)
	r.gold, r.results = append(r.gold, filled.Call), append(r.results, text)
	r.need = append(r.need, filled.Call)
	for _, a := range filled.Args {
		if named(a) {
			r.said = append(r.said, a.Value)
		}
	}
	s.facts = append(s.facts, c.Result.Facts...)
	if !writes {
		if !tells(c) {
			return s.giveUp(name, "returned nothing that the user did not say", shownCall+": "+text)
		}
		return nil
	}
	s.facts = append(s.facts, survey.Said(filled.Call)...)
	after, err := survey.Look(ctx, s.ses, watch)
	if err != nil {
		return err
	}
	r.changes = true
	if r.state = s.changed(watch, before, after); len(r.state) == 0 {
		return s.giveUp(name, "changed nothing that a reading tool shows", shownCall+": "+text)
	}
	return nil
}

// maxShown bounds the calls that show a change, and maxState the length of what they return.
const maxShown, maxState = 2, 4000

// changed are the calls whose results differ before and after, the shortest first.
func (s *scene) changed(watch []ballast.Call, before, after []string) (out []shown) {
	for i := range watch {
		usable := !s.o.Failed(after[i]) && len(after[i]) <= maxState && strings.TrimSpace(after[i]) != ""
		if usable && !(survey.Compare{}).Same(before[i], after[i]) {
			out = append(out, shown{watch[i], before[i], after[i]})
		}
	}
	slices.SortStableFunc(out, func(a, b shown) int { return len(a.after) - len(b.after) })
	return out[:min(len(out), maxShown)]
}

// named says whether an argument's value names something, so that it belongs to a split.
func named(a survey.Arg) bool {
	switch a.Origin {
	case survey.Choice, survey.Amount:
		return false
	case survey.Example:
		return !a.Param.Given
	}
	return true
}

// tells says whether a result says something that the call did not.
func tells(c survey.Call) bool {
	text := strings.TrimSpace(c.Result.Text)
	if low := strings.ToLower(text); low == "" || low == "null" || low == "none" || low == "ok" || strings.HasPrefix(low, "no ") {
		return false
	}
	for i := range c.Result.Facts {
		if f := &c.Result.Facts[i]; !f.Joined && !says(c.Args, f.Value) {
			return true
		}
	}
	if c.Result.Value != nil {
		return false // an empty list, or what the call said
	}
	return len(c.Result.Facts) == 0 && !slices.ContainsFunc(c.Args, func(a survey.Arg) bool {
		return strings.Contains(text, fmt.Sprint(a.Value))
	})
}

// says says whether a value is among the arguments of a call.
func says(args []survey.Arg, v any) bool {
	return slices.ContainsFunc(args, func(a survey.Arg) bool { return fmt.Sprint(a.Value) == fmt.Sprint(v) })
}

package study

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"ballast/compare"
	"ballast/compare/table"
)

// Claim is a sentence that the runs can agree or disagree with. One of the
// kinds is set: More and Less, Same and As, Collapses, Holds, Hastens and But, Keeps.
type Claim struct {
	Says  string `yaml:"says"`
	Paper string `yaml:"paper,omitempty"` // the paper's figures
	// More is better than Less on the suite; Same is within Margin of As, which must
	// have more than twice the margin to keep.
	More   string  `yaml:"more,omitempty"`
	Less   string  `yaml:"less,omitempty"`
	Same   string  `yaml:"same,omitempty"`
	As     string  `yaml:"as,omitempty"`
	Margin float64 `yaml:"margin,omitempty"` // 0 = 0.05
	Suite  string  `yaml:"suite,omitempty"`  // "" = id
	At     string  `yaml:"at,omitempty"`     // final (default) or best
	// Collapses: success ends under 20% of its best in at least four of five runs
	// of this row; Holds: in at most one of five.
	Collapses string `yaml:"collapses,omitempty"`
	Holds     string `yaml:"holds,omitempty"`
	// Hastens: the reward is gone earlier in this row than in But, seed by seed.
	Hastens string `yaml:"hastens,omitempty"`
	// But is the same without the cause: a row that must hold where Collapses collapses.
	But string `yaml:"but,omitempty"`
	// Keeps: of the runs of this row whose guard acted, at least four of five end with
	// a reward no lower than at their best healthy checkpoint.
	Keeps string `yaml:"keeps,omitempty"`
}

// The verdicts on a claim.
const (
	agrees     = "agrees"
	disagrees  = "disagrees"
	cannotTell = "cannot tell"
)

func (p *Plan) checkClaims() error {
	for i, c := range p.Claims {
		kinds := 0
		for _, set := range []bool{c.More != "" && c.Less != "", c.Same != "" && c.As != "", c.Collapses != "", c.Holds != "",
			c.Hastens != "" && c.But != "", c.Keeps != ""} {
			if set {
				kinds++
			}
		}
		if kinds != 1 || c.Says == "" {
			return fmt.Errorf("claim %d: wants says, and one of more with less, same with as, collapses, holds, hastens with but, keeps", i+1)
		}
		for _, name := range c.rows() {
			if name != "" && p.row(name) == nil {
				return fmt.Errorf("claim %q: there is no row %s", c.Says, name)
			}
		}
		if c.At != "" && c.At != string(compare.Last) && c.At != string(compare.Top) {
			return fmt.Errorf("claim %q: at: %q is neither final nor best", c.Says, c.At)
		}
		if c.But != "" && c.Collapses == "" && c.Hastens == "" {
			return fmt.Errorf("claim %q: but: goes with collapses and hastens alone", c.Says)
		}
		if points := c.More != "" || c.Same != ""; !points && (c.Suite != "" || c.At != "") || c.Same == "" && c.Margin != 0 {
			return fmt.Errorf("claim %q: suite: and at: go with more and same, margin: with same", c.Says)
		}
		if c.Suite != "" && !slices.ContainsFunc(p.Suites, func(s Suite) bool { return s.Name == c.Suite }) {
			return fmt.Errorf("claim %q: there is no suite %s", c.Says, c.Suite)
		}
	}
	return nil
}

// rows are the names of rows that a claim speaks of, empty ones among them.
func (c *Claim) rows() []string {
	return []string{c.More, c.Less, c.Same, c.As, c.Collapses, c.Holds, c.Hastens, c.But, c.Keeps}
}

// kept is the judgement on a row's guard.
func (c *Claim) kept(groups []compare.Group) (here table.Cell, verdict string) {
	kept, known := 0, 0
	if g := compare.Labelled(groups, c.Keeps); g != nil {
		for _, r := range g.Runs {
			if yes, ok := r.Kept(); ok && r.Ending != compare.Open {
				known++
				if yes {
					kept++
				}
			}
		}
	}
	verdict = cannotTell
	switch most, _ := shares(kept, known); {
	case most:
		verdict = agrees
	case known >= enough:
		verdict = disagrees
	}
	return table.Cell{Text: fmt.Sprintf("%d of %d keep it", kept, known)}, verdict
}

// enough is how many runs it takes to count them.
const enough = 4

// shares says whether at least four of five of the known runs are of a kind, or at most
// one of five.
func shares(n, known int) (most, few bool) {
	return known >= enough && 5*n >= 4*known, known >= enough && 5*n <= known
}

// fallen is the judgement on a row's collapse.
func (c *Claim) fallen(groups []compare.Group) (here table.Cell, verdict string) {
	count := func(name string) (fallen, known int) {
		g := compare.Labelled(groups, name)
		if g == nil {
			return 0, 0
		}
		for _, r := range g.Runs {
			if yes, ok, _ := r.Collapsed(); ok && r.Ending != compare.Open {
				known++
				if yes {
					fallen++
				}
			}
		}
		return fallen, known
	}
	n, known := count(cmp.Or(c.Collapses, c.Holds))
	text := fmt.Sprintf("%d of %d collapse", n, known)
	yes, no := shares(n, known)
	if c.Collapses == "" {
		yes, no = no, yes
	}
	if c.But != "" {
		n, known = count(c.But)
		text += fmt.Sprintf(", without it %d of %d", n, known)
		if most, few := shares(n, known); !few { // it collapses anyhow, or nobody knows
			yes, no = false, no || most
		}
	}
	verdict = cannotTell
	switch {
	case yes:
		verdict = agrees
	case no:
		verdict = disagrees
	}
	return table.Cell{Text: text}, verdict
}

// judge says what the runs say about a claim, as a figure and a verdict. A
// difference is taken seed by seed, and a 95% interval must leave no doubt.
func (c *Claim) judge(groups []compare.Group) (here table.Cell, verdict string) {
	if c.Keeps != "" {
		return c.kept(groups)
	}
	if c.Collapses != "" || c.Holds != "" {
		return c.fallen(groups)
	}
	of, unit := compare.Success(cmp.Or(c.Suite, "id"), compare.Which(cmp.Or(c.At, string(compare.Last)))), table.Share
	if c.Hastens != "" {
		of, unit = func(r *compare.Run) (float64, bool) {
			_, known, at := r.Gone()
			return float64(at), known && r.Ending != compare.Open
		}, table.Whole
	}
	a, b := compare.Labelled(groups, cmp.Or(c.More, c.Same, c.But)), compare.Labelled(groups, cmp.Or(c.Less, c.As, c.Hastens))
	if a == nil || b == nil {
		return table.Cell{Text: "not run"}, cannotTell
	}
	d := compare.Difference(a, b, of)
	lo, hi, margin := d.Mean-d.Half, d.Mean+d.Half, cmp.Or(c.Margin, 0.05)
	verdict = cannotTell
	switch {
	case math.IsNaN(d.Half):
	case c.Same == "" && lo > 0, c.Same != "" && lo >= -margin && hi <= margin && b.Stat(of).Mean > 2*margin:
		verdict = agrees
	case c.Same == "" && hi < 0, c.Same != "" && (lo > margin || hi < -margin):
		verdict = disagrees
	}
	return table.Cell{Stat: &d, Unit: unit}, verdict
}

// claims is the table of the claims.
func (p *Plan) claims(groups []compare.Group) table.Table {
	t := table.Table{Name: "claims", Title: "Claims, side by side", Head: []string{"claim", "paper", "here", "seeds", "verdict"},
		Notes: []string{"Here: mean difference in points, seed by seed, +- half of a 95% t interval; a verdict needs an interval that " +
			"excludes the opposite, and sameness more than twice its margin (5 points) to keep. A row collapses where success ends under 20% " +
			"of its best in at least four of five runs, and holds where it does in at most one of five; fewer than four runs say nothing. " +
			"Hastens: by how many updates the reward is gone earlier, a run that never loses it counted as one that does after its last " +
			"update. A guard keeps the reward where at least four of five runs in which it acted end no lower than at their best healthy " +
			"checkpoint."}}
	if p.Name != "" {
		t.Name += "-" + p.Name
	}
	for i := range p.Claims {
		c := &p.Claims[i]
		here, verdict := c.judge(groups)
		n := table.Cell{Text: "-"}
		if here.Stat != nil {
			n.Text = fmt.Sprint(here.Stat.N)
		}
		t.Rows = append(t.Rows, []table.Cell{{Text: c.Says}, {Text: cmp.Or(c.Paper, "-")}, here, n, {Text: verdict}})
	}
	return t
}

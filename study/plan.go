// Package study runs a plan of many training runs and turns them into tables: rows
// of methods and settings with seeds as replicates, budgets matched in supervised
// tokens, final and best checkpoints on suites of test tasks in and out of
// distribution, and claims with a verdict each.
//
// Contract: the plan is a file that is written before the runs that count; a copy
// stands in the study's folder. Every run is an ordinary run directory, made by the
// ordinary training command. No run sees a test task: evaluations during training
// are on the validation split, and the suites come after.
//
// How it fails: a plan that cannot be honoured is an error that names the row; a
// folder that holds runs of another plan is one too. A run that fails costs its own
// place in the tables.
package study

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"ballast/bounded"
	"ballast/bounded/yaml"
	"ballast/durable"
	"ballast/recipe"
	"ballast/recipe/signal"
	"ballast/sweep"
	"ballast/task"
)

// Plan is a study.
type Plan struct {
	Title string `yaml:"title"`
	Name  string `yaml:"name,omitempty"` // of its table of claims, "claims" or "claims-NAME"
	Seeds int    `yaml:"seeds"`          // 1 to Seeds
	// Like names a plan beside this one: its settings lie under those here, and its
	// suites are those of this plan where it has none of its own.
	Like string `yaml:"like,omitempty"`
	// Settings are those of every run, keys of a recipe, methods included.
	Settings map[string]any `yaml:"settings"`
	Suites   []Suite        `yaml:"suites,omitempty"` // empty = Suites
	Rows     []Row          `yaml:"rows"`
	// Base is the row that differences are taken from.
	Base     string    `yaml:"base,omitempty"`
	Sections []Section `yaml:"sections,omitempty"`
	Claims   []Claim   `yaml:"claims,omitempty"`
	Quick    Quick     `yaml:"quick,omitempty"`
}

// Row is one line of the tables: a method with settings.
type Row struct {
	Name   string   `yaml:"name"`
	Method string   `yaml:"method"`
	Set    []string `yaml:"set,omitempty"`  // key=value
	Vary   []string `yaml:"vary,omitempty"` // key=a,b,c: a row for every combination
	// Match makes this a supervised run with as many demonstrated tokens as the
	// named row's run of the same seed saw.
	Match string `yaml:"match,omitempty"`
	// Probe is the number of test tasks that the final checkpoint is probed with, to
	// see what the format hides; 0 = no probe.
	Probe int `yaml:"probe,omitempty"`

	before string // its name in the version before, of a combination
}

// Section is tables of their own over some rows; a row with Vary stands for all of
// its combinations.
type Section struct {
	Name  string   `yaml:"name"`
	Title string   `yaml:"title,omitempty"`
	Rows  []string `yaml:"rows"`
}

// Quick is the small version of the study.
type Quick struct {
	Seeds int      `yaml:"seeds,omitempty"`
	Rows  []string `yaml:"rows,omitempty"`
	Set   []string `yaml:"set,omitempty"`
}

// Read reads a plan; unknown keys are errors with their line.
func Read(path string) (*Plan, error) {
	p, err := decode(path)
	if err != nil {
		return nil, err
	}
	if p.Like != "" {
		other, err := decode(filepath.Join(filepath.Dir(path), p.Like))
		if err != nil {
			return nil, err
		}
		if other.Like != "" {
			return nil, fmt.Errorf("study: %s: like: %s is like another plan itself", path, p.Like)
		}
		p.Like, p.Settings = "", lay(other.Settings, p.Settings)
		if len(p.Suites) == 0 {
			p.Suites = other.Suites
		}
	}
	if len(p.Suites) == 0 {
		p.Suites = Suites
	}
	if p.Suites, err = expand(p.Suites); err != nil {
		return nil, fmt.Errorf("study: %s: %w", path, err)
	}
	if err := p.expand(); err != nil {
		return nil, fmt.Errorf("study: %s: %w", path, err)
	}
	return p, nil
}

func decode(path string) (*Plan, error) {
	text, err := bounded.ReadFile(path, yaml.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("study: %w; name a plan, such as recipes/study.yaml of ballast's source", err)
	}
	var p Plan
	if ok, err := yaml.Strict(text, &p, signal.Off); err != nil {
		return nil, fmt.Errorf("study: the plan %s: %w", path, err)
	} else if !ok {
		return nil, fmt.Errorf("study: the plan %s is empty", path)
	}
	return &p, nil
}

// lay lays settings over others, map by map.
func lay(under, over map[string]any) map[string]any {
	out := maps.Clone(under)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range over {
		a, ok1 := out[k].(map[string]any)
		b, ok2 := v.(map[string]any)
		if ok1 && ok2 {
			v = lay(a, b)
		}
		out[k] = v
	}
	return out
}

// maxRows bounds the rows of a plan, combinations included.
const maxRows = 1000

// expand makes one row of every combination and checks the names.
func (p *Plan) expand() error {
	if p.Seeds < 1 || p.Seeds > sweep.MaxSeeds || len(p.Rows) == 0 {
		return fmt.Errorf("wants seeds (1 to %d, is %d) and rows", sweep.MaxSeeds, p.Seeds)
	}
	if q := p.Quick.Seeds; q < 0 || q > sweep.MaxSeeds {
		return fmt.Errorf("quick.seeds: must lie between 0 and %d, is %d", sweep.MaxSeeds, q)
	}
	for i, c := range p.Claims {
		if !(c.Margin >= 0 && c.Margin <= 1) {
			return fmt.Errorf("claims[%d].margin: must lie between 0 and 1, is %v", i, c.Margin)
		}
	}
	var rows []Row
	for _, r := range p.Rows {
		points, err := sweep.Grid(r.Vary)
		if err != nil {
			return fmt.Errorf("row %s: vary: %w", r.Name, err)
		}
		for _, point := range points {
			one := r
			one.Vary, one.Set = nil, append(slices.Clone(r.Set), point...)
			if len(point) > 0 {
				one.before = one.Name + "," + point.Before()
				one.Name += "," + point.Name()
			}
			if rows = append(rows, one); len(rows) > maxRows {
				return fmt.Errorf("row %s: it makes more than %d rows", r.Name, maxRows)
			}
		}
		if r.Probe < 0 || r.Probe > task.MaxCount {
			return fmt.Errorf("row %s: probe: must lie between 0 and %d, is %d", r.Name, task.MaxCount, r.Probe)
		}
	}
	p.Rows = rows
	seen := map[string]bool{}
	for _, r := range rows {
		if err := nameable("row", r.Name); err != nil {
			return err
		}
		if seen[r.Name] {
			return fmt.Errorf("two rows are named %s", r.Name)
		}
		seen[r.Name] = true
		switch m := p.row(r.Match); {
		case r.Match == "":
		case m == nil || m.Match != "":
			return fmt.Errorf("row %s: match: there is no row %s that runs by itself", r.Name, r.Match)
		case !recipe.Supervised(r.Method) || p.unit() == nil:
			return fmt.Errorf("row %s: match: wants a method with supervised phases alone, such as sft, and a row of that method without match",
				r.Name)
		}
	}
	if p.Name != "" {
		if err := nameable("name", p.Name); err != nil {
			return err
		}
	}
	for _, s := range p.Sections {
		if s.Name != "" {
			if err := nameable("section", s.Name); err != nil {
				return err
			}
		}
		for _, name := range s.Rows {
			if !slices.ContainsFunc(rows, func(r Row) bool { return belongs(r.Name, name) }) {
				return fmt.Errorf("section %s: there is no row %s", s.Name, name)
			}
		}
	}
	if p.Base != "" && p.row(p.Base) == nil {
		return fmt.Errorf("base: there is no row %s", p.Base)
	}
	return p.checkClaims()
}

// nameable fails where a name cannot be a part of a file's name as it stands.
func nameable(what, name string) error {
	ascii := strings.Map(func(r rune) rune {
		if r >= 0x80 {
			return 'x'
		}
		return r
	}, name)
	given := regexp.MustCompile("%[0-9A-F]{2}").ReplaceAllString(ascii, "x") // of Point.Name
	if name == "" || len(name) > 200 || durable.Name(given) != given {
		return fmt.Errorf("%s %q: the name is one of a folder or a file: use letters, digits, dots, commas, - and _, and begin with no dot "+
			"or dash", what, name)
	}
	return nil
}

// belongs says whether a row is the one of that name or one of its combinations.
func belongs(row, name string) bool { return row == name || strings.HasPrefix(row, name+",") }

func (p *Plan) row(name string) *Row {
	for i := range p.Rows {
		if p.Rows[i].Name == name {
			return &p.Rows[i]
		}
	}
	return nil
}

// unit is the row whose updates say how many tokens a supervised update has.
func (p *Plan) unit() *Row {
	for i := range p.Rows {
		if recipe.Supervised(p.Rows[i].Method) && p.Rows[i].Match == "" {
			return &p.Rows[i]
		}
	}
	return nil
}

// Small keeps the rows and seeds of the quick version, and of sections and claims
// what speaks of those rows.
func (p *Plan) Small() {
	q := p.Quick
	if q.Seeds > 0 {
		p.Seeds = q.Seeds
	}
	if len(q.Rows) > 0 {
		p.Rows = slices.DeleteFunc(p.Rows, func(r Row) bool {
			return !slices.ContainsFunc(q.Rows, func(name string) bool { return belongs(r.Name, name) })
		})
		p.prune()
	}
	p.Set(q.Set)
}

// prune takes out what names rows that are gone.
func (p *Plan) prune() {
	gone := func(name string) bool {
		return name != "" && !slices.ContainsFunc(p.Rows, func(r Row) bool { return belongs(r.Name, name) })
	}
	for i := range p.Sections {
		p.Sections[i].Rows = slices.DeleteFunc(slices.Clone(p.Sections[i].Rows), gone)
	}
	p.Sections = slices.DeleteFunc(p.Sections, func(s Section) bool { return len(s.Rows) == 0 })
	p.Claims = slices.DeleteFunc(p.Claims, func(c Claim) bool {
		return slices.ContainsFunc(c.rows(), gone)
	})
	if gone(p.Base) {
		p.Base = ""
	}
}

// Set adds settings to every row that reads them, and returns those that none reads.
func (p *Plan) Set(pairs []string) (left []string) {
	for _, pair := range pairs {
		read := false
		for i := range p.Rows {
			row := &p.Rows[i]
			if set := append(slices.Clone(row.Set), pair); p.reads(row.Method, set, pair) {
				row.Set, read = set, true
			}
		}
		if !read {
			left = append(left, pair)
		}
	}
	return left
}

// reads says whether a method with these settings reads a pair of them. What cannot be
// resolved counts as read: the row's check says what is wrong.
func (p *Plan) reads(method string, set []string, pair string) bool {
	r, err := recipe.New(method)
	if err != nil {
		return true
	}
	text, err := yaml.Marshal(p.Settings)
	if err != nil || r.Apply("settings", text) != nil {
		return true
	}
	return slices.ContainsFunc(set, func(s string) bool { return r.Set(s) != nil }) ||
		!slices.ContainsFunc(recipe.Keys(pair), func(key string) bool { return r.Unread(key) != "" })
}

// settingsFile holds the settings of every run in a study's folder.
const settingsFile = "settings.yaml"

// file is the name of the plan's copy in the study's folder: plan.yaml, or
// plan-NAME.yaml, so that several plans can share the folder.
func (p *Plan) file() string {
	if p.Name == "" {
		return "plan.yaml"
	}
	return "plan-" + p.Name + ".yaml"
}

// Open makes the study's folder, or checks that what it holds is of the same plan,
// or of others that agree with it: rows and seeds may be added, the others must be
// as they were.
func (p *Plan) Open(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("study: %w", err)
	}
	if err := p.renamed(dir); err != nil {
		return err
	}
	now, err := p.copy()
	if err != nil {
		return fmt.Errorf("study: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("study: %w", err)
	}
	for _, e := range entries {
		if ok, _ := filepath.Match("plan*.yaml", e.Name()); !ok {
			continue
		}
		path := filepath.Join(dir, e.Name())
		var was Plan
		old, err := bounded.ReadFile(path, yaml.MaxBytes)
		if err := errors.Join(err, yaml.Unmarshal(old, &was)); err != nil {
			return fmt.Errorf("study: %s: %w", path, err)
		}
		if what := was.differs(now); what != "" {
			return fmt.Errorf("study: %s holds runs of another plan (%s differ from %s); use another folder, or take its runs away", dir, what,
				filepath.Base(path))
		}
		if filepath.Base(path) != p.file() {
			continue
		}
		for _, r := range was.Rows { // of an earlier, larger version
			if now.row(r.Name) == nil {
				now.Rows = append(now.Rows, r)
			}
		}
		now.Seeds = max(now.Seeds, was.Seeds)
	}
	text, err := yaml.Marshal(now)
	if err != nil {
		return fmt.Errorf("study: %w", err)
	}
	settings, err := yaml.Marshal(p.Settings)
	if err != nil {
		return fmt.Errorf("study: %w", err)
	}
	if err := errors.Join(durable.ReplaceBytes(p.Config(dir), settings),
		durable.ReplaceBytes(filepath.Join(dir, p.file()), text)); err != nil {
		return fmt.Errorf("study: %w", err)
	}
	return nil
}

// renamed fails where a row's runs stand in a folder that the version before this one
// named: that name may be another row's too.
func (p *Plan) renamed(dir string) error {
	for _, r := range p.Rows {
		was := filepath.Join(dir, r.before)
		now := filepath.Join(dir, r.Name)
		if r.before == "" || r.before == r.Name || p.row(r.before) != nil {
			continue
		}
		if _, err := os.Stat(now); err == nil {
			continue
		}
		if _, err := os.Stat(was); err == nil {
			return fmt.Errorf("study: the folder of row %s is named otherwise now: rename %s to %s if its runs are of this row, or take it "+
				"away", r.Name, was, now)
		}
	}
	return nil
}

// copy is the plan as its file gives it back.
func (p *Plan) copy() (*Plan, error) {
	text, err := yaml.Marshal(p)
	if err != nil {
		return nil, err
	}
	var out Plan
	return &out, yaml.Unmarshal(text, &out)
}

// Config is the file of the settings of every run.
func (p *Plan) Config(dir string) string { return filepath.Join(dir, settingsFile) }

// differs names what must not differ and does.
func (p *Plan) differs(o *Plan) string {
	switch {
	case !reflect.DeepEqual(p.Settings, o.Settings):
		return "settings"
	case !reflect.DeepEqual(p.Suites, o.Suites):
		return "suites"
	}
	for _, r := range p.Rows {
		if m := o.row(r.Name); m != nil && !(r.Method == m.Method && r.Match == m.Match && slices.Equal(r.Set, m.Set)) {
			return "rows " + r.Name
		}
	}
	return ""
}

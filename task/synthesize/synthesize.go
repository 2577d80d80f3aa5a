// Package synthesize makes tasks of a live server: it looks at what the server holds, asks for what
// exists, and plays every task before it writes it.
//
// It surveys the server with the tools that only read (package survey) and composes requests of one
// to three calls in one or two turns. The arguments of the calls are values that the server showed,
// that a call before returned, or, for tools that write, that are made up of a list of words. Each
// call is made in a session. A request stays where no call is refused and it returns something that
// the user did not say, or changes something that a reading tool shows. Templates word it.
//
// Contract: all draws come from the seed, so that a server that answers the same gives the same
// tasks. Every value that names something belongs to one split by its hash, whatever the
// seed: no value of a request or an argument of a test task occurs in a training task. The
// gold calls of every task were played in two further fresh sessions, the second after all other
// tasks, and came to the same; what an answer of them does not repeat is not expected. A player who
// calls nothing fails every task. Tools that do not only read are not called unless Options.Writes
// says so; then every change is looked for in another session, and where one shows, no further call
// changes anything (Report.Notes says which).
//
// How it fails: what cannot be made is counted by tool and reason in the Report. Without a tool that
// only reads, and where the machine fails again and again, there is an error.
package synthesize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"

	"ballast"
	"ballast/task/survey"
)

// The splits.
const (
	Train = "train"
	Test  = "test"
)

// Options say which tasks are made.
type Options struct {
	Seed  uint64
	Count int     // tasks, of both splits; 0 = 200
	Tests float64 // share of them that are for tests; 0 = 0.25
	// Reads are tools that only read although the server does not say so.
	Reads []string
	// Given are values that a person says are there (survey.Given), for servers whose reading tools all
	// need one.
	Given []survey.Fact
	// Writes allows calls of tools that do not only read. What they change must not outlive a
	// session.
	Writes bool
	// Categories are the kinds of tasks; nil: base, miss_func and miss_param.
	Categories []string
	// Failed says whether a result is a mistake told in words; nil is survey.Failed.
	Failed func(result string) bool
	// Today, if not zero, is the day whose date makes an answer one that will not stay.
	Today time.Time
	// Name begins the ids of the tasks; "" = server.
	Name string
	// Word, if not nil, words a request in place of the templates, such as with an endpoint: it gets
	// the template's text and returns another. A text that lacks one of the values is not taken.
	Word func(ctx context.Context, text string, calls []ballast.Call) (string, error)
	// Progress, if not nil, hears how far it is after each step: what is done, and how much of how many.
	Progress func(what string, done, of int)
}

// What Options.Progress hears.
const (
	Making  = "made"         // tasks, so far
	Proving = "played again" // tasks, in a fresh session each
)

// Categories are the kinds of tasks: plain ones, ones whose tool is shown only after the user has
// asked, and ones whose request lacks a value at first.
var Categories = []string{"base", "miss_func", "miss_param"}

// plain is the category of tasks in which nothing is missing.
const plain = "base"

// Task is a task and its split.
type Task struct {
	Split string
	ballast.Task
}

// maxBroken is how often in a row the machine may fail.
const maxBroken = 5

// Synthesize makes tasks of a server.
func Synthesize(ctx context.Context, w ballast.World, o Options) ([]Task, *Report, error) {
	o.Count, o.Tests, o.Name = cmp.Or(o.Count, 200), cmp.Or(o.Tests, 0.25), cmp.Or(o.Name, "server")
	if o.Failed == nil {
		o.Failed = survey.Failed
	}
	if len(o.Categories) == 0 {
		o.Categories = Categories
	}
	for _, c := range o.Categories {
		if !slices.Contains(Categories, c) {
			return nil, nil, fmt.Errorf("synthesize: no category %q; there are base, miss_func and miss_param", c)
		}
	}
	if o.Count < 0 || o.Tests < 0 || o.Tests > 1 {
		return nil, nil, fmt.Errorf("synthesize: count is %d and the share of tests %v; want a count of 1 or more and a share of 0 to 1",
			o.Count, o.Tests)
	}
	tools, err := w.Tools(ctx, &ballast.Task{})
	if err != nil {
		return nil, nil, fmt.Errorf("synthesize: tools: %w", err)
	}
	m := &maker{world: w, o: o, tools: tools, params: map[string][]*survey.Param{}, made: map[string]int{}, idle: map[string]int{},
		seen: map[string]bool{}, report: newReport(tools)}
	if err := m.sortTools(); err != nil {
		return nil, m.report, err
	}
	defer m.close()
	if err := m.survey(ctx); err != nil {
		return nil, m.report, err
	}
	m.deal()
	if err := m.fill(ctx); err != nil {
		return nil, m.report, err
	}
	tasks, err := m.again(ctx)
	if err != nil {
		return nil, m.report, err
	}
	m.report.count(m, tasks)
	return tasks, m.report, nil
}

// maker makes tasks of one server.
type maker struct {
	world            ballast.World
	o                Options
	tools            []ballast.Tool
	params           map[string][]*survey.Param
	readers, writers []ballast.Tool
	told             bool // the server says of all readers that they only read
	known            *survey.Survey
	shared           ballast.Session // of tasks that only read; nil until it is needed
	tasks            []*draft
	made             map[string]int  // tasks by tool
	idle             map[string]int  // attempts since the last task, by tool
	seen             map[string]bool // what tasks ask for
	salt             int             // of the hash that splits values
	bare             int             // tasks that name nothing
	broken           int             // failures of the machine in a row
	report           *Report
}

// sortTools says which tools only read and which may be called besides.
func (m *maker) sortTools() error {
	for _, name := range m.o.Reads {
		if !slices.ContainsFunc(m.tools, func(t ballast.Tool) bool { return t.Name == name }) {
			return fmt.Errorf("synthesize: no tool is named %s, which was said to only read; the server has %s", name, nameList(m.tools))
		}
	}
	m.told = true
	for _, t := range m.tools {
		m.params[t.Name] = survey.Params(t)
		if t.ReadOnly || slices.Contains(m.o.Reads, t.Name) {
			m.readers = append(m.readers, t)
			m.told = m.told && t.ReadOnly
		}
	}
	if len(m.readers) == 0 && m.o.Writes { // all may be called, and something has to show what changes
		for _, t := range m.tools {
			if survey.Reading(t.Name) {
				m.readers = append(m.readers, t)
			}
		}
		m.told = false
		m.report.note("no tool says that it only reads; by their names %s do", nameList(m.readers))
	}
	if len(m.readers) == 0 {
		return fmt.Errorf("synthesize: none of the server's tools (%s) says that it only reads (readOnlyHint); name those that do "+
			"(--reads), or allow calls of all (--writes)", nameList(m.tools))
	}
	for _, t := range m.tools {
		if !slices.ContainsFunc(m.readers, func(r ballast.Tool) bool { return r.Name == t.Name }) {
			if m.o.Writes {
				m.writers = append(m.writers, t)
			} else {
				m.report.of(t.Name).Why = "it does not say that it only reads, and calls that write were not allowed"
			}
		}
	}
	return nil
}

// survey looks at what the server holds.
func (m *maker) survey(ctx context.Context) error {
	s, err := m.world.Open(ctx, &ballast.Task{})
	if err != nil {
		return fmt.Errorf("synthesize: opening a session: %w", err)
	}
	defer s.Close()
	if m.known, err = survey.Run(ctx, s, m.readers, m.o.Given, m.o.Seed, m.o.Failed); err != nil {
		return fmt.Errorf("synthesize: looking at what the server holds: %w", err)
	}
	m.report.Survey, m.report.Values = len(m.known.Calls), len(m.known.Facts)
	for name, said := range m.known.Refusal {
		m.report.drop(name, "refused while looking around", said, m.known.Refused[name])
	}
	return nil
}

func (m *maker) close() {
	if m.shared != nil {
		m.shared.Close()
		m.shared = nil
	}
}

// at tells how far it is.
func (m *maker) at(what string, done, of int) {
	if m.o.Progress != nil {
		m.o.Progress(what, done, of)
	}
}

// fill makes tasks until there are enough, or none can be made any more.
func (m *maker) fill(ctx context.Context) error {
	quota := map[string]int{Test: int(float64(m.o.Count)*m.o.Tests + 0.5)}
	quota[Train] = m.o.Count - quota[Test]
	have, dry := map[string]int{}, map[string]int{}
	const most = 150 // attempts without a task
	for attempt := uint64(0); ; attempt++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		split := Train
		open := func(s string) bool { return have[s] < quota[s] && dry[s] < most }
		if open(Test) && (!open(Train) || have[Test]*quota[Train] < have[Train]*quota[Test]) {
			split = Test
		} else if !open(Train) {
			break
		}
		m.at(Making, len(m.tasks), m.o.Count)
		d, err := m.attempt(ctx, split, rand.New(rand.NewPCG(m.o.Seed, attempt)))
		if err != nil {
			if m.broken++; m.broken >= maxBroken || ctx.Err() != nil {
				return fmt.Errorf("synthesize: the server failed %d times in a row: %w", m.broken, err)
			}
			m.report.drop("", "the server failed", err.Error(), 1)
			m.close()
			dry[split]++
			continue
		}
		m.broken = 0
		if d == nil {
			dry[split]++
			continue
		}
		have[split]++
		dry[split] = 0
		m.tasks = append(m.tasks, d)
	}
	for _, s := range []string{Train, Test} {
		if have[s] < quota[s] {
			m.report.note("split %s has %d tasks of %d: nothing new came of %d attempts in a row; the server holds too few values that belong "+
				"to it", s, have[s], quota[s], most)
		}
	}
	return nil
}

// splitOf is the split of a value that names something: three in ten are for tests. It is a hash of
// the value and of a salt.
func splitOf(v any, salt int) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "entity %v", v)
	if salt > 0 {
		fmt.Fprintf(h, " %d", salt)
	}
	if h.Sum64()>>16%10 < 3 {
		return Test
	}
	return Train
}

// deal finds a salt with which both splits have some of the values that fit a parameter. It is 0
// unless the server holds very few.
func (m *maker) deal() {
	var values []any
	seen := map[string]bool{}
	for _, t := range m.tools {
		for _, p := range leavesOf(m.params[t.Name]) {
			for i := range m.known.Facts {
				if f := &m.known.Facts[i]; p.Fit(f) >= 7 && !seen[fmt.Sprint(f.Value)] {
					seen[fmt.Sprint(f.Value)] = true
					values = append(values, f.Value)
				}
			}
		}
	}
	for m.salt = range 100 {
		tests := 0
		for _, v := range values {
			if splitOf(v, m.salt) == Test {
				tests++
			}
		}
		if len(values) < 2 || tests >= max(1, len(values)/6) && tests <= max(1, len(values)/2) {
			break
		}
	}
	if m.salt > 0 {
		m.report.note("the server shows %d values that a call may be about, and the usual hash gives one split nearly none of them: the values "+
			"are dealt with salt %d", len(values), m.salt)
	}
}

// errEmpty marks what did not work out.
var errEmpty = errors.New("nothing to ask for")

func nameList(tools []ballast.Tool) string {
	var b []byte
	for i, t := range tools {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, t.Name...)
	}
	return string(b)
}

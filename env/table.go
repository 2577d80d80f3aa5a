package env

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"ballast"
	"ballast/env/acebench"
	"ballast/env/sim"
)

// Table has the worlds, graders and users that tasks name. The first of each is the one
// of tasks that name none.
type Table struct {
	Worlds  []WorldEntry
	Graders []GraderEntry
	Users   []UserEntry
}

// Builtin is the table of what comes with ballast. A new world, grader or user is one line.
var Builtin = Table{
	Worlds: []WorldEntry{
		{Name: "sim", Doc: "simulated APIs in memory", Instant: true, World: sim.World{}, Prepare: sim.World{}.Prepare,
			Failed: func(t *ballast.Task, answer string) bool { return sim.Failed(t.APIs, answer) }},
		{Name: None, Doc: "nothing runs: a reply closes its turn, whatever it is", Instant: true, World: none{}, Closes: true},
		{Name: acebench.AgentName, Doc: "ACEBench's phone and airline, which read replies as its program does", Instant: true,
			World: acebench.World{}, Listens: true},
	},
	Graders: []GraderEntry{
		{Name: sim.Gold, Doc: "the state and the answers are those of the gold calls, under BFCL's rules", Instant: true, New: sim.NewGold},
		{Name: sim.Sparing, Doc: "the same, and a turn with more calls than it needs fails", Instant: true, New: sim.NewSparing},
		{Name: acebench.Name, Doc: "the last reply is right as ACEBench's program has it", Instant: true, New: acebench.NewGrader,
			Findings: acebench.Findings},
		{Name: acebench.AgentName, Doc: "the states at the end are right as ACEBench's program has it", Instant: true,
			New: acebench.NewAgentGrader, Findings: acebench.AgentFindings},
	},
	Users: []UserEntry{
		{Name: "turns", Doc: "says the texts of the task's turns", Instant: true, New: turns},
		{Name: acebench.RulesName, Doc: "does what the instruction of ACEBench's simulated user says, by rules", Instant: true,
			New: acebench.NewRules},
	},
}

// WorldEntry is a world by name. The sessions of one that is Instant answer from memory:
// their calls run where they are made, and everybody waits. A call in any other runs aside,
// and only its conversation waits.
type WorldEntry struct {
	Name, Doc string
	Instant   bool
	World     ballast.World
	// Prepare, if not nil, loads once what the sessions of a task share, and returns the
	// world of that task alone. That is closed with the task if it is an io.Closer.
	Prepare func(context.Context, *ballast.Task) (ballast.World, error)
	// Room, if not nil, has a place for every session that may be open at a time. Episodes
	// wait for one without a bound of time.
	Room chan struct{}
	// OnlyShown keeps calls of tools from the world that the policy was not shown, or not yet: they are
	// answered as those of a tool that does not exist. The grader's own calls reach the world.
	OnlyShown bool
	// Closes says that no call runs: every reply closes its turn and is graded, also one that a budget cut.
	Closes bool
	// Listens says that its sessions are Listeners: they read the text of every reply, whatever it is, and write
	// the prompt anew for the next one.
	Listens bool
	// Failed, if not nil, tells the answer of a call that failed from others, where only the answer says it and the
	// sessions are no Failer: gold's calls must not fail. No verdict on a policy asks for it.
	Failed func(t *ballast.Task, answer string) bool
	// Limit bounds one call; 0 = Limit. Nothing bounds the calls of an Instant world.
	Limit time.Duration
}

// GraderEntry is a grader by name. New makes one for an episode whose calls run in the
// session, whose state it may read; an error says that the two do not fit, and ends the episode as StopInfra.
type GraderEntry struct {
	Name, Doc string
	Instant   bool
	New       func(context.Context, *ballast.Task, ballast.Session) (ballast.Grader, error)
	Limit     time.Duration // of one verdict; 0 = Limit
	// Findings, if not nil, are what else it has to say of an episode that has ended, in the order in which it is shown. Of a
	// kind with an Of only those that hold need be there, others where they have to be counted too.
	Findings func(*ballast.Task, *ballast.Episode) []ballast.Finding
}

// UserEntry is a user by name. New makes one for an episode.
type UserEntry struct {
	Name, Doc string
	Instant   bool
	New       func(context.Context, *ballast.Task) (ballast.User, error)
	Limit     time.Duration // of one text; 0 = Limit
}

// find returns the entry of that name, the first for "".
func find[T any](what, name string, list []T, of func(T) string) (found T, err error) {
	if len(list) == 0 {
		return found, fmt.Errorf("env: the table has no %ss; env.Builtin has some", what)
	}
	var names []string
	for _, x := range list {
		if name == "" || of(x) == name {
			return x, nil
		}
		names = append(names, of(x))
	}
	return found, fmt.Errorf("env: no %s is named %q; there are %s", what, name, strings.Join(names, ", "))
}

// Instant says whether a task is played where nothing takes time: its world, grader and user are known and
// instant.
func (t *Table) Instant(task *ballast.Task) bool {
	w, g, u, err := t.resolve(task)
	return err == nil && w.Instant && g.Instant && u.Instant
}

// Findings are those of a task's grader.
func (t *Table) Findings(task *ballast.Task, ep *ballast.Episode) []ballast.Finding {
	g, err := find("grader", task.Grader, t.Graders, func(g GraderEntry) string { return g.Name })
	if err != nil || g.Findings == nil {
		return nil
	}
	return g.Findings(task, ep)
}

// Listens says whether a task is played in a world that listens, and is known.
func (t *Table) Listens(task *ballast.Task) bool {
	w, err := find("world", task.World, t.Worlds, func(w WorldEntry) string { return w.Name })
	return err == nil && w.Listens
}

// resolve finds what the task names.
func (t *Table) resolve(task *ballast.Task) (w WorldEntry, g GraderEntry, u UserEntry, err error) {
	if w, err = find("world", task.World, t.Worlds, func(w WorldEntry) string { return w.Name }); err != nil {
		return
	}
	if g, err = find("grader", task.Grader, t.Graders, func(g GraderEntry) string { return g.Name }); err != nil {
		return
	}
	if u, err = find("user", task.User, t.Users, func(u UserEntry) string { return u.Name }); err != nil {
		return
	}
	w.Limit, g.Limit, u.Limit = cmp.Or(w.Limit, Limit), cmp.Or(g.Limit, Limit), cmp.Or(u.Limit, Limit)
	return
}

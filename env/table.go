package env

import (
	"fmt"
	"strings"

	"ballast"
	"ballast/env/sim"
)

// Table has the worlds, graders and users that tasks name. The first of each is the one
// of tasks that name none.
type Table struct {
	Worlds  []World
	Graders []Grader
	Users   []User
}

// Builtin is the table of what comes with ballast. A new world, grader or user is one line.
var Builtin = Table{
	Worlds: []World{
		{"sim", "simulated APIs in memory", true, sim.World{}},
	},
	Graders: []Grader{
		{sim.Gold, "the state and the answers are those of the gold calls, under BFCL's rules", true, sim.Grader},
		{sim.Sparing, "the same, and a turn with more calls than it needs fails", true, sim.Grader},
	},
	Users: []User{
		{"turns", "says the texts of the task's turns", true, turns},
	},
}

// World is a world by name. The sessions of one that is Instant answer from memory: their
// calls run where they are made, and everybody waits. A call in any other runs aside, and
// only its conversation waits.
type World struct {
	Name, Doc string
	Instant   bool
	World     ballast.World
}

// Grader is a grader by name. New makes one for an episode whose calls run in the session;
// an error says that the two do not fit.
type Grader struct {
	Name, Doc string
	Instant   bool
	New       func(*ballast.Task, ballast.Session) (ballast.Grader, error)
}

// User is a user by name. New makes one for an episode.
type User struct {
	Name, Doc string
	Instant   bool
	New       func(*ballast.Task) (ballast.User, error)
}

// find returns the entry of that name, the first for "".
func find[T any](what, name string, list []T, of func(T) string) (found T, err error) {
	var names []string
	for _, x := range list {
		if name == "" || of(x) == name {
			return x, nil
		}
		names = append(names, of(x))
	}
	return found, fmt.Errorf("env: no %s is named %q; there are %s", what, name, strings.Join(names, ", "))
}

// resolve finds what the task names.
func (t *Table) resolve(task *ballast.Task) (w World, g Grader, u User, err error) {
	if w, err = find("world", task.World, t.Worlds, func(w World) string { return w.Name }); err != nil {
		return
	}
	if g, err = find("grader", task.Grader, t.Graders, func(g Grader) string { return g.Name }); err != nil {
		return
	}
	u, err = find("user", task.User, t.Users, func(u User) string { return u.Name })
	return
}

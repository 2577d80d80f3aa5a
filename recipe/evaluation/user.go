package evaluation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ballast"
	"ballast/env"
	ace "ballast/env/acebench"
	"ballast/eval"
	"ballast/provenance"
	"ballast/remote"
	"ballast/safetext"
	"ballast/task/acebench"
)

// User says who speaks as the simulated user of tasks that have one: a model behind an endpoint, lines that were recorded, or,
// where neither is given, rules.
type User struct {
	URL, Model, KeyEnv string // KeyEnv names a variable
	Lines              string // path of a file
}

// Check reports flags that would do nothing or cannot be honoured.
func (u *User) Check() error {
	switch {
	case u.URL != "" && u.Lines != "":
		return errors.New("--user-endpoint and --user-lines: who speaks as the user is one of them; leave the other out")
	case u.URL == "" && (u.Model != "" || u.KeyEnv != ""):
		return errors.New("--user-model and --user-key-env belong to an endpoint: give --user-endpoint too")
	case u.URL != "" && u.Model == "":
		return errors.New("--user-endpoint needs --user-model NAME, as the server names the model; the benchmark's own is gpt-4o")
	case u.KeyEnv != "" && os.Getenv(u.KeyEnv) == "":
		return fmt.Errorf("--user-key-env %s: that variable is not set", u.KeyEnv)
	}
	return nil
}

// name is that of the user in tables.
func (u *User) name() string {
	switch {
	case u.URL != "":
		return ace.EndpointName
	case u.Lines != "":
		return ace.LinesName
	}
	return ace.RulesName
}

// simulated says that a task has a user who is simulated.
func simulated(t *ballast.Task) bool {
	return slices.Contains([]string{ace.RulesName, ace.EndpointName, ace.LinesName}, t.User)
}

// choose names the user in the tasks that have one.
func (u *User) choose(tasks []ballast.Task, set string) error {
	n := 0
	for i := range tasks {
		if t := &tasks[i]; simulated(t) {
			t.User = u.name()
			n++
		}
	}
	if n == 0 && u.name() != ace.RulesName {
		return fmt.Errorf("--user-endpoint, --user-lines: none of the tasks of %s has a simulated user; those of category %s of set %s have", set,
			ace.MultiTurn, acebench.Set)
	}
	return nil
}

// settings adds what an evaluation's folder belongs to.
func (u *User) settings(to map[string]string) (err error) {
	switch {
	case u.URL != "":
		to["user"] = u.Model + " at " + safetext.URL(u.URL)
	case u.Lines != "":
		to["user's lines"+eval.Hash], _, err = provenance.File(u.Lines)
	}
	return err
}

// Simulated says below the table who spoke as the user; "" where no task has one that is simulated.
func (e *Evaluation) Simulated(tasks []ballast.Task) string {
	n := 0
	for i := range tasks {
		if simulated(&tasks[i]) {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	who := "rules, from the item's instruction (--user-endpoint has a model speak)"
	switch {
	case e.User.URL != "":
		who = fmt.Sprintf("%s at %s", safetext.Line(e.User.Model), safetext.URL(e.User.URL))
	case e.User.Lines != "":
		who = "the lines of " + safetext.Line(e.User.Lines)
	}
	return fmt.Sprintf("the simulated user of %d tasks: %s; successes with another user do not compare", n, who)
}

// seat gives the table of worlds the user that tasks name. done gives back what it holds.
func (e *Evaluation) seat(tasks []ballast.Task, notes io.Writer) (done func() error, err error) {
	done = func() error { return nil }
	entry := env.UserEntry{Name: e.User.name(), Limit: 24 * time.Hour} // what bounds a request is the endpoint's; all wait their turn
	switch {
	case e.User.URL != "":
		c, err := e.userClient(notes)
		if err != nil {
			return nil, err
		}
		done = c.Close
		entry.New = func(_ context.Context, t *ballast.Task) (ballast.User, error) { return asked{c, t}, nil }
	case e.User.Lines != "":
		lines, err := acebench.ReadUserLines(e.User.Lines)
		if err != nil {
			return nil, err
		}
		for i := range tasks {
			if _, ok := lines[tasks[i].ID]; !ok && simulated(&tasks[i]) {
				return nil, fmt.Errorf("--user-lines %s: it has no lines for %s", e.User.Lines, tasks[i].ID)
			}
		}
		entry.Instant = true
		entry.New = func(_ context.Context, t *ballast.Task) (ballast.User, error) { return lines[t.ID], nil }
	default:
		return done, nil
	}
	e.Worlds.AddUser(entry)
	return done, nil
}

// userClient is the client of who speaks as the user. Its replies are kept beside the episodes.
func (e *Evaluation) userClient(notes io.Writer) (*remote.Client, error) {
	o := remote.Options{URL: e.User.URL, Model: e.User.Model, Concurrency: e.Endpoint.Concurrency, Retries: e.Endpoint.Retries,
		Timeout: e.Endpoint.Timeout, Halt: e.Endpoint.Halt, Warn: e.Endpoint.Warn, Flags: "--user-endpoint, --user-model, --user-key-env"}
	if o.Retries <= 0 {
		o.Retries = -1
	}
	if e.User.KeyEnv != "" {
		o.Key = os.Getenv(e.User.KeyEnv)
	}
	if e.Out != "" {
		o.Journal = filepath.Join(e.Out, "user.jsonl")
	}
	c, err := remote.NewClient(o)
	if err != nil {
		return nil, fmt.Errorf("--user-endpoint: %w", err)
	}
	if c.Torn() {
		safetext.Say(notes, "ballast: %s: a crash cut its last reply off; it is asked for again\n", o.Journal)
	}
	safetext.Say(notes, "ballast: %s at %s speaks as the user, and gets the instructions of the tasks and what the model says\n", e.User.Model,
		c.Address())
	return c, nil
}

// asked is the user whom a model plays, with the original's prompts and settings.
type asked struct {
	client *remote.Client
	task   *ballast.Task
}

// Next asks for the next line.
func (a asked) Next(ctx context.Context, ep *ballast.Episode) (string, bool, error) {
	text, err := a.client.Say(ctx, fmt.Sprintf("user %s %d", a.task.ID, len(ep.Turns)), ace.UserMessages(a.task, ep), 1000,
		ballast.Sampling{Temperature: 0.001})
	return text, true, err
}

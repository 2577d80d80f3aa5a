package env

import (
	"context"
	"fmt"
	"io"
	"sync"

	"ballast"
)

// Prepared is what the episodes of one task have in common: its world, grader and user,
// what the world loads once for all of them, and the tools. It is safe for concurrent use;
// the task must not be changed while it lives.
type Prepared struct {
	task   *ballast.Task
	owns   *ballast.Task // the task in its own words; task itself where there are no others
	world  WorldEntry
	grader GraderEntry
	user   UserEntry
	// graderIs and userIs name them in errors.
	graderIs, userIs string
	end              context.CancelFunc // of what was prepared
	closed           sync.Once
	instant          bool
	tools            []ballast.Tool
	shown            []ballast.Tool
	places           map[string]place // of the tools, by name
}

// place is where a tool stands among the tools, and the turn that reveals it; -1: it is shown at the start.
type place struct{ index, turn int }

// Prepare makes a task of the builtin table ready.
func Prepare(ctx context.Context, task *ballast.Task) (*Prepared, error) {
	return Builtin.Prepare(ctx, task)
}

// Prepare makes a task ready: it finds its world, grader and user, has the world load what
// its sessions share and asks for the tools. The context is that of the task's whole life.
// Close gives back what was loaded.
func (t *Table) Prepare(ctx context.Context, task *ballast.Task) (p *Prepared, err error) {
	p = &Prepared{task: task, owns: task, tools: task.Tools}
	if task.Words != nil {
		p.owns = task.Words.Own
	}
	ctx, end := context.WithCancel(ctx)
	p.end = end
	defer func() {
		if err != nil {
			end()
			err = fmt.Errorf("task %s: %w", task.ID, err)
		}
	}()
	if p.world, p.grader, p.user, err = t.resolve(p.owns); err != nil {
		return nil, err
	}
	p.graderIs, p.userIs = "grader "+p.grader.Name, "user "+p.user.Name
	p.instant = p.world.Instant && p.grader.Instant && p.user.Instant
	entry := p.world // what is late reads on, and p is given up
	if entry.Prepare != nil {
		load := func(_ context.Context, t *ballast.Task) (ballast.World, error) { return entry.Prepare(ctx, t) }
		p.world.World, err = guard(ctx, entry.Name, entry.Instant, OpenLimit, p.owns, load)
		if err != nil {
			return nil, err
		}
	}
	if p.tools == nil {
		p.tools, err = guard(ctx, entry.Name+": tools", entry.Instant, OpenLimit, p.owns, p.world.World.Tools)
		if err != nil {
			return nil, err
		}
	}
	p.shown, p.places, err = split(p.tools, task.Turns)
	return p, err
}

// Close gives back what the world loaded for the task. No episode of it goes on after that.
func (p *Prepared) Close() (err error) {
	p.closed.Do(func() {
		defer p.end()
		c, ok := p.world.World.(io.Closer)
		if !ok || p.world.Prepare == nil { // the table's own world stays
			return
		}
		err = closing("closing a task", p.world.Instant, c)
	})
	return err
}

// split finds the tools that are shown at the start, and for all the turn from which they are.
func split(tools []ballast.Tool, turns []ballast.TaskTurn) (shown []ballast.Tool, places map[string]place, err error) {
	places = make(map[string]place, len(tools))
	for i, tool := range tools {
		if _, twice := places[tool.Name]; tool.Name == "" || twice {
			return nil, nil, fmt.Errorf("the name %q of a tool is empty or occurs twice", tool.Name)
		}
		places[tool.Name] = place{i, -1}
	}
	for turn, t := range turns {
		for _, name := range t.Reveal {
			at, known := places[name]
			if !known {
				return nil, nil, fmt.Errorf("a turn reveals %s, which is not among the tools", name)
			}
			if at.turn < 0 {
				places[name] = place{at.index, turn}
			}
		}
	}
	for i, tool := range tools {
		if places[tool.Name].turn < 0 {
			shown = append(shown, tools[i])
		}
	}
	return shown, places, nil
}

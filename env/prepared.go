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
	task    *ballast.Task
	world   WorldEntry
	grader  GraderEntry
	user    UserEntry
	end     context.CancelFunc // of what was prepared
	closed  sync.Once
	instant bool
	tools   []ballast.Tool
	shown   []ballast.Tool
	held    map[string]ballast.Tool
}

// Prepare makes a task of the builtin table ready.
func Prepare(ctx context.Context, task *ballast.Task) (*Prepared, error) {
	return Builtin.Prepare(ctx, task)
}

// Prepare makes a task ready: it finds its world, grader and user, has the world load what
// its sessions share and asks for the tools. The context is that of the task's whole life.
// Close gives back what was loaded.
func (t *Table) Prepare(ctx context.Context, task *ballast.Task) (p *Prepared, err error) {
	p = &Prepared{task: task, tools: task.Tools}
	ctx, end := context.WithCancel(ctx)
	p.end = end
	defer func() {
		if err != nil {
			end()
			err = fmt.Errorf("task %s: %w", task.ID, err)
		}
	}()
	if p.world, p.grader, p.user, err = t.resolve(task); err != nil {
		return nil, err
	}
	p.instant = p.world.Instant && p.grader.Instant && p.user.Instant
	entry := p.world // what is late reads on, and p is given up
	if entry.Prepare != nil {
		p.world.World, err = guard(ctx, entry.Name, entry.Instant, OpenLimit, func(context.Context) (ballast.World, error) {
			return entry.Prepare(ctx, task)
		})
		if err != nil {
			return nil, err
		}
	}
	if p.tools == nil {
		w := p.world.World
		p.tools, err = guard(ctx, entry.Name+": tools", entry.Instant, OpenLimit, func(ctx context.Context) ([]ballast.Tool, error) {
			return w.Tools(ctx, task)
		})
		if err != nil {
			return nil, err
		}
	}
	p.shown, p.held, err = split(p.tools, task.Turns)
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
		err = closing("a task", p.world.Instant, c)
	})
	return err
}

// split separates the tools that are shown at the start from those that a later
// turn reveals.
func split(tools []ballast.Tool, turns []ballast.TaskTurn) (shown []ballast.Tool, held map[string]ballast.Tool, err error) {
	held = map[string]ballast.Tool{}
	for _, t := range turns {
		for _, name := range t.Reveal {
			held[name] = ballast.Tool{}
		}
	}
	seen := map[string]bool{}
	for _, tool := range tools {
		if tool.Name == "" || seen[tool.Name] {
			return nil, nil, fmt.Errorf("the name %q of a tool is empty or occurs twice", tool.Name)
		}
		seen[tool.Name] = true
		if _, later := held[tool.Name]; later {
			held[tool.Name] = tool
		} else {
			shown = append(shown, tool)
		}
	}
	for name := range held {
		if !seen[name] {
			return nil, nil, fmt.Errorf("a turn reveals %s, which is not among the tools", name)
		}
	}
	return shown, held, nil
}

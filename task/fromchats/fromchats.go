// Package fromchats makes tasks of dialogues that people have: it replays their calls on a live
// server and keeps the dialogues whose results come back the same.
//
// Contract: a dialogue becomes a task whole, or it is left out, counted and named with its place in
// the file. The gold calls of a turn are the dialogue's, its reply is the last of the turn. A turn
// expects the calls that write and, as checks of the state, what tools that only read show of the
// change; a turn whose calls only read expects these. Each dialogue is played in two fresh sessions,
// and both come to the dialogue's results. Nothing is expected of a reply: its words are one
// person's. Tools that do not only read are not called unless Options.Writes says so.
//
// How it fails: what is wrong with one dialogue is a line of Report.Left. An error is that the
// server fails again and again, or that nothing at all can be read.
package fromchats

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ballast"
	"ballast/chat/tooldoc"
	"ballast/env/expect"
	"ballast/imports"
	"ballast/safetext"
	"ballast/supervise"
	"ballast/task/file"
	"ballast/task/survey"
	"ballast/value"
)

// The reasons for which a dialogue gives no task.
const (
	reasonNoCall  = "it makes no call, so that a player who does nothing would pass"
	reasonUnknown = "a call of a tool that the server does not have"
	reasonFit     = "a call whose arguments the server's tool does not have"
	reasonWrites  = "a call of a tool that does not say that it only reads, and such calls were not allowed"
	reasonFails   = "a call that fails, as it did in the dialogue"
	reasonRefused = "a call that the server refuses"
	reasonDiffers = "a result that comes back different"
	reasonUnequal = "a result that differs between two plays"
	reasonOpen    = "a turn without a closing reply"
	reasonTwice   = "a dialogue that an earlier one repeats"
	reasonBroken  = "the server failed"
	reasonLeak    = "its changes outlive a session: sessions of this server see each other"
)

// Options say how dialogues are replayed.
type Options struct {
	Seed   uint64
	Writes bool     // tools that do not only read may be called; what they change must not outlive a session
	Reads  []string // tools that only read although the server does not say so
	Ignore []string // keys of objects in results that may differ, such as times
	// Failed says whether a result is a mistake told in words; nil is survey.Failed.
	Failed func(result string) bool
	Today  time.Time // the day whose date makes a result one that will not stay; zero: none
}

// Report says what came of a file.
type Report struct {
	Rows, Tasks int
	Left        imports.Ledger // why rows gave no task: those of the reader, then ours
	Passed      map[string]int // what was not taken over, and of how many dialogues
	Unshown     int            // turns that write, and no tool that only reads shows what
}

// maxBroken is how many dialogues in a row the machine may fail at.
const maxBroken = 5

// Convert makes tasks of a file of dialogues. Rows that document no tools have the server's.
func Convert(ctx context.Context, w ballast.World, path string, o Options) ([]ballast.Task, *Report, error) {
	tools, err := w.Tools(ctx, &ballast.Task{})
	if err != nil {
		return nil, nil, fmt.Errorf("chats: tools: %w", err)
	}
	for _, name := range o.Reads {
		if !slices.ContainsFunc(tools, func(t ballast.Tool) bool { return t.Name == name }) {
			return nil, nil, fmt.Errorf("chats: no tool is named %s, which was said to only read", name)
		}
	}
	in, err := imports.ReadWith(path, tools)
	if err != nil {
		return nil, nil, fmt.Errorf("chats: %w", err)
	}
	if o.Failed == nil {
		o.Failed = survey.Failed
	}
	c := &converter{world: w, o: o, tools: tools, told: true, seen: map[string]bool{},
		report: &Report{Rows: in.Rows, Left: in.Left.Clone(), Passed: map[string]int{}}}
	for k, n := range in.Passed {
		c.report.Passed[k] += n
	}
	if err := c.look(ctx); err != nil {
		return nil, c.report, err
	}
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	var out []ballast.Task
	for i, broken := 0, 0; i < len(in.Dialogues); i++ {
		d := &in.Dialogues[i]
		t, err := c.task(ctx, d)
		var f *fault
		switch {
		case errors.As(err, &f):
			c.report.Left.Add(f.reason, imports.Where(d.ID), f.key, f.detail)
			if broken = 0; f.reason == reasonLeak {
				c.o.Writes = false // what was seen of the server is no more
			}
		case err != nil:
			c.report.Left.Add(reasonBroken, imports.Where(d.ID), "", err.Error())
			if broken++; broken >= maxBroken || ctx.Err() != nil {
				return nil, c.report, fmt.Errorf("chats: the server failed at %d dialogues in a row: %w", broken, err)
			}
		default:
			broken = 0
			t.ID = name + "-" + d.ID
			out = append(out, *t)
		}
	}
	c.report.Tasks = len(out)
	return out, c.report, nil
}

// fault is why a dialogue gives no task.
type fault struct{ reason, key, detail string }

func (f *fault) Error() string { return f.key + ": " + f.reason + ": " + f.detail }

// converter makes tasks of dialogues.
type converter struct {
	world  ballast.World
	o      Options
	tools  []ballast.Tool
	known  *survey.Survey // what reading tools can show
	told   bool           // the server says of all reading tools that they only read
	seen   map[string]bool
	report *Report
}

// look surveys the server, so that changes can be looked for.
func (c *converter) look(ctx context.Context) error {
	var readers []ballast.Tool
	for _, t := range c.tools {
		if c.reads(t.Name) {
			readers = append(readers, t)
			c.told = c.told && t.ReadOnly
		}
	}
	if !c.o.Writes || len(readers) == 0 {
		return nil
	}
	s, err := c.world.Open(ctx, &ballast.Task{})
	if err != nil {
		return fmt.Errorf("chats: opening a session: %w", err)
	}
	defer s.Close()
	if c.known, err = survey.Run(ctx, s, readers, nil, c.o.Seed, c.o.Failed); err != nil {
		return fmt.Errorf("chats: looking at what the server holds: %w", err)
	}
	return nil
}

// reads says whether a tool only reads.
func (c *converter) reads(name string) bool {
	return slices.Contains(c.o.Reads, name) || slices.ContainsFunc(c.tools, func(t ballast.Tool) bool { return t.Name == name && t.ReadOnly })
}

// turn is one turn of a dialogue.
type turn struct {
	user, reply string
	calls       []call
	writes      []ballast.Call // of its calls, those of tools that do not only read
	shown       []shown
}

// call is a call of a dialogue and its result there.
type call struct {
	ballast.Call
	result, at string
}

// shown is a call that shows what a turn changed.
type shown struct {
	call          ballast.Call
	before, after string
	stable        any
}

// task makes a task of a dialogue.
func (c *converter) task(ctx context.Context, d *supervise.Dialogue) (*ballast.Task, error) {
	turns, err := c.turns(d)
	if err != nil {
		return nil, err
	}
	key := told(turns)
	if c.seen[key] {
		return nil, &fault{reasonTwice, "", ""}
	}
	if err := c.replay(ctx, turns, true); err != nil {
		return nil, err
	}
	if err := c.replay(ctx, turns, false); err != nil {
		return nil, err
	}
	c.seen[key] = true
	t := &ballast.Task{World: file.World, Grader: expect.Name}
	for i := range turns {
		x := ballast.TaskTurn{User: turns[i].user, Reply: turns[i].reply, Want: c.want(&turns[i])}
		for _, k := range turns[i].calls {
			x.Gold = append(x.Gold, k.Call)
		}
		t.Turns = append(t.Turns, x)
		if len(turns[i].writes) > 0 && len(turns[i].shown) == 0 {
			c.report.Unshown++
		}
	}
	return t, nil
}

// turns cuts a dialogue into its turns.
func (c *converter) turns(d *supervise.Dialogue) (out []turn, err error) {
	calls := 0
	passed := map[string]bool{}
	for i, m := range d.Messages {
		switch m.Role {
		case supervise.User:
			if len(out) > 0 && out[len(out)-1].reply == "" {
				return nil, &fault{reasonOpen, m.At, "before this message"}
			}
			out = append(out, turn{user: m.Text})
		case supervise.Assistant:
			t := &out[len(out)-1]
			if m.Thought != "" {
				passed["thoughts"] = true
			}
			if len(m.Calls) == 0 {
				t.reply = m.Text
				continue
			}
			if strings.TrimSpace(m.Text) != "" {
				passed["words beside calls"] = true
			}
			if i+1 >= len(d.Messages) || len(d.Messages[i+1].Results) != len(m.Calls) {
				return nil, &fault{reasonOpen, m.At, "its calls have no results"}
			}
			for k, x := range m.Calls {
				named, err := c.named(x, m.At)
				if err != nil {
					return nil, err
				}
				calls++
				t.calls = append(t.calls, call{named, d.Messages[i+1].Results[k], m.At})
				if !c.reads(named.Name) {
					t.writes = append(t.writes, named)
				}
			}
		}
	}
	switch {
	case calls == 0:
		return nil, &fault{reasonNoCall, "", ""}
	case out[len(out)-1].reply == "":
		return nil, &fault{reasonOpen, d.Messages[len(d.Messages)-1].At, "the last turn"}
	}
	if d.System != nil {
		passed["system texts"] = true
	}
	for k := range passed {
		c.report.Passed[k]++
	}
	return out, nil
}

// named is a call with the names of its arguments, of a tool that may be called.
func (c *converter) named(x ballast.Call, at string) (ballast.Call, error) {
	i := slices.IndexFunc(c.tools, func(t ballast.Tool) bool { return t.Name == x.Name })
	if i < 0 {
		return x, &fault{reasonUnknown, at, x.Name}
	}
	named, err := tooldoc.Named(x, c.tools)
	if err != nil {
		return x, &fault{reasonFit, at, err.Error()}
	}
	if !c.o.Writes && !c.reads(x.Name) {
		return x, &fault{reasonWrites, at, x.Name}
	}
	return named, nil
}

// told is what a dialogue asks for and calls.
func told(turns []turn) string {
	var b strings.Builder
	for i := range turns {
		fmt.Fprintf(&b, "%q", turns[i].user)
		for _, k := range turns[i].calls {
			b.WriteString(value.FormatCall(k.Call))
		}
	}
	return b.String()
}

// brief bounds what a fault quotes.
func brief(text string) string { return safetext.Brief(text, 100) }

package worlds

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ballast"
	"ballast/env/expect"
	"ballast/safetext"
	"ballast/task/file"
)

const (
	// mostApart bounds the tasks that are played to see whether episodes see each other.
	mostApart = 4
	// apartBegin bounds when the last of them is begun, and apartLimit when it ends: a process of Python or Node
	// takes seconds to start on a busy machine, and each task takes two.
	apartBegin = 15 * time.Second
	apartLimit = 2 * time.Minute
)

// whatToDo follows what shows that an episode sees another.
const whatToDo = "Where no clock and no chance answers, an episode sees what another changed: name a call that puts the server " +
	"back in mcp.reset, with mcp.sessions=1 at an address whose sessions share a state, or what tells episodes apart in mcp.isolate, or " +
	"let each episode have a process (a command, without mcp.reads). " +
	"Where it is a process already, both use one file or service: give each process a copy of the file " +
	"(docs/own-tools.md, \"A server that keeps its data in a file\")"

// apart plays gold that changes something in two episodes, and notes whether one sees the other. It
// does so once: what is known of the server then holds for all its tasks. The error is that the context has ended.
func (w *Worlds) apart(parent context.Context, tasks []ballast.Task) error {
	var some []ballast.Task
	for i := range tasks {
		if len(some) < mostApart && tasks[i].World == file.World && w.changes(&tasks[i]) {
			some = append(some, tasks[i])
		}
	}
	if len(some) == 0 || !w.compared.CompareAndSwap(false, true) {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(parent, apartLimit, fmt.Errorf("not within %s", apartLimit))
	defer cancel()
	var played []string
	looked := 0
	begun, warned := time.Now(), false
	for i := range some {
		if i > 0 && time.Since(begun) > apartBegin {
			break
		}
		found, err := w.server.Compare(ctx, some[i:i+1], w.looks)
		switch {
		case parent.Err() != nil:
			return context.Cause(parent)
		case err != nil:
			safetext.Say(w.notes, "ballast: WARNING: whether episodes see each other is not known: %s\n", err)
			return nil
		}
		for _, text := range found {
			safetext.Say(w.notes, "ballast: WARNING: %s. %s\n", text, whatToDo)
			warned = true
		}
		played, looked = append(played, some[i].ID), looked+len(w.looks(&some[i]))
	}
	switch {
	case warned:
	case looked == 0:
		safetext.Say(w.notes, "ballast: gold that changes something was played in two episodes (tasks: %s), and both were answered alike. "+
			"These tasks make no call of a tool that only reads, so whether one sees what the other changed is not known\n",
			strings.Join(played, ", "))
	default:
		safetext.Say(w.notes, "ballast: gold that changes something was played in two episodes (tasks: %s), and none saw the other\n",
			strings.Join(played, ", "))
	}
	return nil
}

// looks are the calls of a task that show a state and change none: those of gold and of what its
// turns expect, of tools that say that they only read.
func (w *Worlds) looks(t *ballast.Task) (out []ballast.Call) {
	add := func(c ballast.Call) {
		if slices.ContainsFunc(w.tools, func(tool ballast.Tool) bool { return tool.Name == c.Name && tool.ReadOnly }) {
			out = append(out, c)
		}
	}
	for _, turn := range t.Turns {
		for _, c := range turn.Gold {
			add(c)
		}
		if want, faults := expect.Parse(turn.Want, turn.Gold); len(faults) == 0 {
			for _, s := range want.State {
				add(s.Call)
			}
		}
	}
	return out
}

// changes says whether gold calls a function that does not say that it only reads.
func (w *Worlds) changes(t *ballast.Task) bool {
	for _, turn := range t.Turns {
		for _, c := range turn.Gold {
			if !slices.ContainsFunc(w.tools, func(tool ballast.Tool) bool { return tool.Name == c.Name && tool.ReadOnly }) {
				return true
			}
		}
	}
	return false
}

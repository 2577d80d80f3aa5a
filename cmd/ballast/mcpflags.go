package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"ballast/recipe"
	"ballast/recipe/worlds"
	"ballast/task"
)

// mcpFlag says what --mcp is.
const mcpFlag = "the MCP server whose tools the tasks of a file call: the command that starts it, or its address (docs/own-tools.md)"

// mcpFlags choose the MCP server of a command that has no recipe of its own.
type mcpFlags struct {
	server string
	set    []string
}

func (f *mcpFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&f.server, "mcp", "", mcpFlag)
	fl.StringArrayVar(&f.set, "set", nil, "one setting of the server or of who grades, such as mcp.seconds=5 or judge.url=... (repeatable)")
}

// open opens the server, if one is named, and what grades. tasks is the set, or the file, that is
// played there; none where tasks are made of what the server has.
func (f *mcpFlags) open(ctx context.Context, tasks string) (*worlds.Worlds, error) {
	r, err := recipe.New(recipe.Baseline)
	if err != nil {
		return nil, err
	}
	r.MCP.Server, r.Tasks.Set = f.server, cmp.Or(tasks, "tasks.jsonl") // the file that they will be in
	if why := r.Unread("mcp.server"); f.server != "" && why != "" {
		return nil, fmt.Errorf("--mcp %s: %s", f.server, why)
	}
	for _, pair := range f.set {
		key, _, _ := strings.Cut(pair, "=")
		switch section, _, _ := strings.Cut(key, "."); {
		case section != "mcp" && section != "judge":
			return nil, fmt.Errorf("--set %s: this command takes mcp.* and judge.*", pair)
		case key == "mcp.server":
			return nil, fmt.Errorf("--set %s: this command has the flag --mcp for that", pair)
		case section == "mcp" && r.Unread(key) != "":
			return nil, fmt.Errorf("--set %s: %s", pair, r.Unread(key))
		case section == "judge" && !task.IsFile(r.Tasks.Set):
			return nil, fmt.Errorf("--set %s: only tasks of a file ask a judge; give it with --tasks", pair)
		}
		if err := r.Set(pair); err != nil {
			return nil, err
		}
	}
	if err := r.Check(); err != nil {
		return nil, err
	}
	r.Tasks.Set = tasks
	return worlds.Open(ctx, &r, stderr)
}

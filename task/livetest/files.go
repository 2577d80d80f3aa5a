package livetest

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"ballast/value"
)

// Files is a file system that answers in text, one entry a line.
func Files() *World {
	w := &World{New: func() func(string, *value.Dict) string {
		d := disk{"/data": "", "/data/letters": "", "/data/letters/ann.txt": "Dear Ann, the boat is ready.",
			"/data/letters/bob.txt": "Dear Bob, bring the rope.",
			"/data/notes.md":        "# Notes\nbuy oars\npaint the hull", "/data/budget.csv": "oars,40\nhull,250", "/data/log": "",
			"/data/log/june.txt": "12 days at sea",
			"/data/log/july.txt": "9 days at sea", "/data/crew.txt": "Ann, Bob and Cleo"}
		return d.answer
	}}
	p := `"path": {"type": "string"}`
	w.List = append(w.List,
		tool("list_allowed_directories", "Returns the list of directories that this server may access.", ``, true),
		tool("list_directory", "Get a listing of all files and directories in a path. Entries are marked [FILE] or [DIR].", p, true, "path"),
		tool("read_text_file", "Read the complete contents of a file as text.", p+`, "head": {"type": "number", "description": "Only the first lines."}`, true, "path"),
		tool("get_file_info", "Retrieve metadata about a file or directory.", p, true, "path"),
		tool("write_file", "Create a new file or overwrite an existing one.", p+`, "content": {"type": "string"}`, false, "path", "content"),
		tool("create_directory", "Create a new directory.", p, false, "path"),
		tool("move_file", "Move or rename files and directories.", `"source": {"type": "string"}, "destination": {"type": "string"}`, false, "source", "destination"))
	return w
}

// disk are the files by path; a folder has no dot in its name.
type disk map[string]string

func folder(p string) bool { return !strings.Contains(path.Base(p), ".") }

func (d disk) answer(name string, args *value.Dict) string {
	p := strings.TrimSuffix(text(args, "path"), "/")
	content, there := d[p]
	_, inside := d[path.Dir(p)]
	inside = inside && folder(path.Dir(p))
	switch name {
	case "list_allowed_directories":
		return "Allowed directories:\n/data"
	case "write_file":
		if !inside || folder(p) {
			return "Error: cannot write " + p
		}
		d[p] = text(args, "content")
		return "Successfully wrote to " + p
	case "create_directory":
		if !inside || !folder(p) {
			return "Error: cannot create " + p
		}
		d[p] = ""
		return "Successfully created directory " + p
	case "move_file":
		from, to := text(args, "source"), text(args, "destination")
		body, ok := d[from]
		if _, taken := d[to]; !ok || taken || folder(from) {
			return "Error: cannot move " + from + " to " + to
		}
		delete(d, from)
		d[to] = body
		return "Successfully moved " + from + " to " + to
	}
	switch {
	case !there:
		return "Error: ENOENT: no such file or directory, open '" + p + "'"
	case name == "get_file_info":
		return fmt.Sprintf("size: %d\nisDirectory: %t\npermissions: 644", len(content), folder(p))
	case name == "read_text_file" && !folder(p):
		if n, ok := args.GetString("head"); ok {
			lines := strings.Split(content, "\n")
			k, _ := n.(int64)
			return strings.Join(lines[:min(max(int(k), 0), len(lines))], "\n")
		}
		return content
	case name == "list_directory" && folder(p):
		var lines []string
		for _, q := range slices.Sorted(maps.Keys(d)) {
			if path.Dir(q) != p {
				continue
			}
			mark := "[FILE] "
			if folder(q) {
				mark = "[DIR] "
			}
			lines = append(lines, mark+path.Base(q))
		}
		return strings.Join(lines, "\n")
	}
	return "Error: " + p + " is of another kind"
}

package compare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ballast/compare/table"
	"ballast/durable"
	"ballast/safetext"
)

// Read loads the runs at and below paths and groups them. The settings of a recipe are what
// shown makes of its text, so that those of two versions compare; where that is nil, and
// where it makes nothing of it, they are as they stand.
func Read(paths []string, shown func(text []byte) map[string]any) ([]Group, error) {
	var runs []*Run
	seen := map[string]bool{} // a run that is named twice counts once
	for _, p := range paths {
		dirs, err := Find(p)
		if err != nil {
			return nil, err
		}
		if len(dirs) == 0 {
			return nil, fmt.Errorf("compare: %s holds no run directories; %s", p, wanted)
		}
		for _, dir := range dirs {
			real, err := filepath.EvalSymlinks(dir)
			if err == nil {
				real, err = filepath.Abs(real)
			}
			if err != nil {
				return nil, fmt.Errorf("compare: %w", err)
			}
			if seen[real] {
				continue
			}
			seen[real] = true
			r, err := Load(dir)
			if err != nil {
				return nil, err
			}
			if shown != nil {
				if m := shown(r.Log.Recipe); m != nil {
					r.Recipe = m
				}
			}
			runs = append(runs, r)
		}
	}
	return groups(runs), nil
}

// jsonFile is written first: a folder that has one is a folder of tables.
const jsonFile = "tables.json"

// Writable says whether Write may write into dir: it may be new, or hold what Write
// wrote before, but no other file of a name that it gives.
func Writable(dir string) error { return writable(dir, []string{"tables.txt", "tables.md"}) }

func writable(dir string, names []string) error {
	path := filepath.Join(dir, jsonFile)
	err := durable.Free(path, func(head []byte) bool {
		return bytes.HasPrefix(head, []byte("[\n  {\n")) && bytes.Contains(head, []byte(`"columns": [`)) || string(head) == "null\n"
	})
	if err == nil {
		if _, err := os.Lstat(path); err == nil {
			return nil // all is of Write
		}
	}
	for _, name := range names {
		if err == nil {
			err = durable.Free(filepath.Join(dir, name), func([]byte) bool { return false })
		}
	}
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	return nil
}

// Write writes tables (tables.txt, tables.md, tables.json, and NAME.csv each) and
// figures (NAME.svg) into a folder. A file of such a name in a folder that Write did not
// write into before is an error, before any is written.
func Write(dir string, tables []table.Table, figures []Figure) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	data, err := json.MarshalIndent(tables, "", "  ")
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	names := []string{jsonFile, "tables.txt", "tables.md"}
	texts := []string{string(data) + "\n", table.Text(tables), table.Markdown(tables)}
	add := func(name, text string) { names, texts = append(names, durable.Name(name)), append(texts, text) }
	for i := range tables {
		var b strings.Builder
		if err := tables[i].CSV(&b); err != nil {
			return fmt.Errorf("compare: %w", err)
		}
		add(tables[i].Name+".csv", b.String())
	}
	for _, f := range figures {
		add(f.Name+".svg", f.SVG)
	}
	if err := writable(dir, names); err != nil {
		return err
	}
	for i, name := range names {
		if err := durable.ReplaceBytes(filepath.Join(dir, name), []byte(safetext.Block(texts[i]))); err != nil {
			return fmt.Errorf("compare: %w", err)
		}
	}
	return nil
}

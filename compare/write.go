package compare

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ballast/compare/table"
)

// Read loads the runs at and below paths and groups them.
func Read(paths []string) ([]Group, error) {
	var runs []*Run
	for _, p := range paths {
		dirs, err := Find(p)
		if err != nil {
			return nil, err
		}
		if len(dirs) == 0 {
			return nil, fmt.Errorf("compare: %s holds no run directories; %s", p, wanted)
		}
		for _, dir := range dirs {
			r, err := Load(dir)
			if err != nil {
				return nil, err
			}
			runs = append(runs, r)
		}
	}
	return Groups(runs), nil
}

// Write writes tables (tables.txt, tables.md, tables.json, and NAME.csv each) and
// figures (NAME.svg) into a folder.
func Write(dir string, tables []table.Table, figures []Figure) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	data, err := json.MarshalIndent(tables, "", "  ")
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	files := map[string]string{"tables.txt": table.Text(tables), "tables.md": table.Markdown(tables), "tables.json": string(data) + "\n"}
	for i := range tables {
		var b strings.Builder
		if err := tables[i].CSV(&b); err != nil {
			return fmt.Errorf("compare: %w", err)
		}
		files[tables[i].Name+".csv"] = b.String()
	}
	for _, f := range figures {
		files[f.Name+".svg"] = f.SVG
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			return fmt.Errorf("compare: %w", err)
		}
	}
	return nil
}

package table

import (
	"encoding/json"
	"io"
)

// Formats are what tables can be printed in.
var Formats = []string{"text", "markdown", "csv", "json"}

// Print writes tables in one of the formats.
func Print(w io.Writer, format string, tables []Table) error {
	switch format {
	case "text":
		_, err := io.WriteString(w, Text(tables))
		return err
	case "markdown":
		_, err := io.WriteString(w, Markdown(tables))
		return err
	case "json":
		return json.NewEncoder(w).Encode(tables)
	default: // csv
		for i := range tables {
			if err := tables[i].CSV(w); err != nil {
				return err
			}
		}
		return nil
	}
}

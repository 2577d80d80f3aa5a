package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ballast/compare"
	"ballast/compare/table"
	"ballast/recipe"
)

// compareCommand is `ballast compare`.
func compareCommand() *cobra.Command {
	var format, out, name string
	c := &cobra.Command{
		Use:   "compare RUN...",
		Short: "tables and plots over run directories, with seeds as replicates",
		Long: "Reads the runs at and below the given directories. Runs that differ by their seed only are one row, with a 95% t interval;\n" +
			"seed-1, seed-2, ... in one folder (of a sweep or a study) are one row with the folder's name. With --out, all tables\n" +
			"(text, Markdown, JSON, CSV) and plots (SVG) are written there.",
		Example: "  ballast compare runs/grpo-001 runs/ets-001\n  ballast compare runs/study --format markdown --table methods",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			groups, err := compare.Read(args, recipe.Shown)
			if err != nil {
				return err
			}
			tables := compare.Tables(groups)
			if name != "" {
				i := slices.IndexFunc(tables, func(t table.Table) bool { return t.Name == name })
				if i < 0 {
					return fmt.Errorf("--table %s: there are methods, categories, health, costs", name)
				}
				tables = tables[i : i+1]
			}
			if !slices.Contains(table.Formats, format) {
				return fmt.Errorf("--format %s: want one of %s", format, strings.Join(table.Formats, ", "))
			}
			if out != "" { // before printing, which a reader that goes away ends
				if err := compare.Write(out, tables, compare.Figures(groups)); err != nil {
					return err
				}
			}
			return table.Print(c.OutOrStdout(), format, tables)
		},
	}
	fl := c.Flags()
	fl.StringVar(&format, "format", "text", "text, markdown, csv or json")
	fl.StringVar(&name, "table", "", "only this table: methods, categories, health, costs")
	fl.StringVar(&out, "out", "", "folder to write all tables and plots into")
	return c
}

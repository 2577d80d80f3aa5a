package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"ballast/task/bfcl"
)

func dataCommand() *cobra.Command {
	c := &cobra.Command{Use: "data", Short: "bring benchmark data into the layout that ballast reads"}
	var from, to string
	var asJSON bool
	imp := &cobra.Command{
		Use: "import bfcl --from DIR --to DIR", Short: "copy what is needed out of a checkout of the benchmark",
		Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs), ValidArgs: []string{"bfcl"},
		RunE: func(c *cobra.Command, _ []string) error {
			res, err := bfcl.Import(from, to)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(res)
			}
			fmt.Fprintf(c.OutOrStdout(), "%d files with %d tasks and %d constants of the long context in %s\n", res.Files, res.Tasks,
				res.Constants, to)
			if !res.SameConstants {
				fmt.Fprintln(c.ErrOrStderr(), "ballast: the constants are not those that the simulators were built with; results in long_context "+
					"may differ from that checkout's")
			}
			return nil
		},
	}
	imp.Flags().StringVar(&from, "from", "", "the benchmark's checkout, or its data folder")
	imp.Flags().StringVar(&to, "to", "", "folder to write")
	imp.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	for _, name := range []string{"from", "to"} {
		if err := imp.MarkFlagRequired(name); err != nil {
			panic(err)
		}
	}
	c.AddCommand(imp)
	return c
}

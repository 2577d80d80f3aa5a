package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ballast/safetext"
	"ballast/task/acebench"
	"ballast/task/bfcl"
)

func dataCommand() *cobra.Command {
	c := &cobra.Command{Use: "data", Short: "bring benchmark data into the layout that ballast reads"}
	var from, to string
	var asJSON bool
	imp := &cobra.Command{
		Use: "import {bfcl|acebench} --from DIR --to DIR", Short: "copy what is needed out of a checkout of a benchmark",
		Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs), ValidArgs: []string{"bfcl", "acebench"},
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] == "acebench" {
				return importACEBench(c, from, to, asJSON)
			}
			return importBFCL(c, from, to, asJSON)
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

func importBFCL(c *cobra.Command, from, to string, asJSON bool) error {
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
}

func importACEBench(c *cobra.Command, from, to string, asJSON bool) error {
	res, err := acebench.Import(from, to)
	if err != nil {
		return err
	}
	if len(res.Others) > 0 {
		safetext.Say(c.ErrOrStderr(), "ballast: these categories have another number of items than the benchmark published (1023 in all): %s; "+
			"figures do not compare with the paper's\n", strings.Join(res.Others, ", "))
	}
	if asJSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(res)
	}
	fmt.Fprintf(c.OutOrStdout(), "%d files with %d items in %s\n", res.Files, res.Items, to)
	return nil
}

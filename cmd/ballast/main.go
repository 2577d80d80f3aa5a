// Command ballast trains language models to use tools over many steps, keeps
// the training from collapsing, and explains a collapse when one happens.
//
// Flags and wiring only: every command builds values of the library's packages
// and prints what they return. A command that fails prints one error that says
// what to do and exits with 1.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	root := newRoot()
	if err := root.ExecuteContext(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "ballast:", err)
		os.Exit(1)
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "ballast",
		Short:         "train language models to use tools, without the collapse",
		SilenceUsage:  true,
		SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{
			HiddenDefaultCmd: true,
		},
	}
	root.AddCommand(trainCommand(), sweepCommand(), compareCommand(), studyCommand(), evalCommand(), taskCommand(), modelCommand(), reportCommand(), doctorCommand(), benchCommand(), worldCommand(), dataCommand())
	return root
}

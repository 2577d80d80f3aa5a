// Command ballast trains language models to use tools over many steps, keeps
// the training from collapsing, and explains a collapse when one happens.
//
// Flags and wiring only: every command builds values of the library's packages
// and prints what they return. A command that fails prints one error that says
// what to do and exits with 1; one that a signal ended exits with 128 and the signal's
// number.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ballast/chat/jinja"
	"ballast/confined"
	"ballast/model/kernel"
	"ballast/provenance"
	shapes "ballast/value/shape"
)

func main() {
	jinja.Main()    // first: a child process that renders a chat template goes no further
	confined.Main() // nor does the supervisor of strangers' programs
	root := newRoot()
	err := root.ExecuteContext(context.Background())
	if err == nil {
		err = printed.lost()
	}
	if err != nil {
		complain(err)
		os.Exit(code(err))
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "ballast",
		Short:         "train language models to use tools, without the collapse",
		Long:          "Train language models to use tools, without the collapse.\n\n" + exitCodes,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		// No command below has another.
		PersistentPreRunE: checkFlags,
		CompletionOptions: cobra.CompletionOptions{
			HiddenDefaultCmd: true,
		},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if c.HasSubCommands() {
			return fmt.Errorf("%w; %s", err, below(c))
		}
		var none *pflag.NotExistError
		if !errors.As(err, &none) {
			return err
		}
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := shapes.Near(none.GetSpecifiedName(), names); near != "" {
			return fmt.Errorf("%w; perhaps --%s is meant", err, near)
		}
		return fmt.Errorf("%w; %s --help lists them", err, c.CommandPath())
	})
	root.AddCommand(trainCommand(), sweepCommand(), compareCommand(), studyCommand(), evalCommand(), taskCommand(), modelCommand(),
		reportCommand(), doctorCommand(), benchCommand(), worldCommand(), dataCommand(), serveCommand())
	parents(root)
	root.SetOut(stdout) // of all commands
	root.SetErr(stderr)
	return root
}

// version is what this program is: what runs record of it.
func version() string {
	p := provenance.Here(kernel.SIMD, kernel.Best().Name, "")
	parts := []string{p.Version, p.Go, p.System, "kernels " + p.Kernels}
	if p.Commit != "" {
		parts = slices.Insert(parts, 1, "commit "+p.Commit)
	}
	return strings.Join(parts, ", ")
}

// parents makes a word that no command below a parent has an error; alone, the
// parent prints its help.
func parents(c *cobra.Command) {
	if !c.HasSubCommands() {
		return
	}
	c.DisableFlagsInUseLine = true
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return fmt.Errorf("%s: no command %q; %s", c.CommandPath(), args[0], below(c))
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	for _, sub := range c.Commands() {
		parents(sub)
	}
}

// below lists the commands of a parent.
func below(c *cobra.Command) string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return "there are " + strings.Join(names, ", ")
}

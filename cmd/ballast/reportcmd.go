package main

import (
	"github.com/spf13/cobra"

	"ballast/report"
	"ballast/safetext"
)

func reportCommand() *cobra.Command {
	var plot string
	c := &cobra.Command{
		Use: "report RUN", Short: "write the static page of a run directory, or one of its plots", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if plot != "" {
				return report.Plot(stdout, args[0], plot)
			}
			page, err := report.Write(args[0])
			if err != nil {
				return err
			}
			safetext.Say(stdout, "%s\n", page)
			return nil
		},
	}
	c.Flags().StringVar(&plot, "plot", "", "print one plot as SVG instead, such as reward")
	return c
}

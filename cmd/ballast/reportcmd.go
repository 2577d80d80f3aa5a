package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"ballast/report"
)

func reportCommand() *cobra.Command {
	return &cobra.Command{
		Use: "report RUN", Short: "write the static page of a run directory", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			page, err := report.Write(args[0])
			if err != nil {
				return err
			}
			fmt.Println(page)
			return nil
		},
	}
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"ballast/doctor"
)

func doctorCommand() *cobra.Command {
	var o doctor.Options
	var out string
	c := &cobra.Command{
		Use: "doctor PATH", Short: "say when and how a run broke: ours, verl, verl-tool, TRL, chats, plain text", Args: cobra.ExactArgs(1),
		Long: "doctor examines a run directory of ballast, or a file or folder of rollouts: verl rollout dumps (JSONL),\n" +
			"verl-tool step records (JSON), TRL completions (parquet), OpenAI chats (JSONL), plain text of replies.\n" +
			"It prints a summary and writes diagnosis.json and diagnosis.html.",
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := doctor.Examine(args[0], o)
			if err != nil {
				return err
			}
			fmt.Print(r.Text())
			page, err := r.Write(out)
			if err != nil {
				return err
			}
			fmt.Println(page)
			return nil
		},
	}
	c.Flags().StringVar(&o.Format, "format", "", "tool-call format of the replies; default: the one that most of them are in")
	c.Flags().StringVar(&out, "out", ".", "folder for diagnosis.json and diagnosis.html")
	return c
}

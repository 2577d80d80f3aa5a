package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"ballast/doctor"
	"ballast/safetext"
)

func doctorCommand() *cobra.Command {
	var o doctor.Options
	var p probeFlags
	var out string
	c := &cobra.Command{
		Use: "doctor [PATH]", Short: "say when and how a run broke: ours, verl, verl-tool, TRL, chats, plain text", Args: cobra.MaximumNArgs(1),
		Long: "doctor examines a run directory of ballast, or a file or folder of rollouts: verl rollout dumps (JSONL),\n" +
			"verl-tool step records (JSON), TRL completions (parquet), OpenAI chats (JSONL), plain text of replies.\n" +
			"It prints a summary and writes diagnosis.json and diagnosis.html.\n\n" +
			"With --probe it plays tasks with a checkpoint: in its training format, in another one, and with decoding\n" +
			"constrained to the format. What the others solve and the first does not is capability that the format hides.\n" +
			"The probe of a run's checkpoint is kept in the run's directory and shown on its page; tasks, format and budgets\n" +
			"are those of the run where no flag says otherwise.",
		RunE: func(c *cobra.Command, args []string) error {
			if p.checkpoint == "" && len(args) == 0 {
				return errNothing
			}
			if p.checkpoint != "" {
				if err := p.play(c.Context(), c); err != nil {
					return err
				}
			}
			if len(args) == 0 {
				return nil
			}
			r, err := doctor.Examine(args[0], o)
			if err != nil {
				return err
			}
			page, err := r.Write(out)
			if err != nil {
				return err
			}
			if p.asJSON {
				return r.JSON(c.OutOrStdout())
			}
			fmt.Fprint(stdout, r.Text())
			safetext.Say(stdout, "%s\n", page)
			return nil
		},
	}
	c.Flags().StringVar(&o.Format, "format", "", "tool-call format of the replies; default: the one that most of them are in")
	c.Flags().StringVar(&o.Reward, "reward", "", "key or column that holds the reward in another trainer's files; default: the one that "+
		"is called so")
	c.Flags().StringVar(&out, "out", ".", "folder for diagnosis.json and diagnosis.html")
	p.add(c)
	return c
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"ballast"
	"ballast/bench"
	"ballast/task"
)

// servedTasks are the tasks of `bench serve`: the benchmark's where its data is, else generated.
func servedTasks(data string) ([]ballast.Task, error) {
	if data != "" {
		return task.Load(task.Spec{Name: "bfcl", Data: data})
	}
	return task.Load(task.Spec{Name: "desk", Split: "train", Seed: 1})
}

func benchServeCommand() *cobra.Command {
	var data string
	var asJSON bool
	p := bench.ServePlan{}
	c := &cobra.Command{
		Use: "serve", Short: "requests a second of ballast serve, beside handlers that only echo", Args: cobra.NoArgs,
		Long: `Serves tasks in this process and has a second process send the gold answers over
verl-tool's protocol, on this machine's own address: one action a request, then 64.
Both share the processors. The same requests go to a handler that sends the bytes
back, and to one that reads them as JSON and answers the actions.

Latency is taken at the peak, where every client waits for its answer, and at half of
its rate, where a request that is late counts from when it was due. Then trajectories
are opened and left open; with --vanish clients go away at random moments.`,
		RunE: func(c *cobra.Command, _ []string) error {
			tasks, err := servedTasks(data)
			if err != nil {
				return err
			}
			self, err := exec.LookPath(os.Args[0])
			if err != nil {
				return err
			}
			p.Load = bench.LoadBy(self, "bench", "serve-load", "--data", data)
			res, err := bench.Serve(c.Context(), tasks, p)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(res)
			}
			res.Print(c.OutOrStdout())
			return nil
		},
	}
	fl := c.Flags()
	fl.StringVar(&data, "data", "", "folder of BFCL's data (default: tasks of the set desk)")
	fl.Float64Var(&p.Seconds, "seconds", 5, "of each measurement")
	fl.IntVar(&p.Clients, "clients", 16, "connections of the load")
	fl.IntVar(&p.Sessions, "sessions", 16000, "trajectories that are opened and left open")
	fl.DurationVar(&p.Vanish, "vanish", 10*time.Second, "how long clients come and vanish; 0 = not at all")
	fl.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// serveLoadCommand is the second process of `bench serve`.
func serveLoadCommand() *cobra.Command {
	var data string
	c := &cobra.Command{
		Use: "serve-load", Short: "send the load of bench serve, which is read as JSON", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			text, err := io.ReadAll(io.LimitReader(c.InOrStdin(), 1<<20))
			if err != nil {
				return err
			}
			var l bench.Load
			if err := json.Unmarshal(text, &l); err != nil {
				return fmt.Errorf("standard input is no load: %w", err)
			}
			tasks, err := servedTasks(data)
			if err != nil {
				return err
			}
			res, err := l.Run(c.Context(), tasks)
			if err != nil {
				return err
			}
			return json.NewEncoder(c.OutOrStdout()).Encode(res)
		},
	}
	c.Flags().StringVar(&data, "data", "", "folder of BFCL's data")
	return c
}

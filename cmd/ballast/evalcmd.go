package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"ballast"
	"ballast/eval"
	"ballast/recipe"
	"ballast/task"
)

func evalCommand() *cobra.Command {
	var model, tasks, data, split, transcript string
	var set []string
	var count int
	var asJSON bool
	var temperature float64
	c := &cobra.Command{
		Use:   "eval",
		Short: "play tasks with a model and report success with intervals",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, args []string) error {
			r, err := recipe.New("grpo")
			if err != nil {
				return err
			}
			r.Model, r.Tasks.Set, r.Tasks.Data = model, tasks, data
			for _, pair := range set {
				if err := r.Set(pair); err != nil {
					return err
				}
			}
			return runEval(c, &r, split, count, ballast.Sampling{Temperature: temperature}, transcript, asJSON)
		},
	}
	fl := c.Flags()
	fl.StringVar(&model, "model", "embedded", "embedded, a Hugging Face directory, a checkpoint, or a GGUF file")
	fl.StringVar(&tasks, "tasks", "desk", "task set: desk, bfcl, ...")
	fl.StringVar(&data, "data", "", "folder of the task set's data")
	fl.StringVar(&split, "split", "test", "train or test")
	fl.IntVar(&count, "count", 0, "number of tasks (0 = the set's own number)")
	fl.Float64Var(&temperature, "temperature", 0, "0 is greedy")
	fl.StringArrayVar(&set, "set", nil, "one setting, such as chat.format=pythonic (repeatable)")
	fl.StringVar(&transcript, "transcript", "", "write every episode as readable text to this file")
	fl.BoolVar(&asJSON, "json", false, "print the result as JSON")
	return c
}

func runEval(c *cobra.Command, r *recipe.Recipe, split string, count int, how ballast.Sampling, transcript string, asJSON bool) error {
	m, err := loadModel(r)
	if err != nil {
		return err
	}
	s, err := newStyle(r, m)
	if err != nil {
		return err
	}
	tasks, err := task.Load(task.Spec{Name: r.Tasks.Set, Data: r.Tasks.Data, Split: split,
		Categories: r.Tasks.Categories, Worlds: r.Tasks.Worlds, Level: r.Tasks.Level, Seed: r.Seed, Count: count})
	if err != nil {
		return err
	}
	notice()
	p := newPolicy(m, s)
	start := time.Now()
	res, err := eval.Run(c.Context(), p, r.Rollout(s), tasks, how)
	if err != nil {
		return err
	}
	if transcript != "" {
		if err := writeTranscripts(transcript, tasks, res.Episodes); err != nil {
			return err
		}
	}
	if asJSON {
		return json.NewEncoder(os.Stdout).Encode(res)
	}
	fmt.Printf("%s on %s (%s), %s, %.1f s\n%s", m.Origin, r.Tasks.Set, split, r.Chat.Format, time.Since(start).Seconds(), res.Table())
	return nil
}

// writeTranscripts writes episodes as a person would read them.
func writeTranscripts(path string, tasks []ballast.Task, eps []ballast.Episode) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	for i := range eps {
		ep := &eps[i]
		fmt.Fprintf(f, "=== %s (%s) stop %s reward %g", ep.Task, tasks[i].Category, ep.Stop, ep.Score.Reward)
		if ep.Score.Reason != "" {
			fmt.Fprintf(f, ", fails at turn %d: %s", ep.Score.FailTurn+1, ep.Score.Reason)
		}
		fmt.Fprintln(f)
		for _, t := range ep.Turns {
			fmt.Fprintf(f, "user: %s\n", t.User)
			for _, s := range t.Steps {
				fmt.Fprintf(f, "  model [%s %s]: %s\n", s.Form, s.Reason, s.Text)
				for _, res := range s.Results {
					fmt.Fprintf(f, "    tool: %s\n", res)
				}
			}
			if t.Check.Done && !t.Check.OK() {
				fmt.Fprintf(f, "  turn fails: state %v response %v empty %v %s\n", t.Check.State, t.Check.Response, t.Check.Empty, t.Check.Where)
			}
		}
	}
	return f.Close()
}

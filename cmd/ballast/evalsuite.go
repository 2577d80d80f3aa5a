package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ballast"
	"ballast/eval"
	"ballast/recipe"
	"ballast/recipe/evaluation"
	"ballast/safetext"
)

func suiteDocs() string {
	var b strings.Builder
	for _, s := range evaluation.Suites {
		fmt.Fprintf(&b, "\n  %-9s %s", s.Name, s.Doc)
	}
	return b.String()
}

// formatOf is the format in which tasks were answered: their own, where they bring one.
func formatOf(played *recipe.Recipe, tasks []ballast.Task) string {
	if len(tasks) > 0 && tasks[0].Format != "" {
		return tasks[0].Format
	}
	return played.Chat.Format
}

// onlyParts reports what is in the folder of --out and is no part of the suite: it is a folder of something else.
func onlyParts(out, suite string, parts []evaluation.Part) error {
	if out == "" {
		return nil
	}
	entries, err := os.ReadDir(out)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--out: %w; name a folder", err)
	}
	for _, e := range entries {
		part := slices.ContainsFunc(parts, func(p evaluation.Part) bool { return p.Name == e.Name() })
		if !part && !strings.HasPrefix(e.Name(), ".") {
			return fmt.Errorf("--out %s: it has %s, which is no part of suite %s; give the suite a folder of its own", out, e.Name(), suite)
		}
	}
	return nil
}

// runSuite plays the parts of a suite, each as an evaluation of its own, and compares them.
func (f *evalFlags) runSuite(ctx context.Context, c *cobra.Command) error {
	suite, err := evaluation.SuiteByName(f.suite)
	if err != nil {
		return err
	}
	if f.transcript != "" {
		return errors.New("--transcript is of one evaluation, and a suite has several; with --out each keeps its episodes in a folder of its own")
	}
	if err := suite.Check(&f.Evaluation); err != nil {
		return err
	}
	r, err := suite.Recipe(&f.Evaluation)
	if err != nil {
		return err
	}
	if err := onlyParts(f.Out, suite.Name, suite.Parts(&r)); err != nil {
		return err
	}
	total, broken := suite.Result(&r), error(nil)
	for _, p := range suite.Parts(&r) {
		part, told := *f, false
		part.Evaluation = *f.Of(p)
		part.told = func(head string, played *recipe.Recipe, tasks []ballast.Task, res eval.Result) error {
			told = true
			total.Add(eval.Part{Name: p.Name, Set: played.Tasks.Set, Format: formatOf(played, tasks), Words: played.Tasks.Words}, tasks, res)
			if f.asJSON {
				return nil
			}
			safetext.Say(c.OutOrStdout(), "part %s: %s\n", p.Name, head)
			_, err := fmt.Fprintln(c.OutOrStdout(), res.Table())
			return err
		}
		unfit := new(evaluation.Unfit)
		switch err := part.one(ctx, c); {
		case errors.As(err, &unfit) && p.Name != total.Against:
			total.Parts = append(total.Parts, eval.Part{Name: p.Name, Set: p.Set, Format: p.Format, Words: p.Words, Unfit: unfit.Error()})
			safetext.Say(c.ErrOrStderr(), "ballast: part %s is not played: %s\n", p.Name, unfit)
		case err != nil && !told:
			return fmt.Errorf("part %s: %w", p.Name, err)
		case err != nil:
			broken = errors.Join(broken, fmt.Errorf("part %s: %w", p.Name, err))
		}
	}
	total.Close()
	if f.asJSON {
		err = json.NewEncoder(c.OutOrStdout()).Encode(total)
	} else {
		_, err = fmt.Fprint(c.OutOrStdout(), total.Table())
	}
	return errors.Join(err, broken)
}

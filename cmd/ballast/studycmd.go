package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"ballast/compare"
	"ballast/compare/table"
	"ballast/engine"
	"ballast/recipe/request"
	"ballast/safetext"
	"ballast/study"
	"ballast/sweep"
	"ballast/task"
)

// studyFlags are the settings of `ballast study`.
type studyFlags struct {
	seeds, parallel  int
	quick, dry, only bool
	out, docs        string
	set              []string
}

// studyCommand is `ballast study`.
func studyCommand() *cobra.Command {
	var f studyFlags
	c := &cobra.Command{
		Use:   "study [PLAN]",
		Short: "run a plan of many runs side by side and make its tables and figures",
		Long: "Runs every row of a plan (default recipes/study.yaml) with every seed, as ordinary run directories OUT/ROW/seed-N, evaluates " +
			"their\n" +
			"final and best checkpoints on the plan's suites, and writes tables and figures into OUT. The same command goes on where it was\n" +
			"stopped, killed too: runs that ended stay, one that was half done resumes from its newest checkpoint.\n\n" +
			"Ctrl-C, SIGTERM or SIGHUP lets every run finish its update and keep a checkpoint; a second one stops them at once. Exit codes: " +
			"ballast --help.",
		Example: "  ballast study --quick --out runs/quick\n  ballast study --seeds 5 --docs docs/study.md\n  ballast study " +
			"recipes/study-causes.yaml",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			path := "recipes/study.yaml"
			if len(args) > 0 {
				path = args[0]
			}
			return f.run(c.Context(), path)
		},
	}
	fl := c.Flags()
	fl.IntVar(&f.seeds, "seeds", 0, "seeds 1 to N of every row (default: the plan's)")
	fl.BoolVar(&f.quick, "quick", false, "the plan's quick version")
	fl.StringVar(&f.out, "out", "runs/study", "folder of the study")
	fl.StringArrayVar(&f.set, "set", nil, "a setting of all runs (repeatable)")
	fl.IntVar(&f.parallel, "parallel", max(1, runtime.NumCPU()), "runs at once")
	fl.StringVar(&f.docs, "docs", "", "Markdown file whose tables and figures are made anew")
	fl.BoolVar(&f.dry, "dry-run", false, "print what would be run, and stop")
	fl.BoolVar(&f.only, "tables", false, "run nothing, make tables and figures of what there is")
	return c
}

func (f *studyFlags) run(ctx context.Context, path string) error {
	out := outlive(stdout)
	p, err := study.Read(path)
	if err != nil {
		return err
	}
	if f.docs != "" { // before hours of runs, and not after
		if _, err := os.Stat(f.docs); err != nil {
			return fmt.Errorf("--docs: %w; name a Markdown file with places for tables, such as docs/study.md", err)
		}
	}
	if f.quick {
		p.Small()
	}
	if f.seeds > 0 {
		p.Seeds = f.seeds
	}
	if left := p.Set(f.set); len(left) > 0 {
		return fmt.Errorf("--set %s: no row of this plan reads it", left[0])
	}
	if f.only {
		return f.tables(out, p)
	}
	if err := f.check(p, path); err != nil || f.dry {
		return err
	}
	if err := p.Open(f.out); err != nil {
		return err
	}
	if err := compare.Writable(f.out); err != nil { // before hours of runs, and not after
		return err
	}
	unlock, err := sweep.Alone(f.out, "study")
	if err != nil {
		return err
	}
	defer unlock()
	first, second := p.Jobs(f.out)
	for _, wave := range [][]sweep.Job{first, second} {
		if len(wave) == 0 {
			continue
		}
		if err := sideBySide(ctx, f.parallel, wave); err != nil {
			return err
		}
	}
	return f.tables(out, p)
}

// check resolves the recipe of every row, so that a bad setting is an error now and not in a log. It writes nothing into the
// study's folder: a plan that is refused would keep it from the next one. path is that of the plan.
func (f *studyFlags) check(p *study.Plan, path string) error {
	dir, err := os.MkdirTemp("", "ballast-study-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := p.Open(dir); err != nil {
		return err
	}
	if f.dry {
		safetext.Say(stdout, "%s: %d rows, %d seeds\n", p.Title, len(p.Rows), p.Seeds)
	}
	seen := map[string]bool{}
	for _, row := range p.Rows {
		t := request.Request{Config: p.Config(dir), Set: row.Set}
		r, err := t.Recipe(row.Method)
		if err == nil {
			err = engine.Check(&r)
		}
		if err != nil { // the file of the settings is not the user's
			return fmt.Errorf("row %s: %s", row.Name, strings.ReplaceAll(err.Error(), p.Config(dir), path+", settings"))
		}
		if task.Held(r.Tasks.Set) == "test" {
			return fmt.Errorf("row %s: set %s has no split valid, and in a study no run sees a test task", row.Name, r.Tasks.Set)
		}
		if err := p.CheckTasks(r, seen); err != nil {
			return fmt.Errorf("row %s: %w", row.Name, err)
		}
		if f.dry {
			safetext.Say(stdout, "  %-28s %-9s %v", row.Name, row.Method, row.Set)
			if row.Match != "" {
				safetext.Say(stdout, " as many supervised tokens as %s", row.Match)
			}
			fmt.Fprintln(stdout)
		}
	}
	if f.dry {
		names := make([]string, len(p.Suites))
		for i := range p.Suites {
			names[i] = p.Suites[i].Name
		}
		safetext.Say(stdout, "suites, played with the final and the best checkpoint of every run: %s\n", strings.Join(names, ", "))
	}
	return nil
}

// tables makes tables and figures of the runs there are.
func (f *studyFlags) tables(out io.Writer, p *study.Plan) error {
	groups, err := p.Groups(f.out)
	if err != nil {
		return err
	}
	if f.only && len(groups) == 0 {
		return fmt.Errorf("--tables: %s holds no run of this plan; name the study's folder with --out", f.out)
	}
	tables, figures := p.Tables(groups), p.Figures(groups)
	if err := compare.Write(f.out, tables, figures); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\ntables and plots are in %s\n", table.Text(tables), f.out)
	if f.docs == "" {
		return nil
	}
	left, err := study.Document(f.docs, tables, figures)
	if len(left) > 0 {
		safetext.Say(stderr, "%s: not of this plan, left as they were: %s\n", f.docs, strings.Join(left, ", "))
	}
	return err
}

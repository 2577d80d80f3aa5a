package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"ballast/engine"
	"ballast/model"
	"ballast/model/lora"
	"ballast/recipe"
	"ballast/safetext"
	"ballast/train/remote"
)

// modelNames is how the help of flags and commands says what names a model.
var modelNames = strings.Join(model.InProgram().Names(), ", ") + ", a Hugging Face directory, a run (its best checkpoint), " +
	"a checkpoint, a GGUF file, or a model of the hub (ORG/NAME or ORG/NAME@REVISION)"

func modelCommand() *cobra.Command {
	c := &cobra.Command{Use: "model", Short: "inspect, convert, merge and pull models"}
	var asJSON, tensors bool
	inspect := &cobra.Command{
		Use: "inspect MODEL", Short: "what a model's files hold", Args: cobra.ExactArgs(1),
		Long: "What a model's files hold, by their headers. MODEL is " + modelNames + ".",
		RunE: func(c *cobra.Command, args []string) error {
			s, err := finder.Inspect(c.Context(), args[0])
			if err != nil {
				return err
			}
			if !tensors {
				s.Tensors = nil
			}
			if asJSON {
				return json.NewEncoder(stdout).Encode(s)
			}
			fmt.Fprint(stdout, s)
			for _, t := range s.Tensors {
				safetext.Say(stdout, "%-50s %-5s %v\n", t.Name, t.DType, t.Shape)
			}
			warnings(stderr, s.Origin, s.Warnings)
			return nil
		},
	}
	inspect.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	inspect.Flags().BoolVar(&tensors, "tensors", false, "list every tensor")
	var dtype string
	convert := &cobra.Command{
		Use: "convert MODEL TO", Short: "write a model as a Hugging Face directory", Args: cobra.ExactArgs(2),
		Long: "Write a model as a Hugging Face directory. MODEL is " + modelNames + ".",
		RunE: func(c *cobra.Command, args []string) error {
			if args[0] == "init" {
				return fmt.Errorf("model convert: init is a recipe's model of random weights, and no model here; name %s", modelNames)
			}
			as, err := model.ParseDType(dtype)
			if err != nil {
				return fmt.Errorf("--dtype: %w", err)
			}
			m, err := finder.Load(c.Context(), &recipe.Recipe{Model: args[0]})
			if err != nil {
				return err
			}
			return m.Save(args[1], as)
		},
	}
	convert.Flags().StringVar(&dtype, "dtype", "F32", "how weights are written: F32, BF16 (bfloat16) or F16 (float16)")
	c.AddCommand(inspect, convert, mergeCommand(), pullCommand())
	return c
}

// pullCommand brings what a training server keeps to this machine.
func pullCommand() *cobra.Command {
	var out, key string
	c := &cobra.Command{
		Use: "pull RUN --out DIR", Short: "bring the weights of a run on a training server here", Args: cobra.ExactArgs(1),
		Long: "Write the weights of a run's best checkpoint, or of a checkpoint, that a training server keeps (engine tinker) into a new " +
			"folder: an adapter as PEFT writes it, which `ballast model merge` puts into its model.",
		RunE: func(c *cobra.Command, args []string) error {
			ctx, stop := interruptible(c.Context())
			defer stop()
			h, err := finder.Find(ctx, args[0], false)
			if err != nil {
				return err
			}
			m, err := remote.ReadManifest(h.Path)
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s has its weights here: %w; only a run with engine tinker has them on a server", args[0], err)
			}
			if err != nil {
				return err
			}
			names, err := engine.Pull(ctx, &m, key, out)
			if err != nil {
				return interrupted(ctx, fmt.Errorf("model pull %s: %w", args[0], err))
			}
			safetext.Say(stdout, "%s: %s of %s, whose base is %s\n", out, strings.Join(names, ", "), m.Sampler, m.Base)
			return nil
		},
	}
	c.Flags().StringVar(&out, "out", "", "the folder to write")
	c.Flags().StringVar(&key, "key-env", "", "name of the environment variable that holds the server's key")
	if err := c.MarkFlagRequired("out"); err != nil {
		panic(err)
	}
	return c
}

// mergeCommand makes a model of a model and an adapter.
func mergeCommand() *cobra.Command {
	var name, adapter, out, dtype string
	c := &cobra.Command{
		Use: "merge --model MODEL --adapter DIR --out TO", Short: "write a model with an adapter in it", Args: cobra.NoArgs,
		Long: "Write a model with a LoRA adapter in it as a Hugging Face directory. DIR is an adapter's folder as PEFT writes it, or the " +
			"folder adapter of a checkpoint. MODEL is the model that it was trained on: " + modelNames + ".",
		RunE: func(c *cobra.Command, _ []string) error {
			as, err := model.ParseDType(dtype)
			if err != nil {
				return fmt.Errorf("--dtype: %w", err)
			}
			if name == "init" {
				return fmt.Errorf("--model: init is a recipe's model of random weights, and no model here; name %s", modelNames)
			}
			if _, err := lora.ReadConfig(adapter); errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("--adapter: %w; name the folder that holds this file; a checkpoint has it in its folder adapter", err)
			} else if err != nil { // before a model is loaded
				return fmt.Errorf("--adapter: %w", err)
			}
			m, err := finder.Load(c.Context(), &recipe.Recipe{Model: name})
			if err != nil {
				return err
			}
			a, err := lora.Read(adapter, &m.Config)
			if err != nil {
				return fmt.Errorf("--adapter: %w", err)
			}
			m.Weights = a.Merge(m.Weights)
			if err := m.Save(out, as); err != nil {
				return err
			}
			of := "a model that it does not name"
			if a.Base != "" {
				of = a.Base
			}
			safetext.Say(stdout, "%s: %s with an adapter that was trained on %s: %s\n", out, name, of, a.Config)
			return nil
		},
	}
	fl := c.Flags()
	fl.StringVar(&name, "model", "", "the model that the adapter was trained on")
	fl.StringVar(&adapter, "adapter", "", "the folder of the adapter")
	fl.StringVar(&out, "out", "", "the directory to write")
	fl.StringVar(&dtype, "dtype", "F32", "how weights are written: F32, BF16 (bfloat16) or F16 (float16)")
	for _, flag := range []string{"model", "adapter", "out"} {
		if err := c.MarkFlagRequired(flag); err != nil {
			panic(err) // it was just made
		}
	}
	return c
}

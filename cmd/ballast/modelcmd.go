package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"ballast/model"
)

func modelCommand() *cobra.Command {
	c := &cobra.Command{Use: "model", Short: "inspect and convert models"}
	var asJSON, tensors bool
	inspect := &cobra.Command{
		Use: "inspect PATH", Short: "what a Hugging Face directory or GGUF file holds", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := model.Inspect(args[0])
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
				say(stdout, "%-50s %-5s %v\n", t.Name, t.DType, t.Shape)
			}
			return nil
		},
	}
	inspect.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	inspect.Flags().BoolVar(&tensors, "tensors", false, "list every tensor")
	var dtype string
	convert := &cobra.Command{
		Use: "convert FROM TO", Short: "write a model as a Hugging Face directory", Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			return model.Convert(args[0], args[1], model.DType(dtype))
		},
	}
	convert.Flags().StringVar(&dtype, "dtype", "F32", "F32 or BF16")
	c.AddCommand(inspect, convert)
	return c
}

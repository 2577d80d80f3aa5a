package main

import (
	"strings"
	"testing"

	"ballast/recipe"
)

// TestEngineFlag: a flag that is not KIND[,KEY=VALUE]..., each key once, says what it wants.
func TestEngineFlag(t *testing.T) {
	for text, want := range map[string]string{
		"cpu":                       "",
		"cpu,":                      "--engine cpu,: want KIND[,KEY=VALUE]",
		"cpu,kind=xla":              "--engine cpu,kind=xla: want KIND[,KEY=VALUE]",
		"xla,address":               "--engine xla,address: want KIND[,KEY=VALUE]",
		"xla,foo=1":                 "--engine xla,foo=1: want KIND[,KEY=VALUE]",
		"xla,address=a,address=b":   "each once",
		"cpu,precision=float32":     "engine.precision: engine cpu does not read it",
		"xla,address=a,precision=x": `engine.precision: "x" is not one of float32, bfloat16`,
	} {
		r, err := recipe.New("grpo")
		if err != nil {
			t.Fatal(err)
		}
		err = engineFlag(strings.Split(text, ",")).apply(&r)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("--engine %s: %v, want %q", text, err, want)
		}
	}
}

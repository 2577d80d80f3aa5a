package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

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

// TestEngineFlagLists: a list of several options is one value.
func TestEngineFlagLists(t *testing.T) {
	var f engineFlag
	fl := pflag.NewFlagSet("test", pflag.ContinueOnError)
	f.add(fl, "none")
	if err := fl.Parse([]string{"--engine", "xla,address=c,options=[notf32,preallocate],precision=bfloat16"}); err != nil {
		t.Fatal(err)
	}
	r, err := f.recipe()
	if e := r.Engine; err != nil || e.Address != "c" || e.Precision != "bfloat16" || !slices.Equal(e.Options, []string{"notf32", "preallocate"}) {
		t.Errorf("%+v, %v", e, err)
	}
}

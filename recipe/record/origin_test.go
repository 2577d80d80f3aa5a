package record

import (
	"strings"
	"testing"
	"testing/fstest"

	"ballast/model"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/recipe/models"
	"ballast/runlog"
)

// TestEmbeddedInputs: a run records which embedded model it began with, the first of them as
// ever; another one, or other files, and it does not go on.
func TestEmbeddedInputs(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	files := fstest.MapFS{"embedded/config.json": file("{}"), "embedded-tiny/config.json": file("{}")}
	find := &models.Finder{Table: model.NewEmbedded(files, "embedded", "embedded-tiny")}
	of := func(name string) runlog.Origin {
		o, err := Origin(find, &loop.Run{Recipe: recipe.Recipe{Model: name}}, "cpu")
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	first, tiny := of("embedded"), of("embedded-tiny")
	if len(first.Inputs) != 1 || len(first.Inputs["the embedded model"]) != 64 || len(tiny.Inputs["the embedded model embedded-tiny"]) != 64 {
		t.Errorf("%v, %v", first.Inputs, tiny.Inputs)
	}
	goesOn := func(was, is runlog.Origin) error {
		_, err := Same(runlog.Header{Version: 2, Origin: was}, "runs/x", &is)
		return err
	}
	if err := goesOn(tiny, of("embedded-tiny")); err != nil {
		t.Error(err)
	}
	if err := goesOn(first, tiny); err == nil {
		t.Error("a run goes on with another embedded model")
	}
	files["embedded-tiny/config.json"] = file("{ }")
	if err := goesOn(tiny, of("embedded-tiny")); err == nil || !strings.Contains(err.Error(), "embedded model embedded-tiny") {
		t.Errorf("other files: %v", err)
	}
}

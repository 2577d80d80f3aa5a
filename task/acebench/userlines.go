package acebench

import (
	"fmt"

	ace "ballast/env/acebench"
	"ballast/value/shape"
)

// userLines is the shape of a line of a file of what users say.
var userLines = shape.Shape{Kind: shape.Object, Fields: []shape.Field{
	{Key: "id", Must: true, Of: &name},
	{Key: "lines", Must: true, Of: list(0, &text)},
	{Key: "rest", Of: &text},
}}

// ReadUserLines reads a file of what the users of items say, a JSON object a line: {"id": ITEM, "lines": [...], "rest": ...}. Behind
// the last line the user says what rest is, or ends the dialogue where that is missing or empty.
func ReadUserLines(path string) (map[string]ace.Lines, error) {
	lines, err := readLines(path, &userLines)
	if err != nil {
		return nil, err
	}
	out := map[string]ace.Lines{}
	for _, l := range lines {
		id := l.Text("id")
		if _, twice := out[id]; twice {
			return nil, l.fail("id", "%s stands on a line before", id)
		}
		said := ace.Lines{Rest: l.Text("rest")}
		for _, x := range l.Array("lines") {
			said.Said = append(said.Said, x.(string))
		}
		if len(said.Said) == 0 && said.Rest == "" {
			return nil, l.fail("lines", "is empty, and there is no rest: the user would say nothing")
		}
		out[id] = said
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("acebench: %s has no lines", path)
	}
	return out, nil
}

package acebench

import "ballast/value/shape"

// The kinds of values in the data. Texts may be empty: an item without a time has one.
var (
	text     = shape.Shape{Kind: shape.Text}
	name     = shape.Shape{Kind: shape.Text, Least: 1}
	object   = shape.Shape{Kind: shape.Object, Open: true}
	anything = shape.Shape{Kind: shape.Any}
)

// list is a list of items.
func list(least int, of *shape.Shape) *shape.Shape {
	return &shape.Shape{Kind: shape.List, Least: least, Items: of}
}

// function is a function that an item documents. Those that nobody is to call may lack parameters.
var function = shape.Shape{Kind: shape.Object, Fields: []shape.Field{
	{Key: "name", Must: true, Of: &name},
	{Key: "description", Must: true, Of: &text},
	{Key: "parameters", Of: &object},
	{Key: "arguments", Of: &anything},
	{Key: "results", Of: &anything},
	{Key: "tags", Of: &anything},
}}

// lines are the shapes of a question's line and of its answer's.
type lines struct{ question, answer shape.Shape }

// asks is the shape of a question with keys beside those that all have.
func asks(more ...shape.Field) shape.Shape {
	return shape.Shape{Kind: shape.Object, Fields: append([]shape.Field{
		{Key: "id", Must: true, Of: &name},
		{Key: "question", Must: true, Of: &name},
		{Key: "function", Must: true, Of: list(1, &function)},
	}, more...)}
}

// wants is the shape of an answer whose ground truth is of a shape.
func wants(truth *shape.Shape, more ...shape.Field) shape.Shape {
	return shape.Shape{Kind: shape.Object, Fields: append([]shape.Field{
		{Key: "id", Must: true, Of: &name},
		{Key: "ground_truth", Must: true, Of: truth},
	}, more...)}
}

// shapes are what lines hold, by family.
var shapes = map[string]lines{
	"normal":             {asks(shape.Field{Key: "time", Must: true, Of: &text}), wants(&anything)},
	"normal_preference":  {asks(shape.Field{Key: "profile", Must: true, Of: &name}), wants(&object)},
	"special":            {asks(shape.Field{Key: "time", Must: true, Of: &text}), wants(&object)},
	"special_irrelevant": {asks(shape.Field{Key: "time", Must: true, Of: &text}), wants(&name)},
	"agent": {asks(
		shape.Field{Key: "initial_config", Must: true, Of: &object},
		shape.Field{Key: "path", Must: true, Of: list(0, &anything)},
		shape.Field{Key: "involved_classes", Must: true, Of: list(1, &name)},
	), wants(list(1, &object), shape.Field{Key: "mile_stone", Must: true, Of: list(1, &anything)})},
}

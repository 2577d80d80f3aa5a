package recipe

// vanilla trains nothing: the run is the model as it is, with its evaluation and a
// checkpoint, to stand beside those of the methods.
var vanilla = Method{
	Name: "vanilla",
	Doc:  "no training: the model as it is, evaluated",
	New:  defaults,
}

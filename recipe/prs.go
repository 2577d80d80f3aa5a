package recipe

// prs is ets with reflections: the policy also learns to analyse its failures
// (paper, section 3.5).
var prs = Method{
	Name: "prs",
	Doc:  "ets with reflections on the failures, written by the judge (the paper's PRS)",
	New:  func() Recipe { return interleaved(failed.Name, reflections.Name) },
}

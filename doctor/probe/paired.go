package probe

import "ballast/eval"

// Difference compares two variants on the same tasks: by how much the second solves more than the first.
type Difference = eval.Difference

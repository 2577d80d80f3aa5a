package drawn

import (
	"testing"

	"ballast/task/compose"
)

func BenchmarkGenerate(b *testing.B) {
	for i := 0; b.Loop(); i++ {
		if _, err := Generate(1, compose.Train, compose.Categories[i%3], i/3, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

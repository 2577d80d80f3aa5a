package drawn

import "testing"

func BenchmarkGenerate(b *testing.B) {
	for i := 0; b.Loop(); i++ {
		if _, err := Generate(1, Train, Categories[i%3], i/3, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

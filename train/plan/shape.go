package plan

import "ballast/model"

// Shape is a published model whose sizes are known without its files, for
// estimates. Numbers are those of the models' config.json.
type Shape struct {
	Name   string
	Config model.Config
}

// Shapes is the table of known shapes.
var Shapes = []Shape{
	shape("HuggingFaceTB/SmolLM2-135M-Instruct", "llama", 49152, 576, 1536, 30, 9, 3, 64, 8192, 100000, 1e-5),
	shape("HuggingFaceTB/SmolLM2-360M-Instruct", "llama", 49152, 960, 2560, 32, 15, 5, 64, 8192, 100000, 1e-5),
	shape("Qwen/Qwen2.5-0.5B-Instruct", "qwen2", 151936, 896, 4864, 24, 14, 2, 64, 32768, 1000000, 1e-6),
	shape("Qwen/Qwen2.5-1.5B-Instruct", "qwen2", 151936, 1536, 8960, 28, 12, 2, 128, 32768, 1000000, 1e-6),
	shape("Qwen/Qwen3-0.6B", "qwen3", 151936, 1024, 3072, 28, 16, 8, 128, 40960, 1000000, 1e-6),
	shape("Qwen/Qwen3-1.7B", "qwen3", 151936, 2048, 6144, 28, 16, 8, 128, 40960, 1000000, 1e-6),
}

// shape is a line of the table; all of these tie the output to the embedding.
func shape(name, arch string, vocab, hidden, ffn, layers, heads, kv, head, length int, theta, eps float64) Shape {
	c, ok := model.Features(arch)
	if !ok {
		panic("plan: no architecture " + arch)
	}
	c.Vocab, c.Hidden, c.FFN, c.Layers, c.Heads, c.KVHeads, c.HeadDim = vocab, hidden, ffn, layers, heads, kv, head
	c.MaxLen, c.RopeTheta, c.NormEps, c.Tied = length, theta, eps, true
	return Shape{name, c}
}

// ShapeOf returns the shape of a published model.
func ShapeOf(name string) (*model.Config, bool) {
	for i := range Shapes {
		if Shapes[i].Name == name {
			return &Shapes[i].Config, true
		}
	}
	return nil, false
}

// Parameters is the number of parameters of c.
func Parameters(c *model.Config) int64 { return parameters(c) }

// Cache is the bytes of the sampler's keys and values of one token.
func Cache(c *model.Config) int64 {
	return 4 * 2 * int64(c.Layers) * int64(c.KVHeads) * int64(c.HeadDim)
}

package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"ballast/tinker"
)

// Reduction is what a server makes of the losses of single tokens.
type Reduction string

// The reductions.
const (
	// Sum adds all tokens of all sequences up. It is the protocol's definition.
	Sum Reduction = "sum"
	// Mean takes the mean of each sequence, and then of all sequences since the last step
	// of the optimiser, as SkyRL's jax backend does.
	Mean Reduction = "mean"
)

// linear are data with a loss whose derivative with respect to every log-probability is the
// slope. The mean of a sequence is over the sum of its weights, which with slopes as weights is
// any number; so the mean has the slopes as advantages of a ratio that is 1.
func (r Reduction) linear(data []tinker.Datum, logp, slopes [][]float32) (loss string, out []tinker.Datum) {
	out = make([]tinker.Datum, len(data))
	for i, d := range data {
		x := make([]float32, len(slopes[i]))
		scale := float32(-1)
		if r == Mean {
			scale = -float32(len(x)) * float32(len(data))
		}
		for j, g := range slopes[i] {
			x[j] = scale * g
		}
		if r == Mean {
			out[i] = with(d, tinker.Named{Name: "advantages", Tensor: tinker.Floats(x)}, tinker.Named{Name: "logprobs",
				Tensor: tinker.Floats(logp[i])})
		} else {
			out[i] = with(d, tinker.Named{Name: "weights", Tensor: tinker.Floats(x)})
		}
	}
	if r == Mean {
		return "importance_sampling", out
	}
	return "cross_entropy", out
}

// gradNorm finds the norm of a gradient among what a server measured, -1 where it is not there.
func gradNorm(m tinker.Metrics) float64 {
	for name, x := range m {
		name, _, _ = strings.Cut(name, ":")
		if name == "grad_norm" || strings.HasSuffix(name, "/grad_norm") {
			return x
		}
	}
	return -1
}

// Probe finds a server's reduction out on a model of its own: twice the weights are twice the
// gradient of a sum, and the same of a mean. It takes steps of rate 0. Where the server does
// not say how large a gradient is, that is an error which says what to set.
func Probe(ctx context.Context, c *tinker.Client, base string, rank int) (r Reduction, err error) {
	m, err := c.CreateModel(ctx, base, adapter(rank, nil))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, leave(ctx, m)) }()
	var norms [2]float64
	for i := range norms {
		w := float32(i + 1)
		d := tinker.Datum{Input: []int32{0, 1, 2}, Inputs: tinker.Tensors{{Name: "target_tokens", Tensor: tinker.Ints([]int32{1, 2, 3})},
			{Name: "weights", Tensor: tinker.Floats([]float32{w, w, w})}}}
		if _, err := m.ForwardBackward(ctx, []tinker.Datum{d}, "cross_entropy", nil).Wait(); err != nil {
			return "", err
		}
		res, err := m.OptimStep(ctx, tinker.AdamParams{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}).Wait()
		if err != nil {
			return "", err
		}
		norms[i] = gradNorm(res.Metrics)
	}
	switch ratio := norms[1] / norms[0]; {
	case norms[0] <= 0:
		return "", errors.New("the server does not say how large a gradient is, so that it cannot be found out whether it adds its loss up: " +
			"set engine.reduction to sum (TuFT, the protocol's definition) or mean (SkyRL's jax backend)")
	case ratio > 1.99 && ratio < 2.01:
		return Sum, nil
	case ratio > 0.99 && ratio < 1.01:
		return Mean, nil
	default:
		return "", fmt.Errorf("the server's gradient grew by %g with weights twice as large, which is neither that of a sum nor of a mean",
			ratio)
	}
}

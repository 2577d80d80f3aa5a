// Package remote is the learner of an engine elsewhere: a training server that speaks the
// Tinker protocol (package tinker). The server holds the weights and AdamW's moments; the loss
// stays here.
//
// An update is three requests. The server says the log-probability of every target. From these
// the loss table says the derivative of the loss with respect to each of them. What goes back is
// a loss that is linear in the log-probabilities, with these derivatives as weights: its gradient
// is that of the whole loss, whatever terms that has. Then comes the optimiser's step.
//
// Contract: Stats and errors are those of ballast.Learner. Numbers that are not finite are never
// sent: the weights stay as they are, and the update says so. A checkpoint's folder has no
// weights but the path under which the server keeps them; Load makes a new model of it, so that
// whatever a broken update left on the server is left behind.
//
// How it fails: an error that the server gives, or that is left after all retries, ends the
// update; the run goes on from its newest checkpoint. The server does not clip gradients, does
// not tell entropies, and gives no log-probability but that of the target.
package remote

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"ballast"
	"ballast/loss"
	"ballast/model"
	"ballast/monitor"
	"ballast/tinker"
	"ballast/train"
	"ballast/train/pack"
	"ballast/train/tally"
)

// Options say what is trained, and where.
type Options struct {
	Client *tinker.Client
	Base   string // the server's name of the model
	Rank   int    // of the adapter; 0 trains all weights
	Seed   int64  // of a new adapter
	// Reduction is what the server makes of a loss; see Probe.
	Reduction Reduction
	Train     train.Options
	// From is the server's path of saved weights that the training begins with; "" is the base.
	From string
	// Run names the run's checkpoints on the server: letters, digits, - and _.
	Run string
	// Say is told, in one line, what stays on the server that should not; nil = nobody.
	Say func(string)
}

// Learner is ballast.Learner on a server. It is used by one goroutine at a time.
type Learner struct {
	o     Options
	text  *model.Model // without weights
	model *tinker.Model
	ref   reference
	saves int

	within   context.Context // of what has none of its own, see Within
	known    map[string]bool // paths that a manifest of the run names, or named
	littered bool            // it was said that something stays on the server
}

var _ ballast.Learner = (*Learner)(nil)

// New makes a model on the server. m says how it reads and writes; its weights are not looked at.
func New(ctx context.Context, m *model.Model, o Options) (*Learner, error) {
	if decay := o.Train.AdamW.WeightDecay; o.Reduction == Mean && o.Rank > 0 && decay != 0 {
		return nil, fmt.Errorf("adam.decay: it is %g, and a server that takes means of losses is SkyRL's jax backend: there a step's weight "+
			"decay is on all adapters that the server holds, the reference policy's and those of other runs too; set adam.decay to 0", decay)
	}
	l := &Learner{o: o, text: m, within: context.Background()}
	var err error
	if o.From != "" {
		l.model, err = l.made(ctx, o.From, false)
	} else {
		l.model, err = l.create(ctx)
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (l *Learner) create(ctx context.Context) (*tinker.Model, error) {
	return l.o.Client.CreateModel(ctx, l.o.Base, adapter(l.o.Rank, &l.o.Seed))
}

// adapter is on all matrices of attention and of the feed-forward blocks, as the local learner's is.
func adapter(rank int, seed *int64) tinker.LoRAConfig {
	return tinker.LoRAConfig{Rank: rank, Seed: seed, TrainMLP: true, TrainAttn: true}
}

// Model is the model in training.
func (l *Learner) Model() *tinker.Model { return l.model }

// alone packs every sample by itself: a server shares no prefixes between sequences.
func alone(samples []ballast.Sample, all bool) []pack.Batch { return pack.Batches(samples, 1, all) }

// datums are the batches as the server reads them: what is read, and what follows each token.
func datums(samples []ballast.Sample, list []pack.Batch) []tinker.Datum {
	out := make([]tinker.Datum, len(list))
	for i := range list {
		b := &list[i]
		tokens := samples[b.Targets[0].Sample].Tokens
		out[i] = tinker.Datum{Input: tokens[:len(b.Tokens)], Inputs: tinker.Tensors{
			{Name: "target_tokens", Tensor: tinker.Ints(tokens[1 : len(b.Tokens)+1])}}}
	}
	return out
}

// with is a datum with further tensors, sorted by name.
func with(d tinker.Datum, more ...tinker.Named) tinker.Datum {
	d.Inputs = append(slices.Clone(d.Inputs), more...)
	slices.SortFunc(d.Inputs, func(a, b tinker.Named) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return d
}

// forward asks a model for the log-probabilities of all that follows, by batch.
func forward(ctx context.Context, m *tinker.Model, data []tinker.Datum) ([][]float32, error) {
	if len(data) == 0 {
		return nil, nil
	}
	asked := make([]tinker.Datum, len(data))
	for i, d := range data {
		ones := make([]float32, len(d.Input))
		for j := range ones {
			ones[j] = 1
		}
		asked[i] = with(d, tinker.Named{Name: "weights", Tensor: tinker.Floats(ones)})
	}
	out, err := m.Forward(ctx, asked, "cross_entropy", nil).Wait()
	if err != nil {
		return nil, err
	}
	logp := make([][]float32, len(data))
	for i := range data {
		got, _ := out.Outputs[i].Get("logprobs")
		if logp[i] = got.Floats(); len(logp[i]) != len(data[i].Input) {
			return nil, fmt.Errorf("train: the server answers %d log-probabilities for the %d tokens of sequence %d", len(logp[i]),
				len(data[i].Input), i)
		}
	}
	return logp, nil
}

// wanted are the log-probabilities of a batch's targets.
func wanted(b *pack.Batch, logp []float32) []float32 {
	out := make([]float32, len(b.Targets))
	for i, t := range b.Targets {
		out[i] = logp[t.Index-1]
	}
	return out
}

// Update takes one optimiser step. A minibatch without any weighted token changes nothing.
func (l *Learner) Update(ctx context.Context, samples []ballast.Sample, rate float64) (ballast.Stats, error) {
	begin := time.Now()
	in, err := tally.Prepare(samples, l.text.Config.Vocab, l.ref.is())
	if err != nil {
		return nil, err
	}
	in.RefIsPolicy = in.Has[loss.TermReference] && l.ref.same
	list := alone(samples, false)
	st := tally.New(&l.o.Train.Loss, l.text.Tokenizer)
	st.Pack(samples, list)
	if len(list) == 0 {
		return unmeasured(st.Stats(begin)), nil
	}
	data := datums(samples, list)
	logp, err := forward(ctx, l.model, data)
	if err != nil {
		return nil, err
	}
	slopes, err := l.slopes(ctx, samples, list, data, logp, in, st)
	if err != nil || slopes == nil {
		return unmeasured(st.Stats(begin)), err
	}
	norm, err := l.step(ctx, data, logp, slopes, rate)
	if err != nil {
		return nil, err
	}
	if st.Norm = norm; !st.Finite() {
		return nil, fmt.Errorf("train: the server stepped with a gradient of norm %g, which it should not have; go on from the newest "+
			"checkpoint", norm)
	}
	l.ref.same = false
	stats := st.Stats(begin)
	if norm < 0 {
		stats = unmeasured(stats)
	}
	return stats, nil
}

// unmeasured leaves out what the server did not tell.
func unmeasured(s ballast.Stats) ballast.Stats {
	delete(s, monitor.GradNorm)
	return s
}

// slopes are the loss's derivatives with respect to the log-probabilities, by batch and position,
// nil if one of them, or the loss, is not finite.
func (l *Learner) slopes(ctx context.Context, samples []ballast.Sample, list []pack.Batch, data []tinker.Datum, logp [][]float32,
	in tally.Input, st *tally.Sums) ([][]float32, error) {
	var ref [][]float32
	if in.Refers() && !in.RefIsPolicy {
		m, err := l.ref.open(ctx, l)
		if err != nil {
			return nil, err
		}
		if ref, err = forward(ctx, m, data); err != nil {
			return nil, fmt.Errorf("the reference policy: %w", err)
		}
	}
	out, finite := make([][]float32, len(list)), true
	for i := range list {
		b := &list[i]
		now := wanted(b, logp[i])
		switch {
		case in.RefIsPolicy:
			in.Ref = now
		case ref != nil:
			in.Ref = wanted(b, ref[i])
		}
		if in.Coupled() {
			in.Couple(samples, b.Targets, now)
		}
		st.Take(samples, b.Targets, now, nil, &in, 0)
		out[i] = make([]float32, len(logp[i]))
		for j, d := range st.Evaluate(samples, b.Targets, now, &in, 0) {
			out[i][b.Targets[j].Index-1] = d
			finite = finite && !math.IsNaN(float64(d)) && !math.IsInf(float64(d), 0)
		}
	}
	if !finite {
		st.Norm = math.NaN()
	}
	if !st.Finite() {
		return nil, nil
	}
	return out, nil
}

// step has the server compute the gradient, and then take the optimiser's step, and returns the
// gradient's norm; -1 where the server does not tell it. The step is not asked for before the gradient
// is there: SkyRL 0.4.0 looks for steps after it looked for gradients, so that it may take a step
// first whose gradient came in between. That is a step of nothing, and the gradient is the next one's.
func (l *Learner) step(ctx context.Context, data []tinker.Datum, logp, slopes [][]float32, rate float64) (norm float64, err error) {
	loss, linear := l.o.Reduction.linear(data, logp, slopes)
	adam := l.o.Train.AdamW
	if _, err := l.model.ForwardBackward(ctx, linear, loss, nil).Wait(); err != nil {
		return 0, err
	}
	res, err := l.model.OptimStep(ctx, tinker.AdamParams{LearningRate: rate, Beta1: adam.Beta1, Beta2: adam.Beta2, Eps: adam.Eps,
		WeightDecay: adam.WeightDecay}).Wait()
	if err != nil {
		return 0, err
	}
	return gradNorm(res.Metrics), nil
}

// LogProbs returns the log-probability of every token of the samples.
func (l *Learner) LogProbs(ctx context.Context, samples []ballast.Sample) ([][]float32, error) {
	for i := range samples {
		if err := tally.Check(&samples[i], l.text.Config.Vocab); err != nil {
			return nil, fmt.Errorf("train: sample %d: %w", i, err)
		}
	}
	list := alone(samples, true)
	logp, err := forward(ctx, l.model, datums(samples, list))
	if err != nil {
		return nil, err
	}
	out := make([][]float32, len(samples))
	for i := range samples {
		out[i] = make([]float32, len(samples[i].Tokens))
	}
	for i := range list {
		copy(out[list[i].Targets[0].Sample][1:], logp[i])
	}
	return out, nil
}

// Reference is nil: a server tells the target's log-probability alone.
func (l *Learner) Reference(context.Context, []ballast.Sample, []int32) ([][][]float32, error) {
	return nil, nil
}

package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"ballast/bounded"
	"ballast/durable"
	"ballast/tinker"
)

// ManifestFile is the file of a checkpoint's folder that says where its weights are.
const ManifestFile = "tinker.json"

const maxManifest = bounded.MiB

// Manifest says where a server keeps the weights of a checkpoint, with the optimiser's state.
type Manifest struct {
	Format    int    `json:"format"` // 1
	Server    string `json:"server"` // its address when they were saved
	Base      string `json:"base"`
	Rank      int    `json:"rank"`
	Path      string `json:"path"`                // the server's name for the weights and the optimiser's state
	Sampler   string `json:"sampler"`             // its name for the weights to sample with
	Reference string `json:"reference,omitempty"` // of the reference policy; empty without one
	// Same says that the reference has the policy's weights.
	Same bool `json:"reference_is_policy,omitempty"`
}

// ReadManifest reads that of a checkpoint's folder; it wraps fs.ErrNotExist where there is none.
func ReadManifest(dir string) (m Manifest, err error) {
	path := filepath.Join(dir, ManifestFile)
	text, err := bounded.ReadFile(path, maxManifest)
	if err != nil {
		return m, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	if m.Format != 1 || m.Path == "" || m.Sampler == "" || m.Base == "" {
		return m, fmt.Errorf("%s: format %d with path %q, sampler %q and base %q; this program reads format 1, which has all of them", path,
			m.Format, m.Path, m.Sampler, m.Base)
	}
	return m, nil
}

// reference is the policy that KL terms hold the one in training against.
type reference struct {
	path  string        // its weights on the server; "" without one
	same  bool          // it has the weights of the policy in training
	model *tinker.Model // nil until somebody asks
}

func (r *reference) is() bool { return r.path != "" }

// open makes a model of the reference, once.
func (r *reference) open(ctx context.Context, l *Learner) (*tinker.Model, error) {
	if r.model != nil {
		return r.model, nil
	}
	m, err := l.made(ctx, r.path, false)
	if err != nil {
		return nil, fmt.Errorf("train: the reference policy needs a second model on the server: %w", err)
	}
	r.model = m
	return m, nil
}

// close gives the reference's model back.
func (r *reference) close(ctx context.Context) error {
	if r.model == nil {
		return nil
	}
	m := r.model
	r.model = nil
	return leave(ctx, m)
}

// leave gives a model back to the server. One that the server does not have, as after a restart,
// or where the answer to a first try was lost, needs no more.
func leave(ctx context.Context, m *tinker.Model) error {
	err := m.Unload(ctx)
	var e *tinker.Error
	if errors.As(err, &e) && (e.Kind == tinker.Gone || e.Kind == tinker.Failed) {
		return nil
	}
	return err
}

// lossy is how many answers to one request may get lost on their way, one after the other.
const lossy = 8

// keep saves the current weights on the server, with the optimiser's state.
func (l *Learner) keep(ctx context.Context) (path string, err error) {
	return l.anew(ctx, func(name string) *tinker.Future[string] { return l.model.SaveWeights(ctx, name) })
}

// anew saves under a name that no save had. Where an answer was lost, a server may refuse the same
// request as one for a name that is taken: then it is saved once more, and what the first name has is deleted.
func (l *Learner) anew(ctx context.Context, save func(name string) *tinker.Future[string]) (path string, err error) {
	var taken []string
	for range lossy {
		l.saves++
		name := fmt.Sprintf("%s-%04d", l.o.Run, l.saves)
		path, err = save(name).Wait()
		var e *tinker.Error
		if errors.As(err, &e) && e.Kind == tinker.Conflict {
			taken = append(taken, name)
			continue
		}
		if folder, ok := strings.CutSuffix(path, name); err == nil && ok {
			for _, name := range taken {
				l.Forget(ctx, folder+name)
			}
		}
		break
	}
	return path, err
}

// Publish has the server keep the current weights for sampling, under a path of their own that Pull
// takes. They stay until they are deleted.
func (l *Learner) Publish(ctx context.Context) (path string, err error) {
	return l.anew(ctx, func(name string) *tinker.Future[string] { return l.model.SaveForSampler(ctx, name) })
}

// made makes a model of saved weights. Where an answer was lost, a server may refuse the same request
// as one that comes too late, since weights are loaded into a new model: then another one is made.
func (l *Learner) made(ctx context.Context, path string, optimizer bool) (*tinker.Model, error) {
	for again := 0; ; again++ {
		m, err := l.create(ctx)
		if err != nil {
			return nil, err
		}
		if _, err = m.LoadWeights(ctx, path, optimizer).Wait(); err == nil {
			return m, nil
		}
		var e *tinker.Error
		late := errors.As(err, &e) && (e.Kind == tinker.Refused || e.Kind == tinker.Conflict) && m.Err() != nil
		if err = errors.Join(fmt.Errorf("train: loading %s: %w", path, err), leave(ctx, m)); !late || again == lossy-1 {
			return nil, err
		}
	}
}

// replace puts another model in the place of the one in training.
func (l *Learner) replace(ctx context.Context, m *tinker.Model) error {
	old := l.model
	l.model = m
	return leave(ctx, old)
}

// Freeze makes the current weights the reference. A model of its own comes about when somebody
// asks for its log-probabilities.
func (l *Learner) Freeze() error {
	ctx := l.within
	path, err := l.keep(ctx)
	if err != nil {
		return err
	}
	err = l.ref.close(ctx)
	l.refer(ctx, reference{path: path, same: true})
	return err
}

// refer puts another reference in the place of the one that there is. What no manifest names of that is deleted.
func (l *Learner) refer(ctx context.Context, r reference) {
	old := l.ref.path
	if l.ref = r; old != "" && !l.known[old] {
		l.Forget(ctx, old)
	}
}

// ResetOptimizer makes a new model with the weights of this one. Samplers of the old one may be
// gone with it.
func (l *Learner) ResetOptimizer() error {
	ctx := l.within
	path, err := l.keep(ctx)
	if err != nil {
		return err
	}
	m, err := l.made(ctx, path, false)
	l.Forget(ctx, path) // the new model has it, or there is none
	if err != nil {
		return err
	}
	return l.replace(ctx, m)
}

// Save has the server keep the weights, and writes below dir how the model reads and writes,
// and where its weights are. Where it fails the server keeps nothing of it.
func (l *Learner) Save(dir string) (err error) {
	ctx := l.within
	m := Manifest{Format: 1, Server: l.o.Client.Address(), Base: l.o.Base, Rank: l.o.Rank, Reference: l.ref.path, Same: l.ref.same}
	defer func() {
		if err != nil {
			l.unsaved(ctx, dir, &m)
		}
	}()
	if m.Path, err = l.keep(ctx); err != nil {
		return err
	}
	if m.Sampler, err = l.Publish(ctx); err != nil {
		return err
	}
	if err := l.text.SaveText(dir); err != nil {
		return err
	}
	text, err := json.MarshalIndent(&m, "", "  ")
	if err != nil {
		return err
	}
	for _, p := range m.paths() {
		l.knows(p)
	}
	return durable.ReplaceBytes(filepath.Join(dir, ManifestFile), append(text, '\n'))
}

// Load makes a new model of what a checkpoint names, which must be one of this base and rank.
func (l *Learner) Load(dir string) error {
	m, err := ReadManifest(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("train: %w; only a checkpoint of engine tinker can be loaded into a server", err)
	case err != nil:
		return fmt.Errorf("train: %w", err)
	case m.Base != l.o.Base || m.Rank != l.o.Rank:
		return fmt.Errorf("train: %s has base %s and rank %d, and the model in training base %s and rank %d", dir, m.Base, m.Rank, l.o.Base,
			l.o.Rank)
	}
	ctx := l.within
	loaded, err := l.made(ctx, m.Path, true)
	if err != nil {
		return err
	}
	err = errors.Join(l.ref.close(ctx), l.replace(ctx, loaded))
	for _, p := range m.paths() {
		l.knows(p)
	}
	l.refer(ctx, reference{path: m.Reference, same: m.Same})
	return err
}

// Close gives the models back to the server, and a reference that no checkpoint names.
func (l *Learner) Close(ctx context.Context) error {
	err := errors.Join(l.ref.close(ctx), leave(ctx, l.model))
	l.refer(ctx, reference{})
	return err
}

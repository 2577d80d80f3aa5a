package models

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"ballast/hub"
	"ballast/model"
	"ballast/recipe"
	"ballast/safetext"
	"ballast/train/plan"
)

// Finder finds models for one process: in the program, here and on the hub. All its functions
// but Elsewhere must be set.
type Finder struct {
	// Table has the embedded models; nil means those of this program.
	Table *model.EmbeddedModels
	// Show makes what shows a download.
	Show func() Show
	// Warn is told what whoever uses a model should know of it.
	Warn func(origin string, list []string)
	// Within runs a search of the hub in a context that ends where the process is to end, and
	// marks the error that follows.
	Within func(ctx context.Context, search func(context.Context) error) error
	// Elsewhere reports whether a recipe's weights are not on this machine, so that its model is
	// loaded without them; nil means that they always are.
	Elsewhere func(r *recipe.Recipe) bool

	// What was found, for the rest of the process: a branch that moves meanwhile does not
	// give two models under one name, and what is to be said of it is said once.
	located sync.Map // of hub.Name to hub.Found
}

// Show shows a download; see hub.Options. End may be called twice.
type Show interface {
	Begin(n hub.Name, commit string, files int, bytes int64)
	Progress(done int64)
	Say(text string)
	End()
}

// Embedded has the models that are embedded in the program.
func (f *Finder) Embedded() *model.EmbeddedModels { return cmp.Or(f.Table, model.InProgram()) }

// Find finds the files of a model by its name, as Here does, or on the hub. What is here
// under that name wins, but for the names of embedded models, which have no files.
func (f *Finder) Find(ctx context.Context, name string, newest bool) (Home, error) {
	if f.Embedded().Has(name) || name == "init" {
		return Home{Path: name}, nil
	}
	h, err := Here(name, newest)
	if err != nil || h.Run != "" {
		return h, err
	}
	n, ok := hubName(name)
	if !ok {
		if _, err := os.Lstat(name); err != nil {
			return h, f.Embedded().Check(name)
		}
		return h, nil // whoever reads it says what is wrong
	}
	found, err := f.fromHub(ctx, n)
	if err != nil {
		return Home{}, err
	}
	return Home{Path: found.Dir, Hub: &found}, nil
}

// hubName reads a name on the hub; what lies here under that name is none.
func hubName(text string) (hub.Name, bool) {
	if _, err := os.Lstat(text); err == nil {
		return hub.Name{}, false
	}
	return hub.Parse(text)
}

// fromHub finds a model in the hub's cache, or downloads it.
func (f *Finder) fromHub(ctx context.Context, n hub.Name) (hub.Found, error) {
	if found, ok := f.located.Load(n); ok {
		return found.(hub.Found), nil
	}
	found, err := f.asked(ctx, n, (*hub.Client).Find)
	if err == nil {
		f.located.Store(n, found)
		f.located.Store(found.Pinned(), found)
	}
	return found, err
}

// asked finds a model with find and shows how it comes. What ends the context ends that at
// once.
func (f *Finder) asked(ctx context.Context, n hub.Name, find func(*hub.Client, context.Context, hub.Name) (hub.Found, error)) (
	found hub.Found, err error) {
	show := f.Show()
	defer show.End()
	c, err := client(show)
	if err != nil {
		return found, err
	}
	if err := elsewhere(c, n); err != nil {
		return found, err
	}
	err = f.Within(ctx, func(ctx context.Context) error {
		if found, err = find(c, ctx, n); errors.Is(err, context.Canceled) {
			return fmt.Errorf("%w: what came of %s is kept, the same command goes on", err, n.ID())
		}
		return err
	})
	var e *hub.Error
	switch {
	case errors.As(err, &e) && e.Missing:
		return found, fmt.Errorf("%w; nor is there a folder of that name here", err)
	case err == nil:
		show.End()
		f.Warn(n.ID(), found.Notes)
	}
	return found, err
}

// client asks the hub with the settings of the environment; show may be nil. Unsupported
// models are refused before their weights are downloaded.
func client(show Show) (*hub.Client, error) {
	home, _ := os.UserHomeDir() // "" where there is none
	o, err := hub.FromEnv(os.Getenv, home)
	if err != nil {
		return nil, err
	}
	o.Accept = func(config []byte) error { _, err := model.ParseConfig(config, "config.json"); return err }
	if show != nil {
		o.Begin, o.Progress, o.Say = show.Begin, show.Progress, show.Say
	}
	return hub.New(o)
}

// elsewhere is an error for a name that looks like a path whose end is not there: the hub
// is not asked for a mistyped directory.
func elsewhere(c *hub.Client, n hub.Name) error {
	if n.Revision != "" {
		return nil
	}
	entries, err := os.ReadDir(n.Org)
	if err != nil {
		return nil // no folder of that name
	}
	if _, ok, err := c.Cached(n); ok || err != nil {
		return err
	}
	var names []string
	for _, e := range entries {
		if len(names) < 6 && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, safetext.Line(e.Name()))
		}
	}
	return fmt.Errorf("%s is not here: the folder %s has %s; for the model of that name on the hub give %s@main", n, n.Org,
		strings.Join(append(names, "…"), ", "), n)
}

// Pin makes a recipe name the commit of the hub's model that was found for it, so that the
// run goes on with that one.
func (f *Finder) Pin(r *recipe.Recipe) {
	if n, ok := hubName(r.Model); ok {
		if found, ok := f.located.Load(n); ok {
			at := found.(hub.Found)
			r.Model = at.Pinned().String()
		}
	}
}

// SamePin says whether a run whose recipe names a commit of the hub may have begun with a
// name: the same model, of a branch or of that commit.
func SamePin(pinned, name string) bool {
	p, ok := hubName(pinned)
	n, is := hubName(name)
	return ok && is && p.ID() == n.ID() && p.Pinned() && (!n.Pinned() || p == n)
}

// Moved says that a branch is elsewhere than the run whose model is pinned.
func Moved(name string) string {
	n, ok := hubName(name)
	if !ok {
		return ""
	}
	c, err := client(nil)
	if err != nil {
		return ""
	}
	if commit := c.Moved(n); commit != "" {
		return fmt.Sprintf("main of %s is at %.12s by now; the run stays with %.12s", n.ID(), commit, n.Revision)
	}
	return ""
}

// Sizes are those of a recipe's model, for a dry run, and the model; nil where it is not on this machine and the sizes that
// are known of it will do. Of another model of the hub all but the weights is downloaded.
func (f *Finder) Sizes(ctx context.Context, r *recipe.Recipe) (*model.Model, *model.Config, error) {
	shape, known := ShapeOf(r.Model)
	n, ok := hubName(r.Model)
	if !ok {
		if _, err := os.Stat(r.Model); err != nil && known {
			return nil, shape, nil
		}
		return loaded(f.Load(ctx, r))
	}
	c, err := client(nil)
	if err != nil {
		return nil, nil, err
	}
	if _, here, err := c.Cached(n); err != nil || here {
		return loaded(f.Load(ctx, r))
	}
	if known {
		return nil, shape, nil
	}
	found, err := f.asked(ctx, n, (*hub.Client).FindText)
	if err != nil {
		return nil, nil, err
	}
	text, config, err := loaded(model.LoadText(found.Dir))
	if err == nil {
		r.Model = found.Pinned().String()
		f.Warn(n.ID(), text.Warnings)
	}
	return text, config, err
}

func loaded(m *model.Model, err error) (*model.Model, *model.Config, error) {
	if err != nil {
		return nil, nil, err
	}
	return m, &m.Config, nil
}

// ShapeOf is the shape of a published model, whatever its revision.
func ShapeOf(name string) (*model.Config, bool) {
	if n, ok := hub.Parse(name); ok {
		name = n.ID()
	}
	return plan.ShapeOf(name)
}

// Tokenizer is the folder that a --tokenizer names: what is here, or a model of the hub,
// without its weights.
func (f *Finder) Tokenizer(ctx context.Context, name string) (string, error) {
	n, ok := hubName(name)
	if !ok {
		return name, nil
	}
	found, err := f.asked(ctx, n, (*hub.Client).FindText)
	return found.Dir, err
}

// Load reads the model a recipe names: an embedded one, a new one from
// random weights, a folder or file, the best checkpoint of a run directory, or a model
// of the hub.
func (f *Finder) Load(ctx context.Context, r *recipe.Recipe) (*model.Model, error) {
	switch {
	case f.Embedded().Has(r.Model):
		return f.Embedded().Load(r.Model)
	case r.Model == "init":
		return recipe.NewModel(r)
	case f.Elsewhere != nil && f.Elsewhere(r):
		return f.text(ctx, r.Model)
	}
	h, err := f.files(ctx, r.Model)
	if err != nil {
		return nil, err
	}
	m, err := model.Load(h.Path)
	if err != nil {
		return nil, err
	}
	if h.Hub != nil {
		m.Origin = fmt.Sprintf("%s@%.12s", h.Hub.Name.ID(), h.Hub.Commit)
		m.Source.From = strings.Replace(m.Source.From, h.Path, m.Origin, 1)
	}
	f.Warn(m.Origin, m.Warnings)
	return m, nil
}

// text is Load without the weights, which need not be here.
func (f *Finder) text(ctx context.Context, name string) (*model.Model, error) {
	n, ok := hubName(name)
	if !ok {
		h, err := f.files(ctx, name)
		if err != nil {
			return nil, err
		}
		m, err := model.LoadText(h.Path)
		if err == nil {
			f.Warn(m.Origin, m.Warnings)
		}
		return m, err
	}
	found, err := f.asked(ctx, n, (*hub.Client).FindText)
	if err != nil {
		return nil, err
	}
	f.located.Store(n, found)
	f.located.Store(found.Pinned(), found)
	m, err := model.LoadText(found.Dir)
	if err == nil {
		f.Warn(m.Origin, m.Warnings)
	}
	return m, err
}

// files finds the files of a model, and checks those of a run's checkpoint.
func (f *Finder) files(ctx context.Context, name string) (Home, error) {
	h, err := f.Find(ctx, name, false)
	if err == nil && h.Run != "" {
		err = intact(h.Path)
	}
	return h, err
}

// FilesOf lists the files that Load reads of the recipe's model, which lies at a path.
func (f *Finder) FilesOf(r *recipe.Recipe, path string) ([]string, error) {
	if f.Elsewhere != nil && f.Elsewhere(r) {
		return model.TextFiles(path)
	}
	return model.Files(path)
}

// Inspect finds a model as Load does, and reads its headers alone.
func (f *Finder) Inspect(ctx context.Context, name string) (*model.Summary, error) {
	if f.Embedded().Has(name) {
		return f.Embedded().Inspect(name)
	}
	h, err := f.files(ctx, name)
	if err != nil {
		return nil, err
	}
	return model.Inspect(h.Path)
}

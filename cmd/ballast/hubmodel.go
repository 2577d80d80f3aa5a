package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"ballast/bounded"
	"ballast/hub"
	"ballast/model"
	"ballast/recipe"
	"ballast/safetext"
	"ballast/train/plan"
)

// locate finds the files of a model by its name, as findHome does, or on the hub. What is
// here under that name wins.
func locate(ctx context.Context, name string, newest bool) (home, error) {
	h, err := findHome(name, newest)
	if err != nil || h.dir != "" || name == "embedded" || name == "init" {
		return h, err
	}
	n, ok := hubName(name)
	if !ok {
		return h, nil // whoever reads it says what is wrong
	}
	found, err := fromHub(ctx, n)
	if err != nil {
		return home{}, err
	}
	return home{model: found.Dir, hub: &found}, nil
}

// hubName reads a name on the hub; what lies here under that name is none.
func hubName(text string) (hub.Name, bool) {
	if _, err := os.Lstat(text); err == nil {
		return hub.Name{}, false
	}
	return hub.Parse(text)
}

// located keeps what was found for the rest of the process: a branch that moves meanwhile
// does not give two models under one name, and what is to be said of it is said once.
var located sync.Map // of hub.Name to hub.Found

// fromHub finds a model in the hub's cache, or downloads it.
func fromHub(ctx context.Context, n hub.Name) (hub.Found, error) {
	if f, ok := located.Load(n); ok {
		return f.(hub.Found), nil
	}
	f, err := asked(ctx, n, (*hub.Client).Find)
	if err == nil {
		located.Store(n, f)
		located.Store(f.Pinned(), f)
	}
	return f, err
}

// asked finds a model with find and shows how it comes. A signal ends that at once.
func asked(ctx context.Context, n hub.Name, find func(*hub.Client, context.Context, hub.Name) (hub.Found, error)) (hub.Found, error) {
	m := &meter{}
	defer m.end()
	c, err := hubClient(m)
	if err != nil {
		return hub.Found{}, err
	}
	if err := elsewhere(c, n); err != nil {
		return hub.Found{}, err
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	f, err := find(c, ctx, n)
	if errors.Is(err, context.Canceled) {
		return f, interrupted(ctx, fmt.Errorf("%w: what came of %s is kept, the same command goes on", err, n.ID()))
	}
	var e *hub.Error
	switch {
	case errors.As(err, &e) && e.Missing:
		return f, fmt.Errorf("%w; nor is there a folder of that name here", err)
	case err == nil:
		m.end()
		warnings(stderr, n.ID(), f.Notes)
	}
	return f, err
}

// hubClient is a client with the settings of the environment. Unsupported models are
// refused before their weights are downloaded.
func hubClient(m *meter) (*hub.Client, error) {
	home, _ := os.UserHomeDir() // "" where there is none
	o, err := hub.FromEnv(os.Getenv, home)
	if err != nil {
		return nil, err
	}
	o.Accept = func(config []byte) error { _, err := model.ParseConfig(config, "config.json"); return err }
	o.Begin, o.Progress, o.Say = m.begin, m.progress, m.say
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

// pin makes a recipe name the commit of the hub's model that was found for it, so that the
// run goes on with that one.
func pin(r *recipe.Recipe) {
	if n, ok := hubName(r.Model); ok {
		if f, ok := located.Load(n); ok {
			found := f.(hub.Found)
			r.Model = found.Pinned().String()
		}
	}
}

// samePin says whether a run whose recipe names a commit of the hub may have begun with a
// name: the same model, of a branch or of that commit.
func samePin(pinned, name string) bool {
	p, ok := hubName(pinned)
	n, is := hubName(name)
	return ok && is && p.ID() == n.ID() && p.Pinned() && (!n.Pinned() || p == n)
}

// moved says that a branch is elsewhere than the run whose model is pinned.
func moved(name string) string {
	n, ok := hubName(name)
	if !ok {
		return ""
	}
	c, err := hubClient(&meter{})
	if err != nil {
		return ""
	}
	if commit := c.Moved(n); commit != "" {
		return fmt.Sprintf("main of %s is at %.12s by now; the run stays with %.12s", n.ID(), commit, n.Revision)
	}
	return ""
}

// dryModel is the model of a dry run; nil where it is not on this machine and the sizes that
// are known of it will do. Of another model of the hub all but the weights is downloaded.
func dryModel(ctx context.Context, r *recipe.Recipe) (*model.Model, *model.Config, error) {
	shape, known := shapeOf(r.Model)
	n, ok := hubName(r.Model)
	if !ok {
		if _, err := os.Stat(r.Model); err != nil && known {
			return nil, shape, nil
		}
		return loaded(loadModel(r))
	}
	c, err := hubClient(&meter{})
	if err != nil {
		return nil, nil, err
	}
	if _, here, err := c.Cached(n); err != nil || here {
		return loaded(loadModel(r))
	}
	if known {
		return nil, shape, nil
	}
	f, err := asked(ctx, n, (*hub.Client).FindText)
	if err != nil {
		return nil, nil, err
	}
	text, config, err := loaded(model.LoadText(f.Dir))
	if err == nil {
		r.Model = f.Pinned().String()
		warnings(stderr, n.ID(), text.Warnings)
	}
	return text, config, err
}

func loaded(m *model.Model, err error) (*model.Model, *model.Config, error) {
	if err != nil {
		return nil, nil, err
	}
	return m, &m.Config, nil
}

// shapeOf is the shape of a published model, whatever its revision.
func shapeOf(name string) (*model.Config, bool) {
	if n, ok := hub.Parse(name); ok {
		name = n.ID()
	}
	return plan.ShapeOf(name)
}

// meter shows a download: a bar on a terminal, a line now and then elsewhere.
type meter struct {
	bars  *mpb.Progress
	bar   *mpb.Bar
	total int64
	start time.Time
	next  time.Time
	name  string
}

// every is the time between two lines.
const every = 15 * time.Second

func (m *meter) begin(n hub.Name, commit string, files int, bytes int64) {
	m.total, m.start, m.name = bytes, time.Now(), n.ID()
	m.next = m.start.Add(every)
	what := "1 file"
	if files != 1 {
		what = fmt.Sprintf("%d files", files)
	}
	m.say(fmt.Sprintf("downloading %s at %.12s: %s, %s", n.ID(), commit, what, bounded.Bytes(bytes)))
	if m.bars = bars(); m.bars != nil {
		m.bar = m.bars.AddBar(bytes, mpb.PrependDecorators(decor.CountersKibiByte("% .1f / % .1f")),
			mpb.AppendDecorators(decor.AverageSpeed(decor.SizeB1024(0), "% .1f"), decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace)))
	}
}

func (m *meter) progress(done int64) {
	now := time.Now()
	switch {
	case m.bar != nil:
		m.bar.SetCurrent(done)
	case now.After(m.next) && m.total > 0:
		m.next = now.Add(every)
		m.say(fmt.Sprintf("%s: %.0f%% of %s, %s/s", m.name, 100*float64(done)/float64(m.total), bounded.Bytes(m.total),
			bounded.Bytes(int64(float64(done)/now.Sub(m.start).Seconds()))))
	}
}

// say prints a line, above the bar where there is one.
func (m *meter) say(text string) {
	if m.bar != nil {
		say(m.bars, "ballast: %s\n", text)
		return
	}
	say(stderr, "ballast: %s\n", text)
}

func (m *meter) end() {
	if m.bar != nil {
		m.bar.Abort(false)
		m.bars.Wait()
		m.bar = nil
	}
}

// tokenizerDir is the folder that a --tokenizer names: what is here, or a model of the hub,
// without its weights.
func tokenizerDir(ctx context.Context, name string) (string, error) {
	n, ok := hubName(name)
	if !ok {
		return name, nil
	}
	f, err := asked(ctx, n, (*hub.Client).FindText)
	return f.Dir, err
}

package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"ballast/bounded"
	"ballast/engine"
	"ballast/hub"
	"ballast/recipe/models"
	"ballast/safetext"
)

// finder finds models for this process. A signal ends a download at once.
var finder = models.Finder{
	Elsewhere: engine.Remote,

	Show: func() models.Show { return &meter{} },
	Warn: func(origin string, list []string) { warnings(stderr, origin, list) },
	Within: func(ctx context.Context, search func(context.Context) error) error {
		ctx, stop := interruptible(ctx)
		defer stop()
		return interrupted(ctx, search(ctx))
	},
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

func (m *meter) Begin(n hub.Name, commit string, files int, bytes int64) {
	m.total, m.start, m.name = bytes, time.Now(), n.ID()
	m.next = m.start.Add(every)
	what := "1 file"
	if files != 1 {
		what = fmt.Sprintf("%d files", files)
	}
	m.Say(fmt.Sprintf("downloading %s at %.12s: %s, %s", n.ID(), commit, what, bounded.Bytes(bytes)))
	if m.bars = bars(); m.bars != nil {
		m.bar = m.bars.AddBar(bytes, mpb.PrependDecorators(decor.CountersKibiByte("% .1f / % .1f")),
			mpb.AppendDecorators(decor.AverageSpeed(decor.SizeB1024(0), "% .1f"), decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace)))
	}
}

func (m *meter) Progress(done int64) {
	now := time.Now()
	switch {
	case m.bar != nil:
		m.bar.SetCurrent(done)
	case now.After(m.next) && m.total > 0:
		m.next = now.Add(every)
		m.Say(fmt.Sprintf("%s: %.0f%% of %s, %s/s", m.name, 100*float64(done)/float64(m.total), bounded.Bytes(m.total),
			bounded.Bytes(int64(float64(done)/now.Sub(m.start).Seconds()))))
	}
}

// say prints a line, above the bar where there is one.
func (m *meter) Say(text string) {
	if m.bar != nil {
		safetext.Say(m.bars, "ballast: %s\n", text)
		return
	}
	safetext.Say(stderr, "ballast: %s\n", text)
}

func (m *meter) End() {
	if m.bar != nil {
		m.bar.Abort(false)
		m.bars.Wait()
		m.bar = nil
	}
}

// warnings tells what whoever uses a model should know of it.
func warnings(w io.Writer, origin string, list []string) {
	for _, text := range list {
		safetext.Say(w, "ballast: %s: %s\n", origin, text)
	}
}

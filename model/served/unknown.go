package served

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"ballast/endpoint"
)

// unknown is a server whose kind was not named. It is asked for it before anything else: both
// kinds write theirs into their lists of models, as the owner of each.
type unknown struct {
	wire
	spec *Spec

	mu sync.Mutex
	is Backend // nil until it was found out
}

// found asks which kind the server is of, once.
func (u *unknown) found(ctx context.Context) (Backend, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.is != nil {
		return u.is, nil
	}
	list, err := u.list(ctx)
	if err != nil {
		return nil, err
	}
	var kinds []string
	for _, m := range list {
		if !slices.Contains(kinds, m.Owner) {
			kinds = append(kinds, m.Owner)
		}
	}
	at := -1
	if len(kinds) == 1 {
		at = slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == kinds[0] })
	}
	if at < 0 {
		return nil, u.Wrong("does not say that it is one of %s, but %q; name its kind", strings.Join(kindNames(), ", "), kinds)
	}
	u.is = Kinds[at].open(u.spec, u.Client)
	return u.is, nil
}

// Context is that of the kind, as all the others are.
func (u *unknown) Context(ctx context.Context) (int, error) {
	b, err := u.found(ctx)
	if err != nil {
		return 0, err
	}
	return b.Context(ctx)
}

func (u *unknown) Sample(ctx context.Context, c *Call) (*Answer, error) {
	b, err := u.found(ctx)
	if err != nil {
		return nil, err
	}
	return b.Sample(ctx, c)
}

func (u *unknown) Load(ctx context.Context, w Weights) error {
	b, err := u.found(ctx)
	if err != nil {
		return err
	}
	return b.Load(ctx, w)
}

func (u *unknown) Drop(ctx context.Context, w Weights) error {
	b, err := u.found(ctx)
	if err != nil {
		return err
	}
	return b.Drop(ctx, w)
}

func kindNames() (names []string) {
	for _, k := range Kinds {
		names = append(names, k.Name)
	}
	return names
}

// card is a model in a server's list: of the weights that it was started with, or an adapter.
type card struct {
	ID     string  `json:"id"`
	Owner  string  `json:"owned_by"`
	Root   string  `json:"root"`   // where it lies
	Parent *string `json:"parent"` // of an adapter
	Length *int    `json:"max_model_len"`
}

// list asks for the list of models.
func (w *wire) list(ctx context.Context) ([]card, error) {
	text, err := w.Exchange(ctx, never, endpoint.Exchange{Method: http.MethodGet, Path: "/v1/models"})
	if err != nil {
		return nil, err
	}
	return w.cards(text)
}

// cards reads the list of models.
func (w *wire) cards(text []byte) ([]card, error) {
	var list struct {
		Data []card `json:"data"`
	}
	err := w.parse(text, &list)
	return list.Data, err
}

// loaded are the adapters that the server says it has.
func (w *wire) loaded(ctx context.Context) (out []Weights, err error) {
	list, err := w.list(ctx)
	for _, m := range list {
		if m.Parent != nil && m.ID != "" {
			out = append(out, Weights{Name: m.ID, Path: m.Root})
		}
	}
	return out, err
}

// lister is a backend whose server tells what it has.
type lister interface {
	loaded(ctx context.Context) ([]Weights, error)
}

// Clear has the servers that are there forget adapters by their paths: those that a process left
// which was killed. A server that does not tell what it has keeps them; that costs it memory and
// nobody a reply, as no call names them.
func (p *Policy) Clear(ctx context.Context, old func(path string) bool) {
	p.each(func(s *server) {
		l, ok := s.Backend.(lister)
		if !ok {
			return
		}
		list, err := l.loaded(ctx)
		if err != nil {
			return
		}
		for _, w := range list {
			if old(w.Path) && w != p.now() {
				_ = s.Drop(ctx, w) // the same holds
			}
		}
	})
}

// Try has every server that is there, and that which has, sample once, with the weights of the moment, and hands the replies to
// look, one at a time, or why there is none. It ends with the first error of look.
func (p *Policy) Try(ctx context.Context, c Call, which func(server string) bool,
	look func(server string, a *Answer, err error) error) error {
	c.Weights = p.now()
	for _, s := range p.here() {
		if !which(s.Address()) {
			continue
		}
		a, err := draw(ctx, s, p.o.Vocab, &c)
		if err := look(s.Address(), a, err); err != nil {
			return fmt.Errorf("served: %w", err)
		}
	}
	return nil
}

// here are the servers that are not left out.
func (p *Policy) here() (up []*server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.servers {
		if s.why == nil {
			up = append(up, s)
		}
	}
	return up
}

// each does something with every server that is there, side by side.
func (p *Policy) each(do func(s *server)) {
	var all sync.WaitGroup
	for _, s := range p.here() {
		all.Go(func() { do(s) })
	}
	all.Wait()
}

package served_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/model/served"
	"ballast/model/servedtest"
)

func refresh(t testing.TB, p *served.Policy, path string) {
	t.Helper()
	if err := p.Refresh(context.Background(), path); err != nil {
		t.Fatal(err)
	}
}

// loading says whether a request loads weights.
func loading(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/load_lora_adapter") }

// TestRefresh: after it all servers sample with the new weights, and have no older ones.
func TestRefresh(t *testing.T) {
	for _, kind := range []string{"vllm", "sglang"} {
		servers := []*servedtest.Server{start(t, servedtest.Options{}), start(t, servedtest.Options{})}
		p := open(t, quick(t, kind, servers...))
		exact(t, play(t, p, talks(4, 2, 2), warm), "", []int32{5, 7})
		for _, path := range []string{"lora/1", "lora/2", "lora/2", ""} { // the third has other weights below the same path
			refresh(t, p, path)
			exact(t, play(t, p, talks(4, 2, 2), warm), path, []int32{5, 7})
			for _, s := range servers {
				if got := s.Adapters(); path != "" && !slices.Equal(got, []string{path}) || path == "" && got != nil {
					t.Errorf("%s %q: the server has %q", kind, path, got)
				}
			}
		}
	}
}

// TestServerThatMissesAnUpdate has old weights: it is not sampled from until it has the new
// ones, however well it answers.
func TestServerThatMissesAnUpdate(t *testing.T) {
	good, late := start(t, servedtest.Options{}), start(t, servedtest.Options{})
	p := open(t, quick(t, "vllm", good, late))
	refresh(t, p, "lora/1")
	play(t, p, talks(4, 2, 2), warm)
	late.Fail(func(w http.ResponseWriter, r *http.Request) bool { return loading(r) && servedtest.Dead(w, r) })
	old, _ := late.Served("lora/1")
	refresh(t, p, "lora/2")
	exact(t, play(t, p, talks(4, 2, 2), warm), "lora/2", []int32{5, 7})
	if n, _ := late.Served("lora/1"); n != old || old == 0 {
		t.Errorf("%d replies with the old weights, %d before", n, old)
	}
	if n, _ := late.Served("lora/2"); n != 0 || p.Servers()[1].Left != 1 || !strings.Contains(p.Servers()[1].Out, "EngineCore") {
		t.Errorf("%d, %+v", n, p.Servers()[1])
	}
	refresh(t, p, "lora/3") // missed as well
	late.Fail(nil)
	until(t, func() bool { return p.Servers()[1].Out == "" })
	before, _ := late.Served("lora/3")
	exact(t, play(t, p, talks(4, 2, 2), warm), "lora/3", []int32{5, 7})
	if n, _ := late.Served("lora/3"); n == before {
		t.Error("a server that came back is not sampled from")
	}
	if n, _ := late.Served("lora/2"); n != 0 || !slices.Equal(late.Adapters(), []string{"lora/3"}) {
		t.Errorf("%d replies with weights that it missed; it has %q", n, late.Adapters())
	}
}

// TestRestartedServer has lost its weights: it gets them before it is sampled from.
func TestRestartedServer(t *testing.T) {
	for _, kind := range []string{"vllm", "sglang"} {
		s := start(t, servedtest.Options{})
		p := open(t, quick(t, kind, s))
		refresh(t, p, "lora/1")
		play(t, p, talks(2, 2, 2), warm)
		base, _ := s.Served("")
		s.Restart()
		exact(t, play(t, p, talks(2, 2, 2), warm), "lora/1", []int32{5, 7})
		n := p.Servers()[0] // both requests that were under way may find it out, one after it came back
		if n.Left < 1 || n.Left > 2 || n.Loaded != n.Left+1 {
			t.Errorf("%s: %+v", kind, n)
		}
		if now, _ := s.Served(""); now > base+20*int(n.Left) { // the probe of its return
			t.Errorf("%s: %d replies with the weights that the server starts with", kind, now-base)
		}
	}
}

// TestAdapterOfTheSameName: what a server has under a name already is not believed.
func TestAdapterOfTheSameName(t *testing.T) {
	for _, kind := range []string{"vllm", "sglang"} {
		s := start(t, servedtest.Options{})
		b := quick(t, kind, s).Servers[0]
		s.Put("name", "old")
		w := served.Weights{Name: "name", Path: "new"}
		if err := b.Load(context.Background(), w); err != nil || !slices.Equal(s.Adapters(), []string{"new"}) {
			t.Errorf("%s: %v, %q", kind, err, s.Adapters())
		}
		if err := b.Drop(context.Background(), w); err != nil || s.Adapters() != nil {
			t.Errorf("%s: %v, %q", kind, err, s.Adapters())
		}
		if err := b.Drop(context.Background(), w); err == nil {
			t.Errorf("%s: what is not there was dropped", kind)
		}
	}
}

// TestRefreshFails: without a server that takes the weights nothing is sampled with old ones.
func TestRefreshFails(t *testing.T) {
	s := start(t, servedtest.Options{})
	o := quick(t, "vllm", s)
	o.Patience = 1
	p := open(t, o)
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		return loading(r) && status(404, `{"detail":"Not Found"}`)(w, r)
	})
	if err := p.Refresh(context.Background(), "lora/1"); err == nil || !strings.Contains(err.Error(), "VLLM_ALLOW_RUNTIME_LORA_UPDATING") {
		t.Error(err)
	}
	before, _ := s.Served("")
	list := talks(2, 2, 1)
	if err := p.Play(context.Background(), conversations(list), warm); err != nil || replyErr(list) == nil {
		t.Errorf("%v, %v", err, replyErr(list))
	}
	if n, _ := s.Served(""); n-before > 100*8 { // probes of its return are all that it serves
		t.Errorf("%d replies", n-before)
	}
}

// TestRefreshWhilePlaying is an error: half a conversation would have other weights.
func TestRefreshWhilePlaying(t *testing.T) {
	p := open(t, quick(t, "vllm", start(t, servedtest.Options{})))
	c := talks(1, 1, 2)[0]
	var err error
	c.wait = func(request int) <-chan struct{} {
		if request == 1 {
			err = p.Refresh(context.Background(), "lora/1")
		}
		return nil
	}
	if perr := p.Play(context.Background(), []ballast.Conversation{c}, warm); perr != nil || err == nil {
		t.Errorf("%v, %v", perr, err)
	}
	exact(t, []*talk{c}, "", []int32{5, 7})
}

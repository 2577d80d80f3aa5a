package hub_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ballast/hub"
	"ballast/hub/hubtest"
)

const id = "Org/tiny-model"

// weights is a large content.
func weights(n int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), n/16) }

// tiny is a repository's files; the content of the hub does not matter here.
func tiny() map[string][]byte {
	return map[string][]byte{
		"config.json": []byte(`{"a": 1}`), "tokenizer.json": []byte(`{"b": 2}`), "tokenizer_config.json": []byte(`{}`),
		"generation_config.json": []byte(`{}`), "chat_template.jinja": []byte("{{ x }}"), "model.safetensors": weights(64 << 10),
		"README.md": []byte("not wanted"), "what is it?.png": nil, "tokenizer:x": nil, "onnx/model.onnx": weights(1 << 10), "pytorch_model.bin": weights(1 << 10),
	}
}

// wanted are the files of tiny that are downloaded.
var wanted = []string{"chat_template.jinja", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}

// place is a server with one model, and a cache.
type place struct {
	*hubtest.Server
	t      *testing.T
	cache  string
	commit string
	said   []string
	mu     sync.Mutex
}

func setup(t *testing.T, files map[string][]byte) *place {
	t.Helper()
	s := hubtest.New()
	t.Cleanup(s.Close)
	p := &place{Server: s, t: t, cache: filepath.Join(t.TempDir(), "hub")}
	p.commit = s.Commit(id, files)
	return p
}

func (p *place) client(edit ...func(*hub.Options)) *hub.Client {
	p.t.Helper()
	o := hub.Options{Endpoint: p.URL, Cache: p.cache, Wait: time.Millisecond, Retries: 3, Say: func(text string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.said = append(p.said, text)
	}}
	for _, e := range edit {
		e(&o)
	}
	c, err := hub.New(o)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func name(t *testing.T, text string) hub.Name {
	t.Helper()
	n, ok := hub.Parse(text)
	if !ok {
		t.Fatalf("%q is no name", text)
	}
	return n
}

// find expects the model, whole.
func (p *place) find(c *hub.Client, as string) hub.Found {
	p.t.Helper()
	f, err := c.Find(context.Background(), name(p.t, as))
	if err != nil {
		p.t.Fatal(err)
	}
	return f
}

// holds expects the files of a snapshot to be those of the commit, and nothing half done.
func (p *place) holds(f hub.Found, names ...string) {
	p.t.Helper()
	var got []string
	err := filepath.WalkDir(f.Dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(f.Dir, path)
			got = append(got, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil || !slices.Equal(got, names) {
		p.t.Errorf("the snapshot holds %q, %v; want %q", got, err, names)
	}
	for _, n := range got {
		data, err := os.ReadFile(filepath.Join(f.Dir, n))
		if err != nil || !bytes.Equal(data, p.Repo(id).Commits[f.Commit][n]) {
			p.t.Errorf("%s: %d bytes, %v", n, len(data), err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(p.cache, "*", "blobs", "*.incomplete")); len(left) > 0 {
		p.t.Errorf("left: %q", left)
	}
}

// fails expects an error that says all parts.
func (p *place) fails(c *hub.Client, as string, parts ...string) {
	p.t.Helper()
	_, err := c.Find(context.Background(), name(p.t, as))
	if err == nil {
		p.t.Fatalf("no error; want %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			p.t.Errorf("%q does not say %q", err, part)
		}
	}
}

// TestFresh: what is needed is downloaded, in the layout of the cache, and found again
// without the network.
func TestFresh(t *testing.T) {
	p := setup(t, tiny())
	var begun string
	var last int64
	c := p.client(func(o *hub.Options) {
		o.Begin = func(n hub.Name, commit string, files int, bytes int64) {
			begun = fmt.Sprint(n, " ", commit == p.commit, " ", files, " ", bytes)
		}
		o.Progress = func(done int64) { last = done }
	})
	if _, ok, err := c.Cached(name(t, id)); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	f := p.find(c, id)
	p.holds(f, wanted...)
	if f.Commit != p.commit || begun != id+" true 1 65536" || last != 65536 || len(f.Notes) > 0 || len(p.said) > 0 {
		t.Errorf("%+v, %q, %d, %q", f, begun, last, p.said)
	}
	to, err := os.Readlink(filepath.Join(f.Dir, "model.safetensors"))
	if want := filepath.Join("..", "..", "blobs", hubtest.SHA256(weights(64<<10))); err != nil || to != want {
		t.Errorf("%s, %v", to, err)
	}
	dir := filepath.Join(p.cache, "models--Org--tiny-model")
	if ref, err := os.ReadFile(filepath.Join(dir, "refs", "main")); err != nil || string(ref) != p.commit {
		t.Errorf("%s, %v", ref, err)
	}
	p.Requests()
	for _, as := range []string{id, id + "@main", id + "@" + p.commit} {
		if again := p.find(c, as); again.Dir != f.Dir || again.Commit != f.Commit {
			t.Errorf("%+v", again)
		}
	}
	if pinned := f.Pinned().String(); pinned != id+"@"+p.commit {
		t.Error(pinned)
	}
	off := p.client(func(o *hub.Options) { o.Offline = true })
	p.find(off, id)
	if list := p.Requests(); len(list) > 0 {
		t.Errorf("the network was asked: %+v", list)
	}
}

// TestShards: an index with its shards, over several pages of the listing.
func TestShards(t *testing.T) {
	files := tiny()
	delete(files, "model.safetensors")
	files["model.safetensors.index.json"] = []byte(`{"weight_map": {"a": "model-1.safetensors", "b": "part/model-2.safetensors", "c": "model-1.safetensors"}}`)
	files["model-1.safetensors"], files["part/model-2.safetensors"], files["other.safetensors"] = weights(32<<10), weights(16<<10), weights(160)
	p := setup(t, files)
	p.Page = 2
	f := p.find(p.client(), id)
	p.holds(f, "chat_template.jinja", "config.json", "generation_config.json", "model-1.safetensors", "model.safetensors.index.json", "part/model-2.safetensors", "tokenizer.json", "tokenizer_config.json")
	// A shard that is gone is downloaded again.
	if err := os.Remove(filepath.Join(f.Dir, "model-1.safetensors")); err != nil {
		t.Fatal(err)
	}
	p.Requests()
	p.fails(p.client(func(o *hub.Options) { o.Offline = true }), id, "lacks model-1.safetensors", "HF_HUB_OFFLINE")
	p.find(p.client(), id)
	for _, r := range p.Requests() {
		if strings.Contains(r.Path, "model-1") {
			t.Errorf("the content was there: %+v", r)
		}
	}
}

// TestBreaks: whatever breaks in the middle, the file ends whole.
func TestBreaks(t *testing.T) {
	busy := hubtest.Fault{Status: 503, Header: map[string]string{"Retry-After": "0"}, Body: "busy"}
	for _, c := range []struct {
		name   string
		faults []hubtest.Fault
		ranges []string // of the requests for the content
		says   string
	}{
		{"in the middle", []hubtest.Fault{{Break: 20000}}, []string{"", "bytes=20000-"}, "broke off at byte 20000 of 65536"},
		{"often", []hubtest.Fault{{Break: 10}, {Break: 10}, {Break: 10}, {Break: 10}, {Break: 10}, {Break: 10}}, nil, "broke off"},
		{"busy", []hubtest.Fault{busy, {Status: 429}, {Status: 500}}, []string{"", "", "", ""}, "answers 503: busy"},
		{"silent", []hubtest.Fault{{Hang: true}}, []string{"", ""}, "no byte came for 300ms"},
		{"no parts", []hubtest.Fault{{Break: 20000}, {Whole: true}}, []string{"", "bytes=20000-"}, "starting again"},
		{"changed", []hubtest.Fault{{Break: 20000, Etag: `"old"`}}, []string{"", "bytes=20000-"}, "starting again"},
		{"wrong part", []hubtest.Fault{{Break: 20000, Corrupt: true}}, []string{"", "bytes=20000-", ""}, "starting again"},
		{"slow", []hubtest.Fault{{Pause: 5 * time.Millisecond}}, []string{""}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := setup(t, tiny())
			p.Fault("model.safetensors", c.faults...)
			f := p.find(p.client(func(o *hub.Options) {
				if c.name == "silent" {
					o.Stall = 300 * time.Millisecond
				}
			}), id)
			p.holds(f, wanted...)
			var ranges []string
			for _, r := range p.Requests() {
				if strings.HasSuffix(r.Path, "model.safetensors") && !strings.HasSuffix(p.URL, r.Host) {
					ranges = append(ranges, r.Range)
				}
			}
			if c.ranges != nil && !slices.Equal(ranges, c.ranges) {
				t.Errorf("asked for %q, want %q", ranges, c.ranges)
			}
			if said := strings.Join(p.said, "\n"); !strings.Contains(said, c.says) || (c.says == "") != (said == "") {
				t.Errorf("said %q, want %q", said, c.says)
			}
		})
	}
}

// TestMoved: a branch that moved is followed where the cache is not whole, and said.
func TestMoved(t *testing.T) {
	p := setup(t, tiny())
	first := p.find(p.client(), id)
	files := tiny()
	files["config.json"] = []byte(`{"a": 2}`)
	second := p.Commit(id, files)
	if f := p.find(p.client(), id); f.Commit != first.Commit { // whole: found as it is
		t.Errorf("%+v", f)
	}
	if f := p.find(p.client(), id+"@"+second); f.Commit != second || p.client().Moved(f.Name) != first.Commit {
		t.Errorf("%+v, %s", f, p.client().Moved(f.Name))
	}
	if err := os.RemoveAll(first.Dir); err != nil {
		t.Fatal(err)
	}
	f := p.find(p.client(), id)
	if f.Commit != second || len(f.Notes) != 1 || !strings.Contains(f.Notes[0], "main of "+id+" has moved from "+first.Commit[:12]) {
		t.Errorf("%+v", f)
	}
	p.holds(f, wanted...)
	if moved := p.client().Moved(f.Pinned()); moved != "" {
		t.Error(moved)
	}
	if moved := p.client().Moved(first.Pinned()); moved != second {
		t.Error(moved)
	}
}

// TestRevisions: branches with a slash and tags have refs of their own.
func TestRevisions(t *testing.T) {
	p := setup(t, tiny())
	p.Repo(id).Revisions["refs/pr/1"] = p.commit
	f := p.find(p.client(), id+"@refs/pr/1")
	if ref, err := os.ReadFile(filepath.Join(p.cache, "models--Org--tiny-model", "refs", "refs", "pr", "1")); err != nil || string(ref) != f.Commit {
		t.Errorf("%s, %v", ref, err)
	}
	if _, err := os.Stat(filepath.Join(p.cache, "models--Org--tiny-model", "refs", "main")); err == nil {
		t.Error("main was never asked for")
	}
}

// TestForeignCache: a cache that another program filled in part is completed, and taken as
// it is where nobody can be asked.
func TestForeignCache(t *testing.T) {
	p := setup(t, tiny())
	f := p.find(p.client(), id)
	if err := os.Remove(filepath.Join(f.Dir, "generation_config.json")); err != nil {
		t.Fatal(err)
	}
	got := p.find(p.client(func(o *hub.Options) { o.Offline = true }), id)
	if len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "generation_config.json") {
		t.Errorf("%q", got.Notes)
	}
	got = p.find(p.client(func(o *hub.Options) { o.Endpoint = "http://127.0.0.1:1" }), id)
	if len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "could not be asked") {
		t.Errorf("%q", got.Notes)
	}
	p.holds(p.find(p.client(), id), wanted...)
	// What the repository does not have is known from then on.
	files := tiny()
	delete(files, "generation_config.json")
	delete(files, "chat_template.jinja")
	p.Commit("Org/less", files)
	p.find(p.client(), "Org/less")
	p.Requests()
	if got := p.find(p.client(), "Org/less"); len(got.Notes) != 0 || len(p.Requests()) != 0 {
		t.Errorf("%q", got.Notes)
	}
}

// TestAccept: what will be refused is refused before anything large is downloaded.
func TestAccept(t *testing.T) {
	p := setup(t, tiny())
	p.fails(p.client(func(o *hub.Options) {
		o.Accept = func(config []byte) error { return fmt.Errorf("not %s", config) }
	}), id, id, `not {"a": 1}`)
	for _, r := range p.Requests() {
		if strings.HasSuffix(r.Path, "model.safetensors") {
			t.Errorf("%+v", r)
		}
	}
}

func TestSpace(t *testing.T) {
	p := setup(t, tiny())
	p.fails(p.client(func(o *hub.Options) { o.Free = func(string) (int64, error) { return 60 << 10, nil } }), id, "64 KiB are still to come", "room for 60 KiB", "HF_HUB_CACHE")
}

func TestOffline(t *testing.T) {
	p := setup(t, tiny())
	p.fails(p.client(func(o *hub.Options) { o.Offline = true }), id, "not in the cache", "HF_HUB_OFFLINE")
	if list := p.Requests(); len(list) > 0 {
		t.Errorf("%+v", list)
	}
	p.fails(p.client(func(o *hub.Options) { o.Endpoint = "http://127.0.0.1:1" }), id, "http://127.0.0.1:1", "given up after 4 tries")
}

func TestFromEnv(t *testing.T) {
	home := t.TempDir()
	hf := filepath.Join(home, "hf")
	if err := os.MkdirAll(hf, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(hf, "token"), []byte("hf_of_file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		env                    map[string]string
		cache, endpoint, token string
		offline                bool
	}{
		{nil, home + "/.cache/huggingface/hub", hub.DefaultEndpoint, "", false},
		{map[string]string{"XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub", hub.DefaultEndpoint, "", false},
		{map[string]string{"XDG_CACHE_HOME": "/x", "HF_HOME": hf}, hf + "/hub", hub.DefaultEndpoint, "hf_of_file", false},
		{map[string]string{"HF_HOME": "~/hf", "HF_HUB_CACHE": "/y", "HF_TOKEN": " hf_a\n", "HF_ENDPOINT": "http://mirror/"}, "/y", "http://mirror/", "hf_a", false},
		{map[string]string{"HUGGINGFACE_HUB_CACHE": "/z", "HF_TOKEN_PATH": "~/hf/token", "HF_HUB_OFFLINE": "0"}, "/z", hub.DefaultEndpoint, "hf_of_file", false},
		{map[string]string{"HF_HOME": hf, "TRANSFORMERS_OFFLINE": "yes"}, hf + "/hub", hub.DefaultEndpoint, "", true},
	} {
		o, err := hub.FromEnv(func(k string) string { return c.env[k] }, home)
		if err != nil || o.Cache != filepath.FromSlash(c.cache) || o.Endpoint != c.endpoint || o.Token != c.token || o.Offline != c.offline {
			t.Errorf("%v: %+v, %v", c.env, o, err)
		}
	}
	if _, err := hub.FromEnv(func(string) string { return "" }, ""); err == nil || !strings.Contains(err.Error(), "set HF_HUB_CACHE") {
		t.Error(err)
	}
	for _, o := range []hub.Options{{Endpoint: "ftp://x"}, {Endpoint: "x"}, {Endpoint: "http://x", Token: "a\nb"}, {Endpoint: "http://x?y=1"}} {
		if _, err := hub.New(o); err == nil || strings.Contains(err.Error(), "a\nb") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestNames: what is a name, and what is a path.
func TestNames(t *testing.T) {
	for text, want := range map[string]hub.Name{
		"Qwen/Qwen2.5-1.5B-Instruct": {Org: "Qwen", Repo: "Qwen2.5-1.5B-Instruct"},
		"a/b@main":                   {Org: "a", Repo: "b", Revision: "main"},
		"a/b@refs/pr/12":             {Org: "a", Repo: "b", Revision: "refs/pr/12"},
		"a_b/c_d@v1.0+x":             {Org: "a_b", Repo: "c_d", Revision: "v1.0+x"},
	} {
		if n, ok := hub.Parse(text); !ok || n != want || n.String() != text {
			t.Errorf("%s: %+v, %v", text, n, ok)
		}
	}
	for _, text := range []string{"", "a", "a/", "/a", "./a", "../a", "a/..", "a/.b", ".a/b", "a/b/c", `a\b`, "a/b@", "a/b@..", "a/b@../x", "a/b@/x", "a/b@x/", "a/b@x//y",
		"a/b@.x", "a/b@-x", "a/b--c", "a--b/c", "a/b.git", "models/x.gguf", "a/b c", "a/b\n", "a/b@x y", "~/m", "a/b@x@y", "C:/x", "a/" + strings.Repeat("b", 100)} {
		if n, ok := hub.Parse(text); ok {
			t.Errorf("%q is %+v", text, n)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a/b", "a/b@c", "../a", "a/b@refs/pr/1", "a/b@..", `a/b@\..`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, ok := hub.Parse(text)
		if !ok {
			return
		}
		if n.String() != text {
			t.Errorf("%q is %q", text, n)
		}
		for _, p := range []string{"models--" + n.Org + "--" + n.Repo, "x/" + n.Revision} {
			if !filepath.IsLocal(p) || strings.Contains(p, `\`) || strings.Contains(p, "..") {
				t.Errorf("%q leaves", p)
			}
		}
	})
}

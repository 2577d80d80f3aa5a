package hub_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast/hub"
	"ballast/hub/hubtest"
)

// TestRefused: what does not become right by waiting, and what is said of it. Nothing of
// it is in the cache.
func TestRefused(t *testing.T) {
	drop := func(names ...string) func(map[string][]byte) {
		return func(f map[string][]byte) {
			for _, n := range names {
				delete(f, n)
			}
		}
	}
	edit := func(key string, v any) func(*place) {
		return func(p *place) {
			p.Tree = func(list []map[string]any) []map[string]any {
				for _, e := range list {
					if e["path"] == "model.safetensors" {
						e[key] = v
					}
				}
				return list
			}
		}
	}
	for _, c := range []struct {
		name  string
		files func(map[string][]byte)
		do    func(*place)
		as    string
		says  []string
	}{
		{name: "no such model", as: "Org/none", says: []string{"no such model", "HF_TOKEN"}},
		{name: "no such revision", as: id + "@v9", says: []string{"no revision v9"}},
		{name: "wrong hash", do: func(p *place) { p.Fault("model.safetensors", hubtest.Fault{Corrupt: true}) }, says: []string{"model.safetensors", "the hub's listing says", "damaged on the way"}},
		{name: "wrong hash of a small file", do: func(p *place) { p.Fault("config.json", hubtest.Fault{Corrupt: true}) }, says: []string{"config.json", "hash"}},
		{name: "another file than listed", do: func(p *place) { p.Fault("config.json", hubtest.Fault{Etag: `"` + strings.Repeat("ab", 20) + `"`}) }, says: []string{"serves a file of the hash abab"}},
		{name: "longer than listed", do: func(p *place) { p.Fault("model.safetensors", hubtest.Fault{Size: 10}) }, says: []string{"has 65546 bytes of it, and the listing says 65536"}},
		{name: "gone from the content server", do: func(p *place) { p.Fault("model.safetensors", hubtest.Fault{Status: 410, Body: "gone"}) }, says: []string{"410", "gone"}},
		{name: "long wait", do: func(p *place) {
			p.API = []hubtest.Fault{{Status: 429, Header: map[string]string{"Retry-After": "86400"}}}
		}, says: []string{"429", "which is not waited for"}},
		{name: "always busy", do: func(p *place) { p.API = slices.Repeat([]hubtest.Fault{{Status: 502}}, 9) }, says: []string{"given up after 4 tries", "502"}},
		{name: "no hub", do: func(p *place) { p.API = []hubtest.Fault{{Status: 200, Body: "<html>"}} }, says: []string{"names no commit", "HF_ENDPOINT"}},
		{name: "redirect to a file", do: func(p *place) {
			p.Fault("config.json", hubtest.Fault{Status: 302, Header: map[string]string{"Location": "file:///etc/passwd"}})
		}, says: []string{"redirects to", "not followed"}},
		{name: "redirect without end", do: func(p *place) {
			p.API = slices.Repeat([]hubtest.Fault{{Status: 307, Header: map[string]string{"Location": "/api/models/a/b/revision/main"}}}, 9)
		}, says: []string{"more than 5 times"}},
		{name: "path that leaves", do: edit("path", "../../model.safetensors"), says: []string{`"../../model.safetensors"`, "no path"}},
		{name: "path from the root", do: edit("path", "/etc/passwd"), says: []string{`"/etc/passwd"`}},
		{name: "path with backslash", do: edit("path", `a\..\b`), says: []string{"no path"}},
		{name: "no hash", do: edit("lfs", map[string]any{"oid": "../../x", "size": 1}), says: []string{"no hash of model.safetensors"}},
		{name: "no size", do: edit("lfs", map[string]any{"oid": strings.Repeat("a", 64)}), says: []string{"no size of model.safetensors"}},
		{name: "only pickled", files: drop("model.safetensors"), says: []string{"pytorch_model.bin", "has no model.safetensors", "safetensors"}},
		{name: "only GGUF", files: func(f map[string][]byte) {
			clear(f)
			f["model-q4.gguf"], f["model-q8.gguf"] = nil, nil
		}, says: []string{"only model-q4.gguf, model-q8.gguf", "download one of them"}},
		{name: "adapter", files: func(f map[string][]byte) {
			clear(f)
			f["adapter_config.json"] = []byte(`{"peft_type": "LORA", "base_model_name_or_path": "Qwen/base"}`)
			f["adapter_model.safetensors"] = weights(160)
		}, says: []string{"adapter of Qwen/base", "merge it"}},
		{name: "no tokenizer.json", files: drop("tokenizer.json"), says: []string{"no tokenizer.json"}},
		{name: "data", files: func(f map[string][]byte) { clear(f); f["a.csv"] = nil }, says: []string{"no config.json"}},
		{name: "index without its shard", files: func(f map[string][]byte) {
			delete(f, "model.safetensors")
			f["model.safetensors.index.json"] = []byte(`{"weight_map": {"a": "x.safetensors"}}`)
		}, says: []string{"names x.safetensors, which the repository does not have"}},
		{name: "index that leaves", files: func(f map[string][]byte) {
			delete(f, "model.safetensors")
			f["model.safetensors.index.json"] = []byte(`{"weight_map": {"a": "../x.safetensors"}}`)
		}, says: []string{"../x.safetensors", "leaves the directory"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := tiny()
			if c.files != nil {
				c.files(files)
			}
			p := setup(t, files)
			if c.do != nil {
				c.do(p)
			}
			if c.as == "" {
				c.as = id
			}
			p.fails(p.client(), c.as, c.says...)
			if _, ok, _ := p.client().Cached(name(t, c.as)); ok {
				t.Error("it is in the cache")
			}
		})
	}
}

// TestGated: who may not read it is told what to do; who may, reads it. The token goes to
// the hub alone, and stands nowhere.
func TestGated(t *testing.T) {
	p := setup(t, tiny())
	p.Repo(id).Gated, p.Token = true, "hf_geheim_geheim"
	p.fails(p.client(), id, "gated", "accept its licence", "/"+id, "HF_TOKEN")
	p.fails(p.client(func(o *hub.Options) { o.Token = "hf_of_another" }), id, "gated", "403", "accept its licence")
	p.Requests()
	c := p.client(func(o *hub.Options) { o.Token = p.Token })
	p.Fault("model.safetensors", hubtest.Fault{Break: 100}, hubtest.Fault{Status: 500, Body: "key hf_geheim_geheim?"})
	p.holds(p.find(c, id), wanted...)
	to := map[string]int{}
	for _, r := range p.Requests() {
		hubs := strings.HasSuffix(p.URL, r.Host)
		if (r.Authorization == "Bearer "+p.Token) != hubs {
			t.Errorf("%+v", r)
		}
		to[fmt.Sprint(hubs)]++
	}
	if to["false"] != 3 {
		t.Errorf("%v requests", to)
	}
	if said := strings.Join(p.said, "\n"); strings.Contains(said, "geheim") || strings.Contains(said, "Signature") {
		t.Errorf("said %s", said)
	}
	err := filepath.WalkDir(p.cache, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if data, _ := os.ReadFile(path); bytes.Contains(data, []byte("geheim")) {
				t.Errorf("%s holds the token", path)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestTokenOverRedirects: a hub that redirects its API elsewhere gets no token there.
func TestTokenOverRedirects(t *testing.T) {
	var got []string
	other := hubtest.New()
	t.Cleanup(other.Close)
	other.Commit(id, tiny())
	p := setup(t, tiny())
	p.API = []hubtest.Fault{{Status: 307, Header: map[string]string{"Location": other.URL + "/api/models/" + id + "/revision/main"}}}
	_, _ = p.client(func(o *hub.Options) { o.Token = "hf_geheim_geheim" }).Find(context.Background(), name(t, id))
	for _, r := range other.Requests() {
		got = append(got, r.Authorization)
	}
	if len(got) == 0 || strings.Join(got, "") != "" {
		t.Errorf("the other host got %q", got)
	}
}

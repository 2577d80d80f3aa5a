package hub

import (
	"path/filepath"
	"strings"
	"testing"
)

func FuzzListing(f *testing.F) {
	f.Add([]byte(`[{"type":"file","oid":"` + strings.Repeat("a", 40) + `","size":3,"path":"config.json"},{"type":"directory","path":"x"}]`))
	f.Add([]byte(`[{"type":"file","size":3,"path":"../x","lfs":{"oid":"sha256:` + strings.Repeat("a", 64) + `","size":3}}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := listing(data)
		if err != nil {
			return
		}
		for _, x := range list {
			if !filepath.IsLocal(filepath.FromSlash(x.Path)) || strings.ContainsAny(x.Path, "\\\x00") || x.Size < 0 || strings.Trim(x.Etag, "0123456789abcdef") != "" || len(x.Etag) < 40 {
				t.Errorf("%+v", x)
			}
		}
	})
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"weight_map": {"a": "model-1.safetensors", "b": "x/y"}}`))
	f.Add([]byte(`{"weight_map": {"a": "../x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := indexed(data)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, name := range list {
			if seen[name] || !filepath.IsLocal(filepath.FromSlash(name)) {
				t.Errorf("%q", list)
			}
			seen[name] = true
		}
	})
}

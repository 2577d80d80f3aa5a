package tinker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestHeartbeat: signs of life go out, and a session that is lost ends what waits for it.
func TestHeartbeat(t *testing.T) {
	for name, c := range map[string]struct {
		answer reply
		kind   Kind
		text   string
	}{
		"unknown session": {reply{404, "", `{"detail":"Session not found"}`, nil}, Gone, "Session not found"},
		"no server":       {reply{}, Unreachable, "30 signs of life"},
		"no access":       {reply{401, "", ``, nil}, Access, "401"},
	} {
		f := newFake(t)
		m, _ := f.model(Options{Wire: Proto, Heartbeat: time.Millisecond})
		for beats := 0; beats < 3; time.Sleep(time.Millisecond) {
			f.mu.Lock()
			beats = f.beats
			f.mu.Unlock()
		}
		if m.c.Err() != nil {
			t.Error(m.c.Err())
		}
		lost := make(chan struct{})
		f2 := newFake(t)
		f2.fault = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
			switch {
			case r.URL.Path == PathHeartbeat && c.answer.status == 0:
				panic(http.ErrAbortHandler)
			case r.URL.Path == PathHeartbeat:
				w.Header().Set("Content-Type", TypeJSON)
				w.WriteHeader(c.answer.status)
				io.WriteString(w, c.answer.body)
			case r.URL.Path == PathOptimStep:
				select { // it never answers
				case <-r.Context().Done():
				case <-lost:
				}
			default:
				return false
			}
			return true
		}
		client, _ := f2.dial(Options{Heartbeat: time.Millisecond})
		_, err := client.CreateModel(t.Context(), "base", LoRAConfig{})
		<-client.Done()
		close(lost)
		var e *Error
		if !errors.As(client.Err(), &e) || e.Kind != c.kind || !strings.Contains(e.Error(), c.text) {
			t.Errorf("%s: %v", name, client.Err())
		}
		if _, err2 := client.BaseSampler(t.Context(), "base"); !errors.As(err2, &e) || e.Kind != c.kind {
			t.Errorf("%s: %v, before %v", name, err2, err)
		}
	}
}

// TestSecrets: the key comes from where it was said to, and goes to the server alone.
func TestSecrets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("tml-of-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BALLAST_TEST_KEY", " tml-of-a-variable ")
	t.Setenv("TINKER_API_KEY", "tml-of-nobody")
	for _, c := range [][4]string{{"BALLAST_TEST_KEY", "", "tml-of-a-variable", ""}, {"", file, "tml-of-a-file", ""}, {"", "", "", ""},
		{"BALLAST_TEST_KEY", file, "", "name one"}, {"BALLAST_NO_KEY", "", "", "BALLAST_NO_KEY"}, {"", file + "x", "", "no such file"}} {
		key, err := ReadKey(c[0], c[1])
		if key != c[2] || (err != nil) != (c[3] != "") || err != nil && !strings.Contains(err.Error(), c[3]) {
			t.Errorf("%q: %q, %v", c, key, err)
		}
	}
	const key = "tml-very-secret"
	f := newFake(t)
	m, _ := f.model(Options{Key: key, Wire: Proto})
	for _, r := range []reply{{422, "", `{"detail":"key ` + key + ` is odd"}`, nil}, {403, "text/plain", strings.Repeat("x", maxShown-5) + key, nil},
		{301, "", "", map[string]string{"Location": "http://example.org/" + key}}} {
		f.script(PathOptimStep, r)
		_, err := m.OptimStep(t.Context(), AdamParams{}).Wait()
		if err == nil || strings.Contains(err.Error(), "secret") && !strings.Contains(err.Error(), "[secret]") || strings.Contains(err.Error(), "tml-") {
			t.Error(err)
		}
	}
	for _, bad := range []Options{{Address: "ftp://x"}, {Address: "http://u:pass@x"}, {Address: "http://x?key=pass"}, {Address: "::"},
		{Address: "http://x", Key: "a\nb"}, {Address: "http://x", Wire: "cbor"}, {Address: "http://x", Vocabulary: -1}} {
		if _, err := Dial(t.Context(), bad); err == nil || strings.Contains(err.Error(), "pass") && !strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "a\nb") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// TestSamplerAnswerLost: where the promise of kept weights is lost, and the server refuses
// the same request as a conflict, they are kept again.
func TestSamplerAnswerLost(t *testing.T) {
	f := newFake(t)
	m, _ := f.model(Options{})
	var lost []reply
	for range 4 { // one after the other
		lost = append(lost, reply{}, reply{409, "", `{"detail":"Checkpoint exists"}`, nil})
	}
	f.script(PathSaveWeightsForSampler, lost...)
	s := must[*Sampler](t)(m.Sampler(t.Context()).Wait())
	if s.ID() != "sampling_4" || m.Err() != nil || f.done["m/5"] != 1 {
		t.Error(s.ID(), m.Err(), f.done)
	}
	f.script(PathSaveWeightsForSampler, reply{409, "", `{"detail":"Checkpoint exists"}`, nil})
	var e *Error
	if _, err := m.SaveForSampler(t.Context(), "a").Wait(); !errors.As(err, &e) || e.Kind != Conflict || m.Err() != nil {
		t.Error(err, m.Err())
	}
}

func TestArchive(t *testing.T) {
	f := newFake(t)
	const tar = "\x1f\x8bpretend archive"
	other := newFake(t)
	other.fault = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		if r.Header.Get("X-API-Key") != "" {
			t.Error("the key went to another server")
		}
		io.WriteString(w, tar)
		return true
	}
	var mu sync.Mutex
	var location, said string
	cut := false
	f.fault = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		switch r.URL.Path {
		case "/api/v1/training_runs/m/checkpoints/a/archive": // as SkyRL names it
			if said != "" {
				io.WriteString(w, said)
				return true
			}
			w.Header().Set("Location", location)
			w.WriteHeader(302)
		case "/download":
			if r.Header.Get("X-API-Key") != "tml-k" {
				t.Error("no key")
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(tar)))
			if cut {
				io.WriteString(w, tar[:4])
				panic(http.ErrAbortHandler)
			}
			io.WriteString(w, tar)
		default:
			return false
		}
		return true
	}
	c, _ := f.dial(Options{Key: "tml-k"})
	for _, step := range []struct {
		path, location, said, want string
		cut                        bool
		limit                      int64
	}{
		{path: "tinker://m/sampler_weights/a", location: "/download", limit: 1 << 20},
		{path: "tinker://m/a", location: f.URL + "/download", limit: int64(len(tar))},
		{path: "tinker://m/a", location: other.URL + "/x?signature=abc", limit: 1 << 20},
		{path: "tinker://m/a", said: `{"url":"` + other.URL + `/x","expires":"soon"}`, limit: 1 << 20},
		{path: "tinker://m/a", location: "/download", limit: 5, want: "more than 5 bytes"},
		{path: "tinker://m/a", location: "/download", limit: 1 << 20, cut: true, want: "try again"},
		{path: "tinker://m/a", location: "file:///etc/passwd", limit: 1 << 20, want: "no address"},
		{path: "tinker://m/a", said: `{}`, limit: 1 << 20, want: "no address"},
		{path: "tinker://m/b", limit: 1 << 20, want: "404"},
		{path: "m/a", limit: 1 << 20, want: "no path of saved weights"},
		{path: "tinker://m/other/a", limit: 1 << 20, want: "no path of saved weights"},
	} {
		mu.Lock()
		location, said, cut = step.location, step.said, step.cut
		mu.Unlock()
		var got bytes.Buffer
		n, err := c.Archive(t.Context(), step.path, &got, step.limit)
		if step.want == "" && (err != nil || got.String() != tar || n != int64(len(tar))) || step.want != "" && (err == nil || !strings.Contains(err.Error(), step.want)) {
			t.Errorf("%+v: %q, %v", step, got.String(), err)
		}
	}
}

// TestDelete: what is gone already is deleted, whatever kind of weights it is; a server that does
// not do it says so.
func TestDelete(t *testing.T) {
	f := newFake(t)
	var mu sync.Mutex
	var asked []string
	f.fault = func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		if r.Method != http.MethodDelete {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.URL.Path)
		status := map[string]int{"a": 204, "gone": 404, "kept": 405}[r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]]
		if len(asked) == 1 {
			panic(http.ErrAbortHandler) // it is asked again
		}
		w.WriteHeader(status)
		return true
	}
	c, _ := f.dial(Options{})
	for path, want := range map[string]string{"tinker://m/weights/a": "", "tinker://m/a": "", "tinker://m/weights/gone": "",
		"tinker://m/sampler_weights/kept": "405", "tinker://m/weights/..": "no path", "m/a": "no path"} {
		err := c.Delete(t.Context(), path)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{"/api/v1/training_runs/m/checkpoints/weights/a", "/api/v1/training_runs/m/checkpoints/sampler_weights/a"} {
		if !slices.Contains(asked, path) {
			t.Errorf("%s was not asked for: %q", path, asked)
		}
	}
}

package served_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ballast"
	"ballast/endpoint"
	"ballast/model/served"
	"ballast/model/servedtest"
)

// sampling says whether a request asks for a reply.
func sampling(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/completions") }

// every is a fault of every n-th request for a reply.
func every(n int64, f func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	var count atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) bool {
		return sampling(r) && count.Add(1)%n == 0 && f(w, r)
	}
}

// altered answers what another server answers, changed.
func altered(t testing.TB, change func(choice map[string]any)) func(http.ResponseWriter, *http.Request) bool {
	honest := start(t, servedtest.Options{})
	return func(w http.ResponseWriter, r *http.Request) bool {
		body, _ := io.ReadAll(r.Body)
		res, err := http.Post(honest.URL+r.URL.Path, "application/json", bytes.NewReader(body))
		if err != nil {
			return false
		}
		defer res.Body.Close()
		var out map[string]any
		if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode != 200 {
			w.WriteHeader(500)
			return true
		}
		change(out["choices"].([]any)[0].(map[string]any))
		_ = json.NewEncoder(w).Encode(out)
		return true
	}
}

func status(code int, text string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
		return true
	}
}

// half answers the beginning of a reply.
func half(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, `{"choices": [{"token_ids": [1,`)
	panic(http.ErrAbortHandler)
}

// TestFaults: whatever every third answer is, the replies are those of servers without a fault,
// and the failures are counted.
func TestFaults(t *testing.T) {
	want := play(t, open(t, quick(t, "vllm", start(t, servedtest.Options{}))), talks(3, 3, 3), warm)
	logProbs := func(c map[string]any) map[string]any { return c["logprobs"].(map[string]any) }
	for name, fault := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"dead engine": servedtest.Dead,
		"cut":         servedtest.Break,
		"half":        half,
		"not JSON":    status(200, "<html>"),
		"empty":       status(200, ""),
		"no choice":   status(200, `{"choices": []}`),
		"busy":        status(429, `{"error": "later"}`),
		"large":       status(200, strings.Repeat(" ", 1<<20)),
		"gateway":     status(502, "<html>Bad Gateway</html>"),
		"unknown ids": altered(t, func(c map[string]any) { c["token_ids"].([]any)[0] = 40 }),
		"negative id": altered(t, func(c map[string]any) { c["token_ids"].([]any)[0] = -1 }),
		"huge id":     altered(t, func(c map[string]any) { c["token_ids"].([]any)[0] = 1 << 40 }),
		"too many":    altered(t, func(c map[string]any) { c["token_ids"] = slices.Repeat([]int32{1}, 13); c["finish_reason"] = "length" }),
		"none":        altered(t, func(c map[string]any) { c["token_ids"] = []int32{} }),
		"short":       altered(t, func(c map[string]any) { logProbs(c)["token_logprobs"] = []float64{-1} }),
		"null":        altered(t, func(c map[string]any) { logProbs(c)["token_logprobs"].([]any)[0] = nil }),
		"positive":    altered(t, func(c map[string]any) { logProbs(c)["token_logprobs"].([]any)[0] = 1 }),
		"impossible":  altered(t, func(c map[string]any) { logProbs(c)["token_logprobs"].([]any)[0] = -9999 }),
		"text":        altered(t, func(c map[string]any) { logProbs(c)["token_logprobs"].([]any)[0] = "NaN" }),
		"no watch":    altered(t, func(c map[string]any) { logProbs(c)["top_logprobs"].([]any)[0] = map[string]any{} }),
		"aborted":     altered(t, func(c map[string]any) { c["finish_reason"] = "abort" }),
		"other end":   altered(t, func(c map[string]any) { c["finish_reason"], c["stop_reason"] = "stop", 9 }),
		"other text":  altered(t, func(c map[string]any) { c["prompt_token_ids"] = []int32{1} }),
		"went on": altered(t, func(c map[string]any) {
			c["token_ids"] = append([]any{5}, c["token_ids"].([]any)...)
			logProbs(c)["token_logprobs"] = append([]any{-1}, logProbs(c)["token_logprobs"].([]any)...)
		}),
	} {
		s, other := start(t, servedtest.Options{}), start(t, servedtest.Options{})
		p := open(t, quick(t, "vllm", s, other))
		s.Fail(every(3, fault))
		if !same(want, play(t, p, talks(3, 3, 3), warm)) {
			t.Errorf("%s: other replies", name)
		}
		if n := p.Servers(); n[0].Failed == 0 || n[0].Retries+n[1].Retries < n[0].Failed || n[1].Failed > 0 {
			t.Errorf("%s: %+v", name, n)
		}
	}
}

// TestServersDie: two of three servers die while conversations are played; these go on elsewhere
// with the same replies, and come home when the servers are back.
func TestServersDie(t *testing.T) {
	want := play(t, open(t, quick(t, "vllm", start(t, servedtest.Options{}))), talks(6, 4, 6), warm)
	servers := []*servedtest.Server{start(t, servedtest.Options{}), start(t, servedtest.Options{}), start(t, servedtest.Options{})}
	p := open(t, quick(t, "vllm", servers...))
	list := talks(6, 4, 6)
	var replies atomic.Int64
	var once sync.Once
	for _, c := range list {
		c.wait = func(int) <-chan struct{} {
			if replies.Add(1) == 40 {
				once.Do(func() { servers[0].Fail(servedtest.Dead); servers[1].Fail(servedtest.Break) })
			}
			return nil
		}
	}
	if !same(want, play(t, p, list, warm)) {
		t.Error("other replies")
	}
	n := p.Servers()
	if n[0].Left != 1 || n[1].Left != 1 || n[0].Out == "" || n[1].Out == "" || n[2].Left != 0 || n[2].Replayed == 0 {
		t.Errorf("%+v", n)
	}
	servers[0].Fail(nil)
	servers[1].Fail(nil)
	until(t, func() bool { n := p.Servers(); return n[0].Out == "" && n[1].Out == "" })
	before := p.Servers()
	if !same(want, play(t, p, talks(6, 4, 6), warm)) {
		t.Error("other replies after the servers came back")
	}
	for i, c := range p.Servers() {
		if c.Requests == before[i].Requests || c.Replayed != before[i].Replayed || c.Failed != before[i].Failed {
			t.Errorf("server %d: %+v, before %+v", i, c, before[i])
		}
	}
}

// until waits for something that happens beside the test.
func until(t testing.TB, what func() bool) {
	t.Helper()
	for range 6000 {
		if what() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it did not happen")
}

// TestNoServerIsLeft: conversations fail after the patience, and say why; no sooner.
func TestNoServerIsLeft(t *testing.T) {
	s := start(t, servedtest.Options{})
	o := quick(t, "vllm", s)
	o.Patience = 50 * time.Millisecond
	p := open(t, o)
	s.Fail(servedtest.Dead)
	list := talks(2, 2, 1)
	if err := p.Play(context.Background(), conversations(list), warm); err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if r := c.replies[0]; r.Err == nil || !strings.Contains(r.Err.Error(), "EngineCore") || r.Tokens != nil {
			t.Errorf("%+v", r)
		}
	}
	s.Fail(nil)
	until(t, func() bool { return p.Servers()[0].Out == "" })
	exact(t, play(t, p, talks(2, 2, 1), warm), "", []int32{5, 7})
}

// TestRefusedRequestIsLost: a request that a server refuses for its content is not tried again.
func TestRefusedRequestIsLost(t *testing.T) {
	s := start(t, servedtest.Options{})
	p := open(t, quick(t, "vllm", s))
	s.Fail(every(1, status(400, `{"error": {"message": "no"}}`)))
	list := talks(1, 1, 1)
	if err := p.Play(context.Background(), conversations(list), warm); err != nil {
		t.Fatal(err)
	}
	if r := list[0].replies[0]; r.Err == nil || p.Servers()[0].Requests != 1 {
		t.Errorf("%+v, %+v", r, p.Servers())
	}
}

// TestTriesEnd: a request that fails again and again is given up, while others go on.
func TestTriesEnd(t *testing.T) {
	s := start(t, servedtest.Options{})
	o := quick(t, "vllm", s)
	o.Tries, o.Failures = 3, 1000
	p := open(t, o)
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		return bytes.Contains(body, []byte(`"prompt":[1,1,1,2`)) && servedtest.Dead(w, r)
	})
	list := talks(2, 1, 2)
	if err := p.Play(context.Background(), conversations(list), warm); err != nil {
		t.Fatal(err)
	}
	exact(t, list[:1], "", []int32{5, 7})
	if r := list[1].replies[0]; r.Err == nil || !strings.Contains(r.Err.Error(), "given up after 3 tries") {
		t.Errorf("%+v", r)
	}
}

// TestGroupsShareAServer: conversations with the same prompt go to one server, and the groups
// are spread evenly.
func TestGroupsShareAServer(t *testing.T) {
	servers := []*servedtest.Server{start(t, servedtest.Options{}), start(t, servedtest.Options{}), start(t, servedtest.Options{})}
	p := open(t, quick(t, "vllm", servers...))
	var mu sync.Mutex
	where := map[string]map[int]bool{} // servers by prompt
	for i, s := range servers {
		s.Fail(func(_ http.ResponseWriter, r *http.Request) bool {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			var in struct {
				Prompt []int `json:"prompt"`
			}
			if json.Unmarshal(body, &in) == nil && len(in.Prompt) >= 4 {
				mu.Lock()
				defer mu.Unlock()
				key := string(rune(in.Prompt[2]))
				if where[key] == nil {
					where[key] = map[int]bool{}
				}
				where[key][i] = true
			}
			return false
		})
	}
	play(t, p, talks(12, 4, 3), warm)
	count := map[int]int{}
	for prompt, at := range where {
		if len(at) != 1 {
			t.Errorf("prompt %q went to %v", prompt, at)
		}
		for i := range at {
			count[i]++
		}
	}
	if len(where) != 12 || count[0]+count[1]+count[2] != 12 || count[0] == 0 || count[1] == 0 || count[2] == 0 {
		t.Errorf("%v", count)
	}
}

// TestPlacesAreBounded: no server has more requests under way than Options.Side.
func TestPlacesAreBounded(t *testing.T) {
	s := start(t, servedtest.Options{Delay: func(int) time.Duration { return time.Millisecond }})
	o := quick(t, "vllm", s)
	o.Side = 5
	p := open(t, o)
	play(t, p, talks(10, 4, 2), warm)
	if replies, most := s.Served(""); most > 5 || most < 2 || replies < 80 {
		t.Errorf("%d replies, %d at a time", replies, most)
	}
}

// TestSecretsStayHidden: the key of a server is in no error.
func TestSecretsStayHidden(t *testing.T) {
	const key = "sk-secret-0123456789abcdef"
	s := start(t, servedtest.Options{})
	b, err := served.Dial(served.Spec{Kind: "vllm", Options: endpoint.Options{URL: s.URL, Key: key}})
	if err != nil {
		t.Fatal(err)
	}
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		return status(400, r.Header.Get("Authorization")+" is not welcome")(w, r)
	})
	_, err = b.Sample(context.Background(), &served.Call{Prompt: []int32{1}, Max: 1})
	if err == nil || !strings.Contains(err.Error(), "is not welcome") || strings.Contains(err.Error(), "0123456789") {
		t.Error(err)
	}
}

// redirecting servers are not followed: the key and the prompts would go elsewhere.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var followed atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	t.Cleanup(other.Close)
	s := start(t, servedtest.Options{})
	o := quick(t, "vllm", s)
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		return true
	})
	if _, err := served.Open(context.Background(), o); err == nil || followed.Load() > 0 || !strings.Contains(err.Error(), "redirects") {
		t.Errorf("%v, followed %d times", err, followed.Load())
	}
}

// replyErr is the first error of a play's replies.
func replyErr(list []*talk) error {
	for _, c := range list {
		for _, r := range c.replies {
			if r.Err != nil {
				return r.Err
			}
		}
	}
	return nil
}

var _ ballast.Policy = (*served.Policy)(nil)

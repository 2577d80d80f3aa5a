// Package hub finds a model by its name on the Hugging Face hub: in the cache on this
// machine, and else on the hub, from where it is downloaded into that cache.
//
// The cache is huggingface_hub's, in its places and its layout: what one has downloaded the
// other finds, and both may write at the same time. A model that is there whole is found
// without the network.
//
// Contract: a file gets its name in the cache when its size and its hash are those that
// the hub's listing names. A download that breaks goes on where it broke, in this process
// or in another. The token goes to the hub's own host and to no other, whatever redirects
// say, and stands in no message. Names of files never leave the folder of the snapshot.
//
// How it fails: with an *Error that says what to do. What is retried is told by Options.Say.
package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ballast/bounded"
	"ballast/endpoint"
	"ballast/safetext"
)

// Options say where the cache and the hub are.
type Options struct {
	Endpoint string // address of the hub
	Cache    string // folder of the cache
	Token    string // of the account, "" for none
	Offline  bool   // nothing is asked of the network

	// Accept looks at config.json before anything large is downloaded; nil takes every one.
	Accept func(config []byte) error
	// Begin is told of a download before it begins: how many files, and bytes, are still to come.
	Begin func(n Name, commit string, files int, bytes int64)
	// Progress is told how many bytes of those came; it may be called often.
	Progress func(done int64)
	// Say is told what whoever waits should know: a wait, a break, a start from new.
	Say func(text string)

	Retries   int           // tries in a row that bring nothing before a request is given up; 0 = 6
	Wait      time.Duration // before the first further try, then doubled up to a minute; 0 = 1 s
	Stall     time.Duration // without a byte after which a connection counts as broken; 0 = 1 min
	Transport http.RoundTripper
	Free      func(dir string) (int64, error) // bytes that a folder has room for; nil asks the system
}

// DefaultEndpoint is the public hub.
const DefaultEndpoint = "https://huggingface.co"

// FromEnv reads the variables that huggingface_hub reads: HF_ENDPOINT, HF_HUB_CACHE,
// HF_HOME, XDG_CACHE_HOME, HF_TOKEN, HF_TOKEN_PATH, HF_HUB_OFFLINE and their older names. home
// is the user's folder, "" where there is none.
func FromEnv(env func(string) string, home string) (Options, error) {
	place := func(path string) string {
		if rest, ok := strings.CutPrefix(path, "~/"); ok && home != "" {
			return filepath.Join(home, rest)
		}
		return path
	}
	base := place(cmp.Or(env("XDG_CACHE_HOME"), "~/.cache"))
	hf := place(cmp.Or(env("HF_HOME"), filepath.Join(base, "huggingface")))
	o := Options{
		Endpoint: cmp.Or(env("HF_ENDPOINT"), DefaultEndpoint),
		Cache:    place(cmp.Or(env("HF_HUB_CACHE"), env("HUGGINGFACE_HUB_CACHE"), filepath.Join(hf, "hub"))),
		Token:    strings.TrimSpace(cmp.Or(env("HF_TOKEN"), env("HUGGING_FACE_HUB_TOKEN"))),
	}
	for _, name := range []string{"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"} {
		switch strings.ToUpper(env(name)) {
		case "1", "ON", "YES", "TRUE":
			o.Offline = true
		}
	}
	if strings.HasPrefix(o.Cache, "~/") {
		return o, errors.New("the hub's cache would be in your home folder, which is not known here; set HF_HUB_CACHE or HF_HOME to a folder")
	}
	if o.Token == "" && !o.Offline {
		path := place(cmp.Or(env("HF_TOKEN_PATH"), filepath.Join(hf, "token")))
		data, err := bounded.ReadFile(path, bounded.KiB)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return o, fmt.Errorf("the hub's token: %w; set HF_TOKEN, or remove that file", err)
		}
		o.Token = strings.TrimSpace(string(data))
	}
	return o, nil
}

// Client finds models. It is safe for concurrent use.
type Client struct {
	o    Options
	base *url.URL
	http http.Client
}

// New checks the options.
func New(o Options) (*Client, error) {
	u, err := url.Parse(strings.TrimRight(o.Endpoint, "/"))
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("HF_ENDPOINT: %s is not the address of a hub, such as %s", safetext.URL(o.Endpoint), DefaultEndpoint)
	}
	if strings.ContainsFunc(o.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("HF_TOKEN holds a character that no header can carry, perhaps a line's end; set the variable anew")
	}
	if o.Cache, err = filepath.Abs(o.Cache); err != nil {
		return nil, err
	}
	o.Retries, o.Wait, o.Stall = cmp.Or(o.Retries, 6), cmp.Or(o.Wait, time.Second), cmp.Or(o.Stall, time.Minute)
	if o.Transport == nil {
		o.Transport = endpoint.NewTransport()
	}
	if o.Accept == nil {
		o.Accept = func([]byte) error { return nil }
	}
	if o.Begin == nil {
		o.Begin = func(Name, string, int, int64) {}
	}
	if o.Progress == nil {
		o.Progress = func(int64) {}
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if o.Free == nil {
		o.Free = free
	}
	c := &Client{o: o, base: u}
	c.http = http.Client{Transport: o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c, nil
}

// Found is a model in the cache.
type Found struct {
	Name   Name     // as it was asked for
	Commit string   // that its revision stands for: 40 hexadecimal digits
	Dir    string   // of its files
	Notes  []string // what whoever uses it should know
}

// Pinned is the name with the commit as its revision: what names these files for good.
func (f *Found) Pinned() Name { return f.Name.At(f.Commit) }

// Cached finds a model in the cache alone. ok is false where it is not there whole.
func (c *Client) Cached(n Name) (f Found, ok bool, err error) {
	f, missing, _, err := c.local(n, false)
	return f, err == nil && f.Commit != "" && len(missing) == 0, err
}

// local is what the cache has of a model; Commit is "" where its revision is not known. With text the weights do not count.
func (c *Client) local(n Name, text bool) (f Found, missing, unsure []string, err error) {
	r := c.repo(n)
	commit, err := r.commit(n.revision())
	if err != nil || commit == "" {
		return Found{Name: n}, nil, nil, err
	}
	missing, unsure, err = r.holds(commit, text)
	return Found{Name: n, Commit: commit, Dir: r.snapshot(commit)}, missing, unsure, err
}

// Find finds a model, in the cache or by downloading what the cache lacks.
func (c *Client) Find(ctx context.Context, n Name) (Found, error) { return c.locate(ctx, n, false) }

// FindText is Find without the weights: its configuration, tokenizer and templates.
func (c *Client) FindText(ctx context.Context, n Name) (Found, error) { return c.locate(ctx, n, true) }

func (c *Client) locate(ctx context.Context, n Name, text bool) (Found, error) {
	f, missing, unsure, err := c.local(n, text)
	if err != nil {
		return f, err
	}
	usable := f.Commit != "" && len(missing) == 0
	if usable && len(unsure) == 0 {
		return f, nil
	}
	assumed := func(why string) (Found, error) {
		f.Notes = append(f.Notes, fmt.Sprintf("the cache has no %s of it, and %s: it is taken to have none", strings.Join(unsure, ", "), why))
		return f, nil
	}
	switch {
	case usable && c.o.Offline:
		return assumed("HF_HUB_OFFLINE is set")
	case c.o.Offline && f.Commit != "":
		return f, &Error{Text: fmt.Sprintf("%s: the cache (%s) lacks %s, and HF_HUB_OFFLINE is set; unset it to download them", n, c.o.Cache,
			some(missing))}
	case c.o.Offline:
		return f, &Error{Missing: true, Text: fmt.Sprintf("%s is not in the cache (%s), and HF_HUB_OFFLINE is set; unset it to download the "+
			"model", n, c.o.Cache)}
	}
	if usable { // the commit that is there, whatever the branch is now
		hurried := *c // nobody waits long for what may not be there
		hurried.o.Retries, hurried.o.Stall = min(c.o.Retries, 1), min(c.o.Stall, 10*time.Second)
		if err = hurried.complete(ctx, n, f.Commit, text); err == nil || ctx.Err() != nil {
			return f, err
		}
		return assumed("the hub could not be asked (" + err.Error() + ")")
	}
	commit, err := c.resolve(ctx, n)
	if err != nil {
		return f, err
	}
	if f.Commit != "" && f.Commit != commit {
		f.Notes = append(f.Notes, fmt.Sprintf("%s of %s has moved from %.12s to %.12s", n.revision(), n.ID(), f.Commit, commit))
	}
	if err := c.complete(ctx, n, commit, text); err != nil {
		return f, err
	}
	f.Commit, f.Dir = commit, c.repo(n).snapshot(commit)
	return f, nil
}

// Moved says where the branch main of a model stands in the cache, where that is another
// commit than the one a name is pinned to; "" else.
func (c *Client) Moved(n Name) string {
	commit, err := c.repo(n).commit(mainBranch)
	if err != nil || !commitHash.MatchString(n.Revision) || commit == n.Revision {
		return ""
	}
	return commit
}

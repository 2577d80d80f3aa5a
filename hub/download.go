package hub

import (
	"context"
	"crypto/sha1" // Git's name of a content, no protection
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ballast/bounded"
	"ballast/durable"
	"ballast/endpoint"
	"ballast/model"
	"ballast/safetext"
)

// complete downloads what the cache lacks of a commit; with text, all but its weights.
func (c *Client) complete(ctx context.Context, n Name, commit string, text bool) error {
	files, err := c.list(ctx, n, commit)
	if err != nil {
		return err
	}
	r := c.repo(n)
	for _, dir := range []string{filepath.Join(r.dir(), "blobs"), filepath.Join(r.root, ".locks", r.folder)} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return &Error{Text: fmt.Sprintf("the hub's cache: %v; set HF_HUB_CACHE to a folder where you may write", err)}
		}
	}
	small, first, wrong := plan(files)
	if wrong != nil && !errors.Is(wrong, errAdapter) {
		return &Error{Text: fmt.Sprintf("%s: %v", n, wrong)}
	}
	for _, f := range small {
		if err := c.fetch(ctx, n, commit, f, func(int64) {}); err != nil {
			return err
		}
	}
	read := func(name string) ([]byte, error) {
		return bounded.ReadFile(filepath.Join(r.snapshot(commit), name), maxText)
	}
	if wrong != nil {
		return &Error{Text: fmt.Sprintf("%s: this is %s, and no model; %s", n, model.Adapter(bounded.Dir(r.snapshot(commit))), model.HowToMerge)}
	}
	config, err := read(configFile)
	if err == nil {
		err = c.o.Accept(config)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", n, err)
	}
	if !text {
		if err := c.weights(ctx, n, commit, first, files, read); err != nil {
			return err
		}
	}
	has := map[string]bool{}
	for _, f := range files {
		has[f.Path] = true
	}
	for _, name := range []string{generationFile, tokenizerConfig, templateFile} {
		if !has[name] {
			if err := r.markAbsent(commit, name); err != nil {
				return err
			}
		}
	}
	if rev := n.revision(); !commitHash.MatchString(rev) {
		if known, err := r.commit(rev); err == nil && known == commit {
			return nil
		}
		return r.point(rev, commit)
	}
	return nil
}

// weights downloads the files of weights: one, or an index with its shards.
func (c *Client) weights(ctx context.Context, n Name, commit string, first file, files []file, read func(string) ([]byte, error)) error {
	want := []file{first}
	if first.Path == indexFile {
		if first.Size > maxText {
			return &Error{Text: fmt.Sprintf("%s: %s has %d bytes, more than such a file has", n, indexFile, first.Size)}
		}
		if err := c.fetch(ctx, n, commit, first, func(int64) {}); err != nil {
			return err
		}
		data, err := read(indexFile)
		if err != nil {
			return err
		}
		shards, err := indexed(data)
		if err != nil {
			return &Error{Text: fmt.Sprintf("%s: %v", n, err)}
		}
		by := map[string]file{}
		for _, f := range files {
			by[f.Path] = f
		}
		want = nil
		for _, name := range shards {
			f, ok := by[name]
			if !ok {
				return &Error{Text: fmt.Sprintf("%s: %s names %s, which the repository does not have", n, indexFile, safetext.Line(name))}
			}
			want = append(want, f)
		}
	}
	r := c.repo(n)
	var todo, left int64
	count := 0
	begun := map[string]int64{}
	for _, f := range want {
		if r.has(f) {
			continue
		}
		if info, err := os.Stat(r.blob(f.Etag) + ".incomplete"); err == nil {
			begun[f.Path] = min(info.Size(), f.Size)
		}
		left += f.Size - begun[f.Path]
		count++
	}
	if room, err := c.o.Free(filepath.Join(r.dir(), "blobs")); err == nil && room < left {
		return &Error{Text: fmt.Sprintf("%s: %s are still to come, and %s has room for %s; make room, or set HF_HUB_CACHE to another folder",
			n, bounded.Bytes(left), c.o.Cache, bounded.Bytes(room))}
	}
	if count > 0 {
		c.o.Begin(n, commit, count, left)
	}
	for _, f := range want {
		had := r.has(f)
		came := func(size int64) { c.o.Progress(max(0, todo+size-begun[f.Path])) }
		if err := c.fetch(ctx, n, commit, f, came); err != nil {
			return err
		}
		if !had {
			todo += f.Size - begun[f.Path]
			c.o.Progress(todo)
		}
	}
	return nil
}

// fetch brings a file into the cache and into the commit's snapshot. One process at a time
// downloads a content; the others wait for it.
func (c *Client) fetch(ctx context.Context, n Name, commit string, f file, came func(size int64)) error {
	r := c.repo(n)
	if !r.has(f) {
		unlock, err := c.lock(ctx, filepath.Join(r.root, ".locks", r.folder, f.Etag+".lock"), f)
		if err != nil {
			return err
		}
		if !r.has(f) {
			err = c.download(ctx, n, commit, f, came)
		}
		if err = errors.Join(err, unlock()); err != nil {
			return err
		}
	}
	if err := r.link(commit, f); err != nil {
		return fmt.Errorf("the hub's cache: %w", err)
	}
	return nil
}

// lock waits until this process alone may write a content. huggingface_hub takes the same lock.
func (c *Client) lock(ctx context.Context, path string, f file) (unlock func() error, err error) {
	for told := false; ; told = true {
		unlock, err = durable.Lock(path)
		if err == nil || !errors.Is(err, durable.ErrLocked) {
			return unlock, err
		}
		if !told {
			c.o.Say(fmt.Sprintf("another process downloads %s; waiting for it", f.Path))
		}
		select {
		case <-ctx.Done():
			return nil, endpoint.Ended(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// download brings one content into the cache: what came before is kept, and what came
// counts when its hash is right.
func (c *Client) download(ctx context.Context, n Name, commit string, f file, came func(size int64)) error {
	p, err := durable.OpenPartial(c.repo(n).blob(f.Etag))
	if err != nil {
		return fmt.Errorf("the hub's cache: %w", err)
	}
	kept := false
	defer func() {
		if !kept {
			p.Close()
		}
	}()
	if p.Size() > f.Size {
		if err := p.Restart(); err != nil {
			return err
		}
	}
	d := &fetching{c: c, n: n, commit: commit, f: f, p: p, came: came, resumed: p.Size() > 0}
	for {
		if err := c.insist(ctx, func() (bool, error) { return d.stretch(ctx) }); err != nil {
			return err
		}
		sum, err := contentHash(p, f)
		if err != nil {
			return err
		}
		if sum == f.Etag {
			kept = true
			return p.Keep()
		}
		if err := p.Restart(); err != nil {
			return err
		}
		if !d.resumed {
			return &Error{Text: fmt.Sprintf("%s: what came of %s has the hash %s, and the hub's listing says %s: it was damaged on the way, or "+
				"the mirror (HF_ENDPOINT) has another file; nothing of it is kept, try again",
				n, f.Path, sum, f.Etag)}
		}
		c.o.Say(fmt.Sprintf("%s: what came of %s in several parts has another hash than the hub's listing; starting again", n, f.Path))
		d.resumed, d.etag = false, ""
	}
}

// contentHash is the hash of what came, of the kind that names the file's content.
func contentHash(p *durable.Partial, f file) (string, error) {
	var h hash.Hash = sha256.New()
	if !f.LFS {
		h = sha1.New()
		fmt.Fprintf(h, "blob %d\x00", p.Size())
	}
	_, err := io.CopyBuffer(h, io.NewSectionReader(p, 0, p.Size()), make([]byte, 1<<20))
	return hex.EncodeToString(h.Sum(nil)), err
}

// fetching is a content on its way.
type fetching struct {
	c       *Client
	n       Name
	commit  string
	f       file
	p       *durable.Partial
	came    func(size int64)
	etag    string // of the reply that what came is of, "" where that is not known
	resumed bool   // it came in several parts
}

// stretch asks for what is missing, and takes it until the end or a break. some says
// whether anything came.
func (d *fetching) stretch(ctx context.Context) (some bool, err error) {
	at := d.p.Size()
	if at == d.f.Size {
		return false, nil
	}
	h := http.Header{"Accept-Encoding": {"identity"}}
	if at > 0 {
		h.Set("Range", fmt.Sprintf("bytes=%d-", at))
		if d.etag != "" {
			h.Set("If-Range", d.etag)
		}
	}
	var path []string
	for name := range strings.SplitSeq(d.f.Path, "/") {
		path = append(path, url.PathEscape(name))
	}
	r, err := d.c.get(ctx, d.c.base.String()+"/"+d.n.ID()+"/resolve/"+d.commit+"/"+strings.Join(path, "/"), h)
	if err != nil {
		return false, err
	}
	defer r.close()
	if err := d.begins(r, at); err != nil {
		return false, err
	}
	return d.take(r)
}

// begins checks the head of a reply to a request from byte at on, and makes what came
// before fit it.
func (d *fetching) begins(r *reply, at int64) error {
	wrong := func(format string, args ...any) error {
		return &Error{Status: r.StatusCode, Text: fmt.Sprintf("%s: %s: ", d.n, d.f.Path) + fmt.Sprintf(format, args...)}
	}
	// What a reply is of is known from its head where the hub says it.
	for _, tag := range r.etags {
		if r.StatusCode < 300 && tag != d.f.Etag && len(tag) == len(d.f.Etag) {
			return wrong("the hub serves a file of the hash %s, and its listing says %s; try again later, or name a commit", tag, d.f.Etag)
		}
	}
	switch r.StatusCode {
	case http.StatusOK:
		if at > 0 {
			d.c.o.Say(fmt.Sprintf("%s: %s has changed, or the server sends no parts of it; starting again", d.n, d.f.Path))
			if err := d.p.Restart(); err != nil {
				return err
			}
			at, d.resumed = 0, false
		}
	case http.StatusPartialContent:
		from, total := contentRange(r.Header.Get("Content-Range"))
		if from != at || total >= 0 && total != d.f.Size {
			return wrong("asked from byte %d of %d on, the server sends %s", at, d.f.Size, safetext.Line(cut(r.Header.Get("Content-Range"), 60)))
		}
		d.resumed = true
	case http.StatusRequestedRangeNotSatisfiable:
		if err := d.p.Restart(); err != nil {
			return err
		}
		return &Error{Again: true, Status: r.StatusCode, Text: fmt.Sprintf("%s: the server has no byte %d of %s", d.n, at, d.f.Path)}
	default:
		return d.c.refused(r, d.n, d.n.ID()+": "+d.f.Path)
	}
	if how := r.Header.Get("Content-Encoding"); how != "" && how != "identity" {
		return wrong("it comes encoded as %s, which was not asked for", safetext.Line(cut(how, 40)))
	}
	if n := r.ContentLength; n >= 0 && at+n != d.f.Size {
		return wrong("the server has %d bytes of it, and the listing says %d", at+n, d.f.Size)
	}
	if d.etag = r.Header.Get("ETag"); strings.HasPrefix(d.etag, "W/") {
		d.etag = "" // a weak one is no ground to go on from
	}
	return nil
}

// contentRange reads "bytes FROM-TO/TOTAL"; -1 for what it does not say.
func contentRange(text string) (from, total int64) {
	text, ok := strings.CutPrefix(text, "bytes ")
	span, all, _ := strings.Cut(text, "/")
	first, _, two := strings.Cut(span, "-")
	from, err := strconv.ParseInt(first, 10, 64)
	if !ok || !two || err != nil {
		return -1, -1
	}
	if total, err = strconv.ParseInt(all, 10, 64); err != nil {
		return from, -1
	}
	return from, total
}

// take writes what comes until the file is whole or the connection breaks.
func (d *fetching) take(r *reply) (some bool, err error) {
	buf := make([]byte, 256<<10)
	for {
		n, err := r.Read(buf)
		if int64(n) > d.f.Size-d.p.Size() {
			return some, errors.Join(&Error{Text: fmt.Sprintf("%s: %s is longer than the %d bytes of the hub's listing",
				d.n, d.f.Path, d.f.Size)}, d.p.Restart())
		}
		if n > 0 {
			if _, err := d.p.Write(buf[:n]); err != nil {
				if errors.Is(err, syscall.ENOSPC) {
					return some, &Error{Text: fmt.Sprintf("%s: %s: the disk is full (%s); make room, or set HF_HUB_CACHE to another folder; what "+
						"came is kept", d.n, d.f.Path, d.c.o.Cache)}
				}
				return some, fmt.Errorf("the hub's cache: %w", err)
			}
			some = true
			d.came(d.p.Size())
		}
		switch {
		case d.p.Size() == d.f.Size:
			return true, nil
		case err == io.EOF:
			return some, &Error{Again: true, Text: fmt.Sprintf("%s: %s broke off at byte %d of %d", d.n, d.f.Path, d.p.Size(), d.f.Size)}
		case err != nil:
			err = d.c.broken(r.ctx, r.Request.URL, err)
			var e *Error
			if errors.As(err, &e) && e.Again {
				e.Text = fmt.Sprintf("%s: %s broke off at byte %d of %d: %s", d.n, d.f.Path, d.p.Size(), d.f.Size, e.Text)
			}
			return some, err
		}
	}
}

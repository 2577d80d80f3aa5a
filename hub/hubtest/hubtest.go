// Package hubtest is a local server that plays the Hugging Face hub: its API, its files, and
// a second server that large files are redirected to. It has the faults that real ones have,
// and records what it was asked.
//
// Contract: a test sets what the server does before it asks; a fault of a file is used up
// by the requests that met it.
package hubtest

import (
	"crypto/sha1" // Git's name of a content
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is what is wrong with one reply. The zero value is none.
type Fault struct {
	Status  int               // instead of the file; with Header
	Header  map[string]string // of the reply
	Body    string            // of a reply with Status
	Break   int               // close the connection behind so many bytes
	Corrupt bool              // change the first byte that is sent
	Whole   bool              // take no notice of Range
	Etag    string            // of the reply, instead of the content's
	Pause   time.Duration     // between pieces of 4 KiB
	Hang    bool              // send the head, and then nothing
	Size    int               // what X-Linked-Size and Content-Length are off by
}

// Request is what the server was asked.
type Request struct {
	Host, Path, Range, IfRange, Authorization string
}

// Repo is a repository: revisions and the files of commits.
type Repo struct {
	Revisions map[string]string            // branch or tag to commit
	Commits   map[string]map[string][]byte // files of each
	LFS       func(name string) bool       // which files are large ones; nil: *.safetensors
	Gated     bool                         // wants a token
}

// Server is the hub with its content server.
type Server struct {
	URL   string // of the hub
	Token string // that gated repositories want
	Page  int    // entries on one page of a listing; 0 = all
	// Tree may change a listing, a JSON array, before it is sent.
	Tree func([]map[string]any) []map[string]any
	// API is a fault of the next requests of the API, one after another.
	API []Fault

	mu       sync.Mutex
	repos    map[string]*Repo
	faults   map[string][]Fault // of a file, one for each request of its content
	requests []Request
	hub, cdn *httptest.Server
}

// New starts the servers; Close ends them.
func New() *Server {
	s := &Server{repos: map[string]*Repo{}, faults: map[string][]Fault{}}
	s.hub = httptest.NewServer(http.HandlerFunc(s.serve))
	s.cdn = httptest.NewServer(http.HandlerFunc(s.content))
	s.URL = s.hub.URL
	return s
}

// Close ends the servers.
func (s *Server) Close() {
	s.hub.CloseClientConnections()
	s.cdn.CloseClientConnections()
	s.hub.Close()
	s.cdn.Close()
}

// Commit adds a commit with these files to a repository, which it makes where it is not
// there, and lets the branch main stand for it. It returns the commit's hash.
func (s *Server) Commit(id string, files map[string][]byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.repos[id]
	if r == nil {
		r = &Repo{Revisions: map[string]string{}, Commits: map[string]map[string][]byte{}}
		s.repos[id] = r
	}
	h := sha1.New()
	fmt.Fprint(h, id, len(r.Commits))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprint(h, name, gitHash(files[name]))
	}
	hash := hex.EncodeToString(h.Sum(nil))
	r.Commits[hash], r.Revisions["main"] = files, hash
	return hash
}

// Repo is a repository, to be changed before it is asked for.
func (s *Server) Repo(id string) *Repo { return s.repos[id] }

// Fault adds faults of a file's content, one for each request to come.
func (s *Server) Fault(file string, list ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[file] = append(s.faults[file], list...)
}

// Requests are those since the last call.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.requests
	s.requests = nil
	return out
}

// gitHash is Git's name of a content.
func gitHash(data []byte) string {
	sum := sha1.Sum(append(fmt.Appendf(nil, "blob %d\x00", len(data)), data...))
	return hex.EncodeToString(sum[:])
}

// SHA256 is the name of a large content.
func SHA256(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (s *Server) note(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{r.Host, r.URL.Path, r.Header.Get("Range"), r.Header.Get("If-Range"),
		r.Header.Get("Authorization")})
}

// refuse answers as the hub does.
func refuse(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("X-Error-Code", code)
	w.Header().Set("X-Error-Message", text)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": text})
}

// fail answers with a fault's status.
func fail(w http.ResponseWriter, f Fault) {
	for k, v := range f.Header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(f.Status)
	fmt.Fprint(w, f.Body)
}

// serve is the hub.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.note(r)
	path := strings.Trim(r.URL.EscapedPath(), "/")
	cached := false // small files are redirected to another address of the hub itself
	if rest, ok := strings.CutPrefix(path, "api/resolve-cache/models/"); ok {
		if p := strings.SplitN(rest, "/", 4); len(p) == 4 {
			path, cached = p[0]+"/"+p[1]+"/resolve/"+p[2]+"/"+p[3], true
		}
	}
	if rest, api := strings.CutPrefix(path, "api/models/"); api {
		s.api(w, r, strings.Split(rest, "/"))
		return
	}
	// ORG/NAME/resolve/COMMIT/FILE
	p := strings.SplitN(path, "/", 5)
	if len(p) != 5 || p[2] != "resolve" {
		refuse(w, 404, "", "Sorry, we can't find the page you are looking for.")
		return
	}
	repo := s.allowed(w, r, p[0]+"/"+p[1])
	if repo == nil {
		return
	}
	if c, ok := repo.Revisions[strings.ReplaceAll(p[3], "%2F", "/")]; ok {
		p[3] = c
		path = strings.Join(p, "/")
	}
	data, ok := repo.Commits[p[3]][p[4]]
	if !ok {
		refuse(w, 404, "EntryNotFound", "Entry not found")
		return
	}
	w.Header().Set("X-Repo-Commit", p[3])
	if repo.large(p[4]) {
		w.Header().Set("X-Linked-Etag", `"`+SHA256(data)+`"`)
		w.Header().Set("X-Linked-Size", strconv.Itoa(len(data)))
		http.Redirect(w, r, s.cdn.URL+"/"+path+"?Signature=secret-of-the-address", http.StatusFound)
		return
	}
	if !cached {
		w.Header().Set("X-Linked-Etag", `"`+gitHash(data)+`"`)
		http.Redirect(w, r, "/api/resolve-cache/models/"+p[0]+"/"+p[1]+"/"+p[3]+"/"+p[4], http.StatusTemporaryRedirect)
		return
	}
	s.send(w, r, p[4], data, `"`+gitHash(data)+`"`)
}

// allowed finds a repository that the request may see.
func (s *Server) allowed(w http.ResponseWriter, r *http.Request, id string) *Repo {
	s.mu.Lock()
	repo := s.repos[id]
	s.mu.Unlock()
	switch auth := r.Header.Get("Authorization"); {
	case repo == nil && auth == "":
		refuse(w, 401, "RepoNotFound", "Invalid username or password.")
	case repo == nil:
		refuse(w, 404, "RepoNotFound", "Repository not found")
	case repo.Gated && auth == "":
		refuse(w, 401, "GatedRepo", "Access to model "+id+" is restricted. You must have access to it and be authenticated to access it. "+
			"Please log in.")
		repo = nil
	case repo.Gated && auth != "Bearer "+s.Token:
		refuse(w, 403, "GatedRepo", "Access to model "+id+" is restricted and you are not in the authorized list.")
		repo = nil
	}
	return repo
}

func (r *Repo) large(name string) bool {
	if r.LFS != nil {
		return r.LFS(name)
	}
	return strings.HasSuffix(name, ".safetensors")
}

// api answers ORG/NAME/revision/REV and ORG/NAME/tree/COMMIT.
func (s *Server) api(w http.ResponseWriter, r *http.Request, p []string) {
	s.mu.Lock()
	if len(s.API) > 0 {
		f := s.API[0]
		if s.API = s.API[1:]; f.Status != 0 {
			s.mu.Unlock()
			fail(w, f)
			return
		}
	}
	s.mu.Unlock()
	if len(p) != 4 {
		refuse(w, 404, "", "no such page")
		return
	}
	repo := s.allowed(w, r, p[0]+"/"+p[1])
	if repo == nil {
		return
	}
	rev := strings.ReplaceAll(p[3], "%2F", "/")
	commit := rev
	if c, ok := repo.Revisions[rev]; ok {
		commit = c
	}
	files, ok := repo.Commits[commit]
	switch {
	case !ok:
		refuse(w, 404, "RevisionNotFound", "Invalid rev id: "+rev)
	case p[2] == "revision":
		json.NewEncoder(w).Encode(map[string]any{"id": p[0] + "/" + p[1], "sha": commit, "siblings": []any{}})
	default:
		s.tree(w, r, repo, files)
	}
}

// tree sends a page of a listing.
func (s *Server) tree(w http.ResponseWriter, r *http.Request, repo *Repo, files map[string][]byte) {
	list := []map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		data := files[name]
		e := map[string]any{"type": "file", "oid": gitHash(data), "size": len(data), "path": name}
		if repo.large(name) {
			e["lfs"] = map[string]any{"oid": SHA256(data), "size": len(data), "pointerSize": 134}
			e["oid"] = gitHash([]byte("pointer of " + name))
		}
		list = append(list, e)
	}
	if s.Tree != nil {
		list = s.Tree(list)
	}
	if s.Page > 0 {
		from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
		if to := from + s.Page; to < len(list) {
			w.Header().Set("Link", fmt.Sprintf(`<%s%s?recursive=true&cursor=%d>; rel="next"`, s.URL, r.URL.Path, to))
			list = list[:to]
		}
		list = list[min(from, len(list)):]
	}
	json.NewEncoder(w).Encode(list)
}

// content is the second server, where large files lie.
func (s *Server) content(w http.ResponseWriter, r *http.Request) {
	s.note(r)
	p := strings.SplitN(strings.Trim(r.URL.Path, "/"), "/", 5)
	s.mu.Lock()
	var data []byte
	if repo := s.repos[p[0]+"/"+p[1]]; repo != nil && len(p) == 5 {
		data = repo.Commits[p[3]][p[4]]
	}
	s.mu.Unlock()
	s.send(w, r, p[4], data, `"cdn-`+SHA256(data)[:16]+`"`)
}

// send sends a content, or what of it is asked for, with the fault that is next.
func (s *Server) send(w http.ResponseWriter, r *http.Request, name string, data []byte, etag string) {
	var f Fault
	s.mu.Lock()
	if list := s.faults[name]; len(list) > 0 {
		f, s.faults[name] = list[0], list[1:]
	}
	s.mu.Unlock()
	if f.Status != 0 {
		fail(w, f)
		return
	}
	if f.Etag != "" {
		etag = f.Etag
	}
	w.Header().Set("ETag", etag)
	from, status := 0, http.StatusOK
	if text, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok && !f.Whole &&
		(r.Header.Get("If-Range") == "" || r.Header.Get("If-Range") == etag) {
		from, _ = strconv.Atoi(strings.TrimSuffix(text, "-"))
		if from >= len(data) {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		status = http.StatusPartialContent
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
	}
	body := slices.Clone(data[from:])
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+f.Size))
	w.WriteHeader(status)
	if f.Corrupt && len(body) > 0 {
		body[0]++
	}
	flush := func() { _ = http.NewResponseController(w).Flush() }
	flush()
	if f.Hang {
		<-r.Context().Done()
		return
	}
	for sent := 0; sent < len(body); {
		n := min(4<<10, len(body)-sent)
		if f.Break > 0 {
			n = min(n, f.Break-sent)
		}
		if n == 0 {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		if _, err := w.Write(body[sent : sent+n]); err != nil {
			return
		}
		if sent += n; f.Pause > 0 || f.Break > 0 {
			flush()
			time.Sleep(f.Pause)
		}
	}
}

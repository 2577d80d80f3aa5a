package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ballast/bounded"
	"ballast/durable"
)

// A repository in the cache, as huggingface_hub lays it out:
//
//	models--ORG--NAME/refs/REVISION          the commit that a branch or tag stood for
//	models--ORG--NAME/blobs/ETAG             contents
//	models--ORG--NAME/snapshots/COMMIT/FILE  links to contents
//	models--ORG--NAME/.no_exist/COMMIT/FILE  empty: the commit has no such file
//	.locks/models--ORG--NAME/ETAG.lock       held by who writes that content
type repo struct{ root, folder string }

func (c *Client) repo(n Name) repo {
	return repo{c.o.Cache, "models--" + n.Org + "--" + n.Repo}
}

func (r repo) dir() string { return filepath.Join(r.root, r.folder) }

func (r repo) snapshot(commit string) string { return filepath.Join(r.dir(), "snapshots", commit) }

func (r repo) blob(etag string) string { return filepath.Join(r.dir(), "blobs", etag) }

func (r repo) ref(revision string) string {
	return filepath.Join(r.dir(), "refs", filepath.FromSlash(revision))
}

// commit is what a revision stands for in the cache, "" where that is not known.
func (r repo) commit(revision string) (string, error) {
	if commitHash.MatchString(revision) {
		return revision, nil
	}
	data, err := bounded.ReadFile(r.ref(revision), bounded.KiB)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(data))
	if !commitHash.MatchString(text) {
		return "", fmt.Errorf("%s holds no commit; remove that file", r.ref(revision))
	}
	return text, nil
}

// holds says what of a commit is in the cache: the files that are missing for a model, and
// those that it may have and of which nobody knows. With text the weights do not count.
func (r repo) holds(commit string, text bool) (missing, unsure []string, err error) {
	dir := r.snapshot(commit)
	there := func(name string) bool {
		info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name)))
		return err == nil && info.Mode().IsRegular()
	}
	for _, name := range []string{configFile, tokenizerFile} {
		if !there(name) {
			missing = append(missing, name)
		}
	}
	switch {
	case text || there(singleFile):
	case there(indexFile):
		data, err := bounded.ReadFile(filepath.Join(dir, indexFile), maxText)
		if err != nil {
			return nil, nil, err
		}
		shards, err := indexed(data)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", dir, err)
		}
		for _, name := range shards {
			if !there(name) {
				missing = append(missing, name)
			}
		}
	default:
		missing = append(missing, singleFile)
	}
	optional := []string{generationFile, tokenizerConfig}
	if data, err := bounded.ReadFile(filepath.Join(dir, tokenizerConfig), maxText); err != nil || !strings.Contains(string(data), `"chat_template"`) {
		optional = append(optional, templateFile)
	}
	for _, name := range optional {
		if !there(name) && !r.absent(commit, name) {
			unsure = append(unsure, name)
		}
	}
	return missing, unsure, nil
}

// absent says whether it is known that a commit has no such file.
func (r repo) absent(commit, name string) bool {
	_, err := os.Stat(filepath.Join(r.dir(), ".no_exist", commit, name))
	return err == nil
}

// markAbsent records that a commit has no such file.
func (r repo) markAbsent(commit, name string) error {
	path := filepath.Join(r.dir(), ".no_exist", commit, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return durable.ReplaceBytes(path, nil)
}

// point makes a revision stand for a commit.
func (r repo) point(revision, commit string) error {
	path := r.ref(revision)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return durable.ReplaceBytes(path, []byte(commit))
}

// link puts a content into a commit's snapshot.
func (r repo) link(commit string, f file) error {
	path := filepath.Join(r.snapshot(commit), filepath.FromSlash(f.Path))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	up := strings.Repeat("../", 2+strings.Count(f.Path, "/"))
	return durable.Link(filepath.FromSlash(up+"blobs/"+f.Etag), path)
}

// has says whether a content is in the cache, in its whole size.
func (r repo) has(f file) bool {
	info, err := os.Stat(r.blob(f.Etag))
	return err == nil && info.Mode().IsRegular() && info.Size() == f.Size
}

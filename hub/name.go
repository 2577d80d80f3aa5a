package hub

import (
	"regexp"
	"strings"
)

// Name is a model on the hub: ORG/NAME, or ORG/NAME@REVISION.
type Name struct {
	Org, Repo string
	Revision  string // a branch, a tag or a commit; "" is the branch main
}

// mainBranch is the revision that a name without one means.
const mainBranch = "main"

// String is the name as it is given.
func (n Name) String() string {
	if n.Revision == "" {
		return n.ID()
	}
	return n.ID() + "@" + n.Revision
}

// ID is the name without its revision.
func (n Name) ID() string { return n.Org + "/" + n.Repo }

// revision is the revision that is meant.
func (n Name) revision() string {
	if n.Revision == "" {
		return mainBranch
	}
	return n.Revision
}

// Pinned says whether the revision is a commit, which never stands for anything else.
func (n Name) Pinned() bool { return commitHash.MatchString(n.Revision) }

// At is the name with another revision.
func (n Name) At(revision string) Name {
	n.Revision = revision
	return n
}

// Longest parts of a name in bytes: the hub's own bound, and one for revisions.
const maxID, maxRevision = 96, 200

var (
	part       = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?$`)
	refPart    = regexp.MustCompile(`^[A-Za-z0-9_+][A-Za-z0-9._+-]*$`)
	commitHash = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// Parse reads a name. What is not of that form is none: a path with more or fewer parts,
// one that begins with a dot, a .gguf file. A name never leaves the folder that is made
// of it.
func Parse(text string) (n Name, ok bool) {
	id, revision, has := strings.Cut(text, "@")
	org, repo, two := strings.Cut(id, "/")
	if !two || has && !goodRevision(revision) || len(id) > maxID {
		return Name{}, false
	}
	for _, p := range []string{org, repo} {
		if !part.MatchString(p) || strings.Contains(p, "--") || strings.Contains(p, "..") {
			return Name{}, false
		}
	}
	if low := strings.ToLower(repo); strings.HasSuffix(low, ".git") || strings.HasSuffix(low, ".gguf") {
		return Name{}, false
	}
	return Name{org, repo, revision}, true
}

// goodRevision says whether a revision may stand in a path and in an address.
func goodRevision(text string) bool {
	if text == "" || len(text) > maxRevision {
		return false
	}
	for p := range strings.SplitSeq(text, "/") {
		if !refPart.MatchString(p) || strings.Contains(p, "..") {
			return false
		}
	}
	return true
}

package chat

import (
	"fmt"
	"strings"

	"ballast/safetext"
)

// refusal is the error of a chat template that no known renderer writes and of which none
// can be made.
type refusal struct {
	From string // where the template stands
	// Nearest is the known renderer that comes nearest, with its format, and Difference the
	// first difference from it.
	Nearest, Difference string
	// Kind is why no renderer can be made, in the words of docs/models.md, and More what the
	// template writes there.
	Kind, More string
	// Format is the format of ballast's in which the template's calls are, "" where none reads them.
	Format string
}

// Error says what was tried and what to do, each on a line.
func (r *refusal) Error() string {
	why := &unmade{kind: r.Kind, more: r.More}
	format := ""
	if r.Format != "" {
		format = "its calls are those of format " + r.Format + ": with another template the model's way is chat.format=" + r.Format + "\n"
	}
	return fmt.Sprintf("chat: %s: no renderer here writes what this chat template writes\n"+
		"the nearest is %s, which differs in %s\n"+
		"none can be made of the template: %s\n%s"+
		"see docs/models.md, When a model is refused, %s",
		safetext.Line(r.From), r.Nearest, r.Difference, safetext.Line(why.Error()), format, remedy)
}

// remedy is what a recipe can say.
var remedy = "or set chat.jinja to the file of the template that the model was trained with, or chat.template to one of " + names(Templates)

// unmade is why no renderer can be made of a template.
type unmade struct {
	kind, more string
	err        error // of a rendering, nil without one
}

func (u *unmade) Unwrap() error { return u.err }

func (u *unmade) Error() string { return strings.TrimSuffix(u.kind+": "+u.more, ": ") }

// The kinds. docs/models.md has a remedy for each.
const (
	kindToolless  = "it knows no tools"
	kindNoUser    = "it does not write what a user says"
	kindRewritten = "a prompt is not the beginning of the next"
	kindNoEnd     = "no control token ends a reply"
	kindNoCalls   = "it writes no calls"
	kindSyntax    = "it writes calls in a syntax that no format here has"
	kindResults   = "it writes results in a frame that no renderer here has"
	kindCut       = "cut into messages it differs from the whole"
	kindFails     = "it fails"
)

func cannot(kind, more string, args ...any) error {
	return &unmade{kind: kind, more: fmt.Sprintf(more, args...)}
}

// parted says where a prompt stops to be the beginning of the next.
func parted(before, after string) error {
	at := common(before, after)
	return cannot(kindRewritten, "at byte %d stands first %s and later %s", at, excerpt(before, at), excerpt(after, at))
}

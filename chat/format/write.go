package format

import (
	"fmt"
	"strings"

	"ballast"
	"ballast/chat/tooldoc"
	"ballast/value"
)

// must is Render in terms of Write.
func must(text string, err error) string {
	if err != nil {
		panic("format: " + err.Error())
	}
	return text
}

// checked returns the text of calls if f reads the same calls back from it.
func checked(f Format, text string, calls []ballast.Call, offered Offered) (string, error) {
	p := f.Parse(text, offered)
	if p.Kind != ballast.KindCall || len(p.Calls) != len(calls) {
		return "", fmt.Errorf("calls that the format %s cannot write: %s: %.80q reads as %s %s %s",
			f.Name(), first(calls), text, p.Kind, p.Reason, p.Detail)
	}
	for i, c := range calls {
		if what := differ(c, p.Calls[i]); what != "" {
			return "", fmt.Errorf("%s cannot be written in the format %s: %s", brief(c), f.Name(), what)
		}
	}
	return text, nil
}

func first(calls []ballast.Call) string {
	if len(calls) == 0 {
		return "no call at all"
	}
	return brief(calls[0])
}

// brief is a call in Python syntax for an error, cut where it is long.
func brief(c ballast.Call) string { return fmt.Sprintf("%.200s", value.FormatCall(c)) }

// differ says in what two calls differ, "" if in nothing. Values are compared as
// JSON: a tuple is a list there.
func differ(want, got ballast.Call) string {
	if want.Name != got.Name {
		return fmt.Sprintf("its name reads as %q", got.Name)
	}
	for i, a := range want.Args {
		if i >= len(got.Args) || a.Name != got.Args[i].Name {
			return fmt.Sprintf("argument %d, %q, does not read as itself", i+1, a.Name)
		}
		if !sameValue(a.Value, got.Args[i].Value) {
			return fmt.Sprintf("argument %s reads as %.80s", a.Name, value.Repr(got.Args[i].Value))
		}
	}
	if len(got.Args) > len(want.Args) {
		return "it reads as one of more arguments"
	}
	return ""
}

func sameValue(a, b any) bool {
	x, err := value.JSON(a)
	y, err2 := value.JSON(b)
	if err != nil || err2 != nil { // Python has more kinds of values
		return value.Repr(a) == value.Repr(b)
	}
	return x == y
}

// jsonArgs are the arguments of a call as a JSON object. JSON has no positional
// arguments: see tooldoc.Named.
func jsonArgs(c ballast.Call) (*value.Dict, error) {
	args := value.NewDict()
	for _, a := range c.Args {
		if a.Name == "" {
			return nil, fmt.Errorf("%s has a positional argument, which this format cannot write: name it (tooldoc.Named)", brief(c))
		}
		if _, twice := args.Get(a.Name); twice {
			return nil, fmt.Errorf("%s has two arguments of one name", brief(c))
		}
		if _, err := value.JSON(a.Value); err != nil {
			return nil, fmt.Errorf("%s: argument %s: %w", c.Name, a.Name, err)
		}
		args.Set(a.Name, a.Value)
	}
	return args, nil
}

// callJSON is the inverse of jsonCall.
func (l lexicon) callJSON(c ballast.Call, key string) (string, error) {
	args, err := l.argsJSON(c)
	if err != nil {
		return "", err
	}
	return `{"name": ` + l.quoteJSON(c.Name) + `, "` + key + `": ` + args + `}`, nil
}

// argsJSON is the text of jsonArgs.
func (l lexicon) argsJSON(c ballast.Call) (string, error) {
	args, err := jsonArgs(c)
	if err != nil {
		return "", err
	}
	return l.quoteJSON(args), nil
}

// quoteJSON is JSON as chat templates write it, with its first byte escaped where a string
// holds the text of a control token.
func (l lexicon) quoteJSON(v any) string {
	var b strings.Builder
	for _, p := range l.pieces(nil, tooldoc.JSON(v)) {
		if p.Control {
			fmt.Fprintf(&b, `\u%04x`, p.Text[0])
			p.Text = p.Text[1:]
		}
		b.WriteString(p.Text)
	}
	return b.String()
}

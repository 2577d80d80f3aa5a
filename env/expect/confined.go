package expect

import (
	"context"
	"fmt"
	"strings"

	"ballast/bounded"
	"ballast/confined"
	"ballast/safetext"
)

// maxAnswer bounds what a program may write to its standard output.
const maxAnswer = bounded.MiB

// Confined is the Runner of programs: package confined gives each a working directory, an
// environment without keys, and limits. The errors say what a program wrote last to stderr.
func Confined(ctx context.Context, p *Program, stdin []byte) ([]byte, error) {
	r, err := confined.Run(ctx, confined.Command{Argv: p.Command, Limits: confined.Limits{Time: p.Time, Output: maxAnswer}}, stdin)
	if err == nil {
		err = r.Err()
	}
	if err == nil {
		return r.Stdout, nil
	}
	if said := strings.TrimSpace(r.Stderr); said != "" {
		last := said[strings.LastIndexByte(said, '\n')+1:]
		err = fmt.Errorf("%w; it wrote last: %s", err, safetext.Brief(safetext.Line(last), maxWhere))
	}
	return nil, err
}

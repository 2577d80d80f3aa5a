package main

import (
	"fmt"
	"os"

	"github.com/vbauerster/mpb/v8"
	"golang.org/x/term"

	"ballast/safetext"
)

// The outputs of this process, and the only ones: TestOneWayOut holds that. What
// strangers wrote, be it the name of a tensor, a reply or a server's error, steers no
// terminal from here, and a password in an address is not shown. JSON stays what it is.
var (
	stdout = safetext.Terminal(os.Stdout)
	stderr = safetext.Terminal(os.Stderr)
)

// complain prints the error that a command ends with.
func complain(err error) { fmt.Fprintln(stderr, "ballast:", safetext.Indent(err.Error(), "  ")) }

// bars draws progress bars where standard output is a terminal; nil elsewhere. They
// move the cursor, so they go around stdout: what they show is made safe before.
func bars() *mpb.Progress {
	if !term.IsTerminal(int(os.Stdout.Fd())) {
		return nil
	}
	return mpb.New(mpb.WithOutput(os.Stdout), mpb.WithWidth(40))
}

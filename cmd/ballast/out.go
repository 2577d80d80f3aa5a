package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/vbauerster/mpb/v8"
	"golang.org/x/term"

	"ballast/safetext"
)

// The outputs of this process, and the only ones: TestOneWayOut holds that. What
// strangers wrote, be it the name of a tensor, a reply or a server's error, steers no
// terminal from here, and a password in an address is not shown. JSON stays what it is.
var (
	printed = &output{to: os.Stdout}
	stdout  = safetext.Terminal(printed)
	stderr  = safetext.Terminal(os.Stderr)
)

// output is standard output, which remembers why it could not be written to: what prints line by line looks at no error, and a
// command whose answer is lost on a full disk has failed.
type output struct {
	to      io.Writer
	mu      sync.Mutex
	err     error
	noticed bool // somebody else says it
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.err == nil {
			o.err = err
		}
	}
	return n, err
}

// notice leaves it to the caller what follows from an error.
func (o *output) notice() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.noticed = true
}

// lost is the error of a command that has done its work, and could not print it.
func (o *output) lost() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.noticed {
		return nil
	}
	return unprinted(o.err)
}

// unprinted is an error of writing as that of a command. Who reads no further, such as head, has what they want.
func unprinted(err error) error {
	if err == nil || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return fmt.Errorf("%w: what was printed is not whole; give the command again", err)
}

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

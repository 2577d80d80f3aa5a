package jinja

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"ballast/value"
)

// childName is the only argument of a child, in the place of the program's name.
const childName = "ballast: jinja template in a child process"

// mainCalled says that this program can be its own child.
var mainCalled atomic.Bool

// Main must be called first thing in main, and in TestMain of tests that call Apart. In a
// child that Apart started it renders what the parent sends and does not return. In
// any other process it returns at once, and Apart works from then on.
func Main() {
	if len(os.Args) == 1 && os.Args[0] == childName {
		os.Exit(serve(os.NewFile(uintptr(syscall.Stdin), "requests"), os.NewFile(uintptr(syscall.Stdout), "replies")))
	}
	mainCalled.Store(true)
}

// request is one frame as the reader of a child hands it on.
type request struct {
	kind byte
	text string
}

// serve answers requests until they end. They end with the parent, however that ends: the
// reader is at its descriptor while a template runs, and leaves the process.
func serve(in, out *os.File) int {
	if in == nil || out == nil {
		return 2
	}
	requests := make(chan request)
	go func() {
		r := bufio.NewReader(in)
		for {
			kind, text, err := readFrame(r, DefaultLimits.Data)
			if err != nil {
				os.Exit(0)
			}
			requests <- request{kind, text}
		}
	}()
	w := bufio.NewWriter(out)
	limits := DefaultLimits
	var p *program
	var failed error
	for q := range requests {
		var err error
		switch q.kind {
		case frameLimits:
			if json.Unmarshal([]byte(q.text), &limits) != nil {
				return 2
			}
			bound(limits, w)
		case frameSource:
			p, failed = compile(q.text, limits)
		case frameData:
			err = answer(w, p, failed, q.text, limits)
		}
		if err != nil {
			return 2
		}
	}
	return 0
}

func answer(w *bufio.Writer, p *program, failed error, data string, limits Limits) error {
	if failed != nil {
		return writeError(w, failed)
	}
	v, err := value.ParseJSON([]byte(data))
	if err != nil {
		return writeError(w, err)
	}
	d, ok := v.(*value.Dict)
	if !ok {
		return writeError(w, errors.New("the variables are no object"))
	}
	text, err := p.render(d, limits)
	if err != nil {
		return writeError(w, err)
	}
	return writeFrame(w, frameText, text)
}

func writeError(w *bufio.Writer, err error) error {
	var limit *LimitError
	if errors.As(err, &limit) {
		return writeFrame(w, frameLimited, limit.Limit+"\x00"+limit.Bound)
	}
	var own *Error
	if errors.As(err, &own) {
		text, err := json.Marshal(own)
		if err != nil {
			return err
		}
		return writeFrame(w, frameError, string(text))
	}
	return writeFrame(w, frameFailed, err.Error())
}

// exitMemory is the status of a child that ended itself because of its memory.
const exitMemory = 86

// bound makes the process end when its memory passes the limit: at once by the kernel
// where it can, and by a look every few milliseconds everywhere.
func bound(limits Limits, w *bufio.Writer) {
	if limits.Memory <= 0 {
		return
	}
	debug.SetMemoryLimit(limits.Memory)
	limitMemory(limits.Memory)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
		for {
			metrics.Read(sample)
			if used := sample[0].Value.Uint64() - sample[1].Value.Uint64(); used > uint64(limits.Memory) {
				os.Exit(exitMemory)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
}

func memoryText(bytes int64) string { return strconv.FormatInt(bytes>>20, 10) + " MiB" }

//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package confined

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// role is what the supervisor's process is called.
const role = "ballast: supervisor of confined programs"

// What an order may be.
const (
	orderStart  = "start"
	orderKill   = "kill"
	orderMemory = "memory"
)

// order is what this process asks of the supervisor. The files of a start come with it.
type order struct {
	ID   uint64 // of a program
	Do   string
	What resolved      // of a start
	Temp string        // the system's folder for temporary ones
	Time time.Duration // 0: no limit

	Memory    int64
	Processes int
	Limit     string // of a kill: what the program has passed
}

// report is what the supervisor says of a program.
type report struct {
	ID     uint64
	Pid    int // it was started
	Dir    string
	Failed string // it could not be started
	Memory *int64
	Exit   *Exit // it is gone
}

// frameLimit bounds a frame.
const frameLimit = 16 << 20

// frames is one end of the socket between the two. Writes need a lock.
type frames struct{ *net.UnixConn }

// newFrames takes a socket's file, which it closes.
func newFrames(f *os.File) (frames, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return frames{}, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return frames{}, fmt.Errorf("%T is no Unix socket", c)
	}
	return frames{u}, nil
}

// write sends a value, with files on its first byte.
func (c frames) write(v any, files ...*os.File) error {
	var body bytes.Buffer
	if err := gob.NewEncoder(&body).Encode(v); err != nil {
		return err
	}
	if body.Len() > frameLimit {
		return fmt.Errorf("a command of %d bytes is too long", body.Len())
	}
	var oob []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
			if err := syscall.SetNonblock(fds[i], false); err != nil { // programs expect that
				return err
			}
		}
		oob = syscall.UnixRights(fds...)
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(body.Len()))
	if n, _, err := c.WriteMsgUnix(head, oob, nil); err != nil || n != len(head) {
		return fmt.Errorf("sending %d of %d bytes: %w", n, len(head), err)
	}
	_, err := c.Write(body.Bytes())
	return err
}

// read takes a value, and the numbers of the files that came with it.
func (c frames) read(v any) (fds []int, err error) {
	head, oob := make([]byte, 4), make([]byte, syscall.CmsgSpace(8*4))
	n, oobn, _, _, err := c.ReadMsgUnix(head, oob)
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		got, err := syscall.ParseUnixRights(&m)
		if err != nil {
			return nil, err
		}
		fds = append(fds, got...)
	}
	if _, err := io.ReadFull(c, head[n:]); err != nil {
		return fds, err
	}
	size := binary.BigEndian.Uint32(head)
	if size > frameLimit {
		return fds, fmt.Errorf("a frame of %d bytes", size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c, body); err != nil {
		return fds, err
	}
	return fds, gob.NewDecoder(bytes.NewReader(body)).Decode(v)
}

// socketPair is two ends of a socket that no other child inherits.
func socketPair() (ours, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("a socket for the supervisor: %w", err)
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	return os.NewFile(uintptr(fds[0]), "supervisor"), os.NewFile(uintptr(fds[1]), "trainer"), nil
}

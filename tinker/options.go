package tinker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"ballast/bounded"
	"ballast/safetext"
)

// Wire is the encoding of training requests.
type Wire string

// The encodings. With Auto the first request shows which one the server takes.
const (
	Auto  Wire = "auto"
	Proto Wire = "proto"
	JSON  Wire = "json"
)

// Options say which server is asked, and how. All but Address may be left out.
type Options struct {
	Address string // such as http://127.0.0.1:8000
	Key     string // of the account, as ReadKey gives it; "" sends none
	Wire    Wire   // "" = Auto

	// Vocabulary is the number of token ids; others are not sent. 0 = only negative
	// ones are not.
	Vocabulary int

	Tags     []string          // of the session
	Metadata map[string]string // of the session

	// ChunkDatums and ChunkBytes bound one request. What is larger is sent in several,
	// whose gradients add up. 0 = what the server says, else 1024 and 5 MB.
	ChunkDatums, ChunkBytes int
	Compress                bool // protobuf by zstd, even where the server does not ask for it
	Samples                 int  // requests for samples at a time; 0 = 400

	Timeout   time.Duration // of one try of a request; 0 = 2 min
	Poll      time.Duration // of one question for a result; 0 = 45 s
	Heartbeat time.Duration // between signs of life; 0 = 10 s, negative = none are sent
	Patience  time.Duration // waited altogether before one request is given up; 0 = 5 min

	// Wait waits between tries; nil is a timer. Tests that wait for nothing count here.
	Wait func(context.Context, time.Duration) error
	// Say is told, in one line, what slows the work or what the server wants known; nil =
	// nobody.
	Say func(string)
}

// The limits of the protocol where a server says none.
const (
	defaultDatums  = 1024
	defaultBytes   = 5_000_000
	defaultSamples = 400
)

// ReadKey is the account's key from an environment variable or from a file, of which one
// is named at most. Neither is no key.
func ReadKey(variable, file string) (string, error) {
	key := ""
	switch {
	case variable != "" && file != "":
		return "", errors.New("the key's variable and its file are both named; name one")
	case variable != "":
		if key = strings.TrimSpace(os.Getenv(variable)); key == "" {
			return "", fmt.Errorf("the environment variable %s, which is to hold the training server's key, is empty", safetext.Line(variable))
		}
	case file != "":
		text, err := bounded.ReadFile(file, 16*bounded.KiB)
		if err != nil {
			return "", fmt.Errorf("the training server's key: %w", err)
		}
		if key = strings.TrimSpace(string(text)); key == "" {
			return "", fmt.Errorf("%s, which is to hold the training server's key, is empty", safetext.Line(file))
		}
	}
	return key, sendable(key)
}

// sendable says what is wrong with a key. It does not show it.
func sendable(key string) error {
	if strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New("the training server's key holds a character that no header can carry, perhaps a line's end within it")
	}
	return nil
}

// checked fills in what is left out, and reads the address.
func (o Options) checked() (Options, *url.URL, error) {
	u, err := url.Parse(o.Address)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.Fragment != "" || u.RawQuery != "" {
		return o, nil, fmt.Errorf("%s is not the address of a training server; give its base, such as http://127.0.0.1:8000",
			safetext.URL(o.Address))
	}
	if u.User != nil {
		return o, nil, fmt.Errorf("%s holds a name or a password, which this protocol has no place for; give a key", safetext.URL(o.Address))
	}
	if err := sendable(o.Key); err != nil {
		return o, nil, err
	}
	switch o.Wire = cmp.Or(o.Wire, Auto); o.Wire {
	case Auto, Proto, JSON:
	default:
		return o, nil, fmt.Errorf("wire %q: use one of auto, proto, json", safetext.Brief(string(o.Wire), 40))
	}
	for name, n := range map[string]int{"vocabulary": o.Vocabulary, "datums of a request": o.ChunkDatums, "bytes of a request": o.ChunkBytes,
		"samples at a time": o.Samples} {
		if n < 0 {
			return o, nil, fmt.Errorf("%s: %d is negative", name, n)
		}
	}
	u.Path = strings.TrimRight(u.Path, "/")
	o.Samples = cmp.Or(o.Samples, defaultSamples)
	o.Timeout, o.Poll = cmp.Or(o.Timeout, 2*time.Minute), cmp.Or(o.Poll, 45*time.Second)
	o.Heartbeat, o.Patience = cmp.Or(o.Heartbeat, 10*time.Second), cmp.Or(o.Patience, 5*time.Minute)
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	return o, u, nil
}

// wait waits, unless the context ends before.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// refuseRedirect keeps the key where it was meant to go.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

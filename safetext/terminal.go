package safetext

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"sync"
	"unicode/utf8"
)

// Terminal returns a writer that passes Block of what is written on to w. A rune that
// is cut between two writes is put together again; Flush of the last one is not needed
// for valid UTF-8. It is safe for several goroutines.
func Terminal(w io.Writer) io.Writer { return &terminal{w: w} }

type terminal struct {
	w    io.Writer
	mu   sync.Mutex
	half []byte // the beginning of a rune
}

func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := append(t.half, p...)
	end := len(text)
	for back := 1; back <= min(utf8.UTFMax-1, len(text)); back++ {
		if c := text[len(text)-back]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(text[len(text)-back:]) {
				end = len(text) - back
			}
			break
		}
	}
	t.half = append([]byte(nil), text[end:]...)
	if _, err := io.WriteString(t.w, Block(string(text[:end]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Policy is the content security policy of a page that is one file: this style sheet
// and this script, which stand in it as they are here, and nothing else. No picture,
// frame, font, form or request leaves it, and no other script runs.
func Policy(style, script string) string {
	source := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; style-src " + source(style) + "; script-src " + source(script) + "; base-uri 'none'; form-action 'none'"
}

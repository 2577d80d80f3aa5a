package durable

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// maxName is the longest name of a file, in bytes, less what temporary names add.
const maxName = 200

// Name makes a file's or folder's name of any text. Different texts have different
// names; a name holds no separator and is neither "." nor "..", so it never leaves its
// folder. Letters, digits and most punctuation stay; other bytes become %XX. A text
// that is too long for a name ends in its hash.
func Name(text string) string {
	var b strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ' || c >= 0x7f || strings.IndexByte(`%/\ :*?"<>|`, c) >= 0 || i == 0 && (c == '.' || c == '-'):
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	name := b.String()
	if name == "" {
		return "%"
	}
	if len(name) > maxName {
		sum := sha256.Sum256([]byte(text))
		name = name[:maxName-34] + "%-" + hex.EncodeToString(sum[:16])
	}
	return name
}

package provenance

import (
	"bytes"
	"encoding/json"
	"errors"
)

// A sealed file is a JSON object whose last member is the hash of all bytes before it.
var (
	sealOpen  = []byte(",\n\t\"sha256\": \"")
	sealClose = []byte("\"\n}\n")
)

// errBroken says that a sealed file is not as it was written.
var errBroken = errors.New("it was changed since ballast wrote it: its checksum differs")

// Seal writes an object with its own checksum.
func Seal(v any) ([]byte, error) {
	body, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return nil, err
	}
	body, ok := bytes.CutSuffix(body, []byte("\n}"))
	if !ok {
		return nil, errors.New("provenance: what is sealed must be an object with members")
	}
	out := append(bytes.Clone(body), sealOpen...)
	return append(append(out, Bytes(body)...), sealClose...), nil
}

// Sealed reports whether a file carries a checksum, and fails with errBroken where it is
// not that of the file.
func Sealed(data []byte) (bool, error) {
	i := bytes.LastIndex(data, sealOpen)
	if i < 0 {
		return false, nil
	}
	want := append(append(bytes.Clone(sealOpen), Bytes(data[:i])...), sealClose...)
	if !bytes.Equal(data[i:], want) {
		return true, errBroken
	}
	return true, nil
}

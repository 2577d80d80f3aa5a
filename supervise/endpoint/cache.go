package endpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ballast/bounded"
	"ballast/durable"
	"ballast/supervise"
)

// cache is a folder of answers by what was asked of whom. Many runs may share it.
type cache string

// key is the name of an answer: a hash of everything that it depends on.
func (cache) key(parts ...string) string {
	text, err := json.Marshal(parts)
	if err != nil {
		panic(err) // strings always marshal
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func (c cache) path(key string) string {
	return filepath.Join(string(c), key[:2], key+".json")
}

func (c cache) get(key string) (a supervise.Answer, ok bool, err error) {
	data, err := bounded.ReadFile(c.path(key), 16*bounded.MiB)
	if errors.Is(err, fs.ErrNotExist) {
		return a, false, nil
	}
	if err != nil {
		return a, false, fmt.Errorf("cache: %w", err)
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return a, false, fmt.Errorf("cache: %s is broken, remove it: %w", c.path(key), err)
	}
	return a, true, nil
}

func (c cache) put(key string, a supervise.Answer) error {
	data, err := json.Marshal(a)
	if err != nil {
		panic(err) // two strings always marshal
	}
	path := c.path(key)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	if err := durable.ReplaceBytes(path, data); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	return nil
}

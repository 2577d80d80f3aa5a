package supervise

import "errors"

// Import reads a file of dialogues.
func Import(path string) ([]Dialogue, error) {
	return nil, errors.New("import: not yet")
}

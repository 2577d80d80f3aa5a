package model

import (
	"embed"
	"errors"
	"io/fs"
)

//go:embed all:embedded
var embedded embed.FS

// embeddedOrigin names the embedded model in messages.
const embeddedOrigin = "embedded model"

// Embedded reads the model that ships with the binary, from model/embedded.
func Embedded() (*Model, error) {
	dir, err := embeddedDir()
	if err != nil {
		return nil, err
	}
	return loadFS(dir, embeddedOrigin)
}

// embeddedDir is the embedded model's directory.
func embeddedDir() (fs.FS, error) {
	dir, err := fs.Sub(embedded, "embedded")
	if err != nil {
		panic("model: " + err.Error()) // the pattern above guarantees the folder
	}
	if _, err := fs.Stat(dir, "config.json"); err != nil {
		return nil, errors.New("model: this binary has no embedded model; name a model, or train one from random weights")
	}
	return dir, nil
}

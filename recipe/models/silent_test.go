package models

import "ballast/hub"

// silent shows nothing.
type silent struct{}

func (silent) Begin(hub.Name, string, int, int64) {}
func (silent) Progress(int64)                     {}
func (silent) Say(string)                         {}
func (silent) End()                               {}

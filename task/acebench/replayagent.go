package acebench

import (
	"crypto/sha256"
	"encoding/hex"

	ace "ballast/env/acebench"
	"ballast/value"
	world "ballast/world/acebench"
)

// scene compares a sequence of messages that the execution role answered.
func (p *replayer) scene(d *value.Dict) {
	p.err = world.ReplayScene(d, p.count)
}

func (p *replayer) count(what, got, want string) { p.same(what, got, want) }

// agent compares a dialogue, with the prompt of every message of the agent, or a verdict.
func (p *replayer) agent(d *value.Dict) {
	it := p.item(d)
	if it == nil {
		return
	}
	gold, _ := it.Gold.(*value.List)
	of := world.Item{Question: it.Question, Classes: it.Classes, Config: it.Config, Gold: gold, Milestones: it.Milestones}
	p.err = world.ReplayAgent(d, of, func(f world.Format, history string) string { return digest(it, f, history) }, p.count)
}

// digest is the beginning of the SHA-256 of a prompt, as the corpus has it.
func digest(it *ace.Item, f world.Format, history string) string {
	b := []byte{'['}
	for i, m := range ace.Messages(it, f.String(), history) {
		if i > 0 {
			b = append(b, ',')
		}
		b = value.AppendQuoted(append(b, `{"role":`...), m.Role)
		b = append(value.AppendQuoted(append(b, `,"content":`...), m.Text), '}')
	}
	sum := sha256.Sum256(append(b, ']'))
	return hex.EncodeToString(sum[:8])
}

package eval

import (
	"fmt"
	"strings"

	"ballast"
	"ballast/rollout"
)

// Protocol is a way to evaluate: when an episode ends, and how tokens are drawn.
type Protocol struct {
	Name      string
	Doc       string
	Budget    rollout.Budget
	PerTurn   int // see env.Rules
	Malformed rollout.Malformed
	How       ballast.Sampling
}

// Unbounded in a budget stands for no bound where a number must stand.
const Unbounded = 1 << 30

// Protocols is the table of the protocols. In both a malformed reply closes the
// user turn, and a conversation that fills the model's context has failed.
var Protocols = []Protocol{
	{
		Name: "official",
		Doc: "BFCL's harness: 20 steps with calls in a user turn, one more is executed and ends the episode; " +
			"temperature 0.001; 4,096 tokens a reply; whole results",
		Budget:    rollout.Budget{Prompt: Unbounded, Episode: Unbounded, Reply: 4096, Result: Unbounded, Steps: Unbounded},
		PerTurn:   20,
		Malformed: rollout.MalformedAdvance,
		How:       ballast.Sampling{Temperature: 0.001},
	},
	{
		Name: "paper",
		Doc: "the paper's evaluation: 30 turns (31 replies) in an episode, greedy; 2,048 tokens a reply, " +
			"16,384 after the prompt, 4,096 a result, of which the end is kept",
		Budget:    rollout.Budget{Prompt: Unbounded, Episode: 16384, Reply: 2048, Result: 4096, Steps: rollout.Paper.Steps},
		Malformed: rollout.MalformedAdvance,
	},
}

// ProtocolByName returns the protocol of that name.
func ProtocolByName(name string) (Protocol, error) {
	var names []string
	for _, p := range Protocols {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Protocol{}, fmt.Errorf("eval: no protocol is named %q; there are %s", name, strings.Join(names, ", "))
}

// Apply puts the protocol's bounds into a configuration.
func (p Protocol) Apply(cfg *rollout.Config) {
	cfg.Budget, cfg.PerTurn, cfg.Malformed = p.Budget, p.PerTurn, p.Malformed
}

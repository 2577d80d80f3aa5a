package rollout

import (
	"slices"
	"strings"

	"ballast"
	"ballast/chat"
	"ballast/env"
)

// Fault is a fault that the paper's reference code has (paper, sections 2 and 5) and
// that a study of causes can put into rollouts, one by one. By default there is
// none.
type Fault string

// The faults.
const (
	// AppendEnd: a reply that its budget cut does not end the episode. It is answered
	// like a complete one, an end token is appended, and that token is trained on
	// though nobody sampled it.
	AppendEnd Fault = "append-end"
	// AdvanceTurn: a reply without a closing tag closes the user turn, whatever else
	// it is; one with a closing tag and no readable call is answered with an error.
	AdvanceTurn Fault = "advance-turn"
	// Retokenise: replies are decoded without the tokens of the template and encoded
	// again, and training sees those tokens; the policy still samples after its own.
	Retokenise Fault = "retokenise"
	// DropState: what tools answer comes from worlds that start afresh at every user
	// turn, while the checks go on with the worlds that live as long as the episode.
	DropState Fault = "drop-state"
)

// AllFaults are the ones that there are.
var AllFaults = []Fault{AppendEnd, AdvanceTurn, Retokenise, DropState}

// Faults are some of them.
type Faults []Fault

func (q Faults) has(x Fault) bool { return slices.Contains(q, x) }

// Trains reports whether training sees other tokens than those that were sampled.
func (q Faults) Trains() bool { return q.has(AppendEnd) || q.has(Retokenise) }

// unread is what the reference code answers to a call that it cannot read.
const unread = "Error JSON format: the call cannot be read."

// rules puts the faults of the environment into its rules.
func (q Faults) rules(r *env.Rules, renderer chat.Renderer) {
	if q.has(AdvanceTurn) {
		r.Malformed = MalformedAdvance
		r.Unread = func(text string) string {
			for _, tag := range renderer.Format.Control() {
				if strings.HasPrefix(tag, "</") && strings.Contains(text, tag) {
					return unread
				}
			}
			return ""
		}
	}
	r.Forget = q.has(DropState)
}

// Trained is an episode as training sees it: the record itself, or a copy with what
// the faults do to it. Log-probabilities of a copy are unknown and 0.
func (q Faults) Trained(renderer chat.Renderer, ep *ballast.Episode) *ballast.Episode {
	if !q.Trains() || ep.Stop == ballast.StopInfra {
		return ep
	}
	out := *ep
	out.Tokens, out.Owners, out.Watch, out.Entropy = nil, nil, nil, nil
	at := 0 // first token of the record that is not copied yet
	upTo := func(end int) {
		out.Tokens = append(out.Tokens, ep.Tokens[at:end]...)
		out.Owners = append(out.Owners, ep.Owners[at:end]...)
		at = end
	}
	write := func(ids ...int32) {
		out.Tokens = append(out.Tokens, ids...)
		out.Owners = append(out.Owners, slices.Repeat([]ballast.Owner{ballast.OwnerPolicy}, len(ids))...)
	}
	end := renderer.Stops()[0]
	for _, t := range ep.Turns {
		for _, s := range t.Steps {
			if s.Gold {
				continue
			}
			upTo(s.Start)
			ids := ep.Tokens[s.Start:s.End]
			if q.has(Retokenise) {
				ids = again(renderer, ids)
			}
			write(ids...)
			at = s.End
			if s.Cut && q.has(AppendEnd) && (at < len(ep.Tokens) || ep.Stop != ballast.StopTokens) {
				write(end)
				if at < len(ep.Tokens) && ep.Tokens[at] == end { // the template's, before the next message
					at++
				}
			}
		}
	}
	upTo(len(ep.Tokens))
	out.LogProb = make([]float32, len(out.Tokens))
	return &out
}

// again decodes a reply, without the tokens that the template owns, and encodes the
// text: tags that were spelled in pieces become tokens, pieces become the usual
// ones. An end token stays if it was there.
func again(renderer chat.Renderer, ids []int32) []int32 {
	n := len(ids)
	stopped := n > 0 && slices.Contains(renderer.Stops(), ids[n-1])
	if stopped {
		n--
	}
	own := map[int32]bool{}
	format := renderer.Format.Control()
	control, names := renderer.Control()
	for i, id := range control {
		own[id] = !slices.Contains(format, names[i])
	}
	kept := slices.DeleteFunc(slices.Clone(ids[:n]), func(id int32) bool { return own[id] })
	out := chat.NewDialogue(renderer, nil, nil).Gold(renderer.Tokenizer.Decode(kept)) // ends with an end token
	if !stopped {
		out = out[:len(out)-1]
	}
	return out
}

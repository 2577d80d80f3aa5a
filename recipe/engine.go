package recipe

import "slices"

// Engine says what samples and learns. Package engine has the table of engines, says which
// of them reads which of these settings, and refuses what the chosen one cannot honour.
type Engine struct {
	Kind      string   `yaml:"kind,omitempty"`
	Precision string   `yaml:"precision,omitempty"`
	Address   string   `yaml:"address,omitempty"`
	Options   []string `yaml:"options,omitempty"`
}

// cpu is the engine of a recipe that names none.
const cpu = "cpu"

// On is the kind of the engine.
func (e *Engine) On() string {
	if e.Kind == "" {
		return cpu
	}
	return e.Kind
}

// Set are the keys of the section that say something.
func (e *Engine) Set() (keys []string) {
	for key, set := range map[string]bool{"precision": e.Precision != "", "address": e.Address != "", "options": len(e.Options) > 0} {
		if set {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// settle leaves out the engine that a recipe without the section has.
func (e *Engine) settle() {
	if e.Kind == cpu && len(e.Set()) == 0 {
		e.Kind = ""
	}
}

// Refers names the setting by which a phase weighs the reference policy, "" where none does.
func (r *Recipe) Refers() string {
	if !r.referred() {
		return ""
	}
	for i, p := range r.Phases {
		if in, err := r.In(i); err == nil && p.RL > 0 && in.RL.KL > 0 {
			return "rl.kl"
		}
	}
	return "rl.signals"
}

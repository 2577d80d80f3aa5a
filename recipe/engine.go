package recipe

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Engine says what samples and learns. Package engine has the table of engines, says which
// of them reads which of these settings, and refuses what the chosen one cannot honour.
type Engine struct {
	Kind      string   `yaml:"kind,omitempty"`
	Precision string   `yaml:"precision,omitempty"`
	Address   string   `yaml:"address,omitempty"`
	Options   []string `yaml:"options,omitempty"`
	Model     string   `yaml:"model,omitempty"`
	Key       string   `yaml:"key,omitempty"`
	Reduction string   `yaml:"reduction,omitempty"`
	Wire      string   `yaml:"wire,omitempty"`
	Samplers  Names    `yaml:"samplers,omitempty"`
	Adapters  string   `yaml:"adapters,omitempty"`
	Token     string   `yaml:"token,omitempty"`
	Requests  int      `yaml:"requests,omitempty"`
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

// said are the section's settings besides kind, by their keys; "" where one says nothing.
func (e *Engine) said() map[string]string {
	requests := ""
	if e.Requests != 0 {
		requests = strconv.Itoa(e.Requests)
	}
	return map[string]string{"precision": e.Precision, "address": e.Address, "options": strings.Join(e.Options, " "), "model": e.Model,
		"key": e.Key, "reduction": e.Reduction, "wire": e.Wire, "samplers": strings.Join(e.Samplers, " "), "adapters": e.Adapters,
		"token": e.Token, "requests": requests}
}

// EngineKeys are the keys of the section besides kind.
func EngineKeys() (keys []string) {
	for key := range (&Engine{}).said() {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// Set are the keys of the section, besides kind, that say something.
func (e *Engine) Set() (keys []string) {
	said := e.said()
	return slices.DeleteFunc(EngineKeys(), func(key string) bool { return said[key] == "" })
}

// String is the section in one line.
func (e *Engine) String() string {
	parts, said := []string{e.On()}, e.said()
	for _, key := range e.Set() {
		parts = append(parts, fmt.Sprintf("%s=%s", key, said[key]))
	}
	return strings.Join(parts, " ")
}

// Beside are the addresses of Samplers, each by itself: one text may hold several, since a list in
// brackets wants quotes around each of them.
func (e *Engine) Beside() (out Names) {
	for _, text := range e.Samplers {
		out = append(out, strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })...)
	}
	return out
}

// settle leaves out the engine that a recipe without the section has, and parts the samplers.
func (e *Engine) settle() {
	e.Samplers = e.Beside()
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

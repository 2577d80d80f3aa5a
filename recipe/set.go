package recipe

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ballast/bounded/yaml"
	"ballast/recipe/signal"
	"ballast/recipe/strict"
)

// Apply reads YAML text over the recipe; keys that are not mentioned stay. An
// unknown key is an error with its line, see package strict.
func (r *Recipe) Apply(name string, text []byte) error { return r.decode(name, text, true) }

// decode is Apply; lines says whether somebody has seen the text, so that its lines mean something.
func (r *Recipe) decode(name string, text []byte, lines bool) error {
	text, err := r.current(text, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	before := r.RL.Signals
	r.RL.Signals = nil // the decoder replaces a map, settings are laid over
	if err := strict.Decode(text, r, signal.Off); err != nil {
		if kind := (*strict.KindError)(nil); !lines && errors.As(err, &kind) {
			kind.Line = 0
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	if r.RL.Signals != nil && len(r.RL.Signals) == 0 && len(before) > 0 {
		return fmt.Errorf("%s: rl.signals: {} turns none off: rl.signals.NAME: null does, for each of %s",
			name, strings.Join(slices.Sorted(maps.Keys(before)), ", "))
	}
	r.RL.Signals = signal.Lay(before, r.RL.Signals)
	for _, other := range slices.Sorted(maps.Keys(r.Methods)) {
		if _, err := New(other); err != nil {
			return fmt.Errorf("%s: methods.%s: %w", name, other, err)
		}
	}
	section, ok := r.Methods[r.Method]
	r.Methods = nil
	if !ok {
		return nil
	}
	own, err := yaml.Marshal(section)
	if err != nil {
		return fmt.Errorf("%s: methods.%s: %w", name, r.Method, err)
	}
	return r.Apply(name+": methods."+r.Method, own)
}

// Set applies one key=value pair with a dotted key, such as sft.lr=1e-5. A key
// that begins with phases[N]. overrides the setting in that phase alone.
func (r *Recipe) Set(pair string) error {
	key, text, ok := strings.Cut(pair, "=")
	if !ok || key == "" {
		return fmt.Errorf("--set %s: want key=value, such as rl.lr=1e-6", pair)
	}
	val, err := parse(text)
	if err != nil {
		return fmt.Errorf("--set %s: %w", pair, err)
	}
	if strings.HasPrefix(key, "phases[") {
		return r.setPhase(pair, key, val)
	}
	return r.put("--set "+pair, key, val)
}

// parse reads the value of a pair: a list or map in brackets, a quoted text, a
// number, a truth value, null; anything else is text, as it stands.
func parse(text string) (v any, err error) {
	text = strings.TrimSpace(text)
	if err = yaml.Unmarshal([]byte(text), &v); text != "" && strings.ContainsRune("[{\"'", rune(text[0])) {
		return v, err
	}
	switch v.(type) {
	case uint64, int64, float64, bool:
		return v, nil
	case nil:
		if text == "null" || text == "~" {
			return nil, nil
		}
	}
	return text, nil
}

// put applies a value to a dotted key.
func (r *Recipe) put(name, key string, val any) error {
	parts := strings.Split(key, ".")
	if len(parts) > 16 {
		return fmt.Errorf("%.80s: no setting has a key of %d parts", name, len(parts))
	}
	for i := len(parts) - 1; i >= 0; i-- {
		val = map[string]any{parts[i]: val}
	}
	text, err := yaml.Marshal(val)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return r.decode(name, text, false)
}

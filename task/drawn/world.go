package drawn

import (
	"math/rand/v2"
	"slices"

	"ballast/value"
)

// scene is a world as it was drawn, and as the requests of a task leave it.
type scene struct {
	words
	kinds []*kind
	tools []*tool
}

// kind is a kind of entities.
type kind struct {
	noun     string
	fields   []*field
	entities []*entity
}

// fieldType says what a field holds.
type fieldType int

const (
	amount fieldType = iota // an integer
	choice                  // one of words
	link                    // the name of an entity of another kind
)

// field is a property of entities.
type field struct {
	noun      string
	fieldType fieldType
	words     []string
	to        *kind
}

// entity is one entity; values are int64 or string.
type entity struct {
	kind   *kind
	name   string
	values map[*field]any
	done   bool // a request was about it
}

// newScene draws kinds and entities.
func newScene(rng *rand.Rand, split string, kinds, size int) *scene {
	w := &scene{words: words{rng, split, map[string]bool{}}}
	for range kinds {
		w.kinds = append(w.kinds, &kind{noun: w.either(nouns)})
	}
	for i, k := range w.kinds {
		k.fields = []*field{w.amount(), w.choice()}
		for range rng.IntN(2) {
			k.fields = append(k.fields, w.amount())
		}
		if i > 0 && rng.IntN(3) > 0 {
			k.fields = append(k.fields, &field{noun: w.either(choices), fieldType: link, to: w.kinds[i-1]})
		}
		// Kinds share a field's noun at times, so that a function is not known by that alone.
		if i > 0 && rng.IntN(3) == 0 {
			k.fields[0].noun = w.kinds[i-1].fields[0].noun
		}
	}
	for _, k := range w.kinds {
		for range 3*size + rng.IntN(2) {
			w.makeEntity(k)
		}
	}
	w.drawTools()
	return w
}

func (w *scene) amount() *field { return &field{noun: w.either(amounts), fieldType: amount} }

func (w *scene) choice() *field {
	f := &field{noun: w.either(choices), fieldType: choice}
	for range 2 + w.rng.IntN(2) {
		f.words = append(f.words, w.either(terms))
	}
	return f
}

// name draws a name for an entity: a word, at times two.
func (w *scene) name() string {
	if w.rng.IntN(7) == 0 {
		return w.invented() + " " + w.invented()
	}
	return w.invented()
}

// makeEntity adds an entity with values for all fields.
func (w *scene) makeEntity(k *kind) {
	t := &entity{kind: k, name: w.name(), values: map[*field]any{}}
	for _, f := range k.fields {
		t.values[f] = w.value(f)
	}
	k.entities = append(k.entities, t)
}

// value draws a value for a field.
func (w *scene) value(f *field) any {
	switch f.fieldType {
	case choice:
		return pick(w.rng, f.words)
	case link:
		return pick(w.rng, f.to.entities).name
	}
	return w.number()
}

// number draws an amount.
func (w *scene) number() int64 { return 2 + w.rng.Int64N(97) }

// other draws a value that the entity does not have, nil where there seems to be none: all but
// one of the entities that a link may name can be gone.
func (w *scene) other(t *entity, f *field) any {
	for range 20 {
		if v := w.value(f); v != t.values[f] {
			return v
		}
	}
	return nil
}

// free returns an entity of the kind that no request was about, nil if there is none.
func (w *scene) free(k *kind) *entity {
	var free []*entity
	for _, t := range k.entities {
		if !t.done {
			free = append(free, t)
		}
	}
	if len(free) == 0 {
		return nil
	}
	t := pick(w.rng, free)
	t.done = true
	return t
}

// extreme returns the one entity with the largest (sign 1) or smallest (-1) amount, nil where two have it.
func (k *kind) extreme(f *field, sign int64) (best *entity) {
	twice := false
	for _, t := range k.entities {
		switch n := sign * t.values[f].(int64); {
		case best == nil || n > sign*best.values[f].(int64):
			best, twice = t, false
		case n == sign*best.values[f].(int64):
			twice = true
		}
	}
	if twice {
		return nil
	}
	return best
}

// only returns the one entity whose field has the value, nil where there is none or more.
func (k *kind) only(f *field, v any) (found *entity) {
	for _, t := range k.entities {
		if t.values[f] == v {
			if found != nil {
				return nil
			}
			found = t
		}
	}
	return found
}

func (k *kind) drop(t *entity) {
	k.entities = slices.DeleteFunc(k.entities, func(o *entity) bool { return o == t })
}

// config writes the world as package world/drawn reads it.
func (w *scene) config() any {
	kinds, entities, tools := &value.Dict{}, &value.Dict{}, &value.Dict{}
	for _, k := range w.kinds {
		fields, all := &value.Dict{}, &value.Dict{}
		for _, f := range k.fields {
			switch f.fieldType {
			case amount:
				fields.Set(f.noun, "integer")
			case choice:
				l := value.NewList()
				for _, word := range f.words {
					l.Items = append(l.Items, word)
				}
				fields.Set(f.noun, l)
			case link:
				fields.Set(f.noun, "string")
			}
		}
		for _, t := range k.entities {
			l := value.NewList()
			for _, f := range k.fields {
				l.Items = append(l.Items, t.values[f])
			}
			all.Set(t.name, l)
		}
		kinds.Set(k.noun, fields)
		entities.Set(k.noun, all)
	}
	for _, t := range w.tools {
		tools.Set(t.name, t.config())
	}
	return value.NewDict("kinds", kinds, "things", entities, "tools", tools)
}

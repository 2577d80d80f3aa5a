package desk

import (
	"fmt"
	"slices"

	"ballast/value"
)

// lights is a house with one lamp per room. It belongs to the
// out-of-distribution worlds. Configuration: room to level (0 is off) and color.
//
//	{"rooms": {"hall": [40, "red"]}}
var lights = newAPI("lights", func() *lightsState { return &lightsState{} },
	fn[*lightsState]{tool("on(room)", "switch a light on"), with(aLamp, (*lightsState).on)},
	fn[*lightsState]{tool("off(room)", "switch a light off"), with(aLamp, (*lightsState).off)},
	fn[*lightsState]{tool("dim(room, level#)", "set the level of a light"), with(aLamp, (*lightsState).dim)},
	fn[*lightsState]{tool("level(room)", "level of a light"), with(aLamp, (*lightsState).level)},
	fn[*lightsState]{tool("paint(room, color)", "set the color of a light"), with(aLamp, (*lightsState).paint)},
	fn[*lightsState]{tool("lit()", "rooms with the light on"), (*lightsState).lit},
	fn[*lightsState]{tool("color(room)", "color of a light"), with(aLamp, (*lightsState).color)},
	fn[*lightsState]{tool("reset(room)", "set a light to level 50 and white"), with(aLamp, (*lightsState).reset)},
)

// shades are the colors that a lamp has.
var shades = [...]string{"red", "blue", "green", "white", "pink", "gold"}

type lamp struct {
	room  string
	level int64
	color string
}

func (l lamp) key() string { return l.room }

type lightsState struct{ lamps table[lamp] }

// What the first argument of a call names.
var aLamp = set[*lightsState, lamp]{"room", func(s *lightsState) *table[lamp] { return &s.lamps }}

func (s *lightsState) load(c *value.Dict) error {
	return each(c, "rooms", func(room string, v any) error {
		l, ok := v.(*value.List)
		if !ok || len(l.Items) != 2 {
			return fmt.Errorf("want a list of level and color")
		}
		level, err := integer(l.Items[0])
		if err != nil {
			return err
		}
		color, err := text(l.Items[1])
		if level < 0 || level > 99 || !slices.Contains(shades[:], color) {
			return fmt.Errorf("level or color out of range")
		}
		s.lamps.add(lamp{room, level, color})
		return err
	})
}

func (s *lightsState) twin() *lightsState {
	return &lightsState{lamps: slices.Clone(s.lamps)}
}

func (s *lightsState) diff(o *lightsState) string {
	if !s.lamps.equal(o.lamps) {
		return "rooms"
	}
	return ""
}

func (s *lightsState) dump() *value.Dict {
	all, out := &value.Dict{}, &value.Dict{}
	for _, l := range s.lamps {
		all.Set(l.room, value.NewList(l.level, l.color))
	}
	out.Set("rooms", all)
	return out
}

func (*lightsState) on(l *lamp, _ args) string {
	if l.level > 0 {
		return "error: on already"
	}
	l.level = 99
	return "ok"
}

func (*lightsState) off(l *lamp, _ args) string {
	l.level = 0
	return "ok"
}

func (*lightsState) dim(l *lamp, a args) string {
	if a[1].num < 0 || a[1].num > 99 {
		return "error: no level " + number(a[1].num)
	}
	l.level = a[1].num
	return "ok"
}

func (*lightsState) level(l *lamp, _ args) string {
	return number(l.level)
}

func (*lightsState) paint(l *lamp, a args) string {
	if !slices.Contains(shades[:], a[1].str) {
		return missing("color", a[1].str)
	}
	l.color = a[1].str
	return "ok"
}

func (*lightsState) color(l *lamp, _ args) string {
	return l.color
}

func (*lightsState) reset(l *lamp, _ args) string {
	l.level, l.color = 50, "white"
	return "ok"
}

func (s *lightsState) lit(args) string {
	return s.lamps.names(func(l lamp) bool { return l.level > 0 })
}

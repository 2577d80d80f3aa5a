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
	fn[*lightsState]{tool("on(room)", "switch a light on"), (*lightsState).on},
	fn[*lightsState]{tool("off(room)", "switch a light off"), (*lightsState).off},
	fn[*lightsState]{tool("dim(room, level#)", "set the level of a light"), (*lightsState).dim},
	fn[*lightsState]{tool("level(room)", "level of a light"), (*lightsState).level},
	fn[*lightsState]{tool("paint(room, color)", "set the color of a light"), (*lightsState).paint},
	fn[*lightsState]{tool("lit()", "rooms with the light on"), (*lightsState).lit},
	fn[*lightsState]{tool("color(room)", "color of a light"), (*lightsState).color},
	fn[*lightsState]{tool("reset(room)", "set a light to level 50 and white"), (*lightsState).reset},
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

func (s *lightsState) on(a args) string {
	i, ok := s.lamps.at(a[0].str)
	if !ok {
		return missing("room", a[0].str)
	}
	if s.lamps[i].level > 0 {
		return "error: on already"
	}
	s.lamps[i].level = 99
	return "ok"
}

func (s *lightsState) off(a args) string {
	i, ok := s.lamps.at(a[0].str)
	if !ok {
		return missing("room", a[0].str)
	}
	s.lamps[i].level = 0
	return "ok"
}

func (s *lightsState) dim(a args) string {
	i, ok := s.lamps.at(a[0].str)
	if !ok {
		return missing("room", a[0].str)
	}
	if a[1].num < 0 || a[1].num > 99 {
		return "error: no level " + number(a[1].num)
	}
	s.lamps[i].level = a[1].num
	return "ok"
}

func (s *lightsState) level(a args) string {
	i, ok := s.lamps.at(a[0].str)
	if !ok {
		return missing("room", a[0].str)
	}
	return number(s.lamps[i].level)
}

func (s *lightsState) paint(a args) string {
	i, ok := s.lamps.at(a[0].str)
	if !ok {
		return missing("room", a[0].str)
	}
	if !slices.Contains(shades[:], a[1].str) {
		return missing("color", a[1].str)
	}
	s.lamps[i].color = a[1].str
	return "ok"
}

func (s *lightsState) color(a args) string {
	i, ok := s.lamps.at(a[0].str)
	if !ok {
		return missing("room", a[0].str)
	}
	return s.lamps[i].color
}

func (s *lightsState) reset(a args) string {
	i, ok := s.lamps.at(a[0].str)
	if !ok {
		return missing("room", a[0].str)
	}
	s.lamps[i].level, s.lamps[i].color = 50, "white"
	return "ok"
}

func (s *lightsState) lit(args) string {
	var rooms []string
	for _, l := range s.lamps {
		if l.level > 0 {
			rooms = append(rooms, l.room)
		}
	}
	return joined(rooms)
}

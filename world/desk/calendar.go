package desk

import (
	"fmt"
	"slices"
	"strings"

	"ballast/value"
)

// calendar is one week of events from Monday to Friday, on full hours.
// Configuration: title to day, hour and guests.
//
//	{"events": {"team lunch": ["mon", 12, "ann lee"]}}
var calendar = newAPI("calendar", func() *calendarState { return &calendarState{} },
	fn[*calendarState]{tool("book(event, day, hour#)", "make an event"), (*calendarState).book},
	fn[*calendarState]{tool("cancel(event)", "remove an event"), (*calendarState).cancel},
	fn[*calendarState]{tool("when(event)", "day and hour of an event"), with(anEvent, (*calendarState).when)},
	fn[*calendarState]{tool("agenda(day)", "events of a day"), (*calendarState).agenda},
	fn[*calendarState]{tool("shift(event, day)", "shift an event to another day"), with(anEvent, (*calendarState).shift)},
	fn[*calendarState]{tool("delay(event, hours#)", "delay an event by some hours"), with(anEvent, (*calendarState).delay)},
	fn[*calendarState]{tool("invite(event, person)", "invite a person to an event"), with(anEvent, (*calendarState).invite)},
	fn[*calendarState]{tool("guests(event)", "people invited to an event"), with(anEvent, (*calendarState).guests)},
)

var days = [...]string{"mon", "tue", "wed", "thu", "fri"}

type event struct {
	title, day string
	hour       int64
}

func (e event) key() string { return e.title }

type calendarState struct {
	events  table[event]
	invited bag // pairs of title and person
}

// What the first argument of a call names.
var anEvent = set[*calendarState, event]{"event", func(s *calendarState) *table[event] { return &s.events }}

func (s *calendarState) load(c *value.Dict) error {
	return each(c, "events", func(title string, v any) error {
		l, ok := v.(*value.List)
		if !ok || len(l.Items) < 2 {
			return fmt.Errorf("want a list of day, hour and guests")
		}
		day, err := text(l.Items[0])
		if err != nil {
			return err
		}
		hour, err := integer(l.Items[1])
		if err != nil {
			return err
		}
		if problem := slot(day, hour); problem != "" {
			return fmt.Errorf("%s", problem)
		}
		s.events.add(event{title, day, hour})
		guests, err := texts(&value.List{Items: l.Items[2:]})
		for _, g := range guests {
			s.invited.add(pair(title, g))
		}
		return err
	})
}

func (s *calendarState) twin() *calendarState {
	return &calendarState{events: slices.Clone(s.events), invited: slices.Clone(s.invited)}
}

func (s *calendarState) diff(o *calendarState) string {
	switch {
	case !s.events.equal(o.events):
		return "events"
	case !slices.Equal(s.invited, o.invited):
		return "guests"
	}
	return ""
}

func (s *calendarState) dump() *value.Dict {
	events, out := &value.Dict{}, &value.Dict{}
	for _, e := range s.events {
		l := value.NewList(e.day, e.hour)
		for _, g := range s.guestsOf(e.title) {
			l.Items = append(l.Items, g)
		}
		events.Set(e.title, l)
	}
	out.Set("events", events)
	return out
}

// slot says what is wrong with a day and an hour, or nothing.
func slot(day string, hour int64) string {
	if !slices.Contains(days[:], day) {
		return "error: no day " + clip(day)
	}
	if hour < 0 || hour > 23 {
		return "error: no hour " + number(hour)
	}
	return ""
}

func (s *calendarState) guestsOf(title string) []string {
	var names []string
	for _, g := range s.invited {
		if name, ok := strings.CutPrefix(g, pair(title, "")); ok {
			names = append(names, name)
		}
	}
	return names
}

func (s *calendarState) book(a args) string {
	if problem := slot(a[1].str, a[2].num); problem != "" {
		return problem
	}
	if !s.events.add(event{a[0].str, a[1].str, a[2].num}) {
		return exists(a[0].str)
	}
	return "ok"
}

func (s *calendarState) cancel(a args) string {
	if !s.events.remove(a[0].str) {
		return missing("event", a[0].str)
	}
	for _, g := range s.guestsOf(a[0].str) {
		s.invited.remove(pair(a[0].str, g))
	}
	return "ok"
}

func (*calendarState) when(e *event, _ args) string {
	return e.day + " " + number(e.hour)
}

// agenda lists the events of a day in the order of their titles.
func (s *calendarState) agenda(a args) string {
	if problem := slot(a[0].str, 0); problem != "" {
		return problem
	}
	return s.events.names(func(e event) bool { return e.day == a[0].str })
}

func (*calendarState) shift(e *event, a args) string {
	if problem := slot(a[1].str, 0); problem != "" {
		return problem
	}
	e.day = a[1].str
	return "ok"
}

func (*calendarState) delay(e *event, a args) string {
	// A difference beyond a day is refused before adding: it could wrap around.
	if a[1].num < -23 || a[1].num > 23 {
		return "error: too many hours"
	}
	hour := e.hour + a[1].num
	if problem := slot(days[0], hour); problem != "" {
		return problem
	}
	e.hour = hour
	return "ok"
}

func (s *calendarState) invite(_ *event, a args) string {
	if s.invited.has(pair(a[0].str, a[1].str)) {
		return "error: invited already"
	}
	s.invited.add(pair(a[0].str, a[1].str))
	return "ok"
}

func (s *calendarState) guests(_ *event, a args) string {
	return joined(s.guestsOf(a[0].str))
}

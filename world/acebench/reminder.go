package acebench

import (
	"ballast"
	"ballast/value"
	"ballast/world"
	"ballast/world/python"
)

// reminderAPI is a ReminderApi.
type reminderAPI struct {
	base
	reminders dict // number -> reminder
	counter   int64
}

func reminder(id int64, title, description, time any) *value.Dict {
	return value.NewDict("reminder_id", id, "title", title, "description", description, "time", time, "notified", false)
}

var firstReminders = func() *value.Dict {
	d := value.NewDict(
		int64(1), reminder(1001, "Doctor's Appointment", "Visit Dr. Smith for a checkup.", "2024-07-15 09:30"),
		int64(2), reminder(1002, "Team Meeting", "Monthly project review with the team.", "2024-07-17 11:00"),
		int64(3), reminder(1003, "To-do list", `First, help Frank place a food delivery order at "Hema Fresh," ordering two "Fresh Gift `+
			`Packs." Then, send a message to Frank saying, "The price of the purchased goods is () yuan." Replace the parentheses with `+
			"the actual amount, keeping one decimal place.", "2024-07-16 11:00"),
	)
	d.Freeze()
	return d
}()

func newReminder(c config) *reminderAPI {
	return &reminderAPI{base: loadBase(c), reminders: dict{Dict: firstReminders}, counter: 3}
}

// Call runs one call.
func (s *reminderAPI) Call(c ballast.Call) string { return answer(s, c) }

func (s *reminderAPI) run(c ballast.Call) string { return reminderClass.run(s, &s.core, c) }

// Copy returns a state that goes on from here.
func (s *reminderAPI) Copy() world.State { c := *s; c.reminders.owned = false; return &c }

// Equal names the first attribute that differs.
func (s *reminderAPI) Equal(o world.State) string {
	return differ(s.public(), o.(*reminderAPI).public())
}

// Dump returns the attributes.
func (s *reminderAPI) Dump() any { return value.NewDict(s.public()...) }

func (s *reminderAPI) public() []any {
	return []any{"reminder_list", s.reminders.Dict, "reminder_id_counter", s.counter, "wifi", s.wifi, "logged_in", s.loggedIn}
}

func (s *reminderAPI) saved() []any { return []any{"reminder_list", s.reminders.Dict} }

var reminderClass = newClass("ReminderApi", inherited(
	method[*reminderAPI]{name: "add_reminder", params: []string{"title", "description", "time"}, run: (*reminderAPI).add},
	method[*reminderAPI]{name: "delete_reminder", params: []string{"reminder_id"}, run: (*reminderAPI).delete},
	method[*reminderAPI]{name: "view_all_reminders", run: (*reminderAPI).all},
	method[*reminderAPI]{name: "view_reminder_by_title", params: []string{"title"}, run: (*reminderAPI).byTitle},
)...)

var (
	noticesLoggedOut  = said(false, "The device is not logged in, so you cannot view notifications")
	addLoggedOut      = said(false, "Device not logged in. Unable to add a new reminder.")
	addFull           = said(false, "Reminder capacity is full. Unable to add a new reminder.")
	reminderLoggedOut = said(false, "Device not logged in. Unable to delete the specified reminder.")
	reminderUnknown   = said(false, "Reminder ID does not exist.")
	noReminders       = said(false, "No reminders found.")
)

func (s *reminderAPI) byTitle(a []any) string {
	if off(s.loggedIn) {
		return noticesLoggedOut
	}
	for i := range s.reminders.Len() {
		if _, r := s.reminders.At(i); value.Equal(r.(*value.Dict).Member("title"), a[0]) {
			return told(value.NewDict("status", true, "reminder", r))
		}
	}
	return said(false, "No reminder found with the title '", a[0], "'.")
}

func (s *reminderAPI) add(a []any) string {
	if off(s.loggedIn) {
		return addLoggedOut
	}
	if s.reminders.Len() >= capacity {
		return addFull
	}
	s.counter++
	s.reminders.write().Set(s.counter, reminder(s.counter, own(a[0]), own(a[1]), own(a[2])))
	return said(true, "Reminder '", a[0], "' was successfully added.")
}

func (s *reminderAPI) delete(a []any) string {
	if off(s.loggedIn) {
		return reminderLoggedOut
	}
	if _, ok := python.Lookup(s.reminders.Dict, a[0]); !ok {
		return reminderUnknown
	}
	s.reminders.write().Delete(a[0])
	return said(true, "Reminder ID ", a[0], " was successfully deleted.")
}

func (s *reminderAPI) all([]any) string {
	if s.reminders.Len() == 0 {
		return noReminders
	}
	l := value.MakeList(s.reminders.Len())
	for i := range s.reminders.Len() {
		_, v := s.reminders.At(i)
		r := v.(*value.Dict)
		l.Items = append(l.Items, value.NewDict("title", r.Member("title"), "description", r.Member("description"), "time", r.Member("time"),
			"notified", r.Member("notified")))
	}
	return told(value.NewDict("status", true, "reminders", l))
}

package bfcl

import (
	"strings"

	"ballast"
	"ballast/value"
	"ballast/world"
	"ballast/world/python"
)

// ticketAPI is a TicketAPI.
type ticketAPI struct {
	core
	queue       shared // of dicts
	counter     any
	currentUser any
}

var emptyList any = &value.List{} // never written to

// ticketFields are the attributes of a ticketAPI.
var ticketFields = fields[*ticketAPI]{
	{"ticket_queue", func(s *ticketAPI) *any { return &s.queue.v }, emptyList},
	{"ticket_counter", func(s *ticketAPI) *any { return &s.counter }, int64(1)},
	{"current_user", func(s *ticketAPI) *any { return &s.currentUser }, nil},
}

func newTicket(d *value.Dict, _ bool) *ticketAPI {
	s := &ticketAPI{}
	ticketFields.load(s, config{d})
	return s
}

// Call runs one call.
func (s *ticketAPI) Call(c ballast.Call) string { return ticketClass.call(s, &s.core, c) }

// Copy returns a state that goes on from here.
func (s *ticketAPI) Copy() world.State {
	c := *s
	disown(&c.core, nil, &c.queue)
	return &c
}

// Equal names the first attribute that differs.
func (s *ticketAPI) Equal(other world.State) string {
	return ticketFields.differ(s, other.(*ticketAPI), false)
}

// Dump returns the public attributes.
func (s *ticketAPI) Dump() any { return dump(s) }

func (s *ticketAPI) public() []any { return ticketFields.list(s) }

// ticketClass is the table of TicketAPI.
var ticketClass = newClass("TicketAPI",
	method[*ticketAPI]{name: "close_ticket", params: []string{"ticket_id"}, run: (*ticketAPI).closeTicket},
	method[*ticketAPI]{name: "create_ticket", params: []string{"title", "description", "priority"}, defaults: []any{"", int64(1)},
		run: (*ticketAPI).create},
	method[*ticketAPI]{name: "edit_ticket", params: []string{"ticket_id", "updates"}, run: (*ticketAPI).edit},
	method[*ticketAPI]{name: "get_ticket", params: []string{"ticket_id"}, run: (*ticketAPI).get},
	method[*ticketAPI]{name: "get_user_tickets", params: []string{"status"}, defaults: []any{nil}, run: (*ticketAPI).userTickets},
	method[*ticketAPI]{name: "logout", run: (*ticketAPI).logout},
	method[*ticketAPI]{name: "resolve_ticket", params: []string{"ticket_id", "resolution"}, run: (*ticketAPI).resolve},
	method[*ticketAPI]{name: "ticket_get_login_status", run: (*ticketAPI).loginStatus},
	method[*ticketAPI]{name: "ticket_login", params: []string{"username", "password"}, run: (*ticketAPI).login},
)

// find returns the first ticket of that id and its place, or nil.
func (s *ticketAPI) find(id any) (ticket any, at int) {
	for i, t := range python.Iterate(s.queue.v) {
		if value.Equal(python.Item(t, "id"), id) {
			return t, i
		}
	}
	return nil, -1
}

// writable returns the ticket at a place for writing.
func (s *ticketAPI) writable(at int) *value.Dict {
	l := s.queue.writeList("append")
	t := l.Items[at].(*value.Dict).Copy()
	l.Items[at] = t
	return t
}

func (s *ticketAPI) notFound(id any) string { return s.error("Ticket with ID ", id, " not found.") }

func (s *ticketAPI) create(a []any) string {
	title, description, priority := a[0], a[1], a[2]
	if !value.Truth(s.currentUser) {
		return s.error("User not authenticated. Please log in to create a ticket.")
	}
	if python.Less(priority, int64(1)) || python.Greater(priority, int64(5)) {
		return s.error("Invalid priority. Priority must be between 1 and 5.")
	}
	ticket := value.Record("id", s.counter, "title", own(title), "description", own(description),
		"status", "Open", "priority", own(priority), "created_by", s.currentUser)
	l := s.queue.writeList("append")
	l.Items = append(l.Items, ticket)
	s.counter = plusOne(s.counter)
	return s.json(ticket)
}

func (s *ticketAPI) get(a []any) string {
	t, _ := s.find(a[0])
	if !value.Truth(t) {
		return s.notFound(a[0])
	}
	return s.answer(t)
}

// finish closes or resolves a ticket.
func (s *ticketAPI) finish(id any, status, done string, resolution any) string {
	t, at := s.find(id)
	if !value.Truth(t) {
		return s.notFound(id)
	}
	if python.Item(t, "status") == status {
		return s.error("Ticket with ID ", id, " is already ", done, ".")
	}
	w := s.writable(at)
	w.Set("status", status)
	if done == "resolved" {
		w.Set("resolution", own(resolution))
	}
	return s.line("status", "Ticket ", id, " has been ", done, " successfully.")
}

func (s *ticketAPI) closeTicket(a []any) string { return s.finish(a[0], "Closed", "closed", nil) }

func (s *ticketAPI) resolve(a []any) string { return s.finish(a[0], "Resolved", "resolved", a[1]) }

func (s *ticketAPI) edit(a []any) string {
	t, at := s.find(a[0])
	if !value.Truth(t) {
		return s.notFound(a[0])
	}
	updates, ok := a[1].(*value.Dict)
	if !ok {
		python.Attribute(a[1], "keys")
	}
	var invalid []any
	for _, k := range updates.Keys() {
		switch k {
		case "title", "description", "status", "priority":
		default:
			invalid = append(invalid, k)
		}
	}
	if invalid != nil {
		joinText(invalid)
		var names []string
		for _, k := range invalid {
			names = append(names, k.(string))
		}
		return s.error("Invalid fields for update: ", strings.Join(names, ", "))
	}
	var w *value.Dict
	for i := range updates.Len() {
		if k, v := updates.At(i); v != nil {
			if w == nil {
				w = s.writable(at)
			}
			w.Set(k, own(v))
		}
	}
	return s.line("status", "Ticket ", a[0], " has been updated successfully.")
}

func (s *ticketAPI) login(a []any) string {
	ok := value.Truth(a[0]) && value.Truth(a[1])
	if ok {
		s.currentUser = own(a[0])
	}
	return s.dict("success", ok)
}

func (s *ticketAPI) loginStatus([]any) string {
	return s.dict("login_status", value.Truth(s.currentUser))
}

func (s *ticketAPI) logout([]any) string {
	ok := value.Truth(s.currentUser)
	if ok {
		s.currentUser = nil
	}
	return s.dict("success", ok)
}

func (s *ticketAPI) userTickets(a []any) string {
	if !value.Truth(s.currentUser) {
		return "[{'error': 'User not authenticated. Please log in to view tickets.'}]"
	}
	mine := &value.List{}
	for _, t := range python.Iterate(s.queue.v) {
		if value.Equal(python.Item(t, "created_by"), s.currentUser) {
			mine.Items = append(mine.Items, t)
		}
	}
	if value.Truth(a[0]) {
		all := mine.Items
		mine.Items = nil
		for _, t := range all {
			if value.Equal(python.Lower(python.Item(t, "status")), python.Lower(a[0])) {
				mine.Items = append(mine.Items, t)
			}
		}
	}
	return s.answer(mine)
}

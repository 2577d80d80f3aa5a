package bfcl

import (
	"strconv"
	"strings"

	"ballast"
	"ballast/value"
	"ballast/world"
	"ballast/world/python"
)

// messageAPI is a MessageAPI.
type messageAPI struct {
	core
	random      random
	generated   any // *set, or what the configuration gives
	userCount   any
	users       shared // name -> id
	inbox       shared // one-entry dicts receiver -> message
	count       any
	currentUser any
}

var messageDefaults = struct{ users, inbox any }{
	value.NewDict("Alice", "USR001", "Bob", "USR002", "Catherine", "USR003", "Daniel", "USR004"),
	value.NewList(
		value.NewDict("USR002", "My name is Alice. I want to connect."),
		value.NewDict("USR003", "Could you upload the file?"),
		value.NewDict("USR004", "Could you upload the file?")),
}

// messageFields are the attributes of a messageAPI.
var messageFields = fields[*messageAPI]{
	{"generated_ids", func(s *messageAPI) *any { return &s.generated }, nil},
	{"user_count", func(s *messageAPI) *any { return &s.userCount }, int64(4)},
	{"user_map", func(s *messageAPI) *any { return &s.users.v }, messageDefaults.users},
	{"inbox", func(s *messageAPI) *any { return &s.inbox.v }, messageDefaults.inbox},
	{"message_count", func(s *messageAPI) *any { return &s.count }, int64(3)},
	{"current_user", func(s *messageAPI) *any { return &s.currentUser }, nil},
}

func newMessage(d *value.Dict, _ bool) *messageAPI {
	c := config{d}
	s := &messageAPI{random: newRandom(c.lookup("random_seed", int64(messageSeed)))}
	messageFields.load(s, c)
	if ids, ok := c.Get("generated_ids"); ok {
		s.generated = value.Clone(ids)
	} else {
		s.generated = &set{}
	}
	return s
}

// Call runs one call.
func (s *messageAPI) Call(c ballast.Call) string { return messageClass.call(s, &s.core, c) }

// Copy returns a state that goes on from here.
func (s *messageAPI) Copy() world.State {
	c := *s
	disown(&c.core, &c.random, &c.users, &c.inbox)
	return &c
}

// Equal names the first attribute that differs.
func (s *messageAPI) Equal(other world.State) string {
	return messageFields.differ(s, other.(*messageAPI), false)
}

// Dump returns the public attributes.
func (s *messageAPI) Dump() any { return dump(s) }

func (s *messageAPI) public() []any { return messageFields.list(s) }

// messageClass is the table of MessageAPI.
var messageClass = newClass("MessageAPI",
	method[*messageAPI]{name: "add_contact", params: []string{"user_name"}, run: (*messageAPI).addContact},
	method[*messageAPI]{name: "delete_message", params: []string{"receiver_id"}, run: (*messageAPI).deleteMessage},
	method[*messageAPI]{name: "get_message_stats", run: (*messageAPI).stats},
	method[*messageAPI]{name: "get_user_id", params: []string{"user"}, run: (*messageAPI).userID},
	method[*messageAPI]{name: "list_users", run: (*messageAPI).listUsers},
	method[*messageAPI]{name: "message_get_login_status", run: (*messageAPI).loginStatus},
	method[*messageAPI]{name: "message_login", params: []string{"user_id"}, run: (*messageAPI).login},
	method[*messageAPI]{name: "search_messages", params: []string{"keyword"}, run: (*messageAPI).search},
	method[*messageAPI]{name: "send_message", params: []string{"receiver_id", "message"}, run: (*messageAPI).send},
	method[*messageAPI]{name: "view_messages_sent", run: (*messageAPI).viewSent},
)

const noUser = "No user is currently logged in."

// valuesHave is v in d.values().
func valuesHave(d *value.Dict, v any) bool {
	for i := range d.Len() {
		if _, x := d.At(i); value.Equal(x, v) {
			return true
		}
	}
	return false
}

// generateID draws an unused message id.
func (s *messageAPI) generateID() int64 {
	ids, ok := s.generated.(*set)
	for {
		id := s.random.between(10000, 99999)
		if ok && ids.has(id) || !ok && python.Contains(s.generated, id) {
			continue
		}
		if !ok {
			python.Attribute(s.generated, "add")
		}
		s.generated = ids.with(id)
		return id
	}
}

func (s *messageAPI) listUsers([]any) string {
	return s.dict("user_list", &value.List{Items: s.users.dict("keys").Keys()})
}

func (s *messageAPI) userID(a []any) string {
	if !python.Contains(s.users.v, a[0]) {
		return s.error("User '", a[0], "' not found in the workspace.")
	}
	id, _ := s.users.dict("get").Get(a[0])
	return s.dict("user_id", id)
}

func (s *messageAPI) login(a []any) string {
	if !valuesHave(s.users.dict("values"), a[0]) {
		return s.dict("login_status", false, "message", s.tell("User ID '", a[0], "' not found."))
	}
	s.currentUser = own(a[0])
	return s.dict("login_status", true, "message", s.tell("User '", a[0], "' logged in successfully."))
}

func (s *messageAPI) loginStatus([]any) string {
	return s.dict("login_status", value.Truth(s.currentUser))
}

func (s *messageAPI) send(a []any) string {
	receiver, message := a[0], a[1]
	if !value.Truth(s.currentUser) {
		return s.error(noUser)
	}
	if !valuesHave(s.users.dict("values"), receiver) {
		return s.error("Receiver ID '", receiver, "' not found.")
	}
	id := s.generateID()
	python.MustHash(receiver)
	inbox := s.inbox.writeList("append")
	inbox.Items = append(inbox.Items, value.Record(own(receiver), own(message)))
	s.count = plusOne(s.count)
	b := append(s.begin(), `{"sent_status": true, "message_id": {"new_id": `...)
	b = append(strconv.AppendInt(b, id, 10), `}, "message": `...)
	b, _ = s.tell("Message sent to '", receiver, "' successfully.").(*told).AppendJSON(b)
	return s.said(append(b, '}'))
}

// first is the first entry of a message of the inbox.
func first(message any) (receiver, content any) {
	d, ok := message.(*value.Dict)
	if !ok {
		python.Attribute(message, "items")
	}
	if d.Len() == 0 {
		python.Raise("IndexError", "list index out of range")
	}
	return d.At(0)
}

func (s *messageAPI) deleteMessage(a []any) string {
	if !value.Truth(s.currentUser) {
		return s.error(noUser)
	}
	items := python.Iterate(s.inbox.v)
	for i := len(items) - 1; i >= 0; i-- {
		receiver, _ := first(items[i])
		if !value.Equal(receiver, a[0]) {
			continue
		}
		// The latest message to the receiver is found, but the first that
		// equals it goes.
		at := python.IndexOf(items, items[i])
		removeAt(s.inbox.writeList("remove"), at)
		return s.dict("deleted_status", true, "receiver_id", receiver,
			"message", s.tell("Receiver ", a[0], "'s latest message deleted successfully."))
	}
	return s.error("Receiver ID ", a[0], " not found.")
}

func (s *messageAPI) viewSent([]any) string {
	if !value.Truth(s.currentUser) {
		return s.error(noUser)
	}
	sent := value.MakeDict(5)
	for _, m := range python.Iterate(s.inbox.v) {
		receiver, content := first(m)
		if l, ok := sent.Get(receiver); ok {
			list := l.(*value.List)
			list.Items = append(list.Items, content)
		} else {
			list := value.MakeList(1)
			list.Items = append(list.Items, content)
			sent.Add(receiver, list)
		}
	}
	return s.dict("messages", sent)
}

func (s *messageAPI) addContact(a []any) string {
	name := a[0]
	if python.Contains(s.users.v, name) {
		return s.error("User name '", name, "' already exists.")
	}
	s.userCount = plusOne(s.userCount)
	var id any = "USR" + zeroFill(s.str(s.userCount), 3)
	if valuesHave(s.users.dict("values"), id) {
		return s.error("User ID '", id, "' already exists.")
	}
	s.users.writeDict("keys").Set(own(name), id)
	return s.dict("added_status", true, "user_id", id, "message", s.tell("Contact '", name, "' added successfully."))
}

// zeroFill is s.zfill(width).
func zeroFill(s string, width int) string {
	sign := ""
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign, s = s[:1], s[1:]
	}
	if n := width - len(sign) - len(s); n > 0 {
		s = strings.Repeat("0", n) + s
	}
	return sign + s
}

func (s *messageAPI) search(a []any) string {
	if !value.Truth(s.currentUser) {
		return s.error(noUser)
	}
	keyword := python.Lower(a[0])
	found := &value.List{}
	for _, m := range python.Iterate(s.inbox.v) {
		receiver, content := first(m)
		if python.Contains(python.Lower(content), keyword) {
			found.Items = append(found.Items, value.Record("receiver_id", receiver, "message", content))
		}
	}
	return s.dict("results", found)
}

func (s *messageAPI) stats([]any) string {
	if !value.Truth(s.currentUser) {
		return s.error(noUser)
	}
	contacts, received := &value.Dict{}, int64(0)
	for _, m := range python.Iterate(s.inbox.v) {
		receiver, _ := first(m)
		received++
		contacts.Set(receiver, nil)
	}
	return s.dict("stats", value.NewDict("received_count", received, "total_contacts", int64(contacts.Len())))
}

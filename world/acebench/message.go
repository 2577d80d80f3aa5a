package acebench

import (
	"strings"

	"ballast"
	"ballast/value"
	"ballast/world"
	"ballast/world/python"
)

// messageAPI is a MessageApi.
type messageAPI struct {
	base
	inbox   dict // id -> message
	counter int64
}

// capacity is how many messages, and how many reminders, there may be.
const capacity = 6

// phoneUsers are the ids of the users by name.
var phoneUsers = value.NewDict("Eve", "USR100", "Frank", "USR101", "Grace", "USR102", "Helen", "USR103", "Isaac", "USR104",
	"Jack", "USR105")

func received(sender, receiver, text, time string) *value.Dict {
	return value.NewDict("sender_id", sender, "receiver_id", receiver, "message", text, "time", time)
}

var firstInbox = func() *value.Dict {
	d := value.NewDict(
		int64(1), received("USR100", "USR101",
			"Hey Frank, don't forget about our meeting on 2024-06-11 at 4 PM in Conference Room 1.", "2024-06-09"),
		int64(2), received("USR101", "USR102",
			`Can you help me order a "Margherita Pizza" delivery? The merchant is Domino's.`, "2024-03-09"),
		int64(3), received("USR102", "USR103", "Please check the milk tea delivery options available from Heytea and "+
			`purchase a cheaper milk tea for me. After making the purchase, remember to `+
			`reply to me with "Already bought."`, "2023-12-05"),
		int64(4), received("USR103", "USR102", "No problem Helen, I can assist you.", "2024-09-09"),
		int64(5), received("USR104", "USR105", "Isaac, are you available for a call?", "2024-06-06"),
		int64(6), received("USR105", "USR104", "Yes Jack, let's do it in 30 minutes.", "2024-01-15"),
	)
	d.Freeze()
	return d
}()

func newMessage(c config) *messageAPI {
	return &messageAPI{base: loadBase(c), inbox: dict{Dict: firstInbox}, counter: 6}
}

// Call runs one call.
func (s *messageAPI) Call(c ballast.Call) string { return answer(s, c) }

func (s *messageAPI) run(c ballast.Call) string { return messageClass.run(s, &s.core, c) }

// Copy returns a state that goes on from here.
func (s *messageAPI) Copy() world.State { c := *s; c.inbox.owned = false; return &c }

// Equal names the first attribute that differs.
func (s *messageAPI) Equal(o world.State) string { return differ(s.public(), o.(*messageAPI).public()) }

// Dump returns the attributes.
func (s *messageAPI) Dump() any { return value.NewDict(s.public()...) }

func (s *messageAPI) public() []any {
	return []any{"wifi", s.wifi, "logged_in", s.loggedIn, "inbox", s.inbox.Dict, "message_id_counter", s.counter}
}

func (s *messageAPI) saved() []any { return []any{"inbox", s.inbox.Dict} }

var messageClass = newClass("MessageApi", inherited(
	method[*messageAPI]{name: "delete_message", params: []string{"message_id"}, run: (*messageAPI).delete},
	method[*messageAPI]{name: "get_all_message_times_with_ids", run: (*messageAPI).times},
	method[*messageAPI]{name: "get_earliest_message_id", run: func(s *messageAPI, _ []any) string { return s.extreme("earliest", -1) }},
	method[*messageAPI]{name: "get_latest_message_id", run: func(s *messageAPI, _ []any) string { return s.extreme("latest", 1) }},
	method[*messageAPI]{name: "search_messages", params: []string{"user_name", "keyword"}, run: (*messageAPI).search},
	method[*messageAPI]{name: "send_message", params: []string{"sender_name", "receiver_name", "message"}, run: (*messageAPI).send},
	method[*messageAPI]{name: "view_messages_between_users", params: []string{"sender_name", "receiver_name"}, run: (*messageAPI).between},
)...)

var (
	sendLoggedOut   = said(false, "Device not logged in, unable to send message")
	sendNoWifi      = said(false, "Wi-Fi is turned off, cannot send messages at this time")
	sendFull        = said(false, "Inbox capacity is full. You need to ask the user which message to delete.")
	sendUnknown     = said(false, "Sender or receiver does not exist")
	deleteLoggedOut = said(false, "Device not logged in, unable to delete message")
	deleteUnknown   = said(false, "Message ID does not exist")
	viewLoggedOut   = said(false, "Device not logged in, unable to view message information")
	viewNoSender    = said(false, "Sender does not exist")
	viewNoReceiver  = said(false, "Receiver does not exist")
	viewNone        = said(false, "No related message records found")
	searchNoUser    = said(false, "User does not exist")
	searchNone      = said(false, "No messages found containing the keyword")
	timesLoggedOut  = said(false, "Device not logged in, unable to retrieve all message times and their corresponding message IDs.")
	noMessages      = said(false, "No message records found")
)

func (s *messageAPI) send(a []any) string {
	sender, receiver := a[0], a[1]
	switch {
	case off(s.loggedIn):
		return sendLoggedOut
	case off(s.wifi):
		return sendNoWifi
	case s.inbox.Len() >= capacity:
		return sendFull
	}
	from, known := python.Lookup(phoneUsers, sender)
	if !known {
		return sendUnknown
	}
	to, known := python.Lookup(phoneUsers, receiver)
	if !known {
		return sendUnknown
	}
	s.counter++
	s.inbox.write().Set(s.counter, value.NewDict("sender_id", from, "receiver_id", to, "message", own(a[2])))
	return said(true, "Message successfully sent to ", receiver, ".")
}

func (s *messageAPI) delete(a []any) string {
	if off(s.loggedIn) {
		return deleteLoggedOut
	}
	if _, ok := python.Lookup(s.inbox.Dict, a[0]); !ok {
		return deleteUnknown
	}
	s.inbox.write().Delete(a[0])
	return said(true, "Message ID ", a[0], " has been successfully deleted.")
}

func (s *messageAPI) between(a []any) string {
	if off(s.loggedIn) {
		return viewLoggedOut
	}
	from, ok := python.Lookup(phoneUsers, a[0])
	if !ok {
		return viewNoSender
	}
	to, ok := python.Lookup(phoneUsers, a[1])
	if !ok {
		return viewNoReceiver
	}
	found := value.NewList()
	for i := range s.inbox.Len() {
		id, v := s.inbox.At(i)
		m := v.(*value.Dict)
		if m.Member("sender_id") == from && m.Member("receiver_id") == to {
			found.Items = append(found.Items, value.NewDict("id", id, "sender", a[0], "receiver", a[1], "message", m.Member("message")))
		}
	}
	if len(found.Items) == 0 {
		return viewNone
	}
	return told(value.NewDict("status", true, "messages", found))
}

func (s *messageAPI) search(a []any) string {
	user, ok := python.Lookup(phoneUsers, a[0])
	if !ok {
		return searchNoUser
	}
	found := value.NewList()
	for i := range s.inbox.Len() {
		id, v := s.inbox.At(i)
		m := v.(*value.Dict)
		from, to, text := m.Member("sender_id"), m.Member("receiver_id"), m.Member("message")
		if (from == user || to == user) && within(a[1], text) {
			found.Items = append(found.Items, value.NewDict("id", id, "sender_id", from, "receiver_id", to, "message", text))
		}
	}
	if len(found.Items) == 0 {
		return searchNone
	}
	return told(value.NewDict("status", true, "messages", found))
}

// within is keyword.lower() in text.lower().
func within(keyword, text any) bool {
	k := python.Lower(keyword)
	return python.Contains(python.Lower(text), k)
}

// timeOf is message["time"], which a message that was sent does not have.
func timeOf(v any) string { return python.Item(v, "time").(string) }

func (s *messageAPI) times([]any) string {
	if off(s.loggedIn) {
		return timesLoggedOut
	}
	times := value.MakeDict(s.inbox.Len())
	for i := range s.inbox.Len() {
		id, m := s.inbox.At(i)
		times.Set(id, timeOf(m))
	}
	return told(times)
}

// extreme finds the message of the latest or the earliest day; days are written so that their order is that of texts.
func (s *messageAPI) extreme(which string, sign int) string {
	if off(s.loggedIn) {
		return said(false, "Device not logged in, unable to retrieve the ", which, " sent message ID.")
	}
	if s.inbox.Len() == 0 {
		return noMessages
	}
	var best any
	day := ""
	for i := range s.inbox.Len() {
		id, m := s.inbox.At(i)
		if t := timeOf(m); best == nil || strings.Compare(t, day)*sign > 0 {
			best, day = id, t
		}
	}
	return told(value.NewDict("status", true, "message", string(str(nil, "The ", which, " message ID is ", best)), "message_id", best))
}

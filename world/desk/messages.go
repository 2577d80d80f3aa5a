package desk

import (
	"fmt"
	"slices"

	"ballast/value"
)

// messages is a phone: contacts with a number, at most one received message per
// person, messages sent, people blocked. Configuration:
//
//	{"contacts": {"ann lee": 412}, "inbox": {"ann lee": "buy milk"}}
var messages = newAPI("messages", func() *messagesState { return &messagesState{} },
	fn[*messagesState]{tool("send(person, text)", "send a message"), with(aPerson, (*messagesState).send)},
	fn[*messagesState]{tool("inbox()", "people who wrote"), (*messagesState).list},
	fn[*messagesState]{tool("last(person)", "last message of a person"), with(aLetter, (*messagesState).last)},
	fn[*messagesState]{tool("who(text)", "person who wrote this text"), (*messagesState).who},
	fn[*messagesState]{tool("phone(person)", "number of a person"), with(aPerson, (*messagesState).phone)},
	fn[*messagesState]{tool("save(person, number#)", "save the number of a person"), (*messagesState).save},
	fn[*messagesState]{tool("block(person)", "block a person"), with(aPerson, (*messagesState).block)},
	fn[*messagesState]{tool("clear(person)", "delete the message of a person"), remove(aLetter)},
)

type contact struct {
	name   string
	number int64
}

func (c contact) key() string { return c.name }

type letter struct{ from, text string }

func (l letter) key() string { return l.from }

type messagesState struct {
	contacts table[contact]
	inbox    table[letter]
	sent     bag // pairs of person and text: the order of sending does not count
	blocked  bag
}

// What the first argument of a call names.
var (
	aPerson = set[*messagesState, contact]{"person", func(s *messagesState) *table[contact] { return &s.contacts }}
	aLetter = set[*messagesState, letter]{"message of", func(s *messagesState) *table[letter] { return &s.inbox }}
)

func (s *messagesState) load(c *value.Dict) error {
	err := each(c, "contacts", func(name string, v any) error {
		n, err := integer(v)
		s.contacts.add(contact{name, n})
		return err
	})
	if err != nil {
		return err
	}
	return each(c, "inbox", func(name string, v any) error {
		t, err := text(v)
		if _, ok := s.contacts.at(name); !ok {
			return fmt.Errorf("is no contact")
		}
		s.inbox.add(letter{name, t})
		return err
	})
}

func (s *messagesState) twin() *messagesState {
	return &messagesState{contacts: slices.Clone(s.contacts), inbox: slices.Clone(s.inbox), sent: slices.Clone(s.sent),
		blocked: slices.Clone(s.blocked)}
}

func (s *messagesState) diff(o *messagesState) string {
	switch {
	case !s.contacts.equal(o.contacts):
		return "contacts"
	case !s.inbox.equal(o.inbox):
		return "inbox"
	case !slices.Equal(s.sent, o.sent):
		return "sent"
	case !slices.Equal(s.blocked, o.blocked):
		return "blocked"
	}
	return ""
}

func (s *messagesState) dump() *value.Dict {
	contacts, inbox, out := &value.Dict{}, &value.Dict{}, &value.Dict{}
	for _, c := range s.contacts {
		contacts.Set(c.name, c.number)
	}
	for _, l := range s.inbox {
		inbox.Set(l.from, l.text)
	}
	out.Set("contacts", contacts)
	out.Set("inbox", inbox)
	out.Set("sent", list(s.sent))
	out.Set("blocked", list(s.blocked))
	return out
}

func (s *messagesState) send(_ *contact, a args) string {
	s.sent.add(pair(a[0].str, a[1].str))
	return "ok"
}

func (s *messagesState) list(args) string {
	return s.inbox.names(func(letter) bool { return true })
}

func (*messagesState) last(l *letter, _ args) string {
	return l.text
}

func (s *messagesState) who(a args) string {
	return s.inbox.names(func(l letter) bool { return l.text == a[0].str })
}

func (*messagesState) phone(c *contact, _ args) string {
	return number(c.number)
}

// save makes a contact or changes the number of one.
func (s *messagesState) save(a args) string {
	if i, ok := s.contacts.at(a[0].str); ok {
		s.contacts[i].number = a[1].num
		return "ok"
	}
	s.contacts.add(contact{a[0].str, a[1].num})
	return "ok"
}

func (s *messagesState) block(_ *contact, a args) string {
	if s.blocked.has(a[0].str) {
		return "error: blocked already"
	}
	s.blocked.add(a[0].str)
	return "ok"
}

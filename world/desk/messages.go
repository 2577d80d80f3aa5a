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
	fn[*messagesState]{tool("send(person, text)", "send a message"), (*messagesState).send},
	fn[*messagesState]{tool("inbox()", "people who wrote"), (*messagesState).list},
	fn[*messagesState]{tool("last(person)", "last message of a person"), (*messagesState).last},
	fn[*messagesState]{tool("who(text)", "person who wrote this text"), (*messagesState).who},
	fn[*messagesState]{tool("phone(person)", "number of a person"), (*messagesState).phone},
	fn[*messagesState]{tool("save(person, number#)", "save the number of a person"), (*messagesState).save},
	fn[*messagesState]{tool("block(person)", "block a person"), (*messagesState).block},
	fn[*messagesState]{tool("clear(person)", "delete the message of a person"), (*messagesState).clear},
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

func (s *messagesState) send(a args) string {
	if _, ok := s.contacts.at(a[0].str); !ok {
		return missing("person", a[0].str)
	}
	s.sent.add(pair(a[0].str, a[1].str))
	return "ok"
}

func (s *messagesState) list(args) string {
	names := make([]string, len(s.inbox))
	for i, l := range s.inbox {
		names[i] = l.from
	}
	return joined(names)
}

func (s *messagesState) last(a args) string {
	i, ok := s.inbox.at(a[0].str)
	if !ok {
		return missing("message of", a[0].str)
	}
	return s.inbox[i].text
}

func (s *messagesState) who(a args) string {
	var names []string
	for _, l := range s.inbox {
		if l.text == a[0].str {
			names = append(names, l.from)
		}
	}
	return joined(names)
}

func (s *messagesState) phone(a args) string {
	i, ok := s.contacts.at(a[0].str)
	if !ok {
		return missing("person", a[0].str)
	}
	return number(s.contacts[i].number)
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

func (s *messagesState) block(a args) string {
	if _, ok := s.contacts.at(a[0].str); !ok {
		return missing("person", a[0].str)
	}
	if s.blocked.has(a[0].str) {
		return "error: blocked already"
	}
	s.blocked.add(a[0].str)
	return "ok"
}

func (s *messagesState) clear(a args) string {
	if !s.inbox.remove(a[0].str) {
		return missing("message of", a[0].str)
	}
	return "ok"
}

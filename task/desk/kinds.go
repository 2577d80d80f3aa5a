package desk

import (
	"slices"
	"strconv"
	"strings"

	"ballast"
)

// request is one thing the user wants, said in one sentence.
type request struct {
	user  string
	calls []ballast.Call
	query bool // the user wants the last answer, not only that something is done
	// A request that can be made with a parameter left out says so in part; ask
	// is the question that the assistant then has, fill what the user answers.
	part, ask, fill string
}

// shape tells what is hard about a kind of request.
type shape int

const (
	plain  shape = iota // the arguments stand in the sentence
	chain               // an argument of the last call is the answer to the first
	follow              // the sentence says "it"
)

// kind is one kind of request, a goal template. make returns false where the
// scene has nothing left for it.
type kind struct {
	name   string
	shape  shape
	worlds []string
	make   func(s *scene) (request, bool)
}

// source finds the thing that a request is about, nil if there is none left.
type source func(s *scene) *thing

// with makes a kind's function from a source and a request about what it finds.
func with(find source, then func(s *scene, t *thing) request) func(s *scene) (request, bool) {
	return func(s *scene) (request, bool) {
		t := find(s)
		if t == nil {
			return request{}, false
		}
		return then(s, t), true
	}
}

// one takes an unused thing from a list and makes it what "it" means.
func one(from func(s *scene) *[]*thing) source {
	return func(s *scene) *thing {
		s.it = s.take(from(s))
		return s.it
	}
}

// it is what "it" means, if that is of the sort.
func it(sort kindOfName) source {
	return func(s *scene) *thing {
		if s.it == nil || s.it.sort != sort {
			return nil
		}
		return s.it
	}
}

// room takes an unused room whose light fits.
func room(fits func(level int64) bool) source {
	return func(s *scene) *thing {
		s.it = nil
		if i := slices.IndexFunc(s.rooms, func(r *thing) bool { return fits(r.n) }); i >= 0 {
			s.it = s.rooms[i]
			s.rooms = slices.Delete(s.rooms, i, i+1)
		}
		return s.it
	}
}

// The sources.
var (
	aFile     = one(func(s *scene) *[]*thing { return &s.files })
	aPerson   = one(func(s *scene) *[]*thing { return &s.people })
	aWriter   = one(func(s *scene) *[]*thing { return &s.wrote })
	anEvent   = one(func(s *scene) *[]*thing { return &s.events })
	anItem    = one(func(s *scene) *[]*thing { return &s.items })
	aNote     = one(func(s *scene) *[]*thing { return &s.notes })
	aRoom     = room(func(int64) bool { return true })
	aLitRoom  = room(func(level int64) bool { return level > 0 })
	aDarkRoom = room(func(level int64) bool { return level == 0 })

	itFile, itPerson, itEvent, itItem, itRoom = it(fileName), it(personName), it(eventName), it(itemName), it(roomName)
)

// call builds a call from a name and alternating argument names and values.
func call(name string, args ...any) ballast.Call {
	c := ballast.Call{Name: name}
	for i := 0; i+1 < len(args); i += 2 {
		c.Args = append(c.Args, ballast.Arg{Name: args[i].(string), Value: args[i+1]})
	}
	return c
}

// say picks one of the phrasings.
func (s *scene) say(phrasings ...string) string { return s.pick(phrasings) }

// do is a request that wants something done; ask is one that wants an answer.
func do(user string, calls ...ballast.Call) request { return request{user: user, calls: calls} }

func ask(user string, calls ...ballast.Call) request {
	return request{user: user, calls: calls, query: true}
}

// asking makes a request for an answer about a thing. NAME stands for the thing's name.
func asking(name, param string, phrasings ...string) func(s *scene, t *thing) request {
	return func(s *scene, t *thing) request {
		return ask(strings.ReplaceAll(s.say(phrasings...), "NAME", t.name), call(name, param, t.name))
	}
}

// doing makes a request for something done to a thing, which is not "it" any more.
func doing(name, param string, phrasings ...string) func(s *scene, t *thing) request {
	return func(s *scene, t *thing) request {
		s.it = nil
		return do(strings.ReplaceAll(s.say(phrasings...), "NAME", t.name), call(name, param, t.name))
	}
}

// bare makes a request without any argument.
func bare(name string, phrasings ...string) func(s *scene) (request, bool) {
	return func(s *scene) (request, bool) {
		s.it = nil
		return ask(s.say(phrasings...), call(name)), true
	}
}

// without adds the form of the request that leaves a parameter out.
func (r request) without(part, param, fill string) request {
	r.part, r.ask, r.fill = part, "Which "+param+"?", fill
	return r
}

func num(n int64) string { return strconv.FormatInt(n, 10) }

// The worlds that kinds of requests need.
var (
	inFiles    = []string{"files"}
	inMessages = []string{"messages"}
	inCalendar = []string{"calendar"}
	inShop     = []string{"shop"}
	inNotes    = []string{"notes"}
	inLights   = []string{"lights"}
)

// kinds is the table of all requests. A new one is a line here, and a function where none of those above serves.
var kinds = []kind{
	{"list", plain, inFiles, listFolder},
	{"find", plain, inFiles, with(aFile, asking("find", "file", "Where is NAME?", "Find NAME."))},
	{"read", plain, inFiles, with(aFile, asking("read", "file", "What does NAME say?", "Read NAME."))},
	{"write", plain, inFiles, writeFile},
	{"move", plain, inFiles, with(aFile, moveFile)},
	{"copy", plain, inFiles, with(aFile, copyFile)},
	{"rename", plain, inFiles, with(aFile, renameFile)},
	{"delete", plain, inFiles, with(aFile, doing("delete", "file", "Delete NAME.", "Remove NAME."))},
	{"mkdir", plain, inFiles, makeFolder},
	{"search-move", chain, inFiles, with(aFile, searchMove)},
	{"search-delete", chain, inFiles, with(aFile, searchDelete)},
	{"beside", chain, inFiles, moveBeside},
	{"only-file", chain, inFiles, deleteOnly},
	{"read-write", chain, inFiles, with(aFile, readWrite)},
	{"it-move", follow, inFiles, with(itFile, moveIt)},
	{"it-delete", follow, inFiles, with(itFile, doing("delete", "file", "Now delete it.", "Then remove it."))},
	{"it-copy", follow, inFiles, with(itFile, copyIt)},

	{"send", plain, inMessages, with(aPerson, sendText)},
	{"last", plain, inMessages, with(aWriter, asking("last", "person", "What did NAME write?", "Read the text of NAME."))},
	{"who", plain, inMessages, with(aWriter, whoWrote)},
	{"inbox", plain, inMessages, bare("inbox", "Who wrote to me?", "List who wrote to me.")},
	{"phone", plain, inMessages, with(aPerson, asking("phone", "person", "What is the number of NAME?", "Find the number of NAME."))},
	{"save", plain, inMessages, saveNumber},
	{"block", plain, inMessages, with(aPerson, doing("block", "person", "Block NAME.", "Now block NAME."))},
	{"clear", plain, inMessages, with(aWriter, clearPerson)},
	{"relay", chain, inMessages, relay},
	{"who-send", chain, inMessages, with(aWriter, whoSend)},
	{"who-block", chain, inMessages, with(aWriter, whoBlock)},
	{"it-send", follow, inMessages, with(itPerson, sendIt)},

	{"book", plain, inCalendar, bookEvent},
	{"cancel", plain, inCalendar, with(anEvent, doing("cancel", "event", "Cancel NAME.", "Please cancel NAME."))},
	{"when", plain, inCalendar, with(anEvent, asking("when", "event", "When is NAME?", "Find when NAME is."))},
	{"agenda", plain, inCalendar, agendaDay},
	{"shift", plain, inCalendar, with(anEvent, shiftEvent)},
	{"delay", plain, inCalendar, with(anEvent, delayEvent)},
	{"invite", plain, inCalendar, with(anEvent, inviteGuest)},
	{"guests", plain, inCalendar, askGuests},
	{"same-day", chain, inCalendar, sameDay},
	{"only-event", chain, inCalendar, cancelOnly},
	{"same-guest", chain, inCalendar, sameGuest},
	{"it-shift", follow, inCalendar, with(itEvent, shiftIt)},
	{"it-delay", follow, inCalendar, with(itEvent, delayIt)},
	{"it-invite", follow, inCalendar, with(itEvent, inviteIt)},

	{"price", plain, inShop, with(anItem, asking("price", "item", "What does the NAME cost?", "Find the price of the NAME."))},
	{"stock", plain, inShop, with(anItem, asking("stock", "item", "How many NAME are left?", "Find how many NAME are left."))},
	{"cheapest", plain, inShop, askCheapest},
	{"add", plain, inShop, with(anItem, addItem)},
	{"drop", plain, inShop, dropItem},
	{"cart", plain, inShop, bare("cart", "What is in the cart?", "List what is in the cart.")},
	{"pay", plain, inShop, bare("pay", "Pay the cart.", "Now pay the cart.")},
	{"fund", plain, inShop, fundMoney},
	{"wish", plain, inShop, with(anItem, doing("wish", "item", "Wish for the NAME.", "Put the NAME on the wish list."))},
	{"cheapest-add", chain, inShop, addCheapest},
	{"price-fund", chain, inShop, with(anItem, fundPrice)},
	{"stock-add", chain, inShop, with(anItem, addAll)},
	{"it-add", follow, inShop, addIt},
	{"it-wish", follow, inShop, with(itItem, doing("wish", "item", "Now wish for it.", "Then put it on the wish list."))},

	{"read-send", chain, []string{"files", "messages"}, sendFile},
	{"last-write", chain, []string{"files", "messages"}, saveMessage},
	{"when-send", chain, []string{"messages", "calendar"}, sendWhen},
	{"guest-send", chain, []string{"messages", "calendar"}, sendGuest},
	{"price-send", chain, []string{"messages", "shop"}, sendPrice},

	{"jot", plain, inNotes, jotNote},
	{"open", plain, inNotes, with(aNote, asking("open", "title", "Open the note NAME.", "What does the note NAME say?"))},
	{"tag", plain, inNotes, with(aNote, tagNote)},
	{"pin", plain, inNotes, with(aNote, doing("pin", "title", "pin NAME.", "Please pin NAME."))},
	{"erase", plain, inNotes, with(aNote, doing("erase", "title", "erase NAME.", "Please erase NAME."))},
	{"append", plain, inNotes, with(aNote, appendNote)},
	{"count", plain, inNotes, countNotes},
	{"tagged-pin", chain, inNotes, tagged("pin")},
	{"tagged-erase", chain, inNotes, tagged("erase")},
	{"it-pin", follow, inNotes, with(itEvent, doing("pin", "title", "Now pin it.", "Then pin it."))},

	{"on", plain, inLights, with(aDarkRoom, light("on"))},
	{"off", plain, inLights, with(aLitRoom, light("off"))},
	{"dim", plain, inLights, with(aRoom, lightDim)},
	{"level", plain, inLights, with(aRoom, lightAsk("level"))},
	{"lit", plain, inLights, bare("lit", "Where is the light on?", "List where the light is on.")},
	{"paint", plain, inLights, with(aRoom, lightPaint)},
	{"color", plain, inLights, with(aRoom, lightAsk("color"))},
	{"reset", plain, inLights, with(aRoom, doing("reset", "room", "reset NAME.", "Please reset NAME."))},
	{"level-dim", chain, inLights, dimAs},
	{"it-paint", follow, inLights, with(itRoom, paintIt)},
}

// Worlds are the worlds of set desk, OOD those of set desk-ood.
var (
	Worlds = []string{"files", "messages", "calendar", "shop"}
	OOD    = []string{"notes", "lights"}
)

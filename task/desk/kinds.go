package desk

import (
	"strconv"

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

// kinds is the table of all requests. A new one is a line here and a function.
var kinds = []kind{
	{"list", plain, inFiles, listFolder},
	{"find", plain, inFiles, findFile},
	{"read", plain, inFiles, readFile},
	{"write", plain, inFiles, writeFile},
	{"move", plain, inFiles, moveFile},
	{"copy", plain, inFiles, copyFile},
	{"rename", plain, inFiles, renameFile},
	{"delete", plain, inFiles, deleteFile},
	{"mkdir", plain, inFiles, makeFolder},
	{"search-move", chain, inFiles, searchMove},
	{"search-delete", chain, inFiles, searchDelete},
	{"beside", chain, inFiles, moveBeside},
	{"only-file", chain, inFiles, deleteOnly},
	{"read-write", chain, inFiles, readWrite},
	{"it-move", follow, inFiles, moveIt},
	{"it-delete", follow, inFiles, deleteIt},
	{"it-copy", follow, inFiles, copyIt},

	{"send", plain, inMessages, sendText},
	{"last", plain, inMessages, lastText},
	{"who", plain, inMessages, whoWrote},
	{"inbox", plain, inMessages, listInbox},
	{"phone", plain, inMessages, askPhone},
	{"save", plain, inMessages, saveNumber},
	{"block", plain, inMessages, blockPerson},
	{"clear", plain, inMessages, clearPerson},
	{"relay", chain, inMessages, relay},
	{"who-send", chain, inMessages, whoSend},
	{"who-block", chain, inMessages, whoBlock},
	{"it-send", follow, inMessages, sendIt},

	{"book", plain, inCalendar, bookEvent},
	{"cancel", plain, inCalendar, cancelEvent},
	{"when", plain, inCalendar, whenEvent},
	{"agenda", plain, inCalendar, agendaDay},
	{"shift", plain, inCalendar, shiftEvent},
	{"delay", plain, inCalendar, delayEvent},
	{"invite", plain, inCalendar, inviteGuest},
	{"guests", plain, inCalendar, askGuests},
	{"same-day", chain, inCalendar, sameDay},
	{"only-event", chain, inCalendar, cancelOnly},
	{"same-guest", chain, inCalendar, sameGuest},
	{"it-shift", follow, inCalendar, shiftIt},
	{"it-delay", follow, inCalendar, delayIt},
	{"it-invite", follow, inCalendar, inviteIt},

	{"price", plain, inShop, askPrice},
	{"stock", plain, inShop, askStock},
	{"cheapest", plain, inShop, askCheapest},
	{"add", plain, inShop, addItem},
	{"drop", plain, inShop, dropItem},
	{"cart", plain, inShop, askCart},
	{"pay", plain, inShop, payCart},
	{"fund", plain, inShop, fundMoney},
	{"wish", plain, inShop, wishItem},
	{"cheapest-add", chain, inShop, addCheapest},
	{"price-fund", chain, inShop, fundPrice},
	{"stock-add", chain, inShop, addAll},
	{"it-add", follow, inShop, addIt},
	{"it-wish", follow, inShop, wishIt},

	{"read-send", chain, []string{"files", "messages"}, sendFile},
	{"last-write", chain, []string{"files", "messages"}, saveMessage},
	{"when-send", chain, []string{"messages", "calendar"}, sendWhen},
	{"guest-send", chain, []string{"messages", "calendar"}, sendGuest},
	{"price-send", chain, []string{"messages", "shop"}, sendPrice},

	{"jot", plain, inNotes, jotNote},
	{"open", plain, inNotes, openNote},
	{"tag", plain, inNotes, tagNote},
	{"pin", plain, inNotes, pinNote},
	{"erase", plain, inNotes, eraseNote},
	{"tagged-pin", chain, inNotes, pinTagged},
	{"tagged-erase", chain, inNotes, eraseTagged},
	{"it-pin", follow, inNotes, pinIt},

	{"on", plain, inLights, lightOn},
	{"off", plain, inLights, lightOff},
	{"dim", plain, inLights, lightDim},
	{"level", plain, inLights, lightLevel},
	{"lit", plain, inLights, lightList},
	{"paint", plain, inLights, lightPaint},
	{"level-dim", chain, inLights, dimAs},
	{"it-paint", follow, inLights, paintIt},
}

// Worlds are the worlds of set desk, OOD those of set desk-ood.
var (
	Worlds = []string{"files", "messages", "calendar", "shop"}
	OOD    = []string{"notes", "lights"}
)

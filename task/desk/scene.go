package desk

import (
	"math/rand/v2"
	"slices"

	"ballast/value"
)

// scene is the situation in which a task is composed: what the worlds hold, and
// what requests have not used yet. Every thing is named by at most one request
// of a task, except through "it", so that requests do not disturb each other;
// where they still do, playing the gold calls shows it and the task is dropped.
type scene struct {
	rng   *rand.Rand
	names [numNames]deck
	init  map[string]any

	folders []string // solo first
	files   []*thing // unused files
	solo    *thing   // the only file of folders[0], nil once used

	people []*thing // unused contacts, without those who wrote
	wrote  []*thing // unused contacts who wrote

	days   []string // solo day first
	events []*thing
	guest  *thing // an event with one guest, nil once used
	lone   *thing // the only event of days[0], nil once used

	items  []*thing
	carted *thing // an item in the cart, nil once used
	kind   string // a kind with several items, "" once used
	cheap  *thing // the cheapest of it

	notes  []*thing
	tagged *thing // the only note with its tag
	rooms  []*thing

	// it is what the last request was about, nil where "it" would be unclear.
	it *thing
	// done holds the kinds of the requests so far.
	done map[string]bool
	// short says that names ran out.
	short bool
}

// thing is something that requests can name.
type thing struct {
	sort  kindOfName
	name  string
	place string // folder, day, tag
	text  string // content, message, guest
	n     int64  // number, hour, price, level
	stock int64
}

// newScene fills the worlds. size scales the number of things.
func newScene(rng *rand.Rand, split string, worlds []string, size int) *scene {
	s := &scene{rng: rng, init: make(map[string]any), done: make(map[string]bool)}
	for k := range s.names {
		s.names[k] = newDeck(rng, pools[split][k])
	}
	for _, w := range worlds {
		switch w {
		case "files":
			s.fillFiles(size)
		case "messages":
			s.fillMessages(size)
		case "calendar":
			s.fillCalendar(size)
		case "shop":
			s.fillShop(size)
		case "notes":
			s.fillNotes(size)
		case "lights":
			s.fillLights(size)
		}
	}
	return s
}

// shuffled returns a shuffled copy.
func shuffled(rng *rand.Rand, names []string) []string {
	out := slices.Clone(names)
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// pick returns one of the names.
func (s *scene) pick(names []string) string { return names[s.rng.IntN(len(names))] }

// between returns a number in [low, high].
func (s *scene) between(low, high int64) int64 { return low + s.rng.Int64N(high-low+1) }

// fresh deals a new name. A scene that runs out of names is given up.
func (s *scene) fresh(k kindOfName) string {
	name := s.names[k].deal()
	s.short = s.short || name == ""
	return name
}

// take removes a random thing from a list, nil if it is empty.
func (s *scene) take(things *[]*thing) *thing {
	if len(*things) == 0 {
		return nil
	}
	i := s.rng.IntN(len(*things))
	t := (*things)[i]
	*things = slices.Delete(*things, i, i+1)
	return t
}

// claim returns a special thing and forgets it.
func claim(t **thing) *thing {
	out := *t
	*t = nil
	return out
}

// fillFiles makes the solo folder with one file and two or three others.
func (s *scene) fillFiles(size int) {
	s.folders = shuffled(s.rng, folders)[:3+size/2]
	tree := &value.Dict{}
	for _, f := range s.folders {
		tree.Set(f, &value.Dict{})
	}
	for i := range 3 * size {
		f := &thing{sort: fileName, name: s.fresh(fileName), place: s.folders[0], text: s.fresh(textName)}
		if i == 0 {
			s.solo = f
		} else {
			f.place = s.pick(s.folders[1:])
			s.files = append(s.files, f)
		}
		in, _ := tree.Get(f.place)
		in.(*value.Dict).Set(f.name, f.text)
	}
	s.init["files"] = value.NewDict("folders", tree)
}

func (s *scene) fillMessages(size int) {
	contacts, inbox := &value.Dict{}, &value.Dict{}
	for i := range 4 * size {
		p := &thing{sort: personName, name: s.fresh(personName), n: s.between(100, 999)}
		contacts.Set(p.name, p.n)
		if i%2 == 0 {
			p.text = s.fresh(textName)
			inbox.Set(p.name, p.text)
			s.wrote = append(s.wrote, p)
		} else {
			s.people = append(s.people, p)
		}
	}
	s.init["messages"] = value.NewDict("contacts", contacts, "inbox", inbox)
}

func (s *scene) fillCalendar(size int) {
	s.days = shuffled(s.rng, days)
	events := &value.Dict{}
	for i := range 4 * size {
		e := &thing{sort: eventName, name: s.fresh(eventName), place: s.days[0], n: s.between(8, 15)}
		if i > 0 {
			e.place = s.pick(s.days[1:])
		}
		l := value.NewList(e.place, e.n)
		switch i {
		case 0:
			s.lone = e
		case 1:
			// The guest may be a contact, but need not be: inviting asks nobody.
			e.text = s.somebody()
			l.Items = append(l.Items, e.text)
			s.guest = e
		default:
			s.events = append(s.events, e)
		}
		events.Set(e.name, l)
	}
	s.init["calendar"] = value.NewDict("events", events)
}

// somebody returns an unused contact's name, or a new one where there is no
// phone. Messages are filled before the calendar.
func (s *scene) somebody() string {
	if p := s.take(&s.people); p != nil {
		return p.name
	}
	return s.fresh(personName)
}

func (s *scene) fillShop(size int) {
	items, cart := &value.Dict{}, &value.Dict{}
	byKind := make(map[string][]*thing)
	var all []*thing
	for len(all) < 4*size+1 && !s.short {
		i := &thing{sort: itemName, name: s.fresh(itemName), n: s.between(10, 59), stock: s.between(3, 9)}
		// Prices differ, so that the cheapest is one.
		if slices.ContainsFunc(all, func(o *thing) bool { return o.n == i.n }) {
			i.n += 60 + int64(len(all))
		}
		all = append(all, i)
		items.Set(i.name, value.NewList(i.n, i.stock))
		byKind[kindOf(i.name)] = append(byKind[kindOf(i.name)], i)
	}
	s.carted, s.items = all[0], all[1:]
	cart.Set(s.carted.name, int64(s.between(1, 2)))
	// The kind to choose from: the first, in order of making, with two unused
	// items; its cheapest is no longer taken for anything else.
	for _, i := range s.items {
		k := kindOf(i.name)
		if group := byKind[k]; len(group) > 1 && k != kindOf(s.carted.name) {
			s.kind, s.cheap = k, slices.MinFunc(group, func(a, b *thing) int { return int(a.n - b.n) })
			s.items = slices.DeleteFunc(s.items, func(o *thing) bool { return o == s.cheap })
			break
		}
	}
	s.init["shop"] = value.NewDict("items", items, "cart", cart, "money", int64(900))
}

// kindOf returns the last word of an item's name.
func kindOf(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == ' ' {
			return name[i+1:]
		}
	}
	return name
}

func (s *scene) fillNotes(size int) {
	order := shuffled(s.rng, tags)
	all := &value.Dict{}
	for i := range 4 * size {
		n := &thing{sort: eventName, name: s.fresh(eventName), text: s.fresh(textName), place: order[0]}
		if i == 0 {
			s.tagged = n
		} else {
			n.place = s.pick(order[1:])
			s.notes = append(s.notes, n)
		}
		all.Set(n.name, value.NewList(n.text, n.place))
	}
	s.init["notes"] = value.NewDict("notes", all)
}

func (s *scene) fillLights(size int) {
	all := &value.Dict{}
	for _, r := range shuffled(s.rng, rooms)[:min(4*size, len(rooms))] {
		l := &thing{sort: roomName, name: r, place: s.pick(shades)}
		if s.rng.IntN(2) == 0 {
			l.n = s.between(10, 90)
		}
		s.rooms = append(s.rooms, l)
		all.Set(r, value.NewList(l.n, l.place))
	}
	s.init["lights"] = value.NewDict("rooms", all)
}

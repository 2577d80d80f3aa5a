package desk

// The requests to calendar and shop, and those that need messages as well.

// otherDay returns a day that is neither the event's nor the one that has only
// one event.
func (s *scene) otherDay(e *thing) string {
	for {
		if d := s.pick(s.days[1:]); d != e.place {
			return d
		}
	}
}

func bookEvent(s *scene) (request, bool) {
	e := &thing{sort: eventName, name: s.fresh(eventName), place: s.pick(s.days[1:]), n: s.between(8, 15)}
	s.it = e
	r := do(s.say("Book "+e.name+" on "+e.place+" at "+num(e.n)+".", "Put "+e.name+" on "+e.place+" at "+num(e.n)+"."),
		call("book", "event", e.name, "day", e.place, "hour", e.n))
	if s.rng.IntN(2) == 0 {
		return r.without("Book "+e.name+" at "+num(e.n)+".", "day", "On "+e.place+"."), true
	}
	return r.without("Book "+e.name+" on "+e.place+".", "hour", "At "+num(e.n)+"."), true
}

func agendaDay(s *scene) (request, bool) {
	d := s.pick(s.days)
	s.it = nil
	return ask(s.say("What is on "+d+"?", "List what is on "+d+"."), call("agenda", "day", d)), true
}

func shiftEvent(s *scene, e *thing) request {
	e.place = s.otherDay(e)
	return do(s.say("Shift "+e.name+" to "+e.place+".", "Put "+e.name+" on "+e.place+"."), call("shift", "event", e.name, "day", e.place)).
		without("Shift "+e.name+".", "day", "To "+e.place+".")
}

func delayEvent(s *scene, e *thing) request {
	h := s.between(2, 4)
	return do(s.say("Delay "+e.name+" by "+num(h)+" hours.", "Put "+e.name+" back by "+num(h)+" hours."),
		call("delay", "event", e.name, "hours", h)).
		without("Delay "+e.name+".", "hours", "By "+num(h)+" hours.")
}

func inviteGuest(s *scene, e *thing) request {
	p := s.somebody()
	return do(s.say("Invite "+p+" to "+e.name+".", "Please invite "+p+" to "+e.name+"."),
		call("invite", "event", e.name, "person", p)).
		without("Invite a person to "+e.name+".", "person", p+".")
}

func askGuests(s *scene) (request, bool) {
	e := claim(&s.guest)
	if e == nil {
		return request{}, false
	}
	s.it = e
	return ask(s.say("Who comes to "+e.name+"?", "List who comes to "+e.name+"."), call("guests", "event", e.name)), true
}

func sameDay(s *scene) (request, bool) {
	e, other := anEvent(s), s.take(&s.events)
	if e == nil || other == nil || other.place == e.place {
		return request{}, false
	}
	e.place = other.place
	return do(s.say("Shift "+e.name+" to the day of "+other.name+".", "Put "+e.name+" on the day of "+other.name+"."),
		call("when", "event", other.name), call("shift", "event", e.name, "day", e.place)), true
}

func cancelOnly(s *scene) (request, bool) {
	e := claim(&s.lone)
	s.it = nil
	if e == nil {
		return request{}, false
	}
	return do(s.say("Cancel the only event on "+e.place+".", "Please cancel the only event on "+e.place+"."),
		call("agenda", "day", e.place), call("cancel", "event", e.name)), true
}

func sameGuest(s *scene) (request, bool) {
	e := anEvent(s)
	if e == nil || s.guest == nil {
		return request{}, false
	}
	g := claim(&s.guest)
	return do(s.say("Invite who comes to "+g.name+" to "+e.name+".", "Please invite who comes to "+g.name+" to "+e.name+"."),
		call("guests", "event", g.name), call("invite", "event", e.name, "person", g.text)), true
}

func shiftIt(s *scene, e *thing) request {
	e.place = s.otherDay(e)
	return do(s.say("Now shift it to "+e.place+".", "Then put it on "+e.place+"."), call("shift", "event", e.name, "day", e.place))
}

func delayIt(s *scene, e *thing) request {
	h := s.between(2, 4)
	return do(s.say("Now delay it by "+num(h)+" hours.", "Then put it back by "+num(h)+" hours."),
		call("delay", "event", e.name, "hours", h))
}

func inviteIt(s *scene, e *thing) request {
	p := s.somebody()
	return do(s.say("Now invite "+p+" to it.", "Then invite "+p+" to it."), call("invite", "event", e.name, "person", p))
}

func askCheapest(s *scene) (request, bool) {
	c := claim(&s.cheap)
	if c == nil {
		return request{}, false
	}
	s.it = c
	return ask(s.say("What is the cheapest "+s.kind+"?", "Find the cheapest "+s.kind+"."), call("cheapest", "kind", s.kind)), true
}

func addItem(s *scene, i *thing) request {
	n := s.between(2, 3)
	i.stock -= n
	return do(s.say("Add "+num(n)+" "+i.name+" to the cart.", "Put "+num(n)+" "+i.name+" in the cart."),
		call("add", "item", i.name, "count", n)).
		without("Add the "+i.name+" to the cart.", "count", num(n)+".")
}

func dropItem(s *scene) (request, bool) {
	i := claim(&s.carted)
	if i == nil {
		return request{}, false
	}
	s.it = i
	return do(s.say("Drop the "+i.name+" from the cart.", "Remove the "+i.name+" from the cart."), call("drop", "item", i.name)), true
}

func fundMoney(s *scene) (request, bool) {
	n := s.between(20, 90)
	s.it = nil
	return do(s.say("Fund "+num(n)+".", "Add a fund of "+num(n)+"."), call("fund", "amount", n)).
		without("Add a fund.", "amount", num(n)+"."), true
}

func addCheapest(s *scene) (request, bool) {
	c := claim(&s.cheap)
	if c == nil {
		return request{}, false
	}
	s.it = c
	n := s.between(2, 3)
	c.stock -= n
	return do(s.say("Add "+num(n)+" of the cheapest "+s.kind+" to the cart.", "Put "+num(n)+" of the cheapest "+s.kind+" in the cart."),
		call("cheapest", "kind", s.kind), call("add", "item", c.name, "count", n)), true
}

func fundPrice(s *scene, i *thing) request {
	return do(s.say("Fund the price of the "+i.name+".", "Fund what the "+i.name+" cost."),
		call("price", "item", i.name), call("fund", "amount", i.n))
}

func addAll(s *scene, i *thing) request {
	n := i.stock
	i.stock = 0
	return do(s.say("Add all "+i.name+" that are left to the cart.", "Put all "+i.name+" that are left in the cart."),
		call("stock", "item", i.name), call("add", "item", i.name, "count", n))
}

func addIt(s *scene) (request, bool) {
	i := itItem(s)
	n := s.between(2, 3)
	if i == nil || i.stock < n {
		return request{}, false
	}
	i.stock -= n
	return do(s.say("Now add "+num(n)+" of it to the cart.", "Then put "+num(n)+" of it in the cart."),
		call("add", "item", i.name, "count", n)), true
}

func sendWhen(s *scene) (request, bool) {
	e, p := s.take(&s.events), s.take(&s.people)
	if e == nil || p == nil {
		return request{}, false
	}
	s.it = nil
	return do(s.say("Tell "+p.name+" when "+e.name+" is.", "Send "+p.name+" when "+e.name+" is."),
		call("when", "event", e.name), call("send", "person", p.name, "text", e.place+" "+num(e.n))), true
}

func sendGuest(s *scene) (request, bool) {
	g := claim(&s.guest)
	if g == nil {
		return request{}, false
	}
	s.it = nil
	t := s.fresh(textName)
	return do(s.say("Tell who comes to "+g.name+" to "+t+".", "Send "+t+" to who comes to "+g.name+"."),
		call("guests", "event", g.name), call("send", "person", g.text, "text", t)), true
}

func sendPrice(s *scene) (request, bool) {
	i, p := s.take(&s.items), s.take(&s.people)
	if i == nil || p == nil {
		return request{}, false
	}
	s.it = nil
	return do(s.say("Tell "+p.name+" what the "+i.name+" cost.", "Send "+p.name+" the price of the "+i.name+"."),
		call("price", "item", i.name), call("send", "person", p.name, "text", num(i.n))), true
}

package desk

import "ballast"

// The requests to the worlds that no training task uses.

func jotNote(s *scene) (request, bool) {
	n := &thing{sort: eventName, name: s.fresh(eventName), text: s.fresh(textName)}
	s.it = n
	return do(s.say("Jot "+n.text+" under "+n.name+".", "Make a note "+n.name+" that says "+n.text+"."),
		call("jot", "title", n.name, "text", n.text)).
		without("Make a note "+n.name+".", "text", n.text+"."), true
}

func tagNote(s *scene, n *thing) request {
	// A tag that only one note has stays unique.
	t := n.place
	for t == n.place || s.tagged != nil && t == s.tagged.place {
		t = s.pick(tags)
	}
	return do(s.say("Tag "+n.name+" as "+t+".", "Give "+n.name+" the tag "+t+"."), call("tag", "title", n.name, "tag", t)).
		without("Tag "+n.name+".", "tag", "As "+t+".")
}

// tagged does something to the only note with a tag.
func tagged(verb string) func(s *scene) (request, bool) {
	return func(s *scene) (request, bool) {
		n := claim(&s.tagged)
		s.it = nil
		if n == nil {
			return request{}, false
		}
		what := verb + " the only note with tag " + n.place + "."
		return do(s.say(what, "Please "+what), call("tagged", "tag", n.place), call(verb, "title", n.name)), true
	}
}

func light(to string) func(s *scene, r *thing) request {
	return func(s *scene, r *thing) request {
		return do(s.say("Light "+to+" in the "+r.name+".", "Switch the "+r.name+" "+to+"."), call(to, "room", r.name))
	}
}

func lightDim(s *scene, r *thing) request {
	n := s.between(10, 90)
	return do(s.say("Dim the "+r.name+" to "+num(n)+".", "Set the "+r.name+" to "+num(n)+"."), call("dim", "room", r.name, "level", n)).
		without("Dim the "+r.name+".", "level", "To "+num(n)+".")
}

func lightAsk(what string) func(s *scene, r *thing) request {
	return func(s *scene, r *thing) request {
		return ask(s.say("What is the "+what+" in the "+r.name+"?", "Find the "+what+" of the "+r.name+"."), call(what, "room", r.name))
	}
}

// paint gives a room another color and returns the sentence and the call.
func paint(s *scene, start string, r *thing) (string, ballast.Call) {
	old := r.place
	for r.place == old {
		r.place = s.pick(shades)
	}
	return start + " " + r.place + ".", call("paint", "room", r.name, "color", r.place)
}

func lightPaint(s *scene, r *thing) request {
	return do(paint(s, "Paint the "+r.name, r)).without("Paint the "+r.name+".", "color", r.place+".")
}

func paintIt(s *scene, r *thing) request {
	return do(paint(s, s.say("Now paint it", "Then paint it"), r))
}

func dimAs(s *scene) (request, bool) {
	other, r := aLitRoom(s), aRoom(s)
	if other == nil || r == nil {
		return request{}, false
	}
	return do(s.say("Dim the "+r.name+" as the "+other.name+".", "Set the "+r.name+" to the level of the "+other.name+"."),
		call("level", "room", other.name), call("dim", "room", r.name, "level", other.n)), true
}

func appendNote(s *scene, n *thing) request {
	more := s.fresh(textName)
	return do(s.say("Append "+more+" to "+n.name+".", "Add "+more+" to the note "+n.name+"."), call("append", "title", n.name, "text", more)).
		without("Append to "+n.name+".", "text", more+".")
}

func countNotes(s *scene) (request, bool) {
	s.it = nil
	t := s.pick(tags)
	return ask(s.say("Count the tag "+t+".", "Count the notes with tag "+t+"."), call("count", "tag", t)), true
}

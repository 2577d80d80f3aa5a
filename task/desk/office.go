package desk

import "slices"

// The requests to files and messages, and those that need both.

func listFolder(s *scene) (request, bool) {
	d := s.pick(s.folders[1:])
	return ask(s.say("What is in "+d+"?", "List "+d+"."), call("list", "folder", d)), true
}

// elsewhere returns a folder that is neither the file's nor the solo one.
func (s *scene) elsewhere(f *thing) string {
	for {
		if d := s.pick(s.folders[1:]); d != f.place {
			return d
		}
	}
}

func writeFile(s *scene) (request, bool) {
	t := s.fresh(textName)
	f := &thing{sort: fileName, name: s.fresh(fileName), place: "home", text: t}
	s.it = f
	return do(s.say("Write "+t+" to "+f.name+".", "Save "+t+" in "+f.name+"."), call("write", "file", f.name, "text", t)).
		without("Write a text to "+f.name+".", "text", t+"."), true
}

func moveFile(s *scene, f *thing) request {
	d := s.elsewhere(f)
	f.place = d
	return do(s.say("Move "+f.name+" to "+d+".", "Put "+f.name+" in "+d+"."), call("move", "file", f.name, "folder", d)).
		without("Move "+f.name+".", "folder", "To "+d+".")
}

func copyFile(s *scene, f *thing) request {
	n := s.fresh(fileName)
	s.it = nil // the old or the new one
	return do(s.say("Copy "+f.name+" to "+n+".", "Make a copy of "+f.name+" named "+n+"."), call("copy", "file", f.name, "name", n)).
		without("Copy "+f.name+".", "name", "To "+n+".")
}

func renameFile(s *scene, f *thing) request {
	old := f.name
	f.name = s.fresh(fileName)
	return do(s.say("Rename "+old+" to "+f.name+".", "Give "+old+" the name "+f.name+"."), call("rename", "file", old, "name", f.name)).
		without("Rename "+old+".", "name", "To "+f.name+".")
}

func makeFolder(s *scene) (request, bool) {
	for _, d := range shuffled(s.rng, folders) {
		if !slices.Contains(s.folders, d) {
			s.folders = append(s.folders, d)
			s.it = nil
			return do(s.say("Make the folder "+d+".", "Make a folder named "+d+"."), call("mkdir", "folder", d)), true
		}
	}
	return request{}, false
}

func searchMove(s *scene, f *thing) request {
	d := s.elsewhere(f)
	f.place = d
	return do(s.say("Move the file that says "+f.text+" to "+d+".", "Put the file that says "+f.text+" in "+d+"."),
		call("search", "text", f.text), call("move", "file", f.name, "folder", d))
}

func searchDelete(s *scene, f *thing) request {
	s.it = nil
	return do(s.say("Delete the file that says "+f.text+".", "Remove the file that says "+f.text+"."),
		call("search", "text", f.text), call("delete", "file", f.name))
}

func moveBeside(s *scene) (request, bool) {
	f, other := aFile(s), s.take(&s.files)
	if f == nil || other == nil || other.place == f.place {
		return request{}, false
	}
	f.place = other.place
	return do(s.say("Move "+f.name+" to the folder of "+other.name+".", "Put "+f.name+" in the folder of "+other.name+"."),
		call("find", "file", other.name), call("move", "file", f.name, "folder", other.place)), true
}

func deleteOnly(s *scene) (request, bool) {
	f := claim(&s.solo)
	if f == nil {
		return request{}, false
	}
	s.it = nil
	return do(s.say("Delete the only file in "+f.place+".", "Remove the only file in "+f.place+"."),
		call("list", "folder", f.place), call("delete", "file", f.name)), true
}

func readWrite(s *scene, f *thing) request {
	n := &thing{sort: fileName, name: s.fresh(fileName), place: "home", text: f.text}
	s.it = n
	return do(s.say("Write the text of "+f.name+" to "+n.name+".", "Save the text of "+f.name+" in "+n.name+"."),
		call("read", "file", f.name), call("write", "file", n.name, "text", f.text))
}

func moveIt(s *scene, f *thing) request {
	d := s.elsewhere(f)
	f.place = d
	return do(s.say("Now move it to "+d+".", "Then put it in "+d+"."), call("move", "file", f.name, "folder", d))
}

func copyIt(s *scene, f *thing) request {
	s.it = nil
	n := s.fresh(fileName)
	return do(s.say("Now copy it to "+n+".", "Then make a copy of it named "+n+"."), call("copy", "file", f.name, "name", n))
}

func sendText(s *scene, p *thing) request {
	t := s.fresh(textName)
	return do(s.say("Send "+t+" to "+p.name+".", "Tell "+p.name+" to "+t+"."), call("send", "person", p.name, "text", t)).
		without("Send a text to "+p.name+".", "text", t+".")
}

func whoWrote(s *scene, p *thing) request {
	return ask(s.say("Who wrote "+p.text+"?", "Find who wrote "+p.text+"."), call("who", "text", p.text))
}

func saveNumber(s *scene) (request, bool) {
	p := &thing{sort: personName, name: s.fresh(personName), n: s.between(100, 999)}
	s.it = p
	return do(s.say("Save "+p.name+" with number "+num(p.n)+".", "Save the number "+num(p.n)+" of "+p.name+"."),
		call("save", "person", p.name, "number", p.n)).
		without("Save the number of "+p.name+".", "number", num(p.n)+"."), true
}

func clearPerson(s *scene, p *thing) request {
	return do(s.say("Clear what "+p.name+" wrote.", "Clear the text of "+p.name+"."), call("clear", "person", p.name))
}

func relay(s *scene) (request, bool) {
	from, to := s.take(&s.wrote), s.take(&s.people)
	if from == nil || to == nil {
		return request{}, false
	}
	s.it = nil
	return do(s.say("Tell "+to.name+" what "+from.name+" wrote.", "Send what "+from.name+" wrote to "+to.name+"."),
		call("last", "person", from.name), call("send", "person", to.name, "text", from.text)), true
}

func whoSend(s *scene, p *thing) request {
	t := s.fresh(textName)
	return do(s.say("Send "+t+" to who wrote "+p.text+".", "Tell who wrote "+p.text+" to "+t+"."),
		call("who", "text", p.text), call("send", "person", p.name, "text", t))
}

func whoBlock(s *scene, p *thing) request {
	s.it = nil
	return do(s.say("Block who wrote "+p.text+".", "Now block who wrote "+p.text+"."),
		call("who", "text", p.text), call("block", "person", p.name))
}

func sendIt(s *scene, p *thing) request {
	t := s.fresh(textName)
	return do(s.say("Now send them "+t+".", "Then tell them to "+t+"."), call("send", "person", p.name, "text", t))
}

func sendFile(s *scene) (request, bool) {
	f, p := s.take(&s.files), s.take(&s.people)
	if f == nil || p == nil {
		return request{}, false
	}
	s.it = nil
	return do(s.say("Send the text of "+f.name+" to "+p.name+".", "Tell "+p.name+" what "+f.name+" says."),
		call("read", "file", f.name), call("send", "person", p.name, "text", f.text)), true
}

func saveMessage(s *scene) (request, bool) {
	p := s.take(&s.wrote)
	if p == nil {
		return request{}, false
	}
	f := &thing{sort: fileName, name: s.fresh(fileName), place: "home", text: p.text}
	s.it = f
	return do(s.say("Save what "+p.name+" wrote in "+f.name+".", "Write what "+p.name+" wrote to "+f.name+"."),
		call("last", "person", p.name), call("write", "file", f.name, "text", p.text)), true
}

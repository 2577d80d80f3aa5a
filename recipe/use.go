package recipe

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ballast/bounded/yaml"
	"ballast/recipe/signal"
	"ballast/task"
)

// use is what a resolved recipe does, as far as it decides which settings are read.
type use struct {
	r       *Recipe
	rl, sft bool            // it has such phases; a guard's supervised phase is one
	reads   map[string]bool // settings of section sft that its sources read
	waits   bool            // some source waits for failures
	timed   bool            // sft.updates counts in every supervised phase
	mean    bool            // some rl.loss goes with any mean
	loss    string          // one that goes with its own alone
	golden  bool            // something learns from gold dialogues
	talks   bool            // something learns from dialogues of a file
	listed  bool            // those of them that document no tools have the MCP server's
	asks    Asks
}

// Asks is what a run asks its judge for.
type Asks struct {
	Closing     bool // closing replies of the training tasks' gold dialogues
	Reflections bool // lessons from failed dialogues
	Hints       bool // hints for requests and their gold calls
}

// Asks says what a run of the recipe asks its judge for; the zero value is nothing.
func (r *Recipe) Asks() Asks { return r.use().asks }

func (r *Recipe) use() use {
	u := use{r: r, reads: map[string]bool{}, timed: true}
	for i, p := range r.Phases {
		in, err := r.In(i)
		if err != nil { // Check says it
			continue
		}
		u.supervise(p, &in.SFT)
		if p.RL > 0 {
			u.rl = true
			if _, mean := in.RL.term(); mean != "" {
				u.loss = in.RL.Loss + ", which is a " + mean
			} else {
				u.mean = true
			}
			n := signal.Need(in.RL.Signals)
			u.asks.Hints, u.golden = u.asks.Hints || n.Judge, u.golden || len(n.Gold) > 0
		}
	}
	if u.rl && r.Guard.Corrects() {
		u.supervise(Corrective(), &r.SFT)
	}
	u.asks.Closing = r.Judge.Closing && u.golden
	return u
}

// supervise adds a supervised phase, if p is one.
func (u *use) supervise(p Phase, s *SFT) {
	if len(p.SFT) == 0 {
		return
	}
	u.sft, u.timed = true, u.timed && s.Updates > 0
	for _, name := range p.SFT {
		x := findSource(name)
		if x == nil { // Check says it
			continue
		}
		u.golden, u.waits = u.golden || x.Golden, u.waits || x.Failures
		u.asks.Reflections = u.asks.Reflections || x.Judge
		u.talks, u.listed = u.talks || x.File, u.listed || x.File && s.Tools == ""
		for _, key := range x.Reads {
			u.reads[key] = true
		}
	}
}

// unless is the answer to why a setting is not read.
func unless(read bool, why string) string {
	if read {
		return ""
	}
	return why
}

const noRL = "no phase is reinforcement learning"

// given is the first method that learns from dialogues that are given.
func given() string {
	first, _, _ := strings.Cut(methodsOf(func(s *Source) bool { return s.Given }), ",")
	return first
}

// methodsOf lists the methods with a source of a kind.
func methodsOf(kind func(*Source) bool) string {
	var names []string
	for _, m := range All {
		if slices.ContainsFunc(m.New().Phases, func(p Phase) bool { return len(among(p.SFT, kind)) > 0 }) {
			names = append(names, m.Name)
		}
	}
	return strings.Join(names, ", ")
}

// sourced objects to a setting of section sft that no source of the run reads.
func sourced(key, more string) func(*use) string {
	return func(u *use) string {
		if u.reads[key] {
			return ""
		}
		mine := func(s *Source) bool { return slices.Contains(s.Reads, key) }
		why := "no phase has the source " + strings.Join(among(sourceNames(), mine), " or ")
		if names := methodsOf(mine); names != "" {
			why += "; methods that have one: " + names
		}
		return why + more
	}
}

// guarded objects to a setting of the guard that what it does does not read.
func guarded(key string) func(*use) string {
	return func(u *use) string {
		var do []string
		for _, a := range actions {
			if slices.Contains(a.reads, key) {
				do = append(do, a.name)
			}
		}
		return unless(slices.Contains(do, u.r.Guard.Do), "it goes with guard.do "+strings.Join(do, ", "))
	}
}

// What a run is not, where a setting wants it to be so.

func ruled(u *use) string { return unless(u.rl, noRL) }

func supervised(u *use) string {
	if u.sft {
		return ""
	}
	return "no phase is supervised; give phases, or a method that has one: " + methodsOf(func(*Source) bool { return true })
}

func trained(u *use) string { return unless(u.rl || u.sft, "nothing is trained") }

func adapted(u *use) string {
	return unless(u.r.LoRA.Rank != 0, "no adapter is trained; set lora.rank")
}

func averaged(u *use) string { return unless(!u.rl || u.mean, "rl.loss is "+u.loss) }

func timed(u *use) string {
	return unless(!u.sft || !u.timed, "sft.updates says how many updates there are")
}

func made(u *use) string {
	return unless(u.r.Model == "init", "the model is "+u.r.Model+"; --model init makes one of that shape")
}

func filed(u *use) string {
	if task.IsFile(u.r.Tasks.Set) {
		return "the tasks are those of " + u.r.Tasks.Set + ", which is the data"
	}
	return unless(u.r.whole(), "set "+u.r.Tasks.Set+" is generated and reads no files; to train on dialogues of a file: ballast train "+
		given()+" --dialogues FILE; a set that is read: --tasks bfcl")
}

func hosted(u *use) string {
	set := "set " + u.r.Tasks.Set + " calls no tools of a server"
	switch {
	case task.IsFile(u.r.Tasks.Set) || u.listed:
		return unless(u.r.MCP.Server != "", "no server of tools is given; give --mcp, or set mcp.server")
	case u.talks:
		return "sft.tools has the tools of the dialogues, and " + set + "; give one of them"
	case u.sft:
		return set + "; a tasks file does: --tasks FILE.jsonl; so do dialogues that document no tools: --dialogues FILE"
	}
	return set + "; a tasks file does: --tasks FILE.jsonl"
}

func started(u *use) string {
	return unless(!u.r.MCP.Remote(), "the server "+u.r.MCP.Server+" is reached by its address, and not started")
}

func reached(u *use) string {
	return unless(u.r.MCP.Remote(), "each session of a server that is started has a process of its own")
}

func generated(u *use) string {
	return unless(!u.r.whole(), "set "+u.r.Tasks.Set+" is read and not generated")
}

func played(u *use) string {
	return unless(u.rl || u.golden || u.waits, "no training task is played or learnt from; tasks.test counts those of evaluations")
}

func watched(u *use) string { return unless(u.rl, noRL+", and a guard watches that alone") }

func golden(u *use) string { return unless(u.golden, "nothing learns from gold dialogues") }

func asked(u *use) string {
	return unless(u.asks != Asks{} || task.IsFile(u.r.Tasks.Set), "nothing asks a judge: give a method with dialogues that a judge writes ("+
		methodsOf(func(s *Source) bool { return s.Judge })+"), hints of a judge, judge.closing with gold dialogues, or a tasks file with "+
		"questions to a judge")
}

func judged(u *use) string {
	return unless(u.r.Judge.URL != "", "the oracle asks nobody; set judge.url and judge.model")
}

// whole says whether the recipe's tasks are read from files. Load says what is wrong with
// an unknown name.
func (r *Recipe) whole() bool {
	set, err := task.ByName(r.Tasks.Set)
	return err != nil || set.Whole
}

// Unread says why a run of the recipe would not read a setting, given by its dotted key;
// "" for one that is read.
func (r *Recipe) Unread(key string) string {
	if rest, ok := strings.CutPrefix(key, "methods."); ok {
		name, own, _ := strings.Cut(rest, ".")
		if name != r.Method {
			return "the method is " + r.Method
		}
		return r.Unread(own)
	}
	if rest, ok := strings.CutPrefix(key, "phases["); ok {
		num, own, _ := strings.Cut(rest, "].")
		i, err := strconv.Atoi(num)
		if err != nil || i < 0 || i >= len(r.Phases) {
			return "" // Set says it
		}
		one, err := r.In(i)
		if err != nil {
			return ""
		}
		one.Phases, one.Guard.Do = []Phase{{RL: r.Phases[i].RL, SFT: r.Phases[i].SFT}}, ""
		if why := one.Unread(own); why != "" {
			return fmt.Sprintf("phase %d: %s", i, why)
		}
		return ""
	}
	u := r.use()
	return u.unread(key)
}

func (u *use) unread(key string) string {
	if name, ok := renames[key]; ok {
		key = name
	}
	for _, s := range settings {
		if s.Why == nil || key != s.Key && !strings.HasPrefix(key, s.Key+".") {
			continue
		}
		if why := s.Why(u); why != "" {
			return why
		}
	}
	return ""
}

// Keys are the dotted keys that a pair of Set sets.
func Keys(pair string) []string {
	key, text, _ := strings.Cut(pair, "=")
	val, err := parse(text)
	if err != nil {
		return []string{key}
	}
	return slices.Sorted(maps.Keys(leaves(key, val)))
}

// Given are the settings of a file: those for all methods, and those for the named one.
// What the file sets to the method's own value is left out of the former.
func Given(name string, text []byte) (common, own []string, err error) {
	var file map[string]any
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, nil, err
	}
	if all, ok := file["methods"].(map[string]any); ok {
		for k := range leaves("", all[name]) {
			if k != "" {
				own = append(own, k)
			}
		}
	}
	delete(file, "methods")
	method, err := New(name)
	if err != nil {
		return nil, nil, err
	}
	var defaults map[string]any
	if err := yaml.Unmarshal(method.write(func(string) bool { return true }), &defaults); err != nil {
		return nil, nil, err
	}
	before := leaves("", defaults)
	for k, v := range leaves("", file) {
		if was, ok := before[k]; !ok || fmt.Sprint(was) != fmt.Sprint(v) {
			common = append(common, k)
		}
	}
	slices.Sort(common)
	slices.Sort(own)
	return common, own, nil
}

// leaves are nested settings by dotted key.
func leaves(key string, v any) map[string]any {
	m, ok := v.(map[string]any)
	if !ok || len(m) == 0 {
		return map[string]any{key: v}
	}
	out := map[string]any{}
	for k, x := range m {
		maps.Copy(out, leaves(strings.TrimPrefix(key+"."+k, "."), x))
	}
	return out
}

// Dialogues makes the supervised phases on gold ones on a file of dialogues.
func (r *Recipe) Dialogues(file string) error {
	r.Phases = slices.Clone(r.Phases)
	found := false
	for i, p := range r.Phases {
		names := slices.Clone(p.SFT)
		for k, name := range names {
			if s := findSource(name); s != nil && (s.Given || s.File) {
				names[k], found = imported.Name, true
			}
		}
		r.Phases[i].SFT = names
	}
	if !found {
		return fmt.Errorf("--dialogues %s: no phase of method %s learns from dialogues that are given; methods that have one: %s", file, r.Method,
			methodsOf(func(s *Source) bool { return s.Given }))
	}
	if r.SFT.File != "" && r.SFT.File != file {
		return fmt.Errorf("--dialogues %s: sft.file already names %s; give one of them", file, r.SFT.File)
	}
	r.SFT.File = file
	return nil
}

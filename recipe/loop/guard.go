package loop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"

	"ballast"
	"ballast/chat"
	"ballast/loss"
	"ballast/monitor/verdict"
	"ballast/recipe"
	"ballast/recipe/signal"
	"ballast/runlog"
)

// guards is the table of actions.
var guards = map[string]func(g *guard, why string) error{
	"stop":      (*guard).stop,
	"rollback":  (*guard).rollback,
	"reference": (*guard).reference,
	"sft":       (*guard).correct,
}

// Past is what a guard needs of the run directory: a Log that can be read back.
type Past interface {
	// Updates yields the updates so far.
	Updates() iter.Seq2[ballast.Update, error]
	// Before returns the folder of the newest checkpoint of an update before
	// the given one, "" where there is none.
	Before(update int) (dir string, at int, err error)
}

// Guarded is what a guard has done: part of the cursor.
type Guarded struct {
	Acts   int            `json:",omitempty"` // actions so far
	Since  int            `json:",omitempty"` // update of the last one
	Rate   float64        `json:",omitempty"` // factor on the learning rate of RL phases; 0 = 1
	Factor float64        `json:",omitempty"` // factor on the KL weight of control tokens; 0 = 1
	Phases []recipe.Phase `json:",omitempty"` // the schedule with inserted phases; nil = the recipe's
	// Healthy is the update of a checkpoint to keep whatever else is pruned: the newest
	// that is so much older than the last calm update that no onset will be dated before it.
	Healthy int `json:",omitempty"`
}

// ErrSick is how a guard ends a run. errReopen ends a phase in progress, to go on
// from the cursor.
var (
	ErrSick   = errors.New("the guard stopped the run")
	errReopen = errors.New("reopen")
)

// watcher sees every recorded update. The loop knows nothing else of guards.
type watcher interface {
	// begun hears of a phase's start, before its first update.
	begun() error
	// note hears of an update before a checkpoint of it is written.
	note(ballast.Update) error
	// act may act on what was noted; it comes after the checkpoint.
	act() error
}

// ward is what a watcher sees of a run: what it may read, and what it may do.
type ward interface {
	// at is the cursor, which a guard may move.
	at() *State
	settings() *recipe.Recipe
	// say records what happened after the cursor's update.
	say(what runlog.What, text string) error
	// save writes a checkpoint, unless nothing has changed since the newest.
	save() error
	// changed says that something has.
	changed()
	// load takes the learner back to a checkpoint; the policy follows where the run goes on.
	load(dir string) error
	// reschedule gives the run other phases, from here on and when it is resumed.
	reschedule([]recipe.Phase)
}

type nobody struct{}

func (nobody) begun() error              { return nil }
func (nobody) note(ballast.Update) error { return nil }
func (nobody) act() error                { return nil }

// observer is the watcher of a run without a guard: it logs a warning when the
// run enters a sick state, once for each state until the run is well again. It is no
// alarm, which is the last word of a run unless an action follows.
type observer struct {
	nobody
	ward     ward
	detector *verdict.Detector
	told     map[verdict.State]bool
}

// see adds an update and reports whether a warning is due. Supervised updates, which
// tell nothing, leave the state that was and are calm.
func (o *observer) see(u ballast.Update) bool {
	o.detector.Add(u)
	s := o.detector.State()
	if o.detector.Calm() {
		clear(o.told)
		return false
	}
	due := s.Sick() && !o.told[s]
	o.told[s] = o.told[s] || due
	return due
}

func (o *observer) note(u ballast.Update) error {
	if !o.see(u) {
		return nil
	}
	found := o.detector.Diagnosis()
	return o.ward.say(runlog.Warned{Sign: found.Verdict}, explain(found))
}

// watch returns the watcher of a run whose log is past, nil for one that cannot be read
// back, with the updates since its last action behind it: a resumed run sees what the run
// that was killed saw.
func watch(w ward, past Past) (watcher, error) {
	if w.settings().Guard.Do == "" {
		return observe(w, past)
	}
	if past == nil {
		return nil, errors.New("guard: this run's log cannot be read back, which a guard needs")
	}
	g := &guard{ward: w, past: past, detector: verdict.New()}
	for u, err := range past.Updates() {
		if err != nil {
			return nil, fmt.Errorf("guard: %w", err)
		}
		if u.Index > w.at().Guard.Since && u.Index <= w.at().Update {
			g.detector.Add(u)
		}
	}
	return g, nil
}

// observe returns the watcher of a run without a guard.
func observe(w ward, past Past) (watcher, error) {
	if past == nil {
		return nobody{}, nil
	}
	o := &observer{ward: w, detector: verdict.New(), told: map[verdict.State]bool{}}
	for u, err := range past.Updates() {
		if err != nil {
			return nil, fmt.Errorf("monitor: %w", err)
		}
		if u.Index <= w.at().Update {
			o.see(u)
		}
	}
	return o, nil
}

// guard acts on what its detector says.
type guard struct {
	ward
	past     Past
	detector *verdict.Detector
	found    verdict.Diagnosis
}

// settled is how many calm updates after it make a checkpoint one that is surely healthy.
const settled = 25

// begun keeps a phase's start: a run may fall sick before its first regular checkpoint.
func (g *guard) begun() error { return g.save() }

func (g *guard) note(u ballast.Update) error {
	g.detector.Add(u)
	if !g.detector.Calm() {
		return nil
	}
	_, at, err := g.past.Before(u.Index - settled + 1)
	if err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	g.at().Guard.Healthy = max(at, g.floor())
	return nil
}

// floor is the update from which on checkpoints are of the phase in progress, with its
// reference policy, and of after the last action: earlier ones may be of another sickness.
func (g *guard) floor() int {
	s := g.at()
	return max(s.Guard.Since, s.Update-s.InPhase)
}

// healthy returns the newest checkpoint from before the sick stretch began, "" where
// none is left.
func (g *guard) healthy() (dir string, at int, err error) {
	dir, at, err = g.past.Before(max(1, g.found.Began))
	if err != nil {
		return "", 0, fmt.Errorf("guard: %w", err)
	}
	if at < g.floor() {
		dir = ""
	}
	return dir, at, nil
}

func (g *guard) act() error {
	g.found = g.detector.Diagnosis()
	sick := g.found.State.Dead() || g.settings().Guard.At == "drifting" && g.found.State.Sick()
	if !sick {
		return nil
	}
	why := explain(g.found)
	do, times := g.settings().Guard.Do, g.settings().Guard.Times
	if g.at().Guard.Acts >= times {
		do, why = "stop", fmt.Sprintf("%s; the guard has already acted %d times", why, times)
	}
	if do == "rollback" && g.at().BestAt == g.at().Update {
		return nil // this update's checkpoint keeps the best weights; the next update will do
	}
	return guards[do](g, why)
}

// explain says what was found and by which signals.
func explain(found verdict.Diagnosis) string {
	var moved []string
	for _, m := range found.Moved {
		if m.Back == 0 && len(moved) < 4 {
			moved = append(moved, fmt.Sprintf("%s from update %d", m.Signal, m.Onset))
		}
	}
	text := fmt.Sprintf("%s since update %d", strings.ReplaceAll(string(found.Verdict), "_", " "), found.Onset)
	if len(moved) > 0 {
		text += " (" + strings.Join(moved, ", ") + ")"
	}
	return text
}

// acted records an action in the cursor, in the events and in a checkpoint. What was
// seen before an action says nothing about the policy after it.
func (g *guard) acted(did runlog.Acted, text string) error {
	g.at().Guard.Acts++
	g.at().Guard.Since, g.at().Guard.Healthy = g.at().Update, g.at().Update
	g.at().Flat, g.at().Eval = 0, nil
	g.changed()
	g.detector = verdict.New()
	if err := g.tell(did, text); err != nil {
		return err
	}
	if err := g.save(); err != nil {
		return err
	}
	return errReopen
}

// tell logs the alarm with what was done about it, one right after the other: an alarm
// that nothing follows says that the run has ended.
func (g *guard) tell(did runlog.Acted, text string) error {
	if err := g.say(runlog.Alarm{Sign: g.found.Verdict, Began: g.found.Began}, explain(g.found)); err != nil {
		return err
	}
	return g.say(did, text)
}

// stop ends the run with a checkpoint, and names the one to use: the newest healthy one,
// which is kept.
func (g *guard) stop(why string) error {
	dir, at, err := g.healthy()
	if err != nil {
		return err
	}
	use, did := "no checkpoint from before it is left (keep.checkpoints)", runlog.Acted{Do: runlog.DoStop}
	if dir != "" {
		g.at().Guard.Healthy, did.Checkpoint = at, &at
		use = fmt.Sprintf("use the checkpoint of update %d, the newest from before it: %s", at, dir)
	}
	if err := g.save(); err != nil {
		return err
	}
	if err := g.tell(did, "stop: "+why+"; "+use); err != nil {
		return err
	}
	return fmt.Errorf("update %d: %w: %s; %s; ballast doctor says more", g.at().Update, ErrSick, why, use)
}

// rollback loads weights, optimiser and reference of the newest checkpoint before
// the onset. Tasks and seeds go on from here, and the learning rate is lowered and warms
// up again: the same updates would end the same way.
func (g *guard) rollback(why string) error {
	dir, at, err := g.healthy()
	if err != nil {
		return err
	}
	if dir == "" {
		return g.stop(why + "; there is nothing to roll back to")
	}
	if err := g.load(dir); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	g.slow()
	return g.acted(runlog.Acted{Do: runlog.DoRollback, Checkpoint: &at, Rate: g.at().Guard.Rate},
		fmt.Sprintf("rollback to the checkpoint of update %d, learning rate times %.3g: %s", at, g.at().Guard.Rate, why))
}

// slow lowers the learning rate of RL phases.
func (g *guard) slow() {
	g.at().Guard.Rate = g.settings().Guard.Rate * cmp.Or(g.at().Guard.Rate, 1)
}

// reference raises the weight of the reference term on control tokens alone.
func (g *guard) reference(why string) error {
	set, err := g.settings().In(g.at().Phase) // a phase may override it
	if err != nil {
		return err
	}
	if !set.RL.Referred() {
		return g.stop(why + "; guard.do: reference has nothing to raise in a phase where rl.kl is 0")
	}
	g.at().Guard.Factor = g.settings().Guard.Factor * cmp.Or(g.at().Guard.Factor, 1)
	return g.acted(runlog.Acted{Do: runlog.DoReference, Factor: g.at().Guard.Factor},
		fmt.Sprintf("KL weight of control tokens times %.3g: %s", g.at().Guard.Factor, why))
}

// correct ends the phase here, inserts a supervised one on the tasks that failed
// lately, and lets the rest of the phase follow, at a lower learning rate: at the old one
// it falls sick again.
func (g *guard) correct(why string) error {
	i, done := g.at().Phase, g.at().InPhase
	was := g.settings().Phases
	now := was[i]
	before, rest := now, now
	before.RL, rest.RL = done, now.RL-done
	phases := append(slices.Clone(was[:i]), before, recipe.Corrective())
	if rest.RL > 0 {
		phases = append(phases, rest)
	}
	phases = append(phases, was[i+1:]...)
	g.reschedule(phases)
	g.at().enter(i + 1)
	g.slow()
	return g.acted(runlog.Acted{Do: runlog.DoCorrect, Phase: i + 1, Rate: g.at().Guard.Rate},
		fmt.Sprintf("supervised phase on the failed tasks, then learning rate times %.3g: %s", g.at().Guard.Rate, why))
}

// pinned is the effect that weighs the reference term of control tokens.
type pinned struct {
	control map[int32]bool
	factor  float32
}

// pin returns the effects of a guard's earlier actions on a phase.
func pin(s *State, renderer *chat.Renderer) []signal.Effect {
	f := s.Guard.Factor
	if f == 0 || f == 1 {
		return nil
	}
	p := pinned{map[int32]bool{}, float32(min(f, math.MaxFloat32))}
	ids, _ := renderer.Control()
	for _, id := range ids {
		p.control[id] = true
	}
	return []signal.Effect{p}
}

func (pinned) Requests(context.Context, *signal.Draft) error { return nil }

func (p pinned) Stamp(_ context.Context, d *signal.Draft) error {
	for _, members := range d.Groups {
		for k := range members {
			s := &members[k].Sample
			for i, w := range s.Terms[loss.TermReference].Weight {
				if w != 0 && p.control[s.Tokens[i]] {
					s.Terms[loss.TermReference].Weight[i] = w * p.factor
				}
			}
		}
	}
	return nil
}

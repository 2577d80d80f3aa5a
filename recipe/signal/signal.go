// Package signal holds the synchronous supervisory signals: what changes a
// reinforcement-learning update before it is played and before it is learnt.
//
// A signal may make rollouts gold or hint them, choose among the groups that were played
// and have others played, change the stamps of their samples, and add samples. It is one
// file and one line in All; a phase names the signals it uses with their settings, and
// several go together. The learner sees tokens with weights, as ever.
//
// Unknown signals and settings are errors that name the key. A signal that finds no
// rollout of a group left to change is an error too, never a silent no-op.
package signal

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"ballast"
	"ballast/bounded/yaml"
	"ballast/recipe/strict"
	"ballast/rollout"
	"ballast/supervise"
)

// Member is one sample of a group.
type Member struct {
	Request   *rollout.Request // nil for a member that a signal added
	Episode   *ballast.Episode
	Advantage float64
	Sample    ballast.Sample
	LogProb   []float32 // what the learner says of the sample's tokens before it moves; nil where nobody asked for all of them
}

// Draft is one update in the making. Effects change its Requests before they are played;
// Stamp changes the members' samples and may append members to a group.
type Draft struct {
	Tasks    []*ballast.Task   // by group
	Requests []rollout.Request // in groups, in order; those of groups that a Sieve left out come last
	Groups   [][]Member        // nil before the requests are played
	Prompts  int               // groups that an update is to have; a Sieve may leave fewer
	Loss     Loss
	Rollout  rollout.Config
	Learner  ballast.Learner
	Judge    supervise.Judge
	Metrics  map[string]float64
}

// Effect is a signal with its settings.
type Effect interface {
	// Requests changes what will be played.
	Requests(ctx context.Context, d *Draft) error
	// Stamp changes what will be learnt; advantages and ordinary stamps are
	// there.
	Stamp(ctx context.Context, d *Draft) error
}

// Scored is a group as it was played, before anything is learnt from it.
type Scored struct {
	Task     *ballast.Task
	Episodes []*ballast.Episode // with their scores; without those that failed for infrastructure
	Spread   bool               // two of their rewards differ
}

// Sieve is an Effect that stands between the scored groups and the batch.
type Sieve interface {
	Effect
	// Sift says which groups make the batch, and how many new ones to draw and play before
	// it is asked again. groups are all of the update so far, those included that it did
	// not keep; want is the number of an update; round counts from 0. A batch holds what
	// every sieve keeps. Sift must come to an end, and be a function of its arguments.
	Sift(groups []Scored, want, round int) (keep []bool, more int)
}

// Server is an Effect that may lack something for a task.
type Server interface {
	Effect
	// Serve is an error where a task cannot be had. It is asked before a run begins.
	Serve(tasks []ballast.Task) error
}

// Signal is one entry of the table.
type Signal struct {
	Name, Doc string
	Settings  []strict.Setting
	Default   Effect // a struct with the settings that it has where nothing is said
	// New makes the effect work for groups of n episodes, where that takes more than settings.
	New func(e Effect, n int) (Effect, error)
	// Needs says what the effect needs. It reads no file.
	Needs func(e Effect) Needs
}

// Needs is what signals need of a run, and what they add to it. Nothing outside of its
// file knows a signal otherwise.
type Needs struct {
	Gold      []string // formats that they write gold dialogues of the training tasks in; "" is the episodes' own
	Judge     bool     // they ask the judge
	Reference bool     // they weigh the reference term on control tokens, whatever rl.kl is
	Files     []string // that they read
	Takes     int      // episodes of a group that they change, each its own
	Groups    int      // that an update must have at least
	Adds      int      // dialogues that they add to a group's episodes
	Rounds    int      // times that groups may be played in the place of others
	Sampler   bool     // they compare with what the sampler said of the tokens
}

// Need is what the named signals need together. Open says what is wrong with them.
func Need(use map[string]Settings) (all Needs) {
	for _, s := range All {
		set, ok := use[s.Name]
		if !ok {
			continue
		}
		e, _ := s.read(set)
		n := s.Needs(cmp.Or(e, s.Default))
		all.Judge, all.Reference = all.Judge || n.Judge, all.Reference || n.Reference
		all.Files, all.Gold = append(all.Files, n.Files...), append(all.Gold, n.Gold...)
		all.Takes, all.Groups = all.Takes+n.Takes, max(all.Groups, n.Groups)
		all.Adds, all.Rounds = all.Adds+n.Adds, max(all.Rounds, n.Rounds)
		all.Sampler = all.Sampler || n.Sampler
	}
	return all
}

// most is the largest group.
const most = 1 << 16

// All is the table of signals, in the order in which they act.
var All = []Signal{Gold, Hint, Mix, control, dynamic, importance}

// Settings are one signal's settings, as YAML gave them.
type Settings map[string]any

// Open returns the effects of the named signals for groups of n episodes, in the
// table's order.
func Open(use map[string]Settings, n int) ([]Effect, error) {
	var names []string
	var out []Effect
	for _, s := range All {
		names = append(names, s.Name)
		set, ok := use[s.Name]
		if !ok {
			continue
		}
		e, err := s.read(set)
		if err == nil && s.New != nil {
			e, err = s.New(e, n)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		out = append(out, e)
	}
	for _, k := range slices.Sorted(maps.Keys(use)) {
		if !slices.Contains(names, k) {
			return nil, fmt.Errorf("%s: no signal has that name; choose among: %s", k, strings.Join(names, ", "))
		}
	}
	return out, nil
}

// off are the keys under which null turns a signal off.
var off = regexp.MustCompile(`(^|\.)rl\.signals\.[^.\[]+$`)

// Off says whether null under a dotted key of a recipe, a phase or a plan turns a signal off.
func Off(key string) bool { return off.MatchString(key) }

// Lay lays settings over others: signals and settings that over does not mention
// stay, a signal that is null in over is taken out.
func Lay(under, over map[string]Settings) map[string]Settings {
	if len(over) == 0 {
		return under
	}
	out := maps.Clone(under)
	if out == nil {
		out = map[string]Settings{}
	}
	for name, set := range over {
		if set == nil {
			delete(out, name)
			continue
		}
		both := maps.Clone(out[name])
		if both == nil {
			both = Settings{}
		}
		maps.Copy(both, set)
		out[name] = both
	}
	return out
}

// read is the signal with settings over its own. A number such as 1e-6, which YAML's reader
// takes for text, is a number again here.
func (x *Signal) read(s Settings) (Effect, error) {
	v := reflect.New(reflect.TypeOf(x.Default))
	v.Elem().Set(reflect.ValueOf(x.Default))
	if len(s) > 0 {
		text, err := yaml.Marshal(map[string]any(s))
		if err != nil {
			return nil, fmt.Errorf("settings: %w", err)
		}
		if err := strict.Decode(text, v.Interface(), nil); err != nil {
			return nil, fmt.Errorf("settings: %w", err)
		}
	}
	var err error
	strict.Check(v.Interface(), x.Settings, func(key, format string, args ...any) {
		err = cmp.Or(err, fmt.Errorf(key+": "+format, args...))
	})
	return v.Elem().Interface().(Effect), err
}

// Whole are the settings with those that the signals have where nothing is said. What Open
// objects to stays as it is.
func Whole(use map[string]Settings) map[string]Settings {
	out := maps.Clone(use)
	for _, s := range All {
		set, ok := use[s.Name]
		if !ok {
			continue
		}
		e, err := s.read(set)
		if err != nil {
			continue
		}
		out[s.Name] = Settings{}
		for _, f := range strict.Fields(e) {
			if !f.Unset() {
				out[s.Name][f.Key] = f.Value.Interface()
			}
		}
	}
	return out
}

// take changes the first n requests of every group that no signal has changed yet.
func (d *Draft) take(n int, change func(*rollout.Request)) error {
	left := make([]int, len(d.Tasks))
	for g := range left {
		left[g] = n
	}
	for i := range d.Requests {
		p := &d.Requests[i]
		if left[p.Group] > 0 && !p.Gold && p.Hint == "" {
			change(p)
			left[p.Group]--
		}
	}
	for g, k := range left {
		if k > 0 {
			return fmt.Errorf("the group of task %s has %d episodes too few for its signals; raise rl.rollouts", d.Tasks[g].ID, k)
		}
	}
	return nil
}

// AsSampled says whether a member is learnt from as the policy sampled it: on the same tokens
// behind the same prompt, so that what sampler and learner say of a token is comparable.
func (d *Draft) AsSampled(m *Member) bool {
	return m.Request != nil && !m.Request.Gold && m.Request.Hint == "" && !d.Rollout.Faults.Trains()
}

// current fills in the old log-probabilities of the members that want it with
// those of the learner's current weights on the recorded tokens, so that their
// ratio starts at 1. It returns these members. It costs a forward pass.
func (d *Draft) current(ctx context.Context, want func(*Member) bool) (at []*Member, err error) {
	var samples []ballast.Sample
	for g := range d.Groups {
		for k := range d.Groups[g] {
			if m := &d.Groups[g][k]; want(m) {
				at = append(at, m)
				samples = append(samples, ballast.Sample{Tokens: m.Sample.Tokens, Group: m.Sample.Group, Prefix: m.Sample.Prefix})
			}
		}
	}
	if len(at) == 0 {
		return nil, nil
	}
	logp, err := d.Learner.LogProbs(ctx, samples)
	if err != nil {
		return nil, err
	}
	for i, m := range at {
		m.Sample.OldLogProb, m.LogProb = logp[i], logp[i]
	}
	return at, nil
}

// share is the share of successes among members, as a metric; nothing to count
// leaves no metric.
func (d *Draft) share(name string, of func(*Member) bool) {
	n, ok := 0.0, 0.0
	for _, g := range d.Groups {
		for k := range g {
			if m := &g[k]; of(m) {
				n++
				if m.Episode.Score.Success {
					ok++
				}
			}
		}
	}
	if n > 0 {
		d.Metrics[name] = ok / n
	}
}

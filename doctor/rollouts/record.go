package rollouts

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
)

// Record is one rollout of a foreign file: what a trainer wrote about one sample.
type Record struct {
	Kind       string // what wrote it, guessed from the keys
	ID         string
	Line       int     // in its file, or its number there, from 1
	Seq        int     // its number in its file, whatever could be read of the others
	Step       int     // the trainer's update; -1 where it does not say
	StepKey    string  // the key that said so
	Run        string  // the run that it says it belongs to
	Validation bool    // it says that it is no training rollout
	Group      uint64  // hash of the prompt; 0 without one
	Values     []Value // of everything that may be a reward or a success
	Replies    []string
}

// seed makes hashes of prompts; they live in memory only.
var seed = maphash.MakeSeed()

// The kinds of foreign records.
const (
	KindVerl     = "verl rollout dump"
	KindVerlTool = "verl-tool step records"
	KindTRL      = "TRL completions"
	KindChat     = "OpenAI chat"
	KindReplies  = "generated texts"
	KindText     = "plain text"
)

// Keys, by what they hold. Others are not looked into.
var (
	replyKeys = map[string]string{"output": KindVerl, "outputs": KindVerl, "output_response": KindVerl, "completion": KindTRL,
		"completions": KindTRL, "response": "", "responses": "", "generated_text": KindReplies, "generation": KindReplies,
		"model_response": KindReplies, "model_output": KindReplies}
	chatKeys    = set("messages", "conversations", "conversation")
	promptKeys  = set("input", "prompt", "question", "input_prompt")
	nestKeys    = set("metadata", "meta", "info", "metrics", "result", "evaluation", "reward_extra_info") // objects that may hold them
	idKeys      = set("id", "uid", "traj_ids", "task_id")
	runKeys     = set("run", "run_id", "run_name", "experiment", "experiment_name", "exp_name")
	splitKeys   = set("split", "mode", "phase")
	heldKeys    = set("validate", "validation", "is_validation", "is_val", "is_eval")
	heldNames   = set("val", "valid", "validation", "eval", "evaluation", "test")
	wrapperKeys = set("rollouts", "data", "records", "samples", "results", "episodes", "trajectories", "items", "rows", "examples",
		"generations")
	statistics = []string{"std", "mean", "var", "min", "max", "model", "weight", "weights", "fn", "threshold", "baseline", "advantage"}
)

// stepKeys hold the trainer's step, the more telling ones first: beside a global
// step a step may count turns.
var stepKeys = []string{"global_step", "global_steps", "training_step", "train_step", "trainer_step", "step", "update", "iteration",
	"rollout_id"}

// RewardKeys hold a record's whole reward, SuccessKeys whether it solved its task;
// the more telling ones come first.
var (
	RewardKeys = []string{"reward", "total_reward", "reward_total", "final_reward", "episode_reward", "reward_score",
		"score", "total_score", "final_score", "rewards", "scores", "return", "returns"}
	SuccessKeys = []string{"acc", "accuracy", "success", "is_success", "is_correct", "correct", "passed", "resolved", "solved"}
)

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

// Part reports whether a key names one of several reward functions, as TRL's
// columns do: format_reward, rewards/format.
func Part(key string) bool {
	low := strings.ToLower(key)
	if outer, _, inside := strings.Cut(low, "."); inside && nestKeys[outer] {
		return false // a copy of what stands outside, more often than not
	}
	if statistic(low) {
		return false
	}
	for _, p := range []string{"reward_", "reward/", "rewards/", "rewards_", "reward."} {
		if rest, ok := strings.CutPrefix(low, p); ok {
			return rest != ""
		}
	}
	return strings.HasSuffix(low, "_reward") || strings.HasSuffix(low, "_reward_func") || strings.HasSuffix(low, "_rewards")
}

// statistic reports whether a key holds what was computed of a reward, not one.
func statistic(low string) bool {
	return slices.ContainsFunc(statistics, func(s string) bool { return strings.HasSuffix(low, "_"+s) || strings.HasSuffix(low, "/"+s) })
}

// Rewarding reports whether a key may hold a reward, by its name.
func Rewarding(key string) bool {
	low := strings.ToLower(key[strings.LastIndexByte(key, '.')+1:])
	return telling(key) && !slices.Contains(SuccessKeys, low) && !statistic(low)
}

// StepKey reports whether a key holds the trainer's step.
func StepKey(key string) bool { return stepRank(key) < nobody }

// nobody is the rank of a key that is none of steps.
const nobody = 1000

// stepRank is how telling a key of steps is, from 0; those inside of other objects come
// after the others.
func stepRank(key string) int {
	outer, name, inside := strings.Cut(key, ".")
	if !inside {
		name = outer
	}
	i := slices.Index(stepKeys, name)
	switch {
	case i < 0 || inside && !nestKeys[outer]:
		return nobody
	case inside:
		return i + len(stepKeys)
	}
	return i
}

// telling reports whether a key may speak of a reward or a success.
func telling(key string) bool {
	low := strings.ToLower(key[strings.LastIndexByte(key, '.')+1:])
	return strings.Contains(low, "reward") || strings.Contains(low, "score") || slices.Contains(RewardKeys, low) ||
		slices.Contains(SuccessKeys, low)
}

// reader turns objects into records.
type reader struct {
	light   bool // replies are counted, not decoded
	also    string
	columns func([]string)
	give    func(Record)
	seq     int
}

// hand hands a record over, unless its replies could not be read.
func (d *reader) hand(r Record, err error) error {
	d.seq++
	if r.Seq = d.seq; err == nil {
		d.give(r)
	}
	return err
}

// pair is a key of an object and its raw value.
type pair struct {
	key string
	raw []byte
}

var (
	errNoReply   = errors.New("no reply in it")
	errDuplicate = "the key occurs twice with different values"
)

// decode reads one JSON object by its keys. Values of unknown keys are not looked
// at. An object without any reply whose values are lists of records gives those; else
// it is an error that names its keys.
func (d *reader) decode(object []byte, line int) error {
	var list []pair
	err := fields(object, func(key string, raw []byte) error {
		if strings.Contains(key, `\`) {
			if s, err := text([]byte(`"` + key + `"`)); err == nil {
				key = s
			}
		}
		list = append(list, pair{key, raw})
		return nil
	})
	if err != nil {
		return err
	}
	return d.pairs(list, Record{Step: -1, Line: line}, 0)
}

// pairs reads the keys of one object; what they do not say about step, run and
// validation is as outer has it.
func (d *reader) pairs(list []pair, outer Record, depth int) error {
	r := outer
	r.Values = nil
	var reply, chat *pair
	for i, p := range list {
		_, isReply := replyKeys[p.key]
		switch {
		case isReply && (reply == nil || empty(reply.raw)):
			reply = &list[i]
		case chatKeys[p.key] && chat == nil:
			chat = &list[i]
		case promptKeys[p.key]:
			r.Group = maphash.Bytes(seed, p.raw)
		case p.key == "tool_interact_info":
			r.Kind = KindVerlTool
		case idKeys[p.key]:
			r.ID, _ = text(p.raw) // a name for the page, no more
		default:
			r.field(p, d.also)
		}
	}
	switch {
	case reply != nil:
		return d.response(r, *reply)
	case chat != nil:
		r.Kind = KindChat
		return d.conversation(r, *chat)
	}
	return d.wrapped(list, r, depth)
}

func empty(raw []byte) bool { return len(raw) == 0 || string(raw) == "null" || string(raw) == `""` }

// field reads what a key says about the record.
func (r *Record) field(p pair, also string) {
	switch {
	case StepKey(p.key):
		v, ok := whole(p.raw)
		switch {
		case ok && (r.StepKey == "" || stepRank(p.key) < stepRank(r.StepKey)):
			r.Step, r.StepKey = v, p.key
		case !ok && !empty(p.raw):
			r.Values = append(r.Values, Value{Top: p.key, Key: p.key, State: Unreadable, Why: "a step that is no whole number", Raw: short(p.raw)})
		}
	case nestKeys[p.key] && len(p.raw) > 0 && p.raw[0] == '{':
		fields(p.raw, func(key string, raw []byte) error { // what is broken inside is nothing that is known
			if StepKey(key) && r.StepKey == "" || telling(key) {
				r.field(pair{p.key + "." + key, raw}, also)
			}
			return nil
		})
	case runKeys[p.key]:
		if s, err := text(p.raw); err == nil && s != "null" && len(s) > 0 && len(s) < 100 && s[0] != '{' && s[0] != '[' {
			r.Run = s
		}
	case splitKeys[p.key]:
		s, _ := text(p.raw)
		r.Validation = r.Validation || heldNames[strings.ToLower(s)]
	case heldKeys[p.key]:
		r.Validation = r.Validation || string(p.raw) == "true"
	case p.key == also, telling(p.key):
		v := evaluate(p.key, p.raw)
		for i, old := range r.Values {
			if old.Top == p.key && (old.State != v.State || old.Num != v.Num) {
				r.Values[i] = Value{Top: p.key, Key: p.key, State: Unreadable, Why: errDuplicate, Raw: short(p.raw)}
				return
			}
		}
		r.Values = append(r.Values, v)
	}
}

// response reads the value of a key that holds a whole response: a text, a list of
// messages, or a list of those, with a list of as many rewards.
func (d *reader) response(r Record, p pair) error {
	if kind := replyKeys[p.key]; kind != "" {
		r.Kind = kind
	} else if r.Kind == "" {
		r.Kind = KindVerlTool
	}
	if len(p.raw) > 0 && p.raw[0] == '[' {
		if several(p.raw) {
			return d.group(r, p)
		}
		return d.conversation(r, p)
	}
	if !d.light {
		s, err := text(p.raw)
		if err != nil {
			return d.hand(r, fmt.Errorf("key %q: %w", p.key, err))
		}
		if string(p.raw) == "null" {
			s = ""
		}
		r.Replies = replies(s)
	}
	return d.hand(r, nil)
}

func (d *reader) conversation(r Record, p pair) (err error) {
	if !d.light {
		if r.Replies, err = messages(p.raw); err != nil {
			err = fmt.Errorf("key %q: %w", p.key, err)
		}
	}
	return d.hand(r, err)
}

// several tells a list of responses from a list of messages.
func several(raw []byte) bool {
	i := space(raw, 1)
	return i < len(raw) && (raw[i] == '"' || raw[i] == '[')
}

// group reads the responses of one prompt as records of their own.
func (d *reader) group(r Record, p pair) error {
	var list [][]byte
	if err := items(p.raw, func(raw []byte) error { list = append(list, raw); return nil }); err != nil {
		return fmt.Errorf("key %q: %w", p.key, err)
	}
	parts := make([][]Value, len(list))
	for _, v := range r.Values {
		each := v.split
		for i := range parts {
			switch {
			case len(each) == len(list):
				parts[i] = append(parts[i], each[i])
			case len(list) == 1:
				parts[i] = append(parts[i], v)
			default:
				parts[i] = append(parts[i], Value{Top: v.Top, Key: v.Key, State: Unreadable,
					Why: fmt.Sprintf("one value for a list of %d responses", len(list)), Raw: v.Raw})
			}
		}
	}
	var bad error
	for i, raw := range list {
		one := r
		one.Values = parts[i]
		if raw[0] == '[' {
			bad = cmp.Or(bad, d.conversation(one, pair{p.key, raw}))
			continue
		}
		s, err := "", error(nil)
		if !d.light {
			if s, err = text(raw); err == nil {
				one.Replies = replies(s)
			}
		}
		bad = cmp.Or(bad, d.hand(one, err))
	}
	return bad
}

// wrapped reads the lists of records that an object without a reply holds.
func (d *reader) wrapped(list []pair, r Record, depth int) error {
	var names []string
	found := false
	var columns []string
	for _, p := range list {
		if len(names) < 12 {
			names = append(names, fmt.Sprintf("%.60s", p.key))
		}
		if p.key == "columns" {
			if items(p.raw, func(raw []byte) error {
				s, err := text(raw)
				columns = append(columns, s)
				return err
			}) != nil {
				columns = nil
			}
		}
	}
	var bad error
	for _, p := range list {
		if !wrapperKeys[p.key] || len(p.raw) == 0 || p.raw[0] != '[' || depth >= 3 {
			continue
		}
		n := 0
		err := items(p.raw, func(raw []byte) error {
			n++
			inner, err := row(raw, columns)
			if err == nil {
				one := r
				one.Values = nil // of the whole, not of this record
				err = d.pairs(inner, one, depth+1)
			}
			if err == nil {
				found = true
			} else if bad == nil {
				bad = fmt.Errorf("%s, record %d: %w", p.key, n, err)
			}
			return nil
		})
		if err != nil && bad == nil {
			bad = fmt.Errorf("key %q: %w", p.key, err)
		}
	}
	if found || bad != nil {
		return bad
	}
	return fmt.Errorf("%w: of the keys output, response, completion, messages it has none, but %s", errNoReply, strings.Join(names, ", "))
}

// row is one record of a list: an object, or the values of a table's columns.
func row(raw []byte, columns []string) (list []pair, err error) {
	if len(columns) == 0 || len(raw) == 0 || raw[0] != '[' {
		err = fields(raw, func(key string, raw []byte) error {
			list = append(list, pair{key, raw})
			return nil
		})
		return list, err
	}
	i := 0
	err = items(raw, func(raw []byte) error {
		if i < len(columns) {
			list = append(list, pair{columns[i], raw})
		}
		i++
		return nil
	})
	if err == nil && i != len(columns) {
		err = fmt.Errorf("%d values for %d columns", i, len(columns))
	}
	return list, err
}

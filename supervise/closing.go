package supervise

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ballast"
	"ballast/chat"
	"ballast/rollout"
)

// closingQuery asks for the closing replies of a task's gold dialogue, given a play
// of it with the tools' answers.
func closingQuery(task *ballast.Task, gold *ballast.Episode) Query {
	var b strings.Builder
	for i, t := range gold.Turns {
		logUser(&b, task, i, t.User)
		for _, s := range t.Steps {
			logCalls(&b, s, 400)
		}
		if len(task.Turns[i].Gold) == 0 {
			b.WriteString("(no call is possible yet)\n")
		}
	}
	b.WriteString("Write the assistant's closing reply of every turn: what was done or found, or what is missing where no call was possible.")
	return Query{Kind: KindClosing, Task: task, Episode: gold, Text: b.String()}
}

var turnMark = regexp.MustCompile(`(?m)^\W*Turn (\d+)\W*:\W*`)

// closings reads an answer of n replies, each after "Turn N:" on a line of its own;
// nil where one is missing, twice there, or empty.
func closings(text string, n int) []string {
	marks := turnMark.FindAllStringSubmatchIndex(text, -1)
	if len(marks) != n {
		return nil
	}
	out := make([]string, n)
	for i, m := range marks {
		end := len(text)
		if i+1 < n {
			end = marks[i+1][0]
		}
		out[i] = strings.Join(strings.Fields(text[m[1]:end]), " ")
		if text[m[2]:m[3]] != fmt.Sprint(i+1) || out[i] == "" {
			return nil
		}
	}
	return out
}

// Close returns tasks whose gold dialogues end their turns with replies that the
// judge wrote. A task keeps its own where it is in skip, where the judge gives up,
// and where the written ones are no plain text in some format or break the budget in one of
// the formats in: those are listed as lost.
func Close(ctx context.Context, j Judge, cfg rollout.Config, in []chat.Format, tasks []ballast.Task, skip []string) (out []ballast.Task,
	lost []string, stats Stats, err error) {
	out = slices.Clone(tasks)
	var at []*ballast.Task
	for i := range out {
		if !slices.Contains(skip, out[i].ID) {
			at = append(at, &out[i])
		}
	}
	gold, err := Gold(ctx, cfg, at)
	if err != nil {
		return nil, nil, stats, err
	}
	queries := make([]Query, len(at))
	for i, t := range at {
		own := *t // at is written to below
		queries[i] = closingQuery(&own, &gold[i])
	}
	answers, stats, err := j.Answer(ctx, queries)
	if err != nil {
		return nil, nil, stats, err
	}
	for i, t := range at {
		written := *t
		written.Turns = slices.Clone(t.Turns)
		replies := closings(answers[i].Text, len(t.Turns))
		if answers[i].Failure != "" || !plain(replies) {
			lost = append(lost, t.ID)
			continue
		}
		for k := range written.Turns {
			written.Turns[k].Reply = replies[k]
		}
		if ok, err := fits(ctx, cfg, in, &written); err != nil {
			return nil, nil, stats, err
		} else if !ok {
			lost = append(lost, t.ID)
			continue
		}
		*t = written
	}
	return out, lost, stats, nil
}

// fits says whether a task's gold dialogue can be written in all formats.
func fits(ctx context.Context, cfg rollout.Config, in []chat.Format, task *ballast.Task) (bool, error) {
	for _, f := range in {
		cfg.Renderer.Format = f
		eps, err := play(ctx, cfg, []*ballast.Task{task})
		if err != nil || verify(&eps[0], task) != nil {
			return false, err
		}
	}
	return true, nil
}

// plain says whether replies are natural language in every format.
func plain(replies []string) bool {
	for _, r := range replies {
		for _, f := range chat.Formats {
			if f.Parse(r, nil).Kind != ballast.KindResponse {
				return false
			}
		}
	}
	return len(replies) > 0
}

package mcp

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/env"
	"ballast/rollout"
)

// BenchmarkOpen opens sessions from a warm pool, each after the pool is full again, with an episode in each. It
// reports the time of opening, and fails where an episode knows a word of another.
func BenchmarkOpen(b *testing.B) {
	s := connect(b, Config{Command: command("memory"), Ahead: 8})
	var took []time.Duration
	for i := range b.N {
		wait(b, "a full pool", s.warm)
		begun := time.Now()
		e, err := s.Open(b.Context(), nil)
		took = append(took, time.Since(begun))
		if err != nil {
			b.Fatal(err)
		}
		if got := ask(b, e, "recall()"); got != "" {
			b.Fatalf("episode %d knows %q", i, got)
		}
		ask(b, e, fmt.Sprintf("remember(text='%d')", i))
		e.Close()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e6, "ms-median")
	b.ReportMetric(float64(took[(len(took)*99)/100].Nanoseconds())/1e6, "ms-p99")
}

// BenchmarkTicks plays episodes of so many calls of a tool that takes 20 ms, 1 or 64 side by side, with a scripted policy.
// The pool is warm, and holds a process for each; while they play, it starts the next ones.
func BenchmarkTicks(b *testing.B) {
	for _, c := range []struct{ side, calls int }{{1, 20}, {64, 20}, {64, 100}} {
		side, calls := c.side, c.calls
		b.Run(fmt.Sprintf("%dx%d", side, calls), func(b *testing.B) {
			s := connect(b, Config{Command: command("memory"), Ahead: side, Sessions: side})
			renderer := bytesRenderer(b)
			dialogue := chat.NewDialogue(renderer, nil, nil)
			call, end := dialogue.Gold("[tick()]"), dialogue.Gold("Done.")
			policy := &rollout.Script{Reply: func(tokens []int32, _ ballast.Request) []int32 {
				if strings.Count(renderer.Tokenizer.Decode(tokens), "tock") == calls {
					return end
				}
				return call
			}}
			cfg := rollout.Config{Renderer: renderer, Env: ticking(s),
				Budget: rollout.Budget{Prompt: 1 << 13, Episode: 1 << 15, Reply: 1 << 8, Result: 1 << 8, Steps: calls + 1}}
			plays := make([]rollout.Request, side)
			for i := range plays {
				plays[i] = rollout.Request{Task: &ballast.Task{ID: fmt.Sprint(i), Turns: []ballast.TaskTurn{{User: "Wait."}}}}
			}
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				wait(b, "a full pool", s.warm)
				b.StartTimer()
				episodes, err := rollout.Run(b.Context(), policy, cfg, plays, ballast.Sampling{})
				if err != nil {
					b.Fatal(err)
				}
				for _, e := range episodes {
					if e.Stop != ballast.StopDone || len(e.Turns[0].Steps) != calls+1 {
						b.Fatalf("%s after %d replies: %s", e.Stop, len(e.Turns[0].Steps), e.Error)
					}
				}
			}
			b.ReportMetric(float64(b.N*side*calls)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

// ticking is a table with the server, and a grader that passes every turn.
func ticking(s *Server) *env.Table {
	return &env.Table{
		Worlds: []env.WorldEntry{{Name: "mcp", World: s}},
		Graders: []env.GraderEntry{{Name: "passes", Instant: true,
			New: func(context.Context, *ballast.Task, ballast.Session) (ballast.Grader, error) { return passes{}, nil }}},
		Users: env.Builtin.Users,
	}
}

type passes struct{}

func (passes) Grade(context.Context, *ballast.Episode, int) (ballast.Check, error) {
	return ballast.Check{Passed: true}, nil
}

// bytesRenderer renders with a vocabulary of bytes.
func bytesRenderer(b *testing.B) chat.Renderer {
	b.Helper()
	control := chat.ControlTokens(chat.Templates["chatml"])
	tok, err := bpe.Train(func(func(string) bool) {}, 256+len(control), control, bpe.Qwen2)
	if err != nil {
		b.Fatal(err)
	}
	return chat.Renderer{Tokenizer: tok, Template: chat.Templates["chatml"], Format: chat.Formats["pythonic"]}
}

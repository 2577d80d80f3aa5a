package rollout

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"ballast"
	"ballast/model/playtest"
)

// counted is a conversation of three replies.
type counted struct{ replies [][]int32 }

func (c *counted) Wait() <-chan struct{} { return nil }

func (c *counted) Next() (ballast.Request, bool) {
	n := int32(len(c.replies))
	return ballast.Request{Append: []int32{n}, Max: 2}, n < 3
}

func (c *counted) Take(r ballast.Reply) { c.replies = append(c.replies, r.Tokens) }

// TestScriptWaits: a script waits for all conversations at a time, and for none longer than
// its context.
func TestScriptWaits(t *testing.T) {
	script := &Script{Reply: func(tokens []int32, _ ballast.Request) []int32 { return []int32{int32(len(tokens)), 9, 9} }}
	want := [][]int32{{1, 9}, {4, 9}, {7, 9}}
	played := func(t *testing.T, ctx context.Context, delay func(i int) playtest.Delay) ([]*counted, time.Duration, error) {
		var inner []*counted
		var convs []ballast.Conversation
		for i := range 20 {
			inner = append(inner, &counted{})
			convs = append(convs, playtest.Slow(inner[i], delay(i)))
		}
		begin := time.Now()
		err := script.Play(ctx, convs, ballast.Sampling{})
		return inner, time.Since(begin), err
	}
	random := func(i int) playtest.Delay { return playtest.Random(uint64(i), time.Second) }
	longest := time.Duration(0)
	for i := range 20 {
		sum := time.Duration(0)
		for request := range 4 {
			sum += random(i)(request)
		}
		longest = max(longest, sum)
	}
	synctest.Test(t, func(t *testing.T) {
		inner, took, err := played(t, t.Context(), random)
		if err != nil || took != longest {
			t.Errorf("%v after %v, the longest conversation waits %v", err, took, longest)
		}
		for i, c := range inner {
			if !reflect.DeepEqual(c.replies, want) {
				t.Errorf("conversation %d got %v", i, c.replies)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, took, err := played(t, ctx, func(int) playtest.Delay { return playtest.Constant(playtest.Never) })
		if !errors.Is(err, context.DeadlineExceeded) || took != time.Hour {
			t.Errorf("%v after %v", err, took)
		}
	})
}

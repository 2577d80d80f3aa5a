package env

import (
	"context"
	"fmt"
	"time"
)

// guard runs what belongs to a world, a grader or a user. A panic is an error. Unless it
// is instant it runs aside and is left alone when the time is up or the context has ended;
// what it answers later goes to drop. What it needs is an argument, so that an instant call takes no memory of its own.
func guard[A, T any](ctx context.Context, what string, instant bool, limit time.Duration, arg A,
	do func(context.Context, A) (T, error), drop ...func(T)) (T, error) {
	if instant {
		return caught(ctx, what, arg, do)
	}
	return aside(ctx, what, limit, arg, do, drop)
}

// aside is guard of what takes time.
func aside[A, T any](ctx context.Context, what string, limit time.Duration, arg A, do func(context.Context, A) (T, error),
	drop []func(T)) (T, error) {
	type result struct {
		answer T
		err    error
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s took longer than %s", what, limit))
	defer cancel()
	done := make(chan result, 1)
	go func() {
		answer, err := caught(ctx, what, arg, do)
		done <- result{answer, err}
	}()
	var none T
	select {
	case r := <-done:
		if r.err != nil && ctx.Err() != nil { // it says in its own words that it was stopped
			return none, context.Cause(ctx)
		}
		return r.answer, r.err
	case <-ctx.Done():
		for _, f := range drop {
			go func() {
				if r := <-done; r.err == nil {
					caught(context.Background(), what, r.answer, func(_ context.Context, late T) (none struct{}, err error) { f(late); return })
				}
			}()
		}
		return none, context.Cause(ctx)
	}
}

// caught runs do and turns its panic into an error.
func caught[A, T any](ctx context.Context, what string, arg A, do func(context.Context, A) (T, error)) (answer T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: panic: %v", what, r)
		}
	}()
	return do(ctx, arg)
}

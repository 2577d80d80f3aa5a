package tinker

import (
	"context"
	"sync/atomic"
)

// Future is the result of an operation that was begun.
type Future[T any] struct {
	done chan struct{}
	seen atomic.Bool // somebody has its error
	v    T
	err  error
}

func newFuture[T any]() *Future[T] { return &Future[T]{done: make(chan struct{})} }

// Wait waits for the operation, which ends with the context that it was begun with at the
// latest, and gives its result.
func (f *Future[T]) Wait() (T, error) {
	<-f.done
	f.seen.Store(true)
	return f.v, f.err
}

// Done is closed when Wait would not wait.
func (f *Future[T]) Done() <-chan struct{} { return f.done }

// begin runs an operation.
func begin[T any](ctx context.Context, c *Client, f *Future[T], run func(context.Context) (T, error)) *Future[T] {
	go func() {
		defer close(f.done)
		ctx, cancel := c.alive(ctx)
		defer cancel()
		f.v, f.err = run(ctx)
	}()
	return f
}

// failed is an operation that was not begun.
func failed[T any](err error) *Future[T] {
	f := newFuture[T]()
	f.err = err
	close(f.done)
	return f
}

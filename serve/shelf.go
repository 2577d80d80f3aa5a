package serve

import (
	"container/list"
	"context"
	"errors"
	"sync"

	"ballast"
	"ballast/env"
)

// keep is how many tasks stay prepared that no episode plays.
const keep = 4096

// shelf has the tasks as they are prepared: each once, for all of its episodes.
type shelf struct {
	life  context.Context
	env   *env.Table
	tasks []ballast.Task
	mu    sync.Mutex
	books map[int]*book
	idle  list.List // of *book, longest idle first
}

// book is one prepared task.
type book struct {
	shelf *shelf
	index int
	once  sync.Once
	task  *env.Prepared
	err   error
	users int
	seat  *list.Element
}

func newShelf(life context.Context, table *env.Table, tasks []ballast.Task) *shelf {
	return &shelf{life: life, env: table, tasks: tasks, books: map[int]*book{}}
}

// take returns a task that is ready; give it back. A task that could not be prepared is tried
// again the next time.
func (s *shelf) take(i int) (*book, error) {
	s.mu.Lock()
	b := s.books[i]
	if b == nil {
		b = &book{shelf: s, index: i}
		s.books[i] = b
	}
	if b.users++; b.seat != nil {
		s.idle.Remove(b.seat)
		b.seat = nil
	}
	s.mu.Unlock()
	b.once.Do(func() { b.task, b.err = s.env.Prepare(s.life, &s.tasks[i]) })
	if b.err != nil {
		err := b.err
		b.back()
		return nil, err
	}
	return b, nil
}

// back gives a task back.
func (b *book) back() {
	s := b.shelf
	var gone *book
	s.mu.Lock()
	if b.users--; b.users == 0 {
		if b.err != nil {
			delete(s.books, b.index)
		} else if b.seat = s.idle.PushBack(b); s.idle.Len() > keep {
			gone = s.idle.Remove(s.idle.Front()).(*book)
			delete(s.books, gone.index)
		}
	}
	s.mu.Unlock()
	if gone != nil {
		gone.task.Close()
	}
}

// close closes all tasks. Nobody plays any more.
func (s *shelf) close() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, b := range s.books {
		if b.task != nil {
			err = errors.Join(err, b.task.Close())
		}
		delete(s.books, i)
	}
	s.idle.Init()
	return err
}

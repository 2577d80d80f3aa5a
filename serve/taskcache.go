package serve

import (
	"container/list"
	"context"
	"errors"
	"sync"

	"ballast"
	"ballast/chat"
	"ballast/env"
)

// keep is how many tasks stay prepared that no episode plays.
const keep = 4096

// taskCache has the tasks as they are prepared: each once, for all of its episodes.
type taskCache struct {
	life    context.Context
	env     *env.Table
	tasks   []ballast.Task
	mu      sync.Mutex
	entries map[int]*cachedTask
	idle    list.List // of *cachedTask, longest idle first
}

// cachedTask is one prepared task.
type cachedTask struct {
	cache *taskCache
	index int
	once  sync.Once
	task  *env.Prepared
	err   error
	users int
	idle  *list.Element // among the idle; nil while an episode plays it
	docs  sync.Map      // of the tools that a turn reveals, by its index: text; written once for all episodes
}

// revealed documents the tools that a turn reveals.
func (t *cachedTask) revealed(f chat.Format, turn int, tools []ballast.Tool) string {
	text, ok := t.docs.Load(turn)
	if !ok {
		text = f.Docs(tools)
		t.docs.Store(turn, text)
	}
	return text.(string)
}

func newTaskCache(life context.Context, table *env.Table, tasks []ballast.Task) *taskCache {
	return &taskCache{life: life, env: table, tasks: tasks, entries: map[int]*cachedTask{}}
}

// get returns a task that is ready; release it. A task that could not be prepared is tried
// again the next time.
func (c *taskCache) get(i int) (*cachedTask, error) {
	c.mu.Lock()
	t := c.entries[i]
	if t == nil {
		t = &cachedTask{cache: c, index: i}
		c.entries[i] = t
	}
	if t.users++; t.idle != nil {
		c.idle.Remove(t.idle)
		t.idle = nil
	}
	c.mu.Unlock()
	t.once.Do(func() { t.task, t.err = c.env.Prepare(c.life, &c.tasks[i]) })
	if t.err != nil {
		err := t.err
		t.release()
		return nil, err
	}
	return t, nil
}

// release gives a task back.
func (t *cachedTask) release() {
	c := t.cache
	var gone *cachedTask
	c.mu.Lock()
	if t.users--; t.users == 0 {
		if t.err != nil {
			delete(c.entries, t.index)
		} else if t.idle = c.idle.PushBack(t); c.idle.Len() > keep {
			gone = c.idle.Remove(c.idle.Front()).(*cachedTask)
			delete(c.entries, gone.index)
		}
	}
	c.mu.Unlock()
	if gone != nil {
		gone.task.Close()
	}
}

// close closes all tasks. Nobody plays any more.
func (c *taskCache) close() (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, t := range c.entries {
		if t.task != nil {
			err = errors.Join(err, t.task.Close())
		}
		delete(c.entries, i)
	}
	c.idle.Init()
	return err
}

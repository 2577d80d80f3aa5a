package tinkertest

import (
	"math"
	"sync"
	"time"
)

// Clock tells and awaits time. The zero Options have the machine's.
type Clock interface {
	Now() time.Time
	After(time.Duration) <-chan time.Time
}

type machineClock struct{}

func (machineClock) Now() time.Time                         { return time.Now() }
func (machineClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// ManualClock stands still until a test advances it.
type ManualClock struct {
	mu     sync.Mutex
	now    time.Time
	alarms []alarm
}

type alarm struct {
	at   time.Time
	ring chan time.Time
}

// NewManualClock begins at a fixed time.
func NewManualClock() *ManualClock { return &ManualClock{now: time.Unix(1_800_000_000, 0)} }

// Now is the time that the clock was advanced to.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After rings when the clock has been advanced by d.
func (c *ManualClock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	ring := make(chan time.Time, 1)
	if d <= 0 {
		ring <- c.now
		return ring
	}
	c.alarms = append(c.alarms, alarm{c.now.Add(d), ring})
	return ring
}

// Waiting is how many times After is still waited for, or was by somebody who has left.
func (c *ManualClock) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.alarms)
}

// Advance moves the clock and rings what is due.
func (c *ManualClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	var later []alarm
	for _, a := range c.alarms {
		if a.at.After(c.now) {
			later = append(later, a)
			continue
		}
		a.ring <- c.now
	}
	c.alarms = later
}

// Latency is how long an operation takes: log-normal, with stragglers. The n-th operation of
// its kind always takes the same time.
type Latency struct {
	Median     time.Duration
	Sigma      float64       // of the logarithm; 0 = always Median
	PerToken   time.Duration // for each token that was sampled or trained
	Stragglers float64       // the share of operations that take Factor times as long
	Factor     float64
}

// of is the latency of the n-th operation, which has so many tokens.
func (l Latency) of(d draws, n uint64, tokens int) time.Duration {
	if l == (Latency{}) {
		return 0
	}
	u, v := d.uniform(3*n), d.uniform(3*n+1)
	x := float64(l.Median) * math.Exp(l.Sigma*math.Sqrt(-2*math.Log(1-u))*math.Cos(2*math.Pi*v))
	x += float64(l.PerToken) * float64(tokens)
	if d.uniform(3*n+2) < l.Stragglers {
		x *= l.Factor
	}
	return time.Duration(min(x, float64(math.MaxInt64/2)))
}

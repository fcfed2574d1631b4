package engine

import (
	"runtime"
	"sync"
)

// crew advances slots in parallel: choosing a token takes up to milliseconds on
// large vocabularies, and matchers take theirs. The owner works along.
type crew struct {
	slots chan *slot
	step  sync.WaitGroup // of the slots handed out
	hands sync.WaitGroup // the goroutines
	work  func(*slot)
}

func newCrew(work func(*slot)) *crew {
	c := &crew{slots: make(chan *slot), work: work}
	for range runtime.GOMAXPROCS(0) - 1 {
		c.hands.Go(func() {
			for s := range c.slots {
				c.work(s)
				c.step.Done()
			}
		})
	}
	return c
}

// run works on all slots and returns when that is done.
func (c *crew) run(slots []*slot) {
	for i, s := range slots {
		if i == len(slots)-1 {
			c.work(s)
			break
		}
		c.step.Add(1)
		select {
		case c.slots <- s:
		default: // all hands are full
			c.work(s)
			c.step.Done()
		}
	}
	c.step.Wait()
}

// close ends the goroutines.
func (c *crew) close() {
	close(c.slots)
	c.hands.Wait()
}

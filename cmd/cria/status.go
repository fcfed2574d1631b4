package main

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// status shows on a terminal that work goes on, once it has taken two seconds.
type status struct {
	w     io.Writer
	label string
	steps atomic.Int64
	stop  chan struct{}
	ended sync.WaitGroup
}

func newStatus(w io.Writer, label string) *status {
	s := &status{w: w, label: label, stop: make(chan struct{})}
	s.ended.Go(s.show)
	return s
}

// step counts a piece of the reply.
func (s *status) step() { s.steps.Add(1) }

// done clears the line.
func (s *status) done() {
	close(s.stop)
	s.ended.Wait()
}

func (s *status) show() {
	const clear = "\r\x1b[K"
	start := time.Now()
	wait := time.NewTicker(time.Second)
	defer wait.Stop()
	shown := false
	for {
		select {
		case <-s.stop:
			if shown {
				fmt.Fprint(s.w, clear)
			}
			return
		case <-wait.C:
		}
		if took := time.Since(start); took >= 2*time.Second {
			shown = true
			fmt.Fprintf(s.w, "%s%s: %d pieces in %.0f s", clear, s.label, s.steps.Load(), took.Seconds())
		}
	}
}

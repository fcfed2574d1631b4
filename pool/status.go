package pool

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Status is what a pool holds at one moment, and what it has done.
type Status struct {
	Models       []ModelStatus // by name
	Used, Budget Memory
	Waiting      int // for models that are not there yet
	Counts
}

// Counts are what a pool has done since it was made.
type Counts struct {
	Shared  int // requests that found their model in memory, and got it at once
	Loaded  int // models that were loaded
	Failed  int // loads that failed, cancelled ones aside
	Evicted int // models that were closed for others, or by [Pool.Evict]
	Expired int // models that were closed since they were idle for long
	Waited  int // requests that had to wait for memory
}

// ModelStatus is one model that holds memory.
type ModelStatus struct {
	Name     string
	Context  string // of which model it is a context; "": it has weights of its own
	Need     Memory // of a context: beside its model's
	State    string // "loading", "in use", "idle" or "closing"
	Pinned   bool
	Leases   int // and contexts, which hold their model
	Uses     int // leases and contexts since it was loaded
	LoadTook time.Duration
	LastUsed time.Time
}

// ContextOf returns the model that name is a context of, and false if it has weights of its
// own, or the source has no contexts.
func (p *Pool[M]) ContextOf(name string) (model string, ok bool) {
	if p.contexts == nil {
		return "", false
	}
	return p.contexts.ContextOf(name)
}

// Status says what the pool holds.
func (p *Pool[M]) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{Used: maps.Clone(p.used), Budget: maps.Clone(p.opts.Budget), Waiting: len(p.waiting), Counts: p.counts}
	for _, m := range p.models {
		state := map[state]string{loading: "loading", ready: "in use", closing: "closing"}[m.state]
		if m.idle() {
			state = "idle"
		}
		context := ""
		if m.of != nil {
			context = m.of.name
		}
		s.Models = append(s.Models, ModelStatus{
			Name: m.name, Context: context, Need: maps.Clone(m.need), State: state, Pinned: p.pinned[m.name], Leases: m.users, Uses: m.uses,
			LoadTook: m.loadTook, LastUsed: m.lastUsed,
		})
	}
	slices.SortFunc(s.Models, func(a, b ModelStatus) int { return strings.Compare(a.Name, b.Name) })
	return s
}

package pool

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/llama"
)

// TooLargeError says that a model does not fit the whole budget, so that no waiting would
// help, or not beside models that are to be in memory with it.
type TooLargeError struct {
	Name         string
	Beside       []string // models that [Pool.Preload] keeps for its caller meanwhile
	Need, Budget Memory   // the need of all of them
}

func (e *TooLargeError) Error() string {
	more := e.Budget.short(nil, e.Need)
	if len(e.Beside) > 0 {
		return fmt.Sprintf("the model %s does not fit beside %s: together they need %v, %v more than the pool's budget (%v): raise the budget, preload fewer models, or load them with shorter contexts or smaller quantizations",
			e.Name, strings.Join(e.Beside, ", "), e.Need, more, e.Budget)
	}
	return fmt.Sprintf("the model %s needs %v, %v more than the pool's budget (%v): raise the budget, or load it with a shorter context or a smaller quantization",
		e.Name, e.Need, more, e.Budget)
}

// outOfMemory reports whether a load failed since memory is not there, of which there would be
// enough with nothing else running.
func outOfMemory(err error) bool {
	var fit *hardware.FitError
	if errors.As(err, &fit) {
		return fit.Need <= fit.Most
	}
	return errors.As(err, new(*hardware.ExhaustedError)) || errors.Is(err, llama.ErrMemory)
}

// BusyError says that a model was not to be had before the context ended: there was no room
// for it, or it was kept back for others. It wraps the context's cause. Of models it names
// those that hold memory that was missing; a pinned one that is in use is named twice.
type BusyError struct {
	Name     string
	Need     Memory
	KeptBack bool     // it is in memory, but those Before have waited longer than [Options].Patience for that
	InUse    []string // have leases
	Pinned   []string
	Loading  []string
	Closing  []string
	Before   []string // were asked for earlier, and wait for memory too
	Err      error
}

func (e *BusyError) Error() string {
	if e.KeptBack {
		return fmt.Sprintf("the model %s is in memory, but was kept back for who waits longer for that memory (%s): pin it, raise the budget or wait longer: %v",
			e.Name, strings.Join(e.Before, ", "), e.Err)
	}
	var why []string
	for _, of := range []struct {
		what  string
		names []string
	}{{"in use", e.InUse}, {"pinned", e.Pinned}, {"loading", e.Loading}, {"closing", e.Closing}, {"asked for before", e.Before}} {
		if len(of.names) > 0 {
			why = append(why, of.what+": "+strings.Join(of.names, ", "))
		}
	}
	reason := ""
	if why != nil {
		reason = " (" + strings.Join(why, "; ") + ")"
	}
	help := ""
	switch used, pinned := len(e.InUse) > 0, len(e.Pinned) > 0; {
	case used && pinned:
		help = "release or unpin one, "
	case used:
		help = "release one, "
	case pinned:
		help = "unpin one, "
	}
	return fmt.Sprintf("no room for the model %s, which needs %v, in time%s: %sraise the budget or wait longer: %v", e.Name, e.Need, reason, help, e.Err)
}

func (e *BusyError) Unwrap() error { return e.Err }

// busy says why one who waits has not been served. The caller holds p.mu.
func (p *Pool[M]) busy(w *waiter[M], cause error) *BusyError {
	before := p.ahead(w)
	e := &BusyError{Name: w.name, Need: p.missing(w), Err: cause}
	if m := p.models[w.name]; p.lendable(m) {
		e.Before = before.bars(m)
		e.KeptBack = e.Before != nil
		return e
	}
	now := maps.Clone(p.used)
	now.add(before.besides(w))
	short := p.opts.Budget.short(now, e.Need)
	for _, other := range before.waiters {
		if p.missing(other.waiter).on(short) {
			e.Before = append(e.Before, other.name)
		}
	}
	loads := p.loads(w)
	for _, name := range slices.Sorted(maps.Keys(p.models)) {
		m := p.models[name]
		old := loads[name] != nil // which has to go before another is loaded
		if old || m.holds(short) {
			p.name(m, e)
		}
	}
	return e
}

// holds reports whether a model has memory on one of the devices, or that has which it is a
// context of.
func (m *model[M]) holds(devices Memory) bool {
	return m.need.on(devices) || m.of != nil && m.of.holds(devices)
}

// name says in an error why a model is not closed for another one. The caller holds p.mu.
func (p *Pool[M]) name(m *model[M], e *BusyError) {
	switch {
	case m.ending():
		e.Closing = append(e.Closing, m.name)
		return
	case m.state == loading:
		e.Loading = append(e.Loading, m.name)
		return
	}
	if p.pinned[m.name] {
		e.Pinned = append(e.Pinned, m.name)
	}
	if m.users > len(p.contextsOf(m)) { // contexts that keep it are named themselves
		e.InUse = append(e.InUse, m.name)
	}
}

// LoadError says that a model could not be loaded, or its need of memory not be told. It
// wraps the reason.
type LoadError struct {
	Name string
	Err  error
}

func (e *LoadError) Error() string { return fmt.Sprintf("loading the model %s: %v", e.Name, e.Err) }

func (e *LoadError) Unwrap() error { return e.Err }

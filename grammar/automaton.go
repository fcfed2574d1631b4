package grammar

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cria-lm/cria/internal/regular"
)

// automaton reads bytes. A state is a set of configurations, each a lexeme's
// language that is being read and the stack of what must come after it. States are
// made when they are first reached, kept, and shared by all who read.
type automaton struct {
	dead  *state // nothing may follow
	start *state
	full  atomic.Bool // so much was kept that the next reader should begin a new one

	mu     sync.Mutex // guards the rest, and making states
	b      *builder
	stacks map[stackKey]*stack
	states map[string]*state
	key    []byte
	masks  int // bytes
	again  int // configurations that differ from others of their state by the stack only
}

// Limits of what an automaton keeps. Beyond the soft limit a new one is begun for
// the next generation; a single one that needs more than the hard limit fails.
const (
	softStates = 50_000
	hardStates = 200_000
	softLangs  = 500_000
	maxConfigs = 20_000
	maxMasks   = 64 << 20 // bytes

	// Grammars that are ambiguous without end have ever more stacks for a language.
	softAgain = 100_000
	hardAgain = 400_000
)

// TooComplexError says that a grammar needs more states than is sensible.
type TooComplexError struct{ What string }

func (e *TooComplexError) Error() string { return "grammar: too complex: " + e.What }

// stack is what must come after a lexeme. Equal stacks are one.
type stack struct {
	top  *node
	rest *stack // nil at the bottom
	id   int32  // from 1; 0 is no stack

	least int // bytes of the shortest text of it
}

type stackKey struct{ top, rest int32 }

func (s *stack) key() int32 {
	if s == nil {
		return 0
	}
	return s.id
}

func (s *stack) shortest() int {
	if s == nil {
		return 0
	}
	return s.least
}

// config is a lexeme being read, or the end of a value.
type config struct {
	lang regular.Lang
	end  *node // instead of lang
	rest *stack
}

// state does not change but for what is computed when it is first asked for.
type state struct {
	a         *automaton
	configs   []config
	accepting bool          // what was read is complete
	least     int           // bytes to come at least until it is
	lexeme    int           // the most bytes that a lexeme needs at least
	ends      bool          // a value may end here
	stops     regular.Bytes // and these bytes can end it
	err       error         // why there are no configurations though there should be
	classes   *regular.Classes
	next      []atomic.Pointer[state] // by class
	afterEnd  atomic.Pointer[state]

	forced atomic.Pointer[forced]
	mask   atomic.Pointer[mask]

	closing atomic.Pointer[closing]
}

// newAutomaton begins with a rule.
func newAutomaton(b *builder, start *node) *automaton {
	a := &automaton{b: b, stacks: map[stackKey]*stack{}, states: map[string]*state{}}
	a.dead = a.intern(&collector{a: a})
	c := &collector{a: a}
	c.enter(start, nil)
	a.start = a.intern(c)
	return a
}

// final reports that nothing can be added.
func (s *state) final() bool {
	return s.accepting && len(s.configs) == 0 || s.accepting && s.onlyEnds()
}

func (s *state) onlyEnds() bool {
	return !slices.ContainsFunc(s.configs, func(c config) bool { return c.end == nil })
}

// isDead reports that no output goes on from here.
func (s *state) isDead() bool { return len(s.configs) == 0 && !s.accepting }

// step returns the state after a byte, a dead one if it must not come.
func (s *state) step(b byte) *state {
	class := s.classes.Of[b]
	if next := s.next[class].Load(); next != nil {
		return next
	}
	return s.a.derive(s, class)
}

// stepEnd returns the state after the end of the value that is being read.
func (s *state) stepEnd() *state {
	if next := s.afterEnd.Load(); next != nil {
		return next
	}
	a := s.a
	a.mu.Lock()
	defer a.mu.Unlock()
	c := &collector{a: a}
	for _, cfg := range s.configs {
		if cfg.end != nil {
			c.proceed(cfg.rest)
		}
	}
	next := a.intern(c)
	s.afterEnd.Store(next)
	return next
}

func (a *automaton) derive(s *state, class uint8) *state {
	a.mu.Lock()
	defer a.mu.Unlock()
	if next := s.next[class].Load(); next != nil {
		return next
	}
	b := s.classes.First[class]
	c := &collector{a: a}
	for _, cfg := range s.configs {
		if cfg.end == nil {
			c.read(a.b.space.Derive(cfg.lang, b), cfg.rest)
		}
	}
	next := a.intern(c)
	s.next[class].Store(next)
	return next
}

// push returns the stack with a node on it.
func (a *automaton) push(top *node, rest *stack) *stack {
	key := stackKey{top.id, rest.key()}
	s := a.stacks[key]
	if s == nil {
		s = &stack{top, rest, int32(len(a.stacks) + 1), top.least + rest.shortest()}
		a.stacks[key] = s
	}
	return s
}

// collector gathers the configurations of a state.
type collector struct {
	a         *automaton
	configs   []config
	accepting bool
	entered   map[stackKey]bool
	err       error
}

// read adds a language with what comes after it.
func (c *collector) read(l regular.Lang, rest *stack) {
	if l == regular.Nothing || c.err != nil {
		return
	}
	alive, ok := c.a.b.space.Alive(l)
	switch {
	case !ok:
		c.err = errUndecided
		return
	case !alive:
		return
	case len(c.configs) >= maxConfigs:
		c.err = &TooComplexError{fmt.Sprintf("more than %d ways to go on at one place", maxConfigs)}
		return
	}
	if c.a.b.space.Nullable(l) {
		c.proceed(rest)
	}
	goesOn, ok := c.a.b.space.Continues(l)
	if !ok {
		c.err = errUndecided
	}
	if goesOn {
		c.configs = append(c.configs, config{lang: l, rest: rest})
	}
}

// proceed goes on with what is on a stack.
func (c *collector) proceed(s *stack) {
	if s == nil {
		c.accepting = true
		return
	}
	c.enter(s.top, s.rest)
}

func (c *collector) enter(n *node, rest *stack) {
	if c.err != nil {
		return
	}
	if n.kind == nodeLexeme {
		c.read(n.lang, rest)
		return
	}
	key := stackKey{n.id, rest.key()}
	if c.entered[key] {
		return
	}
	if c.entered == nil {
		c.entered = map[stackKey]bool{}
	}
	c.entered[key] = true
	if len(c.entered) > maxConfigs {
		c.err = &TooComplexError{fmt.Sprintf("more than %d rules begin at one place", maxConfigs)}
		return
	}
	switch n.kind {
	case nodeSequence:
		if len(n.parts) == 0 {
			c.proceed(rest)
			return
		}
		for _, part := range slices.Backward(n.parts[1:]) {
			rest = c.a.push(part, rest)
		}
		c.enter(n.parts[0], rest)
	case nodeChoice:
		for _, part := range n.parts {
			c.enter(part, rest)
		}
	case nodeRepeat:
		if n.min == 0 {
			c.proceed(rest)
		}
		c.enter(n.parts[0], c.a.push(c.a.b.rest(n), rest))
	case nodeRule:
		c.enter(n.rule, rest)
	case nodeEnd:
		c.configs = append(c.configs, config{end: n, rest: rest})
		c.proceed(rest)
	}
}

// intern returns the state with these configurations.
func (a *automaton) intern(c *collector) *state {
	if c.err != nil {
		c.configs, c.accepting = nil, false
	}
	slices.SortFunc(c.configs, compareConfigs)
	c.configs = slices.Compact(c.configs)
	key := a.key[:0]
	for _, cfg := range c.configs {
		key = binary.LittleEndian.AppendUint32(key, uint32(cfg.lang))
		key = binary.LittleEndian.AppendUint32(key, uint32(endID(cfg)))
		key = binary.LittleEndian.AppendUint32(key, uint32(cfg.rest.key()))
	}
	if c.accepting {
		key = append(key, 1)
	}
	if c.err != nil {
		key = append(key, 2)
	}
	a.key = key
	if s := a.states[string(key)]; s != nil {
		return s
	}
	s := &state{a: a, configs: slices.Clone(c.configs), accepting: c.accepting, err: c.err, classes: a.b.space.Uniform()}
	s.least = tooLong
	if s.accepting {
		s.least = 0
	}
	for _, cfg := range s.configs {
		if cfg.end == nil {
			shortest := a.b.space.Shortest(cfg.lang)
			s.least, s.lexeme = min(s.least, shortest+cfg.rest.shortest()), max(s.lexeme, shortest)
		}
		if cfg.end != nil {
			s.ends, s.stops = true, s.stops.Union(cfg.end.stops)
		} else {
			s.classes = a.b.space.Product(s.classes, a.b.space.Classes(cfg.lang))
		}
	}
	for i := 1; i < len(s.configs); i++ {
		if s.configs[i].lang == s.configs[i-1].lang {
			a.again++
		}
	}
	s.next = make([]atomic.Pointer[state], len(s.classes.First))
	if n := len(a.states); n > softStates || a.b.space.Size() > softLangs || a.again > softAgain {
		a.full.Store(true)
		if n > hardStates {
			s = &state{a: a, err: errTooMany, classes: a.b.space.Uniform(), next: make([]atomic.Pointer[state], 1)}
		}
	}
	if a.again > hardAgain {
		s = &state{a: a, err: errAmbiguous, classes: a.b.space.Uniform(), next: make([]atomic.Pointer[state], 1)}
	}
	a.states[string(key)] = s
	return s
}

var (
	errUndecided = &TooComplexError{"it takes too long to find out whether a pattern with its conditions can be fulfilled"}
	errAmbiguous = &TooComplexError{fmt.Sprintf("one output can be read in more than %d ways", hardAgain)}
	errTooMany   = &TooComplexError{fmt.Sprintf("one output needs more than %d states", hardStates)}
)

func endID(c config) int32 {
	if c.end == nil {
		return -1
	}
	return c.end.id
}

func compareConfigs(x, y config) int {
	return cmp.Or(cmp.Compare(x.lang, y.lang), cmp.Compare(endID(x), endID(y)), cmp.Compare(x.rest.key(), y.rest.key()))
}

// ErrEmpty says that there is no text in a grammar.
var ErrEmpty = errors.New("nothing fits it")

package chattemplate

import (
	"context"
	"math"
	"time"
)

// Limits bound what rendering a template may take. Zero fields are the defaults,
// which are far above what templates in use need.
type Limits struct {
	Steps  int           // operations, and bytes looked at by the hundred; default [DefaultSteps]
	Depth  int           // calls of macros within each other, and values within values; default [DefaultDepth]
	Memory int           // bytes of all values made, kept or not; default [DefaultMemory]
	Output int           // bytes of the result; default [DefaultOutput]
	Time   time.Duration // default [DefaultTime]
}

// The defaults of [Limits].
const (
	DefaultSteps  = 10_000_000
	DefaultDepth  = 200
	DefaultMemory = 256 << 20
	DefaultOutput = 32 << 20
	DefaultTime   = 10 * time.Second
)

// What a template's source may be. The largest in use have some 20 kB.
const (
	maxSource  = 1 << 20 // bytes
	maxNesting = 300     // of blocks and expressions within each other, and terms in a row

	maxArguments = 1000 // of a call, and parameters of a macro
)

// valueSize is what a value in a list costs, in bytes.
const valueSize = 32

// meter counts what a rendering takes. What fails it keeps failing.
type meter struct {
	ctx      context.Context
	limits   Limits
	deadline time.Time
	steps    int
	memory   int
	depth    int
	checked  int // steps when the clock was last looked at
}

func newMeter(ctx context.Context, l Limits) *meter {
	set := func(v *int, standard int) {
		if *v <= 0 {
			*v = standard
		}
	}
	set(&l.Steps, DefaultSteps)
	set(&l.Depth, DefaultDepth)
	set(&l.Memory, DefaultMemory)
	set(&l.Output, DefaultOutput)
	if l.Time <= 0 {
		l.Time = DefaultTime
	}
	return &meter{ctx: ctx, limits: l, deadline: time.Now().Add(l.Time)}
}

// step counts n operations.
func (m *meter) step(n int) error {
	if n > m.limits.Steps-m.steps {
		m.steps = m.limits.Steps
		return &LimitError{Of: "steps", Limit: int64(m.limits.Steps)}
	}
	m.steps += n
	if m.steps-m.checked < 1024 {
		return nil
	}
	m.checked = m.steps
	if err := m.ctx.Err(); err != nil {
		return context.Cause(m.ctx)
	}
	if time.Now().After(m.deadline) {
		return &LimitError{Of: "milliseconds", Limit: m.limits.Time.Milliseconds()}
	}
	return nil
}

// read counts looking at n bytes.
func (m *meter) read(n int) error { return m.step(1 + n/128) }

// alloc counts n bytes of a value before it is made.
func (m *meter) alloc(n int) error {
	if n < 0 || n > m.limits.Memory-m.memory {
		m.memory = m.limits.Memory
		return &LimitError{Of: "bytes of memory", Limit: int64(m.limits.Memory)}
	}
	m.memory += n
	return m.read(n)
}

// allocTimes is alloc of a product, which may overflow.
func (m *meter) allocTimes(n, size int) error {
	if size > 0 && n > math.MaxInt/size {
		return m.alloc(-1)
	}
	return m.alloc(n * size)
}

// enter counts one level of what is within something else; leave ends it.
func (m *meter) enter() error {
	if m.depth >= m.limits.Depth {
		return &LimitError{Of: "levels of calls or values within each other", Limit: int64(m.limits.Depth)}
	}
	m.depth++
	return m.step(1)
}

func (m *meter) leave() { m.depth-- }

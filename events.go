package cria

import (
	"context"
	"encoding/json"
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

// EventKind says what an [Event] is about.
type EventKind string

// The kinds of events; those of a predictor's call come in this order.
const (
	EventStatus   EventKind = "status"   // what [Emit] was given, in Text
	EventStart    EventKind = "start"    // a predictor was called
	EventThinking EventKind = "thinking" // Text was thought, see [Scope.ThinkTokens]
	EventField    EventKind = "field"    // an output field begins
	EventDelta    EventKind = "delta"    // Text was added to the field
	EventDone     EventKind = "done"     // the field is complete
	EventRetry    EventKind = "retry"    // the reply could not be read, as Err says: its fields do not count, and the model is asked again
	EventEnd      EventKind = "end"      // the predictor's call ended: with Prediction, or Err

	EventToolCall   EventKind = "tool_call"   // a tool was called by [CallTool]: Tool, with Arguments
	EventToolResult EventKind = "tool_result" // the tool's call ended: with Result, or Err

	EventResult EventKind = "result" // the module's call ended, with Value; the last event
)

// Event is something that happened in a call of a module.
type Event[Out any] struct {
	Kind       EventKind
	Predictor  *Predictor      // nil for status, result and tools
	Name       string          // of the predictor in the context's [Program]; empty if there is none
	Call       int             // numbers the calls of predictors and tools from 1, in the order of their start
	Field      string          // for field, delta and done
	Text       string          // for status, thinking and delta
	Prediction *Prediction     // for end; nil if the predictor failed
	Err        error           // for retry, end and tool_result
	Value      Out             // for result
	Tool       string          // for tool_call and tool_result: the tool's name
	Arguments  json.RawMessage // for tool_call and tool_result
	Result     json.RawMessage // for tool_result; nil if the tool failed
	Usage      Usage           // for end: of the call, even if it failed; for result: of all calls
}

// Events calls a module and yields what happens in it while it does: the text of each
// field of each predictor as it comes, nested modules included. The last event has the
// module's result; if it fails, the last pair has its error. Breaking out cancels the
// work and waits for its end. Calls that a module makes at once have their events in
// between each other: Call tells them apart.
func Events[In, Out any](ctx context.Context, m Module[In, Out], in In) iter.Seq2[Event[Out], error] {
	return func(yield func(Event[Out], error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		s := newSink(ctx)
		leave := sync.OnceFunc(func() { close(s.gone) })
		defer leave()
		ctx, trace := WithTrace(context.WithValue(ctx, sinkKey{}, s))
		var value Out
		err := ErrGoexit // unless it returns
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			value, err = safely(ctx, m, in)
		}()
		for running := true; running; {
			select {
			case e := <-s.events:
				if !yield(typedEvent[Out](e), nil) {
					leave()
					cancel()
					<-ended
					return
				}
			case <-ended:
				running = false
			}
		}
		if err != nil {
			yield(Event[Out]{}, err)
			return
		}
		yield(Event[Out]{Kind: EventResult, Value: value, Usage: trace.Usage()}, nil)
	}
}

// Emit tells whoever reads the [Events] of the call what is under way. Without a reader
// it does nothing.
func Emit(ctx context.Context, text string) {
	sinkOf(ctx).send(anyEvent{Kind: EventStatus, Text: text})
}

// anyEvent is an event of a module whose output's type is not known.
type anyEvent = Event[struct{}]

func typedEvent[Out any](e anyEvent) Event[Out] {
	return Event[Out]{
		Kind: e.Kind, Predictor: e.Predictor, Name: e.Name, Call: e.Call, Field: e.Field, Text: e.Text,
		Prediction: e.Prediction, Err: e.Err, Tool: e.Tool, Arguments: e.Arguments, Result: e.Result, Usage: e.Usage,
	}
}

// sink hands events to a reader, and to the reader of the call around it.
type sink struct {
	events chan anyEvent
	gone   chan struct{} // closed when the reader wants no more
	outer  *sink
	calls  *atomic.Int64 // the outermost sink's
}

func newSink(ctx context.Context) *sink {
	s := &sink{events: make(chan anyEvent), gone: make(chan struct{}), outer: sinkOf(ctx), calls: new(atomic.Int64)}
	if s.outer != nil {
		s.calls = s.outer.calls
	}
	return s
}

type sinkKey struct{}

func sinkOf(ctx context.Context) *sink {
	s, _ := ctx.Value(sinkKey{}).(*sink)
	return s
}

// number numbers a call; 0 without a reader.
func (s *sink) number() int {
	if s == nil {
		return 0
	}
	return int(s.calls.Add(1))
}

func (s *sink) send(e anyEvent) {
	for ; s != nil; s = s.outer {
		select {
		case s.events <- e:
		case <-s.gone:
		}
	}
}

// call is one call of a predictor, as traces and events see it.
type call struct {
	trace *Trace
	sink  *sink
	event anyEvent // what its events have in common
	field string
	open  bool // the field was told to begin, and not to end
	step  Step
}

func newCall(ctx context.Context, p *Predictor, inputs Example) *call {
	c := &call{trace: traceOf(ctx), sink: sinkOf(ctx)}
	c.step = Step{Predictor: p.declared(), Inputs: inputs}
	if c.trace == nil && c.sink == nil {
		return c
	}
	c.step.Begun, c.step.Name = time.Now(), overlayOf(ctx).names[p.declared()]
	if c.sink != nil {
		c.event = anyEvent{Predictor: c.step.Predictor, Name: c.step.Name, Call: c.sink.number()}
		c.send(EventStart, "", "")
	}
	return c
}

func (c *call) send(kind EventKind, field, text string) {
	e := c.event
	e.Kind, e.Field, e.Text = kind, field, text
	c.sink.send(e)
}

func (c *call) delta(d Delta[Example]) {
	if c.sink == nil {
		return
	}
	if d.Retry != nil {
		c.open = false
		e := c.event
		e.Kind, e.Err = EventRetry, d.Retry
		c.sink.send(e)
		return
	}
	if d.Thinking != "" {
		c.send(EventThinking, "", d.Thinking)
		return
	}
	if !c.open || d.Field != c.field {
		c.field, c.open = d.Field, true
		c.send(EventField, d.Field, "")
	}
	if d.Text != "" {
		c.send(EventDelta, d.Field, d.Text)
	}
	if d.Done {
		c.open = false
		c.send(EventDone, d.Field, "")
	}
}

func (c *call) end(result *Prediction, err error) {
	if c.sink != nil {
		e := c.event
		e.Kind, e.Prediction, e.Err, e.Usage = EventEnd, result, err, c.step.Usage
		c.sink.send(e)
	}
	if c.trace != nil {
		c.step.Prediction, c.step.Err, c.step.Took = result, err, time.Since(c.step.Begun)
		c.trace.add(c.step)
	}
}

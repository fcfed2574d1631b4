package cria

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Tool is something a model can call. Implementations are safe for concurrent
// use. [CallTool] calls one.
type Tool interface {
	Name() string
	Description() string
	Call(ctx context.Context, arguments json.RawMessage) (json.RawMessage, error)
}

// ToolError says that a call of a tool failed.
type ToolError struct {
	Tool string // its name
	Err  error  // the tool's own, a *[PanicError], or what is wrong with the JSON
}

func (e *ToolError) Error() string { return fmt.Sprintf("calling the tool %q: %v", e.Tool, e.Err) }

// Unwrap returns the cause.
func (e *ToolError) Unwrap() error { return e.Err }

// CallTool calls a tool for a module, and tells whoever reads the [Events] of the module's
// call of it: with which arguments, and what came of it. Arguments that are not JSON are
// not given to the tool (one without arguments takes "{}"), and a result that is not JSON
// is refused. The error is a *[ToolError]; a panic of the tool is one too.
func CallTool(ctx context.Context, tool Tool, arguments json.RawMessage) (result json.RawMessage, err error) {
	name, err := toolName(tool)
	if err != nil {
		return nil, &ToolError{name, err}
	}
	sink := sinkOf(ctx)
	event := anyEvent{Kind: EventToolCall, Call: sink.number(), Tool: name, Arguments: arguments}
	sink.send(event)
	err = ErrGoexit // unless the tool returns
	defer func() {
		if err != nil {
			result, err = nil, &ToolError{name, err}
		}
		event.Kind, event.Result, event.Err = EventToolResult, result, err
		sink.send(event)
	}()
	return callTool(ctx, tool, arguments)
}

func toolName(tool Tool) (name string, err error) {
	if tool == nil {
		return "", errors.New("there is none")
	}
	defer recovered("the tool's name", &err)
	return tool.Name(), nil
}

func callTool(ctx context.Context, tool Tool, arguments json.RawMessage) (result json.RawMessage, err error) {
	if !json.Valid(arguments) {
		return nil, fmt.Errorf("the arguments are not JSON: %s", abbreviate(string(arguments), 200))
	}
	defer recovered("the tool", &err)
	if result, err = tool.Call(ctx, arguments); err == nil && !json.Valid(result) {
		err = fmt.Errorf("its result is not JSON: %s", abbreviate(string(result), 200))
	}
	return result, err
}

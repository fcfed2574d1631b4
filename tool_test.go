package cria

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// funcTool is a tool that is a function.
type funcTool struct {
	name string
	call func(json.RawMessage) (json.RawMessage, error)
}

func (f funcTool) Name() string {
	if f.name == "" {
		panic("no name")
	}
	return f.name
}

func (funcTool) Description() string { return "" }

func (f funcTool) Call(_ context.Context, arguments json.RawMessage) (json.RawMessage, error) {
	return f.call(arguments)
}

// Whoever reads along sees tools and predictors under numbers of their own.
func TestToolEvents(t *testing.T) {
	lm := &script{pieces: []string{" a\nscore: 1"}}
	p := NewPredict[question, answer]("", &PredictOptions{LM: lm})
	add := funcTool{"add", func(arguments json.RawMessage) (json.RawMessage, error) {
		var n []int
		if err := json.Unmarshal(arguments, &n); err != nil {
			return json.RawMessage("1"), err
		}
		return json.Marshal(n[0] + n[1])
	}}
	m := Func[question, int](func(ctx context.Context, in question) (sum int, err error) {
		if _, err := p.Call(ctx, in); err != nil {
			return 0, err
		}
		if _, err := CallTool(ctx, add, json.RawMessage(`{}`)); err == nil {
			t.Error("no error of the tool")
		}
		result, err := CallTool(ctx, add, json.RawMessage(`[1, 2]`))
		if err != nil {
			return 0, err
		}
		return sum, json.Unmarshal(result, &sum)
	})
	var got []string
	for e, err := range Events(t.Context(), m, question{"?"}) {
		if err != nil {
			t.Fatal(err)
		}
		switch e.Kind {
		case EventStart, EventResult, EventToolCall, EventToolResult:
			got = append(got, strings.TrimSpace(fmt.Sprintf("%d %s %s %s %s %d", e.Call, e.Kind, e.Tool, e.Arguments, e.Result, e.Value)))
		}
		if e.Kind == EventToolResult && (e.Err != nil) != (e.Call == 2) || e.Tool != "" && e.Predictor != nil {
			t.Errorf("%+v", e)
		}
	}
	want := []string{"1 start    0", "2 tool_call add {}  0", "2 tool_result add {}  0", "3 tool_call add [1, 2]  0", "3 tool_result add [1, 2] 3 0", "0 result    3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestCallToolErrors(t *testing.T) {
	boom := errors.New("boom")
	fine := func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage("null"), nil }
	for name, tt := range map[string]struct {
		tool      Tool
		arguments string
		want      string
	}{
		"no tool":        {nil, "{}", `calling the tool "": there is none`},
		"no name":        {funcTool{"", fine}, "{}", `calling the tool "": the tool's name panicked: no name`},
		"no arguments":   {funcTool{"f", fine}, "", `calling the tool "f": the arguments are not JSON: ""`},
		"half arguments": {funcTool{"f", fine}, `{"a":`, `calling the tool "f": the arguments are not JSON: "{\"a\":"`},
		"its error":      {funcTool{"f", func(json.RawMessage) (json.RawMessage, error) { return nil, boom }}, "{}", `calling the tool "f": boom`},
		"its panic":      {funcTool{"f", func(json.RawMessage) (json.RawMessage, error) { panic("no") }}, "{}", `calling the tool "f": the tool panicked: no`},
		"its result":     {funcTool{"f", func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage("yes"), nil }}, "{}", `calling the tool "f": its result is not JSON: "yes"`},
	} {
		result, err := CallTool(t.Context(), tt.tool, json.RawMessage(tt.arguments))
		if !errors.As(err, new(*ToolError)) || err.Error() != tt.want || result != nil {
			t.Errorf("%s: %s, %v", name, result, err)
		}
		if name == "its error" && !errors.Is(err, boom) || name == "its panic" && !errors.As(err, new(*PanicError)) {
			t.Errorf("%s: %#v", name, err)
		}
	}
	ends := Func[int, int](func(ctx context.Context, _ int) (int, error) {
		_, err := CallTool(ctx, funcTool{"f", func(json.RawMessage) (json.RawMessage, error) { runtime.Goexit(); return nil, nil }}, json.RawMessage("1"))
		return 0, err
	})
	told := false
	for e := range Events(t.Context(), ends, 0) {
		told = told || e.Kind == EventToolResult && errors.Is(e.Err, ErrGoexit)
	}
	if !told {
		t.Error("the end of a tool that ends its goroutine was not told")
	}
}

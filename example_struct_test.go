package cria_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cria-lm/cria"
)

type shift struct {
	Start   time.Time
	Length  time.Duration `json:"length"`
	Badge   int64         `json:"badge"`
	Note    string        `json:"note,omitempty"`
	Breaks  []time.Duration
	ignored bool
}

func TestExampleOfStruct(t *testing.T) {
	start := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	in := shift{Start: start, Length: time.Hour, Badge: 1<<53 + 1, Breaks: []time.Duration{time.Minute}, ignored: true}
	want := cria.Example{"start": start, "length": time.Hour, "badge": int64(1<<53 + 1), "breaks": []time.Duration{time.Minute}}
	for _, from := range []any{in, &in, want, map[string]any(want)} {
		got, err := cria.ExampleOf(from)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%T: %v (-want +got):\n%s", from, err, diff)
		}
	}
	for _, from := range []any{nil, (*shift)(nil), "text", struct{ F func() }{}} {
		if got, err := cria.ExampleOf(from); err == nil {
			t.Errorf("%T: %v", from, got)
		}
	}
}

func TestExampleDecode(t *testing.T) {
	start := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	want := shift{Start: start, Length: 90 * time.Minute, Badge: 7, Breaks: []time.Duration{time.Minute}}
	values := cria.Example{"start": "2025-01-02T03:04:05Z", "length": "1h30m", "badge": 7.0, "breaks": []any{"1m"}, "other": true}
	got := shift{Note: "before"}
	var pointed *shift
	if err := errors.Join(values.Decode(&got), values.Decode(&pointed)); err != nil {
		t.Fatal(err)
	}
	for _, got := range []shift{got, *pointed} {
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(shift{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	var same cria.Example
	var plain map[string]any
	if err := errors.Join(values.Decode(&same), values.Decode(&plain)); err != nil || !cmp.Equal(values, same) || len(plain) != len(values) {
		t.Errorf("%v, %v, %v", same, plain, err)
	}

	err := cria.Example{"length": "soon", "badge": 0.5}.Decode(&got)
	var field *cria.FieldError
	if !errors.As(err, &field) || !strings.Contains(err.Error(), `field "length"`) || !strings.Contains(err.Error(), `field "badge"`) || !cmp.Equal(want, got, cmp.AllowUnexported(shift{})) {
		t.Errorf("%v: %+v", err, got)
	}
	for _, out := range []any{nil, shift{}, (*shift)(nil), new(string), new(*string)} {
		if err := values.Decode(out); err == nil {
			t.Errorf("%T: no error", out)
		}
	}
}

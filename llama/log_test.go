package llama

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
)

func textLogger(w *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

func TestLogLines(t *testing.T) {
	type fragment struct {
		level int32
		text  string
	}
	tests := []struct {
		name string
		in   []fragment
		want []string
	}{
		{"line", []fragment{{logInfo, "one\n"}}, []string{"level=INFO msg=one"}},
		{"two in one", []fragment{{logWarn, "one\ntwo\n"}}, []string{"level=WARN msg=one", "level=WARN msg=two"}},
		{"continued", []fragment{{logError, "a"}, {logCont, "b"}, {logCont, "c\n"}}, []string{"level=ERROR msg=abc"}},
		{"continued after its end", []fragment{{logDebug, "a\n"}, {logCont, "b\n"}}, []string{"level=DEBUG msg=a", "level=DEBUG msg=b"}},
		{"next before end", []fragment{{logInfo, "a"}, {logWarn, "b\n"}}, []string{"level=INFO msg=a", "level=WARN msg=b"}},
		{"empty lines", []fragment{{logInfo, "\n\n"}}, nil},
		{"unknown level", []fragment{{77, "a\n"}}, []string{"level=INFO msg=a"}},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		l := newLineLog()
		l.logger = textLogger(&out)
		for _, f := range tt.in {
			l.write(f.level, f.text)
		}
		l.wait()
		got := strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\n' })
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A logger that does not return holds up nobody.
func TestLogNeverBlocks(t *testing.T) {
	var out bytes.Buffer
	release := make(chan struct{})
	l := newLineLog()
	l.logger = slog.New(blockingHandler{textLogger(&out).Handler(), release})
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range logQueueLength {
				l.write(logInfo, fmt.Sprintf("%d %d\n", w, i))
			}
		})
	}
	writers.Wait()
	close(release)
	l.wait()
	if !strings.Contains(out.String(), "llama.cpp log lines dropped") {
		t.Error("dropped lines are not reported")
	}
}

// Lines that the logger does not want displace none that it wants.
func TestLogUnwanted(t *testing.T) {
	var out bytes.Buffer
	release := make(chan struct{})
	l := newLineLog()
	text := slog.NewTextHandler(&out, nil) // info and above
	l.logger = slog.New(blockingHandler{text, release})
	l.write(logInfo, "first\n")
	for range 2 * logQueueLength {
		l.write(logDebug, "detail\n")
	}
	l.write(logInfo, "last\n")
	close(release)
	l.wait()
	if got := out.String(); !strings.Contains(got, "last") || strings.Contains(got, "dropped") || strings.Contains(got, "detail") {
		t.Errorf("the log is %q", got)
	}
}

type blockingHandler struct {
	slog.Handler
	release chan struct{}
}

func (h blockingHandler) Handle(ctx context.Context, r slog.Record) error {
	<-h.release
	return h.Handler.Handle(ctx, r)
}

func TestErrorCapture(t *testing.T) {
	c := captureErrors()
	log.write(logInfo, "loading\n")
	log.write(logError, "bad magic\n")
	log.write(logError, "  failed ")
	log.write(logCont, "to load")
	if got, want := c.stop(), "bad magic; failed to load"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if log.active.Load() {
		t.Error("the log is active after the capture")
	}
}

package hub

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
)

func TestTerminalProgressLines(t *testing.T) {
	var out bytes.Buffer
	p := TerminalProgress(&out, false)
	a := p.Start("model a", 93_000_000)
	a.Set(1000)
	a.Set(93_000_000)
	a.Done(nil)
	b := p.Start("model b", 0)
	b.Done(errors.New("no"))
	got := regexp.MustCompile(`\d\.\d s`).ReplaceAllString(out.String(), "0.0 s")
	want := "model a (89 MiB) ...\nmodel a: 89 MiB in 0.0 s\nmodel b ...\nmodel b: failed after 0.0 s\n"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestTerminalProgressBars(t *testing.T) {
	var out bytes.Buffer
	p := TerminalProgress(&out, true)
	task := p.Start("model a", 1000)
	task.Set(500)
	task.Set(2000) // more than was announced
	task.Done(nil)
	if got := out.String(); !strings.Contains(got, "model a") || !strings.Contains(got, "100%") || !strings.HasSuffix(got, "\n") {
		t.Errorf("got %q", got)
	}
	out.Reset()
	task = p.Start("model b", 1000)
	task.Set(10)
	task.Done(errors.New("no"))
	if got := out.String(); strings.Contains(got, "100%") || !strings.HasSuffix(got, "\n") {
		t.Errorf("got %q", got)
	}
	task = p.Start("unknown", 0)
	task.Set(10)
	task.Done(nil)
}

func TestTerminalProgressConcurrent(t *testing.T) {
	for _, bars := range []bool{false, true} {
		p := TerminalProgress(&bytes.Buffer{}, bars)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				task := p.Start("x", 100)
				for i := range int64(100) {
					task.Set(i)
				}
				task.Done(nil)
				p.(noter).Note("y")
			})
		}
		wg.Wait()
	}
}

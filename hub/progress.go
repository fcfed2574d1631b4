package hub

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
)

// Progress is told of long work. Start may be called from several goroutines,
// each Task belongs to one. If it also has a method Note(text string), that is
// told single lines: what the hub turns to next, a digest nobody knew before.
type Progress interface {
	// Start announces work on total bytes; total is not positive if unknown.
	Start(name string, total int64) Task
}

// A Task is one piece of work that a [Progress] follows.
type Task interface {
	Set(done int64) // bytes so far; may go back when a download starts anew
	Done(err error) // the end; no call follows
}

// A noter is a [Progress] that also shows single lines.
type noter interface{ Note(text string) }

// TerminalProgress shows progress to people: a bar for each piece of work if w
// is a terminal, otherwise one line when it starts and one when it ends. It is
// safe for concurrent use.
func TerminalProgress(w io.Writer, isTerminal bool) Progress {
	return &terminal{w: w, bars: isTerminal}
}

// A terminal is written to by its tasks too, one piece at a time.
type terminal struct {
	mu   sync.Mutex
	w    io.Writer
	bars bool
}

func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.w.Write(p)
}

func (t *terminal) Note(text string) {
	if t.bars {
		text = "\r\x1b[2K" + text // in place of a bar, which draws itself again below
	}
	fmt.Fprintln(t, text)
}

func (t *terminal) Start(name string, total int64) Task {
	if !t.bars {
		size := ""
		if total > 0 {
			size = " (" + humanize.IBytes(uint64(total)) + ")"
		}
		t.Note(name + size + " ...")
		return &lineTask{out: t, name: name, start: time.Now()}
	}
	if total <= 0 {
		total = -1 // the bar's word for unknown
	}
	return &barTask{out: t, total: total, bar: progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(t),
		progressbar.OptionSetDescription(name),
		progressbar.OptionShowBytes(true),
		progressbar.OptionUseIECUnits(true),
		progressbar.OptionShowCount(),
		progressbar.OptionShowTotalBytes(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetWidth(20),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionSetSpinnerChangeInterval(0), // or a goroutine turns it for ever
		progressbar.OptionOnCompletion(func() { fmt.Fprintln(t) }),
	)}
}

type lineTask struct {
	out   *terminal
	name  string
	start time.Time
	done  int64
}

func (t *lineTask) Set(done int64) { t.done = done }

func (t *lineTask) Done(err error) {
	took := time.Since(t.start).Seconds()
	if err != nil {
		t.out.Note(fmt.Sprintf("%s: failed after %.1f s", t.name, took))
		return
	}
	t.out.Note(fmt.Sprintf("%s: %s in %.1f s", t.name, humanize.IBytes(uint64(t.done)), took))
}

type barTask struct {
	bar   *progressbar.ProgressBar
	out   *terminal
	total int64 // -1 if not known
}

func (t *barTask) Set(done int64) {
	if t.total > 0 && done >= t.total {
		done = t.total - 1 // the last byte is for Done: a full bar ends its line
	}
	_ = t.bar.Set64(done)
}

func (t *barTask) Done(err error) {
	if err == nil {
		_ = t.bar.Finish()
		return
	}
	_ = t.bar.Exit()
	fmt.Fprintln(t.out)
}

type silentTask struct{}

func (silentTask) Set(int64)  {}
func (silentTask) Done(error) {}

// A taskWriter counts what passes into a task.
type taskWriter struct {
	task Task
	done int64
}

func (w *taskWriter) Write(p []byte) (int, error) {
	w.done += int64(len(p))
	w.task.Set(w.done)
	return len(p), nil
}

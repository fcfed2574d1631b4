package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/schollz/progressbar/v3"

	"github.com/cria-lm/cria"
)

// tally counts what a batch did.
type tally struct {
	start         time.Time
	records       int
	failed        int
	failedBefore  int // in the output that the batch went on with
	firstFailure  string
	before        int // records that the output had
	cutOff        int
	cached        int
	prompt, reply int // tokens, those of replies from the cache not counted
	reused        int // of prompt, what was computed for others
}

func newTally(out *batchOutput) *tally {
	return &tally{start: time.Now(), before: out.lines, failedBefore: out.failed, firstFailure: out.failure}
}

func (t *tally) add(a answer) {
	t.records++
	if a.prediction == nil {
		t.failed++
		t.firstFailure = cmp.Or(t.firstFailure, a.failure)
		return
	}
	if a.prediction.Finish == cria.FinishLength {
		t.cutOff++
	}
	if a.prediction.Usage.Cached {
		t.cached++
		return
	}
	t.prompt += a.prediction.Usage.PromptTokens
	t.reply += a.prediction.Usage.CompletionTokens
	t.reused += a.prediction.Usage.CachedTokens
}

func (t *tally) summary() string {
	if t.records == 0 && t.before > 0 {
		return fmt.Sprintf("nothing left to do: the output has all %s", english.Plural(t.before, "record", ""))
	}
	took := time.Since(t.start).Seconds()
	cutOff := ""
	if t.cutOff > 0 {
		cutOff = fmt.Sprintf(", %d cut off (see --max-tokens)", t.cutOff)
	}
	return fmt.Sprintf("%s, %d failed%s, %s; %s tokens in, %s of them from shared prefixes, %s out; %.1f s, %.1f records/s, %.1f tokens/s",
		english.Plural(t.records, "record", ""), t.failed, cutOff, english.Plural(t.cached, "cache hit", ""),
		humanize.Comma(int64(t.prompt)), humanize.Comma(int64(t.reused)), humanize.Comma(int64(t.reply)),
		took, float64(t.records)/took, float64(t.reply)/took)
}

// failure is the error of a batch whose output, as a whole, has failures.
func (t *tally) failure() error {
	failed, before := t.failed+t.failedBefore, ""
	if failed == 0 {
		return nil
	}
	if t.failedBefore > 0 {
		before = fmt.Sprintf(", %d of them before --resume", t.failedBefore)
	}
	return fmt.Errorf("%s failed%s; the output says why (first: %s)", english.Plural(failed, "record", ""), before, t.firstFailure)
}

// batchBar shows on a terminal how far a batch is. Nil shows nothing.
type batchBar struct{ bar *progressbar.ProgressBar }

func (b *batch) newBar() *batchBar {
	// Answers on a terminal show well enough that there is progress.
	if b.quiet || !isTerminal(b.err) || isTerminal(b.out.w) {
		return nil
	}
	total := -1 // the bar's word for unknown
	if b.in.total >= 0 {
		total = b.in.total - b.out.lines
	}
	return &batchBar{progressbar.NewOptions(total,
		progressbar.OptionSetWriter(b.err),
		progressbar.OptionSetDescription("batch"),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("records"),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetWidth(20),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionSetSpinnerChangeInterval(0), // or a goroutine turns it for ever
	)}
}

func (b *batchBar) step() {
	if b != nil {
		_ = b.bar.Add(1)
	}
}

// done makes room for the summary.
func (b *batchBar) done() {
	if b != nil {
		_ = b.bar.Clear()
	}
}

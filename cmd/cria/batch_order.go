package main

import (
	"cmp"
	"context"
)

// inOrder does work on items, up to concurrency at once, and hands the results
// to emit in the order of the items. No more than window items at a time are
// taken and not yet emitted: while a slow one holds the others up, they do not
// pile up behind it.
//
// The first error of work, in the order of the items, or of emit is returned.
// Then, and when ctx ends, nothing more is taken; the running work is cancelled
// and waited for, and what is before the first that failed is still emitted.
func inOrder[In, Out any](ctx context.Context, concurrency, window int, items <-chan In,
	work func(context.Context, In) (Out, error), emit func(Out) error) error {
	type result struct {
		n   int
		out Out
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := ctx.Done()
	finished := make(chan result)
	waiting := map[int]result{} // finished, but an earlier one is not
	taken, emitted, running := 0, 0, 0
	var failed, stopped error

	for items != nil || running > 0 {
		next := items
		if running == concurrency || taken-emitted == window {
			next = nil
		}
		select {
		case <-stop:
			if items != nil {
				stopped = ctx.Err()
			}
			items, stop = nil, nil
		case item, ok := <-next:
			if !ok {
				items = nil
				continue
			}
			n := taken
			taken++
			running++
			go func() {
				out, err := work(ctx, item)
				finished <- result{n, out, err}
			}()
		case r := <-finished:
			running--
			waiting[r.n] = r
			for r, ok := waiting[emitted]; ok && failed == nil; r, ok = waiting[emitted] {
				delete(waiting, emitted)
				emitted++
				if failed = r.err; failed == nil {
					failed = emit(r.out)
				}
			}
			if failed != nil {
				cancel()
			}
		}
	}
	return cmp.Or(failed, stopped)
}

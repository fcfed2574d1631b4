package engine

import (
	"slices"
	"testing"

	"github.com/cria-lm/cria/llama"
)

// A batch holds inputs of several calls, the first place goes round, and an input
// is never cut.
func TestEmbedQueue(t *testing.T) {
	testModelPath(t)
	b := llama.NewBatch(10)
	defer b.Free()
	q := newEmbedQueue(4, 3, func() {}, func() {})
	long := newEmbedCall([][]Token{{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1}, {1, 1, 1, 1}})
	short := newEmbedCall([][]Token{{2, 2, 2}, {2, 2, 2}})
	for _, c := range []*embedCall{long, short} {
		if err := q.push(c); err != nil {
			t.Fatal(err)
		}
	}
	type entry struct {
		call  *embedCall
		index int
	}
	for i, want := range [][]entry{
		{{short, 0}, {short, 1}, {long, 0}}, // not more inputs
		{{long, 1}, {long, 2}},              // no room for the tokens of the next
		{{long, 3}},
	} {
		var got []entry
		items := q.take(b)
		for _, item := range items {
			got = append(got, entry(item))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("batch %d: %v, want %v", i, got, want)
		}
		q.deliver(items, make([][]float32, len(items)))
	}
	for _, c := range []*embedCall{long, short} {
		<-c.done
		if c.err != nil || len(q.calls) > 0 {
			t.Errorf("%v, %d calls left", c.err, len(q.calls))
		}
	}
}

// What is computed is interrupted only when nobody waits for any of it.
func TestEmbedQueueAbort(t *testing.T) {
	testModelPath(t)
	b := llama.NewBatch(10)
	defer b.Free()
	aborts := 0
	q := newEmbedQueue(4, 3, func() { aborts++ }, func() { aborts = 0 })
	one, two, later := newEmbedCall([][]Token{{1}}), newEmbedCall([][]Token{{2}}), newEmbedCall([][]Token{{3}})
	for _, c := range []*embedCall{one, two} {
		if err := q.push(c); err != nil {
			t.Fatal(err)
		}
	}
	items := q.take(b)
	if err := q.push(later); err != nil {
		t.Fatal(err)
	}
	if !q.end(one, ErrNotFinite) || aborts != 0 {
		t.Errorf("another waits: %d aborts", aborts)
	}
	if !q.end(two, ErrNotFinite) || aborts != 1 {
		t.Errorf("nobody waits: %d aborts", aborts)
	}
	if q.end(two, nil) || two.err != ErrNotFinite {
		t.Error("a call ends twice")
	}
	q.deliver(items, make([][]float32, len(items))) // for nobody
	if one.out[0] != nil || q.retake(b, items[0]) != nil {
		t.Error("a call that is over gets an embedding")
	}
	if items = q.take(b); len(items) != 1 || items[0].call != later || aborts != 0 {
		t.Errorf("the next batch: %v, %d aborts", items, aborts)
	}
}

package engine

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/cria-lm/cria/llama"
)

// Embed returns the embedding of each input, which are the tokens that
// [Embedder.Encode] gives or others. Inputs are computed together, also with
// those of other calls, which take turns; the result differs a little with what
// is computed together, as the kernels do. It returns as soon as ctx is
// cancelled. Inputs must not be changed until it returns.
//
// The error is for all inputs: a [*RequestError] or an [*InputTooLongError] for
// one that cannot be computed, [ErrNotFinite] or a [*DecodeError] for one that
// could not be, which say its index; [ErrClosed], [ErrOverloaded] or that of
// ctx. No call fails because of another.
func (e *Embedder) Embed(ctx context.Context, inputs [][]Token) ([][]float32, error) {
	if err := e.check(inputs); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(inputs) == 0 {
		return [][]float32{}, nil
	}
	c := newEmbedCall(inputs)
	if err := e.queue.push(c); err != nil {
		return nil, err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		e.queue.end(c, ctx.Err())
		<-c.done
	}
	if c.err != nil {
		return nil, c.err
	}
	return c.out, nil
}

// check reports the first input that cannot be computed.
func (e *Embedder) check(inputs [][]Token) error {
	for i, input := range inputs {
		switch {
		case len(input) == 0:
			return &RequestError{inputField(i), "no tokens"}
		case len(input) > e.limit:
			return &InputTooLongError{Index: i, Length: len(input), Limit: e.limit}
		}
		if at := slices.IndexFunc(input, func(t Token) bool { return !e.vocab.valid(t) }); at >= 0 {
			return &RequestError{inputField(i), fmt.Sprintf("token %d at %d is not in the vocabulary of %d", input[at], at, e.vocab.NTokens())}
		}
	}
	return nil
}

func inputField(i int) string { return fmt.Sprintf("inputs[%d]", i) }

// Encode returns the tokens of a text as the model wants to embed it: with the
// special tokens around it that it was trained with. What reads like one in the
// text stays text. Errors are as for [Vocab.Encode].
func (e *Embedder) Encode(text string) ([]Token, error) {
	return e.vocab.encode(text, func(llm *llama.Vocab) []Token {
		return llm.Tokenize(make([]Token, 0, len(text)/2+8), text, true, false)
	})
}

// own is the owner goroutine: it alone uses the context.
func (e *Embedder) own() {
	defer close(e.ended)
	for {
		items := e.queue.take(e.batch)
		if len(items) == 0 {
			break
		}
		e.step(items)
	}
	e.free()
}

// step computes the batch. If that fails, its inputs are computed one by one, so
// that only those fail that cannot be computed: one NaN spoils all that is
// computed with it.
func (e *Embedder) step(items []embedItem) {
	if e.gov.update(interval) {
		now := e.gov.now()
		e.llm.SetThreads(now.decode, now.prefill)
	}
	embeddings, err := e.compute(len(items))
	if e.weights.changed() != nil {
		return
	}
	switch {
	case err == nil:
		e.queue.deliver(items, embeddings)
	case len(items) == 1:
		if e.queue.end(items[0].call, fmt.Errorf("%w (%s)", err, inputField(items[0].index))) {
			e.log.Error("embedding failed", "error", err)
		}
	default:
		for _, item := range slices.Clone(items) {
			if alone := e.queue.retake(e.batch, item); alone != nil {
				e.step(alone)
			}
		}
	}
}

// compute returns the embeddings of the first n sequences of the batch.
func (e *Embedder) compute(n int) ([][]float32, error) {
	if err := e.weights.changed(); err != nil {
		return nil, err
	}
	if e.mem != nil {
		e.mem.Clear(false)
	}
	if rc := e.run(e.batch); rc != 0 {
		return nil, &DecodeError{Code: rc}
	}
	embeddings := make([][]float32, n)
	for i := range embeddings {
		embeddings[i] = slices.Clone(e.llm.EmbeddingsSeq(llama.SeqID(i)))
		if err := e.finish(embeddings[i]); err != nil {
			return nil, err
		}
	}
	return embeddings, nil
}

// finish checks an embedding, and normalizes it if that was asked for. One that
// is zero has no direction and stays.
func (e *Embedder) finish(v []float32) error {
	squares := 0.0
	for _, f := range v {
		squares += float64(f) * float64(f)
	}
	if len(v) == 0 || math.IsNaN(squares) || math.IsInf(squares, 0) {
		e.forget()
		return ErrNotFinite
	}
	if e.normalize && squares > 0 {
		scale := 1 / math.Sqrt(squares)
		for i := range v {
			v[i] = float32(float64(v[i]) * scale)
		}
	}
	return nil
}

// forget zeroes the cache: cells that are not in use are computed with too, and
// NaN times nothing is NaN.
func (e *Embedder) forget() {
	if e.mem != nil {
		e.mem.Clear(true)
	}
}

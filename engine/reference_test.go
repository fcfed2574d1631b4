package engine

import (
	"testing"

	"github.com/cria-lm/cria/llama"
)

// smallBatch is a size up to which llama.cpp computes a batch with the same
// kernels as single tokens. Beyond it the logits of the tests' model differ by
// up to 1.6, and the best token's by up to 0.33, which would hide mistakes.
const smallBatch = 32

// reference computes sequences in a context of its own, each by itself and from
// its beginning.
type reference struct {
	llm *llama.Context
	b   *llama.Batch
}

func newReference(t testing.TB) *reference {
	t.Helper()
	return newReferenceOf(t, testModelPath(t))
}

// newReferenceOf is newReference for the model in the file at path.
func newReferenceOf(t testing.TB, path string) *reference {
	t.Helper()
	model, err := llama.LoadModel(path, llama.DefaultModelParams(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(model.Free)
	p := llama.DefaultContextParams()
	p.NThreads, p.NThreadsBatch, p.NCtx = 1, 1, 1024
	x, err := llama.NewContext(model, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Free)
	r := &reference{llm: x, b: llama.NewBatch(int(p.NCtx))}
	t.Cleanup(r.b.Free)
	return r
}

// check reports tokens of a greedy output that are neither the best that a
// [recorder] allows after all before them nor as good: logits differ a little
// with the shape of the batch.
func (r *reference) check(t testing.TB, prompt, output []Token) {
	t.Helper()
	// Other sequences' cells between its own change the order of sums.
	r.checkWithin(t, prompt, output, 17, r.end(), 0.3)
}

// end is behind the last token.
func (r *reference) end() Token { return Token(r.llm.Model().Vocab().NTokens()) }

// checkWithin is check for an output of which only tokens from first to end, end
// not included, were allowed, and whose logits differ by up to a tolerance.
func (r *reference) checkWithin(t testing.TB, prompt, output []Token, first, end Token, tolerance float32) {
	t.Helper()
	r.llm.Memory().Clear(false)
	all := append(prompt[:len(prompt):len(prompt)], output...)
	for at := 0; at < len(all); at += smallBatch {
		chunk := all[at:min(at+smallBatch, len(all))]
		r.b.Clear()
		for i, tok := range chunk {
			r.b.Add(tok, llama.Pos(at+i), 0, true)
		}
		if rc := r.llm.Decode(r.b); rc != 0 {
			t.Fatalf("Decode: %d", rc)
		}
		for i := range chunk {
			n := at + i + 1 - len(prompt) // the output token that the row is for
			if n < 0 || n >= len(output) {
				continue
			}
			row := r.llm.LogitsIth(i)
			best := must(argmax(row[first:end])) + first
			if gap := row[best] - row[output[n]]; gap > tolerance {
				t.Errorf("token %d of the output is %d, the reference says %d, %.3f better", n, output[n], best, gap)
				return // what follows continues another text
			}
		}
	}
}

// logits returns those behind some tokens.
func (r *reference) logits(t testing.TB, tokens []Token) []float32 {
	t.Helper()
	r.llm.Memory().Clear(false)
	for at := 0; at < len(tokens); at += smallBatch {
		r.b.Clear()
		for i, tok := range tokens[at:min(at+smallBatch, len(tokens))] {
			r.b.Add(tok, llama.Pos(at+i), 0, at+i == len(tokens)-1)
		}
		if rc := r.llm.Decode(r.b); rc != 0 {
			t.Fatalf("Decode: %d", rc)
		}
	}
	return r.llm.LogitsIth(r.b.Len() - 1)
}

package llama_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cria-lm/cria/llama"
)

// A copy as Q8_0 is about as far from what the weights say, computed with in 32 bits, as
// the shipped file is, since both round what is computed to 8 bits; and the text is as
// likely to it. Measured on 512 tokens: 0.0033 against 0.0024 nats a token, perplexity
// 6.632 against 6.625.
func TestQuantize(t *testing.T) {
	shipped := loadModel(t)
	exact, quantized := copyAs(t, llama.FileF32), copyAs(t, llama.FileQ8_0)
	if d := quantized.Desc(); !strings.Contains(d, "Q8_0") {
		t.Errorf("the copy is %q", d)
	}
	want, ok := shipped.ChatTemplate("")
	if got, _ := quantized.ChatTemplate(""); !ok || got != want {
		t.Error("the chat template is not the same")
	}

	text, err := os.ReadFile("../llamacpp/testdata/sentiment.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	tokens := shipped.Vocab().Tokenize(nil, string(text), true, false)[:512]
	truth := logProbs(t, exact, tokens)
	before, after := logProbs(t, shipped, tokens), logProbs(t, quantized, tokens)
	was, is := divergence(truth, before), divergence(truth, after)
	likely, copied := perplexity(before, tokens), perplexity(after, tokens)
	t.Logf("shipped: %.6f nats a token off, perplexity %.4f; copy: %.6f, %.4f", was, likely, is, copied)
	if is > max(0.005, 2*was) {
		t.Errorf("the copy is %.6f nats a token off, the shipped file %.6f", is, was)
	}
	if math.Abs(copied/likely-1) > 0.005 {
		t.Errorf("the perplexity is %.4f, that of the shipped file %.4f", copied, likely)
	}
}

func copyAs(t *testing.T, typ llama.FileType) *llama.Model {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy.gguf")
	if err := llama.Quantize(testModelPath(t), to, typ, 2); err != nil {
		t.Fatal(err)
	}
	m, err := llama.LoadModel(to, llama.DefaultModelParams(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	return m
}

// divergence is Kullback and Leibler's of q from p, in nats for a token.
func divergence(p, q [][]float64) (sum float64) {
	for i := range p {
		for j := range p[i] {
			sum += math.Exp(p[i][j]) * (p[i][j] - q[i][j])
		}
	}
	return sum / float64(len(p))
}

func perplexity(rows [][]float64, tokens []llama.Token) float64 {
	sum := 0.0
	for i, next := range tokens[1:] {
		sum -= rows[i][next]
	}
	return math.Exp(sum / float64(len(tokens)-1))
}

// logProbs are those of each next token behind each token.
func logProbs(t *testing.T, m *llama.Model, tokens []llama.Token) [][]float64 {
	t.Helper()
	x := newContext(t, m, func(p *llama.ContextParams) { p.NCtx, p.NBatch, p.NThreadsBatch = 512, 512, 2 })
	b := newBatch(t, len(tokens))
	for i, tok := range tokens {
		b.Add(tok, llama.Pos(i), 0, true)
	}
	if rc := x.Decode(b); rc != 0 {
		t.Fatalf("Decode: %d", rc)
	}
	rows := make([][]float64, len(tokens))
	for i := range rows {
		sum, logits := 0.0, x.LogitsIth(i)
		for _, l := range logits {
			sum += math.Exp(float64(l))
		}
		for _, l := range logits {
			rows[i] = append(rows[i], float64(l)-math.Log(sum))
		}
	}
	return rows
}

func TestQuantizeErrors(t *testing.T) {
	load(t)
	model, dir := testModelPath(t), t.TempDir()
	for name, tt := range map[string]struct {
		from, to string
		typ      llama.FileType
		threads  int
		want     string
	}{
		"no such model":  {filepath.Join(dir, "missing.gguf"), filepath.Join(dir, "a.gguf"), llama.FileQ8_0, 1, "missing.gguf"},
		"no such folder": {model, filepath.Join(dir, "missing", "a.gguf"), llama.FileQ8_0, 1, "no copy"},
		"other type":     {model, filepath.Join(dir, "a.gguf"), 3, 1, "FileType"},
		"no threads":     {model, filepath.Join(dir, "a.gguf"), llama.FileQ8_0, 0, "thread"},
	} {
		err := llama.Quantize(tt.from, tt.to, tt.typ, tt.threads)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q in it", name, err, tt.want)
		}
	}
}

package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/internal/synth"
)

// withVocabulary returns the file of a small encoder with a tokenizer of its own.
func withVocabulary(t testing.TB, tokenizer []gguf.KeyValue) string {
	t.Helper()
	testModelPath(t)
	dir := t.TempDir()
	var b bytes.Buffer
	if err := gguf.Write(&b, tokenizer, nil); err != nil {
		t.Fatal(err)
	}
	from, path := filepath.Join(dir, "vocabulary.gguf"), filepath.Join(dir, "model.gguf")
	if err := os.WriteFile(from, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := synth.Write(t.Context(), path, from, synth.Shape{Architecture: synth.BERT}, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

// An encoder's texts stand between its special tokens.
func TestEncoderEncode(t *testing.T) {
	e := newTestEmbedder(t, withVocabulary(t, []gguf.KeyValue{
		{Key: "tokenizer.ggml.model", Value: "bert"},
		{Key: "tokenizer.ggml.tokens", Value: []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁paris", "▁is", "▁big"}},
		{Key: "tokenizer.ggml.token_type", Value: []int32{3, 2, 3, 3, 1, 1, 1}},
		{Key: "tokenizer.ggml.unknown_token_id", Value: uint32(1)},
		{Key: "tokenizer.ggml.bos_token_id", Value: uint32(2)},
		{Key: "tokenizer.ggml.seperator_token_id", Value: uint32(3)},
	}), EmbedderOptions{})
	for text, want := range map[string][]Token{
		"Paris is big": {2, 4, 5, 6, 3},
		"":             nil,
		"[SEP]":        {2, 1, 1, 1, 3}, // text, not the token
	} {
		tokens, err := e.Encode(text)
		if err != nil || !slices.Equal(tokens, want) {
			t.Errorf("%q: %v, %v, want %v", text, tokens, err, want)
		}
	}
	embed(t, e, [][]Token{{2, 4, 5, 6, 3}})
}

// A model without the special tokens that its tokenizer adds is refused: what it
// embeds would not be what it was trained with.
func TestEncodeWithoutSpecials(t *testing.T) {
	path := withVocabulary(t, []gguf.KeyValue{
		{Key: "tokenizer.ggml.model", Value: "t5"},
		{Key: "tokenizer.ggml.tokens", Value: []string{"<pad>", "</s>", "<unk>", "▁Paris"}},
		{Key: "tokenizer.ggml.scores", Value: []float32{0, 0, 0, -1}},
		{Key: "tokenizer.ggml.token_type", Value: []int32{3, 3, 2, 1}},
		{Key: "tokenizer.ggml.add_bos_token", Value: true},
	})
	e, err := LoadEmbedder(t.Context(), path, nil)
	if err == nil {
		e.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "its vocabulary does not have") {
		t.Errorf("%v", err)
	}
}

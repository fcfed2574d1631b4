package engine

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/llama"
)

// spmVocab returns a small SentencePiece vocabulary, which puts a space before
// what it tokenizes: the 256 bytes, the letters a to e, some words.
func spmVocab(t *testing.T) *llama.Vocab {
	t.Helper()
	testModelPath(t)
	const (
		normal, unknown, control, byteToken = 1, 2, 3, 6
		space                               = "\u2581"
	)
	var tokens []string
	var scores []float32
	var kinds []int32
	add := func(text string, score float32, kind int32) {
		tokens, scores, kinds = append(tokens, text), append(scores, score), append(kinds, kind)
	}
	add("<unk>", 0, unknown)
	add("<s>", 0, control)
	add("</s>", 0, control)
	for i := range 256 {
		add(fmt.Sprintf("<0x%02X>", i), 0, byteToken)
	}
	for i, text := range []string{"ab", "cd", "abcd", space + "a", space + "ab", "a", "b", "c", "d", "e", ":", space} {
		add(text, -float32(i), normal)
	}
	var file bytes.Buffer
	err := gguf.Write(&file, []gguf.KeyValue{
		{Key: "general.architecture", Value: "llama"},
		{Key: "llama.block_count", Value: uint32(1)},
		{Key: "llama.context_length", Value: uint32(64)},
		{Key: "llama.embedding_length", Value: uint32(32)},
		{Key: "llama.feed_forward_length", Value: uint32(32)},
		{Key: "llama.attention.head_count", Value: uint32(1)},
		{Key: "llama.attention.layer_norm_rms_epsilon", Value: float32(1e-5)},
		{Key: "tokenizer.ggml.model", Value: "llama"},
		{Key: "tokenizer.ggml.tokens", Value: tokens},
		{Key: "tokenizer.ggml.scores", Value: scores},
		{Key: "tokenizer.ggml.token_type", Value: kinds},
		{Key: "tokenizer.ggml.unknown_token_id", Value: uint32(0)},
		{Key: "tokenizer.ggml.bos_token_id", Value: uint32(1)},
		{Key: "tokenizer.ggml.eos_token_id", Value: uint32(2)},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "spm.gguf")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	p := llama.DefaultModelParams()
	p.VocabOnly = true
	m, err := llama.LoadModel(path, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	return m.Vocab()
}

// A continuation gets no space, a beginning the one that the model expects.
func TestEncodeContinuationSPM(t *testing.T) {
	v := newVocab(spmVocab(t))
	if v.anchor == nil {
		t.Fatal("the tokenizer's space is not noticed")
	}
	if !v.AddBOS() || v.BOS() != 1 || !v.IsEOG(2) || !v.IsControl(1) || string(v.Piece(3+'x')) != "x" {
		t.Error("the tables are wrong")
	}
	for _, text := range []string{"a", "abcd", "cd: ab", " ab", "\nab:", "\n\n", "é", "0a", ".a", "</s>"} {
		tokens, err := v.EncodeContinuation(text)
		if err != nil || v.Text(tokens) != text {
			t.Errorf("continuation %q: %q, %v", text, v.Text(tokens), err)
		}
		tokens, err = v.Encode(text)
		if err != nil || v.Text(tokens) != " "+text {
			t.Errorf("beginning %q: %q, %v", text, v.Text(tokens), err)
		}
	}
}

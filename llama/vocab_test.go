package llama_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/llama"
)

// writeModel writes a model file and returns its path.
func writeModel(t testing.TB, metadata []gguf.KeyValue, tensors []gguf.TensorData) string {
	t.Helper()
	var b bytes.Buffer
	if err := gguf.Write(&b, metadata, tensors); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// vocabulary returns that of a model that has nothing else.
func vocabulary(t testing.TB, tokenizer ...gguf.KeyValue) *llama.Vocab {
	t.Helper()
	load(t)
	p := llama.DefaultModelParams()
	p.VocabOnly = true
	path := writeModel(t, append(tokenizer, gguf.KeyValue{Key: "general.architecture", Value: "llama"}), nil)
	m, err := llama.LoadModel(path, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	return m.Vocab()
}

// A tokenizer does not add what the vocabulary lacks.
func TestTokenizeWithoutSpecials(t *testing.T) {
	if !loadModel(t).Vocab().CanAddSpecial() {
		t.Error("the model lacks a special token")
	}
	key := func(name string, value any) gguf.KeyValue {
		return gguf.KeyValue{Key: "tokenizer.ggml." + name, Value: value}
	}
	for name, tt := range map[string]struct {
		tokenizer []gguf.KeyValue
		text      string
		without   int // tokens, when none are added
	}{
		"SPM": {[]gguf.KeyValue{
			key("model", "llama"), key("tokens", []string{"<unk>"}), key("scores", []float32{0}), key("token_type", []int32{2}),
		}, "", 0},
		"BPE, BOS": {[]gguf.KeyValue{
			key("model", "gpt2"), key("tokens", []string{"a", "b", "ab"}), key("merges", []string{"a b"}), key("add_bos_token", true),
		}, "ab", 1},
		"BPE, EOS": {[]gguf.KeyValue{
			key("model", "gpt2"), key("tokens", []string{"a", "b", "ab"}), key("merges", []string{"a b"}), key("add_eos_token", true),
		}, "ab", 1},
		"WPM, BOS": {[]gguf.KeyValue{
			key("model", "bert"), key("tokens", []string{"[UNK]", "▁ab", "[SEP]"}), key("unknown_token_id", uint32(0)), key("seperator_token_id", uint32(2)),
		}, "ab", 1},
		"WPM, SEP": {[]gguf.KeyValue{
			key("model", "bert"), key("tokens", []string{"[UNK]", "▁ab", "[CLS]"}), key("unknown_token_id", uint32(0)), key("bos_token_id", uint32(2)),
		}, "ab", 1},
		"UGM": {[]gguf.KeyValue{
			key("model", "t5"), key("tokens", []string{"<pad>", "</s>", "<unk>", "▁ab"}), key("scores", []float32{0, 0, 0, -1}),
			key("token_type", []int32{3, 3, 2, 1}), key("add_bos_token", true),
		}, "ab", 1},
	} {
		t.Run(name, func(t *testing.T) {
			v := vocabulary(t, tt.tokenizer...)
			if v.CanAddSpecial() {
				t.Errorf("nothing is missing: BOS %d, EOS %d, SEP %d", v.BOS(), v.EOS(), v.SEP())
			}
			if got := v.Tokenize([]llama.Token{7}, tt.text, true, false); len(got) != 1 {
				t.Errorf("tokens are added: %v", got)
			}
			if got := v.Tokenize(nil, tt.text, false, false); len(got) != tt.without {
				t.Errorf("%v, want %d tokens", got, tt.without)
			}
		})
	}
}

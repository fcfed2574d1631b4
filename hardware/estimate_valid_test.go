package hardware_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/internal/synth"
)

// tokenizers are those of the published models: the kind, and how text is cut before BPE.
// The name counts before the architecture.
var tokenizers = map[string]string{
	"Llama-3.2-1B": "gpt2 llama-bpe", "Llama-3.2-3B": "gpt2 llama-bpe", "Mistral-7B": "llama", "Mixtral-8x7B": "llama",
	"multilingual-e5-base": "t5",

	"llama": "gpt2 smollm", "qwen2": "gpt2 qwen2", "qwen2moe": "gpt2 qwen2", "qwen3": "gpt2 qwen2", "qwen3moe": "gpt2 qwen2", "qwen35": "gpt2 qwen35",
	"smollm3": "gpt2 smaug-bpe", "phi3": "gpt2 gpt-4o", "gemma": "llama", "gemma2": "llama", "gemma3": "llama", "gemma4": "gemma4 gemma4",
	"olmo2": "gpt2 dbrx", "olmoe": "gpt2 olmo", "granite": "gpt2 refact", "granitemoe": "gpt2 refact", "granitehybrid": "gpt2 dbrx",
	"lfm2": "gpt2 lfm2", "lfm2moe": "gpt2 lfm2", "falcon-h1": "gpt2 falcon-h1", "gpt-oss": "gpt2 gpt-4o", "mamba": "gpt2 olmo", "mamba2": "gpt2 olmo",
	"jamba": "llama", "mistral3": "gpt2 tekken", "ernie4_5": "llama", "exaone4": "gpt2 exaone4", "seed_oss": "gpt2 seed-coder",
	"bert": "bert", "nomic-bert": "bert", "modern-bert": "gpt2 modern-bert", "gemma-embedding": "llama",
}

// What llama.cpp lays out in TestEstimateMemory is accepted by the rules too. There it has no
// vocabulary, which takes no memory that is estimated; here it has one as the published model.
func TestPublishedAreValid(t *testing.T) {
	for _, s := range published {
		tokenizer, ok := tokenizers[s.name]
		if !ok {
			tokenizer = tokenizers[s.arch]
		}
		kind, pre, _ := strings.Cut(tokenizer, " ")
		vocabulary, err := synth.Vocabulary(kind, pre, s.vocab)
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		m := newModel(s)
		m.keys = slices.DeleteFunc(m.keys, func(kv gguf.KeyValue) bool { return kv.Key == "tokenizer.ggml.model" })
		m.keys = append(m.keys, vocabulary...)
		if err := header(t, m).Validate(); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}

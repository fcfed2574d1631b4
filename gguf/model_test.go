package gguf_test

import (
	"strings"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/internal/testmodel"
)

func TestDefaultModel(t *testing.T) {
	f, err := gguf.Open(testmodel.Model(t))
	if err != nil {
		t.Fatal(err)
	}
	kind, pre := f.Tokenizer()
	if f.Architecture() != "llama" || f.ContextLength() != 8192 || f.BlockCount() != 30 || f.EmbeddingLength() != 576 ||
		kind != "gpt2" || pre != "smollm" || f.VocabularySize() != 49152 {
		t.Errorf("%s, context %d, %d blocks, width %d, tokenizer %s/%s of %d tokens",
			f.Architecture(), f.ContextLength(), f.BlockCount(), f.EmbeddingLength(), kind, pre, f.VocabularySize())
	}
	if !strings.Contains(f.ChatTemplate(), "<|im_start|>") {
		t.Errorf("chat template %q", f.ChatTemplate())
	}
	tokens, _ := f.Metadata().Strings("tokenizer.ggml.tokens")
	for role, want := range map[gguf.TokenRole]string{
		gguf.BOS: "<|im_start|>", gguf.EOS: "<|im_end|>", gguf.Unknown: "<|endoftext|>",
	} {
		if id, ok := f.SpecialToken(role); !ok || tokens[id] != want {
			t.Errorf("%s is %d, %v; want %s", role, id, ok, want)
		}
	}
	if add, stated := f.AddBOS(); add || !stated {
		t.Errorf("AddBOS: %v, %v", add, stated)
	}
	tensors := f.Tensors()
	if last := tensors[len(tensors)-1]; len(tensors) != 272 || last.Offset+last.Size != f.Size() {
		t.Errorf("%d tensors, the last ends at %d of %d bytes", len(tensors), last.Offset+last.Size, f.Size())
	}
}

func BenchmarkOpen(b *testing.B) {
	path := testmodel.Model(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := gguf.Open(path); err != nil {
			b.Fatal(err)
		}
	}
}

package llamacpp

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/internal/testmodel"
)

// A model that llama.cpp does not survive is refused with the place of what is wrong.
func TestLoadRefusesBrokenModels(t *testing.T) {
	testmodel.Libraries(t)
	path := filepath.Join(t.TempDir(), "duplicate.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	err = gguf.Write(f, []gguf.KeyValue{
		{Key: "general.architecture", Value: "llama"}, {Key: "llama.block_count", Value: uint32(1)}, {Key: "llama.context_length", Value: uint32(64)},
		{Key: "llama.embedding_length", Value: uint32(8)}, {Key: "llama.attention.head_count", Value: uint32(1)},
		{Key: "tokenizer.ggml.model", Value: "gpt2"}, {Key: "tokenizer.ggml.tokens", Value: []string{"a", "a"}},
	}, nil)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = Load(t.Context(), path, nil)
	if !errors.Is(err, ErrModelNotLoaded) || !errors.Is(err, gguf.ErrUnusable) || !strings.Contains(err.Error(), "metadata.tokenizer.ggml.tokens[1]") {
		t.Errorf("error %v", err)
	}
}

// What has passed is not read again, unless it is another file.
func TestChecksAreNoted(t *testing.T) {
	dir := t.TempDir()
	h, err := hub.New(&hub.Options{CacheDir: filepath.Join(dir, "cache")})
	if err != nil {
		t.Fatal(err)
	}
	vocabulary, path := filepath.Join(dir, "vocabulary.gguf"), filepath.Join(dir, "model.gguf")
	if err := synth.WriteVocabulary(vocabulary, "gpt2"); err != nil {
		t.Fatal(err)
	}
	if err := synth.Write(t.Context(), path, vocabulary, synth.Shape{}, nil); err != nil {
		t.Fatal(err)
	}
	check := func(digest string) error {
		f := &fetched{hub: h, model: &hub.Model{Path: path, Paths: []string{path}, Digest: digest}}
		if err := f.read(); err != nil {
			return err
		}
		return f.check()
	}
	for _, digest := range []string{"", "abc", "abc", ""} {
		if err := check(digest); err != nil {
			t.Error(err)
		}
	}
	if !h.Checked("abc") || h.Checked("abd") {
		t.Errorf("noted: abc %v, abd %v", h.Checked("abc"), h.Checked("abd"))
	}
	if err := os.WriteFile(path, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := check(""); !errors.Is(err, gguf.ErrInvalid) {
		t.Errorf("a file that was replaced: %v", err)
	}
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cria-lm/cria/gguf"
)

// writeVocabulary writes a file that has a vocabulary and nothing else.
func writeVocabulary(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	err := gguf.Write(&b, []gguf.KeyValue{{Key: "tokenizer.ggml.tokens", Value: []string{"a", "b", "c"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "vocabulary.gguf")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSynth(t *testing.T) {
	t.Setenv("CRIA_CACHE_DIR", t.TempDir())
	from, path := writeVocabulary(t), filepath.Join(t.TempDir(), "model.gguf")
	call := func(args ...string) (code int, out, errs string) {
		var o, e bytes.Buffer
		code = run(t.Context(), append([]string{"synth"}, args...), &o, &e)
		return code, o.String(), e.String()
	}
	code, out, errs := call(path, "--from", from, "--arch", "BERT", "--layers", "3", "--embd", "32", "--ff", "96", "--heads", "2", "--type", "q8_0", "--pooling", "cls")
	if code != 0 || !strings.Contains(out, "bert, 3 layers, 96,864 weights, 3 tokens") || errs != "" {
		t.Errorf("code %d, output %q, errors %q", code, out, errs)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if p, _ := f.Metadata().Int("bert.pooling_type"); p != 2 || f.EmbeddingLength() != 32 {
		t.Errorf("pooling %d, embedding %d", p, f.EmbeddingLength())
	}

	if code, _, errs := call(path, "--from", from); code != 1 || !strings.Contains(errs, "exists; give --force") {
		t.Errorf("a file that is there: code %d, %q", code, errs)
	}
	if code, out, errs := call(path, "--from", from, "--force"); code != 0 || !strings.Contains(out, "llama, 2 layers") {
		t.Errorf("--force: code %d, %q, %q", code, out, errs)
	}
}

func TestSynthRefuses(t *testing.T) {
	t.Setenv("CRIA_CACHE_DIR", t.TempDir())
	from, dir := writeVocabulary(t), t.TempDir()
	path := filepath.Join(dir, "model.gguf")
	for _, test := range []struct{ args, want string }{
		{"", "go run ./bench synth OUT.gguf"},
		{path + " " + path, "writes one file, 2 are named"},
		{path + " --arch gpt5", `--arch "gpt5" is not one of llama, gemma3`},
		{path + " --type q3", `--type "q3" is not one of f32, f16`},
		{path + " --pooling max --arch bert", `--pooling "max" is not one of mean, cls, last`},
		{path + " --pooling cls", "pooling: llama has none"},
		{path + " --heads 7", "heads: 7 do not divide an embedding of 64"},
		{path + " --layers -1", "layers: -1 is not in 1 to 512"},
		{path + " --layers two", `"two"`},
		{path + " --width 64", "unknown flag: --width"},
		{path + " --pairs 3", "--pairs is for the figures"},
		{filepath.Join(dir, "none", "model.gguf"), "none"},
	} {
		args := append([]string{"synth", "--from", from}, strings.Fields(test.args)...)
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, &out, &errs); code != 1 || !strings.Contains(errs.String(), test.want) || out.Len() > 0 {
			t.Errorf("%s: code %d, output %q, errors %q; want %q", test.args, code, out.String(), errs.String(), test.want)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("%s was written", entries[0].Name())
	}
}

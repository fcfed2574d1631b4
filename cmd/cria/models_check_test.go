package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/internal/testmodel"
)

// Files are judged each on a line, with no libraries and no network at hand.
func TestModelsCheck(t *testing.T) {
	for _, name := range []string{"CRIA_CACHE_DIR", "CRIA_LLAMA_DIR"} {
		t.Setenv(name, filepath.Join(t.TempDir(), "nowhere"))
	}
	t.Setenv("CRIA_OFFLINE", "1")
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := synth.WriteVocabulary(at("vocabulary.gguf"), "gpt2"); err != nil {
		t.Fatal(err)
	}
	if err := synth.Write(t.Context(), at("good.gguf"), at("vocabulary.gguf"), synth.Shape{}, nil); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(at("good.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"cut.gguf":      string(data[:len(data)-1]),
		"other.gguf":    strings.Replace(string(data), "llama", "llamb", 1),
		"template.gguf": strings.Replace(string(data), "{% endfor %}", "{% endxxx %}", 1),
		"page.gguf":     "<html>",
	} {
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		file string
		code int
		want []string
	}{
		{"good.gguf", exitOK, []string{"ok  ", at("good.gguf"), "  llama  ", "KiB  template ", "\n"}},
		{"template.gguf", exitOK, []string{"ok only with --chat-template  ", "does not parse: "}},
		{"cut.gguf", exitFailure, []string{"refused  ", "not a whole GGUF file: tensors.output.weight: its data ends at byte"}},
		{"other.gguf", exitFailure, []string{"refused  ", `this release does not know architecture "llamb"`}},
		{"vocabulary.gguf", exitFailure, []string{"refused  ", "metadata.general.architecture: is missing"}},
		{"page.gguf", exitFailure, []string{"refused  ", "it is an HTML page"}},
		{"none.gguf", exitFailure, []string{"refused  ", "there is no such file"}},
		{".", exitFailure, []string{"refused  ", "is a folder; name the .gguf file in it"}},
	} {
		code, out, stderr := criaRun(t, "", "models", "check", at(test.file))
		if code != test.code || strings.Count(out, "\n") != 1 || (code == 0) != (stderr == "") {
			t.Errorf("%s: exit code %d, output %q, errors %q", test.file, code, out, stderr)
		}
		for _, want := range test.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: output %q, want %q", test.file, out, want)
			}
		}
	}
	var template fileVerdict
	_, out, _ := criaRun(t, "", "models", "check", "--json", at("template.gguf"))
	if err := json.Unmarshal([]byte(out), &template); err != nil || !template.OK || !template.NeedsTemplate {
		t.Errorf("%s: %v", out, err)
	}
	code, out, stderr := criaRun(t, "", "models", "check", "--json", at("good.gguf"), at("cut.gguf"))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != exitFailure || len(lines) != 2 || !strings.Contains(stderr, "1 of 2 refused") {
		t.Fatalf("--json: exit code %d, output %q, errors %q", code, out, stderr)
	}
	var good, cut fileVerdict
	if err := json.Unmarshal([]byte(lines[0]), &good); err != nil || !good.OK || len(good.Templates) != 1 || len(good.Templates[0].SHA256) != 64 || good.Size != int64(len(data)) {
		t.Errorf("%s: %v", lines[0], err)
	}
	if err := json.Unmarshal([]byte(lines[1]), &cut); err != nil || cut.OK || cut.Place != "tensors.output.weight" {
		t.Errorf("%s: %v", lines[1], err)
	}
	if code, _, stderr := criaRun(t, "", "models", "check"); code != exitUsage || !strings.Contains(stderr, "check needs a file") {
		t.Errorf("without a file: exit code %d, errors %q", code, stderr)
	}
}

// A name stands for the model's files in the cache.
func TestModelsCheckNames(t *testing.T) {
	path := testmodel.Model(t)
	code, out, stderr := criaRun(t, "", "models", "check", "SmolLM2-135M-Instruct")
	if code != exitOK || !strings.Contains(out, "smollm2-135m-instruct "+path) {
		t.Errorf("in the cache: exit code %d, output %q, errors %q", code, out, stderr)
	}
	t.Setenv("CRIA_CACHE_DIR", t.TempDir())
	for arg, want := range map[string]string{
		"smollm2-135m-instruct":   "it is not in the cache: cria pull smollm2-135m-instruct fetches it",
		"hf:owner/repo/file.gguf": "it is not in the cache: cria pull hf:owner/repo/file.gguf fetches it",
		"smollm2-135m-instrukt":   "there is no such file, and unknown model \"smollm2-135m-instrukt\": did you mean smollm2-135m-instruct?",
	} {
		code, out, stderr := criaRun(t, "", "models", "check", arg)
		if code != exitFailure || !strings.HasPrefix(out, "refused  "+arg+" ") || !strings.Contains(out, want) {
			t.Errorf("%s: exit code %d, output %q, errors %q", arg, code, out, stderr)
		}
	}
}

// What a file says cannot steer a terminal.
func TestScanTemplates(t *testing.T) {
	found := scanTemplates(map[string]string{"": "{% if tools %}{{ message.role == 'system' }}{% endif %}<think>", "bad\x1b": "{% if %}"})
	if len(found) != 2 || found[0].Error != "" || strings.Join(found[0].Uses, " ") != "system tools thinking" || found[1].Error == "" {
		t.Errorf("%+v", found)
	}
	if line := oneLine(found[1].String()); strings.ContainsAny(line, "\x1b\n") {
		t.Errorf("%q", line)
	}
}

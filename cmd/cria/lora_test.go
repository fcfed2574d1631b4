package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/internal/testmodel"
)

// An adapter of random numbers makes the model talk nonsense, as much of it as is used.
func TestRunLoRA(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lora.gguf")
	if err := synth.WriteAdapter(path, testmodel.Model(t), synth.Adapter{}); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		flags  []string
		answer bool
	}{
		"all of it": {[]string{"--lora", "x=" + path}, false},
		"little":    {[]string{"--lora", "x=" + path, "--use-lora", "x:0.000001"}, true},
		"the other": {[]string{"--lora", "a:b=" + path, "--lora", "x=" + path, "--use-lora", "a:b:1e-6"}, true},
	} {
		args := append([]string{"run", "--max-tokens", "10"}, tt.flags...)
		code, out, err := criaRun(t, "", append(args, "question -> answer", france)...)
		if code != 0 || strings.Contains(out, "Paris") != tt.answer {
			t.Errorf("%s: exit code %d, output %q, errors %q", name, code, out, err)
		}
	}
}

func TestLoRAMistakes(t *testing.T) {
	testmodel.Model(t)
	noAdapter := write(t, "lora.gguf", "GGUF")
	for name, tt := range map[string]struct {
		flags []string
		code  int
		want  string
	}{
		"no file":          {[]string{"--lora", "x"}, exitUsage, `--lora "x" is not NAME=FILE`},
		"no name":          {[]string{"--lora", "=x"}, exitUsage, "is not NAME=FILE"},
		"two of a name":    {[]string{"--lora", "x=a", "--lora", "x=b"}, exitUsage, "another adapter of that name"},
		"not loaded":       {[]string{"--use-lora", "x"}, exitUsage, "there is no --lora x=FILE"},
		"scale is no word": {[]string{"--lora", "x=a", "--use-lora", "x:much"}, exitUsage, `"much" is not a scale`},
		"scale NaN":        {[]string{"--lora", "x=a", "--use-lora", "x:NaN"}, exitUsage, `"NaN" is not a scale`},
		"used twice":       {[]string{"--lora", "x=a", "--use-lora", "x", "--use-lora", "x:2"}, exitUsage, "used twice"},
		"no such file":     {[]string{"--lora", "x=/no/such/file"}, exitUnavailable, `LoRA adapter "x"`},
		"no adapter":       {[]string{"--lora", "x=" + noAdapter}, exitUnavailable, "not a whole GGUF file"},
	} {
		for _, command := range []string{"run", "batch"} {
			if command == "batch" && tt.code != exitUsage {
				continue
			}
			args := append([]string{command, "q -> a"}, tt.flags...)
			if command == "run" {
				args = append(args, "q=x")
			}
			code, out, err := criaRun(t, "", args...)
			if code != tt.code || out != "" || !strings.Contains(err, tt.want) || strings.Count(err, "\n") != 1 {
				t.Errorf("%s %s: exit code %d, output %q, errors %q, want %q", command, name, code, out, err, tt.want)
			}
		}
	}
}

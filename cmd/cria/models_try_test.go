package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/internal/testmodel"
)

// asTried makes a process of the test binary end as one may that tries a file.
const asTried = "CRIA_TEST_AS_TRIED"

func endAs(how string) {
	switch how {
	case "assertion": // as the Go runtime ends it when C aborts
		fmt.Fprintln(os.Stderr, "\nllama.cpp:1: GGML_ASSERT(n > 0) failed\nSIGABRT: abort\nPC=0x1 m=0 sigcode=0")
		os.Exit(2)
	case "silent":
	case "late": // after it has said that all is well
		fmt.Println(`{"computed":"a token"}`)
		os.Exit(1)
	case "hangs":
		time.Sleep(time.Hour)
	}
	os.Exit(0)
}

// Files that pass the rules are tried in processes of their own.
func TestModelsCheckTry(t *testing.T) {
	testmodel.Libraries(t)
	t.Setenv(asCommand, "1")
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, model := range map[string]struct {
		vocabulary string
		shape      synth.Shape
	}{
		"text":  {"gpt2", synth.Shape{}},
		"bert":  {"bert", synth.Shape{Architecture: synth.BERT, Embedding: 32, FeedForward: 64, Context: 128}},
		"mamba": {"gpt2", synth.Shape{Architecture: synth.Mamba, Embedding: 32}},
	} {
		if err := synth.WriteVocabulary(at(name), model.vocabulary); err != nil {
			t.Fatal(err)
		}
		if err := synth.Write(t.Context(), at(name+".gguf"), at(name), model.shape, nil); err != nil {
			t.Fatal(err)
		}
	}
	withoutTensor(t, at("lacking.gguf"), at("mamba.gguf"), "blk.0.ssm_in.weight")
	for _, test := range []struct {
		file string
		code int
		want string
	}{
		{"text.gguf", exitOK, "tried: a token"},
		{"bert.gguf", exitOK, "tried: an embedding"},
		{"mamba.gguf", exitOK, "tried: a token"},
		{"lacking.gguf", exitFailure, "ssm_in"},
		{"text", exitFailure, "metadata.general.architecture: is missing"}, // not tried
	} {
		code, out, stderr := criaRun(t, "", "models", "check", "--try", at(test.file))
		if code != test.code || !strings.Contains(out, test.want) || strings.Count(out, "\n") != 1 || strings.HasPrefix(out, "refused") != (code != 0) {
			t.Errorf("%s: exit code %d, output %q, errors %q", test.file, code, out, stderr)
		}
	}
	if code, out, stderr := criaRun(t, "", "models", "check", at("lacking.gguf")); code != exitOK {
		t.Errorf("without --try: exit code %d, output %q, errors %q", code, out, stderr)
	}
	t.Run("the caller dies", func(t *testing.T) {
		child := exec.CommandContext(t.Context(), os.Args[0], "models", "try", at("text.gguf")) // its input ends at once
		out, err := child.Output()
		if child.ProcessState.ExitCode() != exitInterrupted {
			t.Errorf("exit code %d, output %q, %v", child.ProcessState.ExitCode(), out, err)
		}
	})
}

// withoutTensor writes a model again, with weights of zeros and without a tensor.
func withoutTensor(t *testing.T, to, from, name string) {
	t.Helper()
	f, err := gguf.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	var metadata []gguf.KeyValue
	for _, key := range f.Metadata().Keys() {
		v, _ := f.Metadata().Value(key)
		metadata = append(metadata, gguf.KeyValue{Key: key, Value: v.Any()})
	}
	var tensors []gguf.TensorData
	for _, tensor := range f.Tensors() {
		tensors = append(tensors, gguf.TensorData{Name: tensor.Name, Type: tensor.Type, Dims: tensor.Dims})
	}
	n := len(tensors)
	tensors = slices.DeleteFunc(tensors, func(t gguf.TensorData) bool { return t.Name == name })
	if len(tensors) != n-1 {
		t.Fatalf("there is no tensor %s", name)
	}
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(gguf.Write(out, metadata, tensors), out.Close()); err != nil {
		t.Fatal(err)
	}
}

// A process that ends in another way than with its word is a file refused.
func TestTryIn(t *testing.T) {
	tried := func(ctx context.Context, how string, timeout time.Duration) (computed, reason string, err error) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), asTried+"="+how)
		computed, reason, err = tryIn(ctx, cmd, timeout)
		if cmd.ProcessState == nil {
			t.Errorf("%s: the process has not ended", how)
		}
		return computed, reason, err
	}
	for _, test := range []struct{ how, want string }{
		{"assertion", "llama.cpp's process died of it (exit status 2): llama.cpp:1: GGML_ASSERT(n > 0) failed; SIGABRT: abort"},
		{"silent", "llama.cpp's process died of it (exit status 0): it said nothing"},
		{"late", "llama.cpp's process died of it (exit status 1): it said nothing"},
	} {
		if computed, reason, err := tried(t.Context(), test.how, time.Minute); computed != "" || reason != test.want || err != nil {
			t.Errorf("%s: %q, %q, %v", test.how, computed, reason, err)
		}
	}
	if _, reason, err := tried(t.Context(), "hangs", 100*time.Millisecond); reason != "llama.cpp was not done with it after 100ms" || err != nil {
		t.Errorf("hangs: %q, %v", reason, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, reason, err := tried(ctx, "hangs", time.Minute); reason != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %q, %v", reason, err)
	}
}

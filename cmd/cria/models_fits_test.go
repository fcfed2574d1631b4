package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/internal/testmodel"
	"github.com/cria-lm/cria/llama"
	"github.com/cria-lm/cria/llamacpp"
)

func linuxWith(free uint64, devices ...hardware.Device) hardware.Machine {
	return hardware.Machine{OS: "linux", Memory: hardware.Memory{Total: 64 << 30, Available: free}, Devices: devices}
}

func vulkan(free uint64) hardware.Device {
	return hardware.Device{Name: "Vulkan0", Backend: hardware.BackendVulkan, Kind: hardware.KindGPU, Free: free, Total: free}
}

func TestFitting(t *testing.T) {
	empty, err := hub.New(&hub.Options{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	cards, err := llamacpp.KnownModels(empty)
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%[1]d of %[1]d models fit, 0 do not: ", len(cards))
	none := fmt.Sprintf("0 of %[1]d models fit, %[1]d do not: ", len(cards))
	withGPU := linuxWith(32 << 30)
	withGPU.GPUs = []hardware.GPU{{Vendor: hardware.NVIDIA}}
	for name, tt := range map[string]struct {
		machine hardware.Machine
		list    []llamacpp.Known
		want    []string
		not     []string
	}{
		"all fit": {linuxWith(32 << 30), cards,
			[]string{"NAME  ", "qwen3-4b  ", "CPU", all + "32 GiB of memory free\n"},
			[]string{"Vulkan", "cria doctor"}},
		"the small ones fit": {linuxWith(1536 << 20), cards,
			[]string{"smollm2-135m-instruct  ", "gemma-3-270m  ", " do not: 1.5 GiB of memory free\n"},
			[]string{"qwen3-4b", "smollm2-1.7b"}},
		"nothing fits": {linuxWith(128 << 20), cards,
			[]string{none + "128 MiB of memory free"},
			[]string{"NAME", "smollm"}},
		"on a GPU": {linuxWith(1536<<20, vulkan(8<<30)), cards,
			[]string{"qwen3-4b  ", "Vulkan", all, "; 8.0 GiB free on Vulkan0\n"},
			[]string{"CPU"}},
		"a GPU for some": {linuxWith(32<<30, vulkan(1<<30)), cards,
			[]string{"Vulkan", "CPU", all}, nil},
		"a GPU that cannot be used": {withGPU, cards,
			[]string{"the GPU cannot be used yet, cria doctor says why"}, []string{"Vulkan"}},
		"unknown memory": {hardware.Machine{}, cards,
			[]string{all + "the system does not say how much memory is free\n"}, nil},
		"a file that is no model": {linuxWith(32 << 30), []llamacpp.Known{{Name: "hf:a/b/c.gguf", Err: errors.New("not a whole GGUF file")}},
			[]string{"not known of hf:a/b/c.gguf: ", "not a whole GGUF file", "0 of 0 models fit"}, []string{"NAME"}},
	} {
		var out strings.Builder
		if err := printFitting(&out, tt.machine, tt.list); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range tt.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: %q is not in\n%s", name, want, out.String())
			}
		}
		for _, not := range tt.not {
			if strings.Contains(out.String(), not) {
				t.Errorf("%s: %q is in\n%s", name, not, out.String())
			}
		}
	}
}

// The kinds of templates are those that --chat-template takes.
func TestTemplatesOfCards(t *testing.T) {
	if err := llama.Load(testmodel.Libraries(t)); err != nil {
		t.Fatal(err)
	}
	known := llama.BuiltinChatTemplates()
	for _, c := range hub.Catalog() {
		if c.ChatTemplate != "none" && !slices.Contains(known, c.ChatTemplate) {
			t.Errorf("%s: llama.cpp does not know the chat template %q", c.Name, c.ChatTemplate)
		}
	}
}

func TestModelsFits(t *testing.T) {
	testmodel.Model(t)
	code, out, stderr := criaRun(t, "", "models", "--fits")
	if code != 0 || !strings.Contains(lineOf(out, hub.DefaultModel), "yes") || !strings.Contains(out, " models fit, ") {
		t.Errorf("exit code %d, output %q, errors %q", code, out, stderr)
	}
	// An empty cache is no mistake, and stays empty.
	code, out, stderr = criaRun(t, "", "models", "--fits", "--cache-dir", t.TempDir())
	if code != 0 || strings.Contains(lineOf(out, hub.DefaultModel), "yes") || stderr != "" {
		t.Errorf("empty cache: exit code %d, output %q, errors %q", code, out, stderr)
	}
	code, out, stderr = criaRun(t, "", "models", "--fits", "--all")
	if code != exitUsage || out != "" || !strings.Contains(stderr, "give one of them") {
		t.Errorf("two lists: exit code %d, output %q, errors %q", code, out, stderr)
	}
}

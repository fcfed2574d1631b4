package hub

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cria-lm/cria/llama"
)

func touch(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFindLibraries(t *testing.T) {
	tests := []struct {
		name, goos string
		have       string // files, separated by spaces
		want       string // llama ggml base cpu...
		missing    string
	}{
		{"npm package for Linux", "linux",
			"libllama.v0.5.0.so libggml.v0.5.0.so libggml-base.so libggml-cpu-x64.so libggml-cpu-zen4.so libllama-common.so llama-addon.node",
			"libllama.v0.5.0.so libggml.v0.5.0.so libggml-base.so libggml-cpu-x64.so libggml-cpu-zen4.so", ""},
		{"npm package for Linux arm64", "linux",
			"libllama.v0.5.0.so libggml.v0.5.0.so libggml-base.so libggml-cpu-armv8.0_1.so libggml-cpu-armv8.2_1.so",
			"libllama.v0.5.0.so libggml.v0.5.0.so libggml-base.so libggml-cpu-armv8.0_1.so libggml-cpu-armv8.2_1.so", ""},
		{"variant infix", "linux", "libllama.vulkan.v0.5.0.so libggml.vulkan.v0.5.0.so libggml-base.so libggml-cpu-x64.so libggml-vulkan.so",
			"libllama.vulkan.v0.5.0.so libggml.vulkan.v0.5.0.so libggml-base.so libggml-cpu-x64.so", ""},
		{"own build with links", "linux",
			"build/bin/libllama.so build/bin/libllama.so.0 build/bin/libllama.so.0.0.1 build/bin/libggml.so build/bin/libggml.so.0 build/bin/libggml-base.so build/bin/libggml-cpu.so build/bin/libggml-cpu.so.0",
			"build/bin/libllama.so build/bin/libggml.so build/bin/libggml-base.so build/bin/libggml-cpu.so", ""},
		{"only versioned names", "linux", "libllama.so.0.0.11146 libggml.so.0.13.0 libggml-base.so.0.13.0 libggml-cpu-x64.so",
			"libllama.so.0.0.11146 libggml.so.0.13.0 libggml-base.so.0.13.0 libggml-cpu-x64.so", ""},
		{"installed", "linux", "lib/libllama.so lib/libggml.so lib/libggml-base.so bin/libggml-cpu-x64.so",
			"lib/libllama.so lib/libggml.so lib/libggml-base.so bin/libggml-cpu-x64.so", ""},
		{"npm package for macOS", "darwin",
			"libllama.metal.v0.4.0.dylib libggml.metal.v0.4.0.dylib libggml-base.dylib libggml-cpu-apple_m1.so libggml-metal.so",
			"libllama.metal.v0.4.0.dylib libggml.metal.v0.4.0.dylib libggml-base.dylib libggml-cpu-apple_m1.so", ""},
		{"release for macOS", "darwin", "libllama.0.0.1.dylib libllama.dylib libggml.dylib libggml-base.dylib libggml-cpu.dylib",
			"libllama.dylib libggml.dylib libggml-base.dylib libggml-cpu.dylib", ""},
		{"npm package for Windows", "windows", "llama.v0.4.0.dll ggml.v0.4.0.dll ggml-base.dll ggml-cpu-x64.dll llama-common.dll",
			"llama.v0.4.0.dll ggml.v0.4.0.dll ggml-base.dll ggml-cpu-x64.dll", ""},
		{"release for Windows", "windows", "llama.dll ggml.dll ggml-base.dll ggml-cpu-haswell.dll llama-server.exe",
			"llama.dll ggml.dll ggml-base.dll ggml-cpu-haswell.dll", ""},
		{"nothing", "linux", "README.md", "", "missing libllama.so, libggml.so, libggml-base.so, libggml-cpu*.so"},
		{"no CPU backend", "linux", "libllama.so libggml.so libggml-base.so", "", "missing libggml-cpu*.so"},
		{"another system's", "linux", "llama.dll ggml.dll ggml-base.dll ggml-cpu.dll", "", "missing libllama.so"},
		{"lookalikes", "linux", "libllama.so.bak libggml.so.d libggml-base.sore libggml-cpu.so.old", "", "missing libllama.so, libggml.so, libggml-base.so, libggml-cpu*.so"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			touch(t, dir, strings.Fields(test.have)...)
			got, err := findLibraries(test.goos, dir)
			if test.missing != "" {
				wantError(t, err, dir, test.missing)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var paths []string
			for _, name := range strings.Fields(test.want) {
				paths = append(paths, filepath.Join(dir, filepath.FromSlash(name)))
			}
			want := llama.Files{Llama: paths[0], GGML: paths[1], Base: paths[2], CPU: paths[3:]}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFindLibrariesRelative(t *testing.T) {
	dir := t.TempDir()
	touch(t, dir, libraryName("linux", "llama"), libraryName("linux", "ggml"), libraryName("linux", "ggml-base"), libraryName("linux", "ggml-cpu"))
	t.Chdir(dir)
	got, err := findLibraries("linux", ".")
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(got.Llama) || !filepath.IsAbs(got.CPU[0]) {
		t.Errorf("relative: %+v", got)
	}
	_, err = FindLibraries("nothing-here")
	wantError(t, err, "folder of llama.cpp libraries")
	_, err = FindLibraries("libllama.so")
	wantError(t, err, "is a file: name the folder")
}

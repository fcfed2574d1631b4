package llamacpp

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
)

// A backend that cannot be had makes way for the next; if none can, each is named.
func TestLoadFirst(t *testing.T) {
	vulkan, cuda := errors.New("no vulkan"), errors.New("no cuda")
	both := []hardware.Backend{hardware.BackendVulkan, hardware.BackendCUDA}
	for name, tt := range map[string]struct {
		list   []hardware.Backend
		errs   map[hardware.Backend]error
		tried  int
		failed string
	}{
		"none":       {nil, nil, 0, ""},
		"the first":  {both, nil, 1, ""},
		"the second": {both, map[hardware.Backend]error{hardware.BackendVulkan: vulkan}, 2, ""},
		"neither":    {both, map[hardware.Backend]error{hardware.BackendVulkan: vulkan, hardware.BackendCUDA: cuda}, 2, "no vulkan; no cuda"},
	} {
		var tried []hardware.Backend
		err := loadFirst(t.Context(), tt.list, func(b hardware.Backend) error {
			tried = append(tried, b)
			return tt.errs[b]
		})
		if !slices.Equal(tried, tt.list[:tt.tried]) || (err == nil) != (tt.failed == "") {
			t.Errorf("%s: tried %v: %v", name, tried, err)
		}
		if tt.failed != "" && (err.Error() != tt.failed || !errors.Is(err, vulkan) || !errors.Is(err, cuda)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	err := loadFirst(ctx, both, func(hardware.Backend) error {
		tries++
		cancel()
		return vulkan
	})
	if !errors.Is(err, context.Canceled) || tries != 1 {
		t.Errorf("cancelled after %d: %v", tries, err)
	}
}

func TestBackendsFor(t *testing.T) {
	own := t.TempDir()
	for _, name := range []string{"libggml-cuda.so", "libggml-cuda.dylib", "ggml-cuda.dll"} {
		if err := os.WriteFile(filepath.Join(own, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// The machine lacks CUDA's runtime of the release that the fetched library needs.
	gpu := hardware.Machine{OS: "windows", GPUs: []hardware.GPU{{Vendor: hardware.NVIDIA}},
		Drivers: hardware.Drivers{Libraries: []hardware.Library{{Name: "vulkan-1.dll"}}}}
	for name, tt := range map[string]struct {
		machine hardware.Machine
		asked   hardware.Backend
		libs    hub.Libraries
		want    []hardware.Backend
	}{
		"fetched":            {gpu, "", hub.Libraries{Dir: own, Release: "v9"}, []hardware.Backend{hardware.BackendVulkan}},
		"of the user's own":  {gpu, "", hub.Libraries{Dir: own}, []hardware.Backend{hardware.BackendVulkan, hardware.BackendCUDA}},
		"asked for":          {gpu, hardware.BackendCUDA, hub.Libraries{Dir: own}, []hardware.Backend{hardware.BackendCUDA}},
		"asked for, fetched": {gpu, hardware.BackendCUDA, hub.Libraries{Dir: own, Release: "v9"}, nil},
		"no GPU":             {hardware.Machine{OS: "linux"}, "", hub.Libraries{Dir: own}, nil},
	} {
		if got := backendsFor(tt.machine, tt.asked, &tt.libs); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

package hardware

import (
	"slices"
	"strings"
	"testing"
)

// ready is a Linux machine whose GPU has all it needs but llama.cpp's libraries.
func ready(v Vendor) Machine {
	g := GPU{Vendor: v, Address: "0000:01:00.0", ID: "10de:2684", Driver: "nvidia", Nodes: []DevNode{{"/dev/nvidia0", true}}}
	if v != NVIDIA {
		g.Driver, g.Nodes = kernelDriver[v], []DevNode{{"/dev/dri/renderD128", true}}
	}
	return Machine{
		OS:   "linux",
		GPUs: []GPU{g},
		Drivers: Drivers{
			NVIDIA:    "580.10",
			Libraries: []Library{{"libvulkan.so.1", ""}, {"libEGL.so.1", ""}, {"libcuda.so.1", ""}, {"libcudart.so.13", ""}, {"libcublas.so.13", ""}},
			Vulkan:    []ICD{{Manifest: "/m.json", Library: "lib.so", Vendor: v, Found: true, Searched: true}},
		},
	}
}

func (d *Drivers) drop(name string) {
	d.Libraries = slices.DeleteFunc(slices.Clone(d.Libraries), func(l Library) bool { return l.Name == name })
}

// Each thing that can be missing is named, with what to do.
func TestMissing(t *testing.T) {
	for name, tt := range map[string]struct {
		vendor   Vendor
		change   func(*Machine)
		want     []string // a part of each advice, in order
		backends string
	}{
		"no GPU":              {NVIDIA, func(m *Machine) { m.GPUs = nil }, nil, "[cpu]"},
		"not loaded":          {NVIDIA, func(m *Machine) {}, []string{"an NVIDIA GPU 10de:2684 is here with all that Vulkan needs"}, "[vulkan cuda cpu]"},
		"seen":                {NVIDIA, func(m *Machine) { m.Devices = []Device{{Backend: BackendVulkan, Kind: KindGPU}} }, nil, "[vulkan cuda cpu]"},
		"seen by its address": {AMD, func(m *Machine) { m.Devices = []Device{{Backend: BackendVulkan, Kind: KindGPU, ID: "0000:01:00.0"}} }, nil, "[vulkan cpu]"},
		"seen in a sandbox": {NVIDIA, func(m *Machine) {
			m.GPUs[0].Address = ""
			m.Devices = []Device{{Backend: BackendVulkan, Kind: KindGPU, ID: "0000:01:00.0"}}
		}, nil, "[vulkan cuda cpu]"},
		"another one is seen":  {AMD, func(m *Machine) { m.Devices = []Device{{Backend: BackendVulkan, Kind: KindIGPU, ID: "0000:00:02.0"}} }, []string{"shows no device for it"}, "[vulkan cpu]"},
		"no loader":            {AMD, func(m *Machine) { m.Drivers.drop("libvulkan.so.1") }, []string{"an AMD GPU 10de:2684 is here, but libvulkan.so.1, Vulkan's loader, is not: install libvulkan1 (Debian"}, "[cpu]"},
		"no loader on Windows": {AMD, func(m *Machine) { m.OS = "windows"; m.Drivers = Drivers{} }, []string{"vulkan-1.dll, Vulkan's loader, is not: install the newest driver"}, "[cpu]"},
		"no Vulkan driver":     {Intel, func(m *Machine) { m.Drivers.Vulkan = nil }, []string{"no Vulkan driver for it is: install mesa-vulkan-drivers"}, "[cpu]"},
		"another's driver":     {Arm, func(m *Machine) { m.Drivers.Vulkan[0].Vendor = "" }, []string{"no Vulkan driver for it is: install mesa"}, "[cpu]"},
		"half a driver":        {NVIDIA, func(m *Machine) { m.Drivers.Vulkan[0].Found = false }, []string{"not whole: /m.json names lib.so, which is not here: install the graphics part of NVIDIA's driver"}, "[cuda cpu]"},
		"driver elsewhere":     {NVIDIA, func(m *Machine) { m.Drivers.Vulkan[0].Searched = false }, []string{"set VK_DRIVER_FILES=/m.json"}, "[cuda cpu]"},
		"no EGL":               {NVIDIA, func(m *Machine) { m.Drivers.drop("libEGL.so.1") }, []string{"libEGL.so.1, which its Vulkan driver needs, is not: install libegl1"}, "[cuda cpu]"},
		"no EGL, not needed":   {AMD, func(m *Machine) { m.Drivers.drop("libEGL.so.1") }, []string{"shows no device"}, "[vulkan cpu]"},
		"nothing of Vulkan":    {NVIDIA, func(m *Machine) { m.Drivers.drop("libvulkan.so.1"); m.Drivers.Vulkan = nil }, []string{"Vulkan's loader", "no Vulkan driver"}, "[cuda cpu]"},
		"no kernel driver":     {NVIDIA, func(m *Machine) { m.GPUs[0].Driver, m.GPUs[0].Nodes = "", nil }, []string{"no driver of the kernel has it: install NVIDIA's driver"}, "[cpu]"},
		"no module":            {AMD, func(m *Machine) { m.GPUs[0].Driver = "" }, []string{"modprobe amdgpu"}, "[cpu]"},
		"passed through":       {AMD, func(m *Machine) { m.GPUs[0].Driver = "vfio-pci" }, []string{"keeps it for virtual machines"}, "[cpu]"},
		"not given":            {NVIDIA, func(m *Machine) { m.GPUs[0].Nodes = nil }, []string{"/dev/nvidia* is missing: if this is a container, start it with --gpus all"}, "[cpu]"},
		"not given either":     {Intel, func(m *Machine) { m.GPUs[0].Nodes = nil }, []string{"its file in /dev/dri is missing: if this is a container, start it with --device /dev/dri"}, "[cpu]"},
		"not allowed":          {AMD, func(m *Machine) { m.GPUs[0].Nodes[0].Usable = false }, []string{"may not open /dev/dri/renderD128: add the user to the group"}, "[cpu]"},
		"no CUDA driver":       {NVIDIA, func(m *Machine) { m.Drivers.drop("libcuda.so.1") }, []string{"shows no device", "libcuda.so.1, the CUDA part"}, "[vulkan cpu]"},
		"no CUDA runtime":      {NVIDIA, func(m *Machine) { m.Drivers.drop("libcublas.so.13") }, []string{"shows no device", "install CUDA 13's runtime"}, "[vulkan cpu]"},
		"older driver":         {NVIDIA, func(m *Machine) { m.Drivers.NVIDIA = "470.1" }, []string{"shows no device", "470.1 is too old for CUDA 13; if you want it, install driver 580 or newer"}, "[vulkan cpu]"},
		"two of one kind": {AMD, func(m *Machine) {
			m.GPUs = append(m.GPUs, m.GPUs[0])
			m.Drivers.Vulkan = nil
		}, []string{"no Vulkan driver"}, "[cpu]"},
		"integrated beside another's": {NVIDIA, func(m *Machine) {
			m.Devices = []Device{{Backend: BackendVulkan, Kind: KindGPU, ID: m.GPUs[0].Address}}
			m.GPUs = append(m.GPUs, GPU{Vendor: Intel, Address: "0000:00:02.0"})
		}, nil, "[vulkan cuda cpu]"},
		"one of two": {NVIDIA, func(m *Machine) {
			m.Devices = []Device{{Backend: BackendVulkan, Kind: KindGPU, ID: m.GPUs[0].Address}}
			m.GPUs = append(m.GPUs, GPU{Vendor: NVIDIA, ID: "10de:2684", Driver: "nvidia", Address: "0000:02:00.0"})
		}, []string{"this process is not given it"}, "[vulkan cuda cpu]"},
		"a Mac":          {Apple, func(m *Machine) { m.OS = "darwin" }, []string{"with all that Metal needs"}, "[metal cpu]"},
		"a Mac of Intel": {Apple, func(m *Machine) { m.OS, m.GPUs = "darwin", nil }, nil, "[cpu]"},
		"a Mac with all": {Apple, func(m *Machine) { m.OS = "darwin"; m.Devices = []Device{{Backend: BackendMetal, Kind: KindGPU}} }, nil, "[metal cpu]"},
		"Windows":        {AMD, func(m *Machine) { m.OS = "windows"; m.Drivers.Libraries = []Library{{"vulkan-1.dll", ""}} }, []string{"shows no device"}, "[vulkan cpu]"},
		"CUDA is seen":   {NVIDIA, func(m *Machine) { m.Devices = []Device{{Backend: BackendCUDA, Kind: KindGPU}} }, nil, "[vulkan cuda cpu]"},
		"an older CUDA": {NVIDIA, func(m *Machine) {
			m.Drivers.drop("libcudart.so.13")
			m.Drivers.drop("libcublas.so.13")
			m.Drivers.Libraries = append(m.Drivers.Libraries, Library{"libcudart.so.12", ""}, Library{"libcublas.so.12", ""})
		}, []string{"shows no device", "lacks the runtime of its release 13 (libcudart.so.13 and libcublas.so.13); that of another does not do; if you want it, install CUDA 13's runtime"}, "[vulkan cpu]"},
		"code to translate":  {NVIDIA, func(m *Machine) { m.GPUs[0].ID = "10de:2335" }, []string{"shows no device", "which NVIDIA's driver 580.10 is too old for; if you want it, install driver 590 or newer"}, "[vulkan cpu]"},
		"code translated":    {NVIDIA, func(m *Machine) { m.GPUs[0].ID, m.Drivers.NVIDIA = "10de:2335", "590.44" }, []string{"shows no device"}, "[vulkan cuda cpu]"},
		"newer Blackwell":    {NVIDIA, func(m *Machine) { m.GPUs[0].ID = "10de:3182" }, []string{"shows no device", "has to translate"}, "[vulkan cpu]"},
		"generation unknown": {NVIDIA, func(m *Machine) { m.GPUs[0].ID = "" }, []string{"shows no device", "has to translate"}, "[vulkan cpu]"},
		"too old a GPU":      {NVIDIA, func(m *Machine) { m.GPUs[0].ID = "10de:1b06" }, []string{"shows no device", "for which CUDA 13 has no code any more; if you want it, use Vulkan"}, "[vulkan cpu]"},
		"version unknown":    {NVIDIA, func(m *Machine) { m.Drivers.NVIDIA = "" }, []string{"shows no device"}, "[vulkan cuda cpu]"},
	} {
		t.Run(name, func(t *testing.T) {
			m := ready(tt.vendor)
			tt.change(&m)
			got := m.Missing()
			if len(got) != len(tt.want) {
				t.Fatalf("advice %v, want %d", got, len(tt.want))
			}
			for i, a := range got {
				if !strings.Contains(a.String(), tt.want[i]) || a.Do == "" {
					t.Errorf("%q (%+v) does not say %q", a, a, tt.want[i])
				}
			}
			var list []string
			for _, b := range m.Backends() {
				list = append(list, string(b))
			}
			if s := "[" + strings.Join(list, " ") + "]"; s != tt.backends {
				t.Errorf("backends %s, want %s", s, tt.backends)
			}
		})
	}
}

// What was read from recorded file systems leads to the advice that fits.
func TestMissingOfTrees(t *testing.T) {
	for name, want := range map[string][]string{
		"laptop-hybrid": {"this user may not open /dev/dri/renderD128"},
		"two-h200":      {"with all that Vulkan needs", "/dev/nvidia* is missing", "install driver 590 or newer"},
		"sandbox-h200":  {"libvulkan.so.1, Vulkan's loader, is not", "libEGL.so.1, which", "set VK_DRIVER_FILES=/usr/local/nvidia/", "install driver 590 or newer"},
		"amd":           {"libvulkan.so.1, Vulkan's loader, is not"},
		"container-v2":  nil,
	} {
		m := readMachine(t, "trees/"+name)
		m.OS = "linux"
		got := m.Missing()
		if len(got) != len(want) {
			t.Errorf("%s: advice %v, want %d", name, got, len(want))
			continue
		}
		for i, a := range got {
			if !strings.Contains(a.String(), want[i]) {
				t.Errorf("%s: %q does not say %q", name, a, want[i])
			}
		}
	}
}

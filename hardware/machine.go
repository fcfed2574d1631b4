package hardware

import (
	"math"
	"slices"
	"strings"
)

// A Machine is what there is to compute with, as far as this process may use it.
// It is plain data: one that was written as JSON on another machine says the
// same and chooses the same here. Nothing is known of a zero field.
type Machine struct {
	OS      string   `json:"os"`   // as GOOS names it
	Arch    string   `json:"arch"` // as GOARCH names it
	CPU     CPU      `json:"cpu"`
	Memory  Memory   `json:"memory"`
	GPUs    []GPU    `json:"gpus,omitempty"` // as the system sees them, with or without a driver
	Drivers Drivers  `json:"drivers"`
	Devices []Device `json:"devices,omitempty"` // as llama.cpp sees them; none before its libraries are loaded
}

// CPU is the processors of a machine.
type CPU struct {
	Model            string  `json:"model,omitempty"`
	Logical          int     `json:"logical"`           // hardware threads that are online
	Cores            int     `json:"cores"`             // physical cores that are online
	PerformanceCores int     `json:"performance_cores"` // those of the fast kind; all, where there is one kind
	Allowed          CPUSet  `json:"allowed"`           // hardware threads that this process may run on
	AllowedCores     int     `json:"allowed_cores"`     // performance cores among them; if there are none, cores
	Limit            float64 `json:"limit,omitempty"`   // CPUs' worth of time that a control group grants; 0: no limit
	Nodes            []Node  `json:"nodes,omitempty"`   // NUMA nodes
}

// A Node is processors with memory of their own.
type Node struct {
	ID     int    `json:"id"`
	CPUs   CPUSet `json:"cpus"`
	Memory uint64 `json:"memory"` // bytes
}

// Threads is how many threads have a core to themselves: the allowed cores, or fewer
// under a limit, which is rounded; at least 1. Two threads on one core hinder each
// other in matrix products.
func (c CPU) Threads() int {
	n := c.AllowedCores
	if c.Limit > 0 {
		n = min(n, int(math.Round(c.Limit)))
	}
	return max(1, n)
}

// Memory is the main memory in bytes.
type Memory struct {
	Total     uint64 `json:"total"`
	Available uint64 `json:"available"`       // without swapping, caches that can be given up counted in
	Limit     uint64 `json:"limit,omitempty"` // of a control group, if that is less than Total; 0: none
	Left      uint64 `json:"left,omitempty"`  // under Limit; caches that can be given up counted in
	Most      uint64 `json:"most,omitempty"`  // that a plan may take, such as the budget of a pool; 0: no such limit
}

// Reclaim counts memory as free that will be.
func (m *Memory) Reclaim(bytes uint64) {
	m.Available = min(m.Available+bytes, m.Total)
	m.Left = min(m.Left+bytes, m.Limit)
}

// Free is what this process can still take.
func (m Memory) Free() uint64 {
	if m.Limit > 0 {
		return min(m.Available, m.Left)
	}
	return m.Available
}

// Size is what this process could have at most.
func (m Memory) Size() uint64 {
	if m.Limit > 0 {
		return min(m.Total, m.Limit)
	}
	return m.Total
}

// Vendor names who made a GPU.
type Vendor string

// The vendors whose GPUs a backend of llama.cpp computes on.
const (
	NVIDIA   Vendor = "NVIDIA"
	AMD      Vendor = "AMD"
	Intel    Vendor = "Intel"
	Apple    Vendor = "Apple"
	Qualcomm Vendor = "Qualcomm"
	Arm      Vendor = "Arm"
)

// A GPU is a graphics processor as the system sees it without any library of its
// driver.
type GPU struct {
	Vendor  Vendor    `json:"vendor"`
	Name    string    `json:"name,omitempty"`    // as far as the system knows it
	Address string    `json:"address,omitempty"` // on PCI: "0000:01:00.0"
	ID      string    `json:"id,omitempty"`      // on PCI: "10de:2335"
	Driver  string    `json:"driver,omitempty"`  // the kernel's driver that has it: "nvidia", "amdgpu"; empty: none
	Memory  uint64    `json:"memory,omitempty"`  // bytes of its own, where the system knows
	Nodes   []DevNode `json:"nodes,omitempty"`   // files it is used through
}

// A DevNode is a file in /dev.
type DevNode struct {
	Path   string `json:"path"`
	Usable bool   `json:"usable"` // this process may open it
}

// Title names the GPU to people.
func (g GPU) Title() string {
	switch {
	case g.Name != "":
		return g.Name
	case g.ID != "":
		return string(g.Vendor) + " GPU " + g.ID
	}
	return string(g.Vendor) + " GPU"
}

// Drivers are the libraries through which programs use GPUs.
type Drivers struct {
	NVIDIA    string    `json:"nvidia,omitempty"`    // version of the kernel's driver: "580.159.04"
	Libraries []Library `json:"libraries,omitempty"` // that the dynamic loader finds
	Vulkan    []ICD     `json:"vulkan,omitempty"`    // drivers that present themselves to Vulkan's loader
}

// A Library is a shared library that a program would get by its name.
type Library struct {
	Name string `json:"name"`
	Path string `json:"path"`
}

// Has reports whether the libraries are all there.
func (d Drivers) Has(names ...string) bool {
	for _, name := range names {
		if !slices.ContainsFunc(d.Libraries, func(l Library) bool { return l.Name == name }) {
			return false
		}
	}
	return true
}

// An ICD is a Vulkan driver, which a manifest (a JSON file) names.
type ICD struct {
	Manifest string `json:"manifest"`
	Library  string `json:"library"`
	Vendor   Vendor `json:"vendor,omitempty"` // whose GPUs it drives; empty: none's, such as a renderer in software
	Found    bool   `json:"found"`            // the library is there
	Searched bool   `json:"searched"`         // Vulkan's loader looks where the manifest lies
}

// Kind says what a device is, as ggml sorts them.
type Kind string

// The kinds.
const (
	KindCPU   Kind = "cpu"
	KindGPU   Kind = "gpu"
	KindIGPU  Kind = "igpu"  // a GPU in the host's memory
	KindAccel Kind = "accel" // computes together with the CPU
	KindMeta  Kind = "meta"  // others as one
)

// A Device is one that llama.cpp can put layers on.
type Device struct {
	Name        string  `json:"name"` // "Vulkan0"
	Description string  `json:"description"`
	Backend     Backend `json:"backend"`
	Kind        Kind    `json:"kind"`
	ID          string  `json:"id,omitempty"`   // of a GPU on PCI, its address
	Free        uint64  `json:"free"`           // bytes
	Total       uint64  `json:"total"`          // bytes
	Most        uint64  `json:"most,omitempty"` // bytes that a plan may take, such as the budget of a pool; 0: no such limit
	Caps        []Cap   `json:"caps,omitempty"`
}

// A Cap is something that a device can do.
type Cap string

// What devices can do.
const (
	CapAsync       Cap = "async"                // compute while the host goes on
	CapHostBuffer  Cap = "host_buffer"          // have pinned buffers on the host
	CapFromHostPtr Cap = "buffer_from_host_ptr" // compute with memory of the host
	CapEvents      Cap = "events"               // be waited for
	CapMmap        Cap = "mmap"                 // load weights from a mapped file well
)

// A Backend is a part of llama.cpp that computes on one kind of hardware.
type Backend string

// The backends that are chosen among.
const (
	BackendCPU    Backend = "cpu"
	BackendVulkan Backend = "vulkan"
	BackendCUDA   Backend = "cuda"
	BackendMetal  Backend = "metal"
)

// Backends are all that are chosen among.
var Backends = []Backend{BackendCPU, BackendVulkan, BackendCUDA, BackendMetal}

// Title is the backend's name as its makers write it.
func (b Backend) Title() string {
	switch b {
	case BackendVulkan:
		return "Vulkan"
	case BackendCUDA, BackendCPU:
		return strings.ToUpper(string(b))
	case BackendMetal:
		return "Metal"
	}
	return string(b)
}

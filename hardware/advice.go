package hardware

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Advice is something that keeps a backend from computing here, and what to do about
// it.
type Advice struct {
	Backend  Backend `json:"backend,omitempty"`  // empty: any on the GPU
	Problem  string  `json:"problem"`            // "an NVIDIA H200 is here, but libvulkan.so.1 is not"
	Do       string  `json:"do"`                 // "install libvulkan1 (Debian, Ubuntu) or ..."
	Optional bool    `json:"optional,omitempty"` // another backend computes on the same GPU, or could
}

func (a Advice) String() string {
	if a.Optional {
		return a.Problem + "; if you want it, " + a.Do
	}
	return a.Problem + ": " + a.Do
}

// Missing says what this machine lacks for a better backend than it has now: nothing,
// if llama.cpp sees every GPU that is here, or if there is none. What cannot be seen
// before something else is done is not guessed.
func (m Machine) Missing() []Advice {
	unseen := m.unseen()
	if len(unseen) == 0 || m.OS != "darwin" {
		return append(m.missingVulkan(unseen), m.missingCUDA()...)
	}
	return []Advice{m.notLoaded(BackendMetal, unseen[0])}
}

// Backends lists the backends that have all they need from this machine, the default
// one first and the CPU last: the libraries of llama.cpp to get. Whether a backend then
// shows a device is seen when it is loaded.
func (m Machine) Backends() []Backend {
	var list []Backend
	for _, b := range []Backend{BackendMetal, BackendVulkan, BackendCUDA} {
		if m.Shows(b) || m.carries(b) {
			list = append(list, b)
		}
	}
	return append(list, BackendCPU)
}

// Shows reports whether llama.cpp has shown a GPU through a backend.
func (m Machine) Shows(b Backend) bool { return len(m.gpuDevices(b)) > 0 }

// gpuDevices are llama.cpp's GPUs of a backend. GPUs in the host's memory count only
// if there is none with memory of its own, as llama.cpp has it.
func (m Machine) gpuDevices(b Backend) (list []Device) {
	for _, kind := range []Kind{KindGPU, KindIGPU} {
		for _, d := range m.Devices {
			if d.Backend == b && d.Kind == kind {
				list = append(list, d)
			}
		}
		if len(list) > 0 {
			return list
		}
	}
	return nil
}

// carries reports whether the system has a GPU for a backend and all that the backend
// is linked with.
func (m Machine) carries(b Backend) bool {
	switch b {
	case BackendMetal:
		return m.OS == "darwin" && len(m.GPUs) > 0
	case BackendVulkan:
		return m.OS != "darwin" && slices.ContainsFunc(m.GPUs, func(g GPU) bool { return m.vulkanAdvice(g) == nil })
	case BackendCUDA:
		return m.usableNVIDIA() && m.cudaAdvice() == nil
	}
	return b == BackendCPU
}

// unseen are the GPUs that llama.cpp does not show and that would be used if it did:
// beside one with memory of its own, only others of its vendor.
func (m Machine) unseen() (list []GPU) {
	var seen []Vendor
	discrete := false
	for _, g := range m.GPUs {
		i := slices.IndexFunc(m.Devices, func(d Device) bool { return d.isGPU() && d.may(g) })
		if i < 0 {
			list = append(list, g)
			continue
		}
		seen = append(seen, g.Vendor)
		discrete = discrete || m.Devices[i].Kind == KindGPU
	}
	return slices.DeleteFunc(list, func(g GPU) bool { return discrete && !slices.Contains(seen, g.Vendor) })
}

// may reports whether a device may be a GPU: one of both need not know its address.
func (d Device) may(g GPU) bool {
	return d.ID == "" || g.Address == "" || strings.EqualFold(d.ID, g.Address)
}

func (d Device) isGPU() bool { return d.Kind == KindGPU || d.Kind == KindIGPU }

// missingVulkan looks at each GPU; what is missing for several is said once.
func (m Machine) missingVulkan(unseen []GPU) (advice []Advice) {
	for _, g := range unseen {
		lacks := m.vulkanAdvice(g)
		if lacks == nil {
			lacks = []Advice{m.notLoaded(BackendVulkan, g)}
		}
		for _, a := range lacks {
			if !slices.ContainsFunc(advice, func(b Advice) bool { return a.Do == b.Do }) {
				advice = append(advice, a)
			}
		}
	}
	return advice
}

// vulkanAdvice says what a GPU lacks for Vulkan, nil for nothing.
func (m Machine) vulkanAdvice(g GPU) (advice []Advice) {
	if a := m.driverAdvice(g); a != nil {
		return []Advice{*a}
	}
	loader := librariesOf(m.OS).vulkan
	if !m.Drivers.Has(loader) {
		do := "install libvulkan1 (Debian, Ubuntu), vulkan-loader (Fedora, RHEL, openSUSE) or vulkan-icd-loader (Arch)"
		if m.OS == "windows" {
			do = "install the newest driver of the GPU's maker, which brings it"
		}
		advice = append(advice, Advice{Backend: BackendVulkan, Problem: g.here() + ", but " + loader + ", Vulkan's loader, is not", Do: do})
	}
	if m.OS != "linux" {
		return advice // Windows finds its drivers itself
	}
	// Without it the driver makes no instance (seen with NVIDIA's 580 on a server).
	if egl := librariesOf(m.OS).egl; g.Driver == "nvidia" && !m.Drivers.Has(egl) {
		advice = append(advice, Advice{
			Backend: BackendVulkan, Problem: g.here() + ", but " + egl + ", which its Vulkan driver needs, is not",
			Do: "install libegl1 (Debian, Ubuntu), libglvnd-egl (Fedora, RHEL) or libglvnd (Arch, openSUSE)",
		})
	}
	if a := m.icdAdvice(g); a != nil {
		advice = append(advice, *a)
	}
	return advice
}

// here begins a sentence about a GPU.
func (g GPU) here() string { return article(g.Title()) + " is here" }

// article puts "a" or "an" before a name as it is spoken.
func article(name string) string {
	if name != "" && strings.ContainsRune("AEIOaeio", rune(name[0])) || strings.HasPrefix(name, "NVIDIA") {
		return "an " + name
	}
	return "a " + name
}

// driverAdvice says why the kernel does not let this process use a GPU.
func (m Machine) driverAdvice(g GPU) *Advice {
	if m.OS != "linux" {
		return nil
	}
	problem := func(format string, args ...any) *Advice {
		return &Advice{Problem: g.here() + ", but " + fmt.Sprintf(format, args...)}
	}
	switch {
	case g.Driver == "vfio-pci" || g.Driver == "pci-stub":
		a := problem("the kernel keeps it for virtual machines (driver %s)", g.Driver)
		a.Do = "give it back to its driver, or run cria in the virtual machine that has it"
		return a
	case g.Driver == "":
		a := problem("no driver of the kernel has it")
		a.Do = "load the driver (modprobe " + kernelDriver[g.Vendor] + ")"
		if g.Vendor == NVIDIA {
			a.Do = "install NVIDIA's driver (nvidia-driver on Debian, nvidia-driver-580 or newer on Ubuntu, akmod-nvidia on Fedora) and start the machine again"
		}
		return a
	case len(g.Nodes) == 0:
		a := problem("this process is not given it: %s is missing", nodeName(g))
		a.Do = "if this is a container, start it with --device /dev/dri"
		if g.Driver == "nvidia" {
			a.Do = "if this is a container, start it with --gpus all and NVIDIA_DRIVER_CAPABILITIES=all (NVIDIA's container toolkit must be installed on the host)"
		}
		return a
	}
	if !slices.ContainsFunc(g.Nodes, func(n DevNode) bool { return n.Usable }) {
		a := problem("this user may not open %s", g.Nodes[0].Path)
		a.Do = "add the user to the group that owns it (sudo usermod -aG render,video $USER) and log in again"
		return a
	}
	return nil
}

var kernelDriver = map[Vendor]string{AMD: "amdgpu", Intel: "xe or i915", Qualcomm: "msm", Arm: "panthor", Apple: "asahi"}

func nodeName(g GPU) string {
	if g.Driver == "nvidia" {
		return "/dev/nvidia*"
	}
	return "its file in /dev/dri"
}

// icdAdvice says why Vulkan's loader would find no driver for a GPU.
func (m Machine) icdAdvice(g GPU) *Advice {
	var manifest, unsearched string // of a driver that is not whole, and one in another place
	for _, icd := range m.Drivers.Vulkan {
		switch {
		case icd.Vendor != g.Vendor:
		case icd.Found && icd.Searched:
			return nil
		case icd.Found:
			unsearched = icd.Manifest
		default:
			manifest = icd.Manifest + " names " + icd.Library + ", which"
		}
	}
	a := &Advice{Backend: BackendVulkan, Problem: g.here() + ", but no Vulkan driver for it is"}
	switch {
	case unsearched != "":
		a.Problem = g.here() + ", but Vulkan's loader does not look where its driver's manifest lies"
		a.Do = "set VK_DRIVER_FILES=" + unsearched
		return a
	case manifest != "":
		a.Problem = g.here() + ", but its Vulkan driver is not whole: " + manifest + " is not here"
	}
	switch g.Vendor {
	case NVIDIA:
		a.Do = "install the graphics part of NVIDIA's driver (libnvidia-gl of the driver's version on Ubuntu, nvidia-driver-libs on Debian, xorg-x11-drv-nvidia-libs on Fedora); in a container, start it with NVIDIA_DRIVER_CAPABILITIES=all"
	case AMD:
		a.Do = "install mesa-vulkan-drivers (Debian, Ubuntu, Fedora) or vulkan-radeon (Arch)"
	case Intel:
		a.Do = "install mesa-vulkan-drivers (Debian, Ubuntu, Fedora) or vulkan-intel (Arch)"
	default:
		a.Do = "install mesa-vulkan-drivers (Debian, Ubuntu, Fedora)"
	}
	return a
}

// notLoaded is for a GPU that llama.cpp could show if it had the backend.
func (m Machine) notLoaded(b Backend, g GPU) Advice {
	return Advice{
		Backend: b,
		Problem: fmt.Sprintf("%s with all that %s needs, but llama.cpp shows no device for it", g.here(), b.Title()),
		Do:      fmt.Sprintf("use libraries of llama.cpp with the %s backend (libggml-%s)", b.Title(), b),
	}
}

// missingCUDA is for NVIDIA's GPUs that this process may use, once Vulkan has what it
// needs: it may be faster there.
func (m Machine) missingCUDA() []Advice {
	if !m.usableNVIDIA() || m.Shows(BackendCUDA) {
		return nil
	}
	a := m.cudaAdvice()
	if a == nil {
		return nil // it is for the asking, see Choose
	}
	a.Optional = true
	return []Advice{*a}
}

// usableNVIDIA reports whether the kernel lets this process use a GPU of NVIDIA.
func (m Machine) usableNVIDIA() bool {
	return slices.ContainsFunc(m.GPUs, func(g GPU) bool { return g.Vendor == NVIDIA && m.driverAdvice(g) == nil })
}

// cudaAdvice says what CUDA lacks first, nil for nothing. What it lacks for one GPU it lacks
// altogether, since a backend shows all.
func (m Machine) cudaAdvice() *Advice {
	libs := librariesOf(m.OS)
	if !m.Drivers.Has(libs.cuda) {
		return &Advice{Backend: BackendCUDA, Problem: libs.cuda + ", the CUDA part of NVIDIA's driver, is not here",
			Do: "install it (libnvidia-compute of the driver's version on Ubuntu, libcuda1 on Debian, xorg-x11-drv-nvidia-cuda-libs on Fedora); in a container, start it with NVIDIA_DRIVER_CAPABILITIES=all"}
	}
	if branch := m.Drivers.branch(); branch != 0 && branch < cudaDriver {
		return &Advice{Backend: BackendCUDA, Problem: fmt.Sprintf("NVIDIA's driver %s is too old for CUDA %s", m.Drivers.NVIDIA, cudaRelease),
			Do: fmt.Sprintf("install driver %d or newer", cudaDriver)}
	}
	for _, g := range m.GPUs {
		if g.Vendor != NVIDIA {
			continue
		}
		switch code, branch := cudaCodeOf(g), m.Drivers.branch(); {
		case code == noCode:
			return &Advice{Backend: BackendCUDA, Problem: g.here() + ", for which CUDA " + cudaRelease + " has no code any more",
				Do: "use Vulkan, or name a build of llama.cpp for it (--llama-dir)"}
		case code == translated && branch < cudaTranslatingDriver:
			return &Advice{Backend: BackendCUDA, Problem: fmt.Sprintf("%s, whose code for CUDA the driver has to translate, which NVIDIA's driver %s is too old for", g.here(), cmp.Or(m.Drivers.NVIDIA, "of unknown version")),
				Do: fmt.Sprintf("install driver %d or newer, or name a build of llama.cpp for it (--llama-dir)", cudaTranslatingDriver)}
		}
	}
	if m.Drivers.Has(libs.runtime...) {
		return nil
	}
	return &Advice{Backend: BackendCUDA,
		Problem: fmt.Sprintf("CUDA, which may be faster on NVIDIA's GPUs, lacks the runtime of its release %s (%s); that of another does not do", cudaRelease, strings.Join(libs.runtime, " and ")),
		Do:      fmt.Sprintf("install CUDA %s's runtime and cuBLAS, or set LD_LIBRARY_PATH to where they are", cudaRelease)}
}

// branch is the first number of the driver's version, 0 if it is not known.
func (d Drivers) branch() int {
	first, _, _ := strings.Cut(d.NVIDIA, ".")
	n, err := strconv.Atoi(first)
	if err != nil {
		return 0
	}
	return n
}

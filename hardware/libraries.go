package hardware

import (
	"regexp"
	"strings"
)

// sharedLibraries are the names of what backends are linked with on one system.
type sharedLibraries struct {
	vulkan  string        // Vulkan's loader
	egl     string        // what NVIDIA's Vulkan driver opens besides; empty: nothing
	cuda    string        // CUDA's driver
	runtime []cudaRelease // what is needed beside it, the preferred release first
}

// A cudaRelease is a release of CUDA that llama.cpp's libraries are built for: all its
// libraries must be there, and a driver that is new enough.
type cudaRelease struct {
	number    string
	libraries []string
	driver    int // the least branch of the driver (CUDA's release notes, table of driver versions)
}

// librariesOf says what backends need on a system. CUDA's runtimes are those of the
// prebuilt libraries: 13 of llama.cpp's, 12 of their fallback for older GPUs.
func librariesOf(goos string) sharedLibraries {
	if goos == "windows" {
		return sharedLibraries{"vulkan-1.dll", "", "nvcuda.dll", []cudaRelease{
			{"13", []string{"cudart64_13.dll", "cublas64_13.dll"}, 580},
			{"12", []string{"cudart64_12.dll", "cublas64_12.dll"}, 525},
		}}
	}
	return sharedLibraries{"libvulkan.so.1", "libEGL.so.1", "libcuda.so.1", []cudaRelease{
		{"13", []string{"libcudart.so.13", "libcublas.so.13"}, 580},
		{"12", []string{"libcudart.so.12", "libcublas.so.12"}, 525},
	}}
}

func (s sharedLibraries) runtimes() (names []string) {
	for _, r := range s.runtime {
		names = append(names, r.libraries...)
	}
	return names
}

var windowsPCI = regexp.MustCompile(`^pci\\ven_([0-9a-f]{4})&dev_([0-9a-f]{4})`)

// pciID reads what Windows calls a PCI device; the vendor is empty for other devices
// and for vendors whose GPUs do not compute.
func pciID(device string) (Vendor, string) {
	id := windowsPCI.FindStringSubmatch(strings.ToLower(device))
	if id == nil {
		return "", ""
	}
	return pciVendors[id[1]], id[1] + ":" + id[2]
}

package hardware

import (
	"regexp"
	"strings"
)

// sharedLibraries are the names of what backends are linked with on one system.
type sharedLibraries struct {
	vulkan  string   // Vulkan's loader
	egl     string   // what NVIDIA's Vulkan driver opens besides; empty: nothing
	cuda    string   // CUDA's driver
	runtime []string // CUDA's, of release cudaRelease: all must be there
}

// The release of CUDA that llama.cpp's prebuilt libraries are linked with, and the least
// branch of NVIDIA's driver for it (CUDA's release notes, table of driver versions). The
// runtime of another release has other file names and does not do.
const (
	cudaRelease = "13"
	cudaDriver  = 580
)

// librariesOf says what backends need on a system.
func librariesOf(goos string) sharedLibraries {
	if goos == "windows" {
		return sharedLibraries{"vulkan-1.dll", "", "nvcuda.dll", []string{"cudart64_13.dll", "cublas64_13.dll"}}
	}
	return sharedLibraries{"libvulkan.so.1", "libEGL.so.1", "libcuda.so.1", []string{"libcudart.so.13", "libcublas.so.13"}}
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

package hardware

import (
	"regexp"
	"strconv"
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

// The CUDA backend that is fetched is built by release 13.1 and has machine code for some
// generations of GPUs only; for others it has a code that the driver translates, if it is of
// that release or newer, and that ends the process at the first computation if it is not
// (seen with an H200 and driver 580). Older ones than Turing it has nothing for.
const cudaTranslatingDriver = 590

// cudaCode says what the fetched backend has for a generation of GPUs.
type cudaCode int

const (
	noCode cudaCode = iota
	translated
	machineCode
)

// cudaCodeOf knows a GPU's generation by the first byte of its number on PCI. One that is
// not known is taken for one whose code is translated.
func cudaCodeOf(g GPU) cudaCode {
	_, device, ok := strings.Cut(g.ID, ":")
	n, err := strconv.ParseUint(device, 16, 16)
	if !ok || err != nil {
		return translated
	}
	switch family := n >> 8; {
	case family < 0x1e:
		return noCode // Pascal, Volta and before
	case family == 0x22 || family >= 0x24 && family <= 0x28 || family >= 0x2b && family <= 0x2f:
		return machineCode // Ampere but for GA100, Ada, Blackwell but for GB100: 8.6, 8.9, 12.x
	}
	return translated // Turing, GA100, Hopper, GB100, B300: 7.5, 8.0, 9.0, 10.0, 10.3
}

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

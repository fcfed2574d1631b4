package hardware

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// pciVendors make GPUs that a backend of llama.cpp computes on. Others make adapters
// for screens of servers and virtual machines.
var pciVendors = map[string]Vendor{"10de": NVIDIA, "1002": AMD, "8086": Intel}

// drmDrivers have GPUs that are not on PCI, by the kernel's driver.
var drmDrivers = map[string]Vendor{"msm": Qualcomm, "panthor": Arm, "panfrost": Arm, "asahi": Apple}

const (
	pciDir    = "/sys/bus/pci/devices"
	drmDir    = "/sys/class/drm"
	nvidiaDir = "/proc/driver/nvidia"
)

// gpus lists what sysfs says there is, on PCI and elsewhere; where a sandbox hides
// that, the files through which NVIDIA's are used.
func (l *linux) gpus() (list []GPU) {
	for _, address := range l.list(pciDir) {
		if g, ok := l.pciGPU(address); ok {
			list = append(list, g)
		}
	}
	for _, card := range l.list(drmDir) {
		event := l.fields(path.Join(drmDir, card, "device/uevent"), "=")
		vendor, ok := drmDrivers[event["DRIVER"]]
		if ok && strings.HasPrefix(card, "renderD") {
			list = append(list, GPU{Vendor: vendor, Driver: event["DRIVER"], Nodes: l.devNodes("/dev/dri/" + card)})
		}
	}
	if !slices.ContainsFunc(list, func(g GPU) bool { return g.Vendor == NVIDIA }) {
		list = append(list, l.nvidiaNodes()...)
	}
	return list
}

// pciGPU reads one PCI device, which need not be a GPU.
func (l *linux) pciGPU(address string) (GPU, bool) {
	dir := path.Join(pciDir, address)
	event := l.fields(dir+"/uevent", "=")
	id := strings.ToLower(event["PCI_ID"])
	vendor, ok := pciVendors[strings.Split(id, ":")[0]]
	// Of base class 3, display controllers, which uevent writes without zeros in front.
	if !ok || len(event["PCI_CLASS"]) != 5 || event["PCI_CLASS"][0] != '3' {
		return GPU{}, false
	}
	g := GPU{Vendor: vendor, Address: address, ID: id, Driver: event["DRIVER"], Nodes: l.renderNodes(address)}
	g.Name = l.line(dir + "/product_name") // some of AMD's
	g.Memory, _ = l.number(dir + "/mem_info_vram_total")
	if vendor == NVIDIA {
		info := l.fields(path.Join(nvidiaDir, "gpus", address, "information"), ":")
		g.Name = info["Model"]
		if minor := info["Device Minor"]; minor != "" && l.exists("/dev/nvidia"+minor) {
			g.Nodes = append(g.Nodes, l.devNodes("/dev/nvidia"+minor)...)
		}
	}
	return g, true
}

// renderNodes are the files through which programs compute on a GPU.
func (l *linux) renderNodes(address string) (nodes []DevNode) {
	for _, name := range l.list(drmDir) {
		if !strings.HasPrefix(name, "renderD") || !l.exists("/dev/dri/"+name) {
			continue
		}
		if l.fields(path.Join(drmDir, name, "device/uevent"), "=")["PCI_SLOT_NAME"] == address {
			nodes = append(nodes, l.devNodes("/dev/dri/"+name)...)
		}
	}
	return nodes
}

func (l *linux) devNodes(file string) []DevNode {
	if !l.exists(file) {
		return nil
	}
	return []DevNode{{file, l.usable(file)}}
}

var nvidiaNode = regexp.MustCompile(`^nvidia[0-9]+$`)

// nvidiaNodes makes GPUs of the files of NVIDIA's driver and of what it says of them.
func (l *linux) nvidiaNodes() (list []GPU) {
	names := map[string]string{} // by minor number
	for _, address := range l.list(nvidiaDir + "/gpus") {
		info := l.fields(path.Join(nvidiaDir, "gpus", address, "information"), ":")
		names["nvidia"+info["Device Minor"]] = info["Model"]
	}
	for _, name := range l.list("/dev") {
		if nvidiaNode.MatchString(name) {
			list = append(list, GPU{Vendor: NVIDIA, Name: names[name], Driver: "nvidia", Nodes: l.devNodes("/dev/" + name)})
		}
	}
	return list
}

var driverVersion = regexp.MustCompile(`\s([0-9]+\.[0-9]+(\.[0-9]+)?)\s`)

// nvidiaVersion is the version of NVIDIA's driver in the kernel:
//
//	NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build
func (l *linux) nvidiaVersion() string {
	if v := driverVersion.FindStringSubmatch(l.fields(nvidiaDir+"/version", ":")["NVRM version"] + " "); v != nil {
		return v[1]
	}
	return ""
}

package hardware

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// native asks the kernel and the registry.
func native() Machine {
	return Machine{CPU: nativeCPU(), Memory: nativeMemory(), GPUs: displayAdapters(), Drivers: nativeDrivers()}
}

var (
	kernel32             = windows.NewLazySystemDLL("kernel32.dll")
	globalMemoryStatusEx = kernel32.NewProc("GlobalMemoryStatusEx")
	logicalProcessors    = kernel32.NewProc("GetLogicalProcessorInformationEx")
	processAffinityMask  = kernel32.NewProc("GetProcessAffinityMask")
)

const relationProcessorCore = 0

func nativeCPU() CPU {
	var size uint32
	_, _, _ = logicalProcessors.Call(relationProcessorCore, 0, uintptr(unsafe.Pointer(&size)))
	var c CPU
	if size > 0 {
		buf := make([]byte, size)
		if ok, _, _ := logicalProcessors.Call(relationProcessorCore, uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size))); ok != 0 {
			c = readWindowsCores(buf[:min(int(size), len(buf))], affinity())
		}
	}
	if k, err := registry.OpenKey(registry.LOCAL_MACHINE, `HARDWARE\DESCRIPTION\System\CentralProcessor\0`, registry.QUERY_VALUE); err == nil {
		defer k.Close()
		name, _, _ := k.GetStringValue("ProcessorNameString")
		c.Model = strings.TrimSpace(name)
	}
	return c
}

// affinity is the mask of the processors that this process may run on, 0 if it may run
// on all, or in several groups.
func affinity() uint64 {
	var process, system uintptr
	ok, _, _ := processAffinityMask.Call(uintptr(windows.CurrentProcess()), uintptr(unsafe.Pointer(&process)), uintptr(unsafe.Pointer(&system)))
	if ok == 0 || process == system {
		return 0
	}
	return uint64(process)
}

// memoryStatus is MEMORYSTATUSEX.
type memoryStatus struct {
	length, load                                                          uint32
	total, available, totalPage, availPage, totalVirtual, availVirtual, _ uint64
}

func nativeMemory() Memory {
	s := memoryStatus{length: uint32(unsafe.Sizeof(memoryStatus{}))}
	if ok, _, _ := globalMemoryStatusEx.Call(uintptr(unsafe.Pointer(&s))); ok == 0 {
		return Memory{}
	}
	m := Memory{Total: s.total, Available: s.available}
	// A container is a job.
	job := new(windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION)
	var pin runtime.Pinner // x/sys takes an address as a number: on the stack it could move before the call
	defer pin.Unpin()
	pin.Pin(job)
	err := windows.QueryInformationJobObject(0, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(job)), uint32(unsafe.Sizeof(*job)), nil)
	if err == nil && job.BasicLimitInformation.LimitFlags&windows.JOB_OBJECT_LIMIT_JOB_MEMORY != 0 && uint64(job.JobMemoryLimit) < m.Total {
		m.Limit = uint64(job.JobMemoryLimit)
		m.Left = min(m.Limit, m.Available)
	}
	return m
}

// displayAdapters reads the registry's class of display adapters.
func displayAdapters() (list []GPU) {
	const class = `SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}`
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, class, registry.ENUMERATE_SUB_KEYS)
	if err != nil {
		return nil
	}
	defer k.Close()
	names, _ := k.ReadSubKeyNames(-1)
	for _, name := range names {
		adapter, err := registry.OpenKey(registry.LOCAL_MACHINE, class+`\`+name, registry.QUERY_VALUE)
		if err != nil {
			continue // its properties are the administrator's
		}
		device, _, _ := adapter.GetStringValue("MatchingDeviceId") // pci\ven_10de&dev_2335&...
		vendor, id := pciID(device)
		title, _, _ := adapter.GetStringValue("DriverDesc")
		driver, _, _ := adapter.GetStringValue("ProviderName")
		memory, _, _ := adapter.GetIntegerValue("HardwareInformation.qwMemorySize")
		adapter.Close()
		if vendor != "" {
			list = append(list, GPU{Vendor: vendor, Name: title, ID: id, Driver: driver, Memory: memory})
		}
	}
	return list
}

func nativeDrivers() (d Drivers) {
	system, err := windows.GetSystemDirectory()
	if err != nil {
		return d
	}
	dirs := append([]string{system}, filepath.SplitList(os.Getenv("PATH"))...)
	libs := librariesOf("windows")
	for _, name := range append([]string{libs.vulkan, libs.cuda}, libs.runtime...) {
		for _, dir := range dirs {
			file := filepath.Join(dir, name)
			if _, err := os.Stat(file); err == nil && filepath.IsAbs(file) {
				d.Libraries = append(d.Libraries, Library{name, file})
				break
			}
		}
	}
	return d
}

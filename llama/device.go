package llama

import "unsafe"

// DeviceType is ggml_backend_dev_type.
type DeviceType int32

// The types of devices.
const (
	DeviceCPU DeviceType = iota
	DeviceGPU
	DeviceIGPU  // a GPU that shares the host's memory
	DeviceAccel // an accelerator used together with the CPU
	DeviceMeta
)

func (t DeviceType) String() string {
	switch t {
	case DeviceCPU:
		return "CPU"
	case DeviceGPU:
		return "GPU"
	case DeviceIGPU:
		return "IGPU"
	case DeviceAccel:
		return "ACCEL"
	case DeviceMeta:
		return "META"
	}
	return "unknown"
}

// Device is a device of a loaded backend. It is valid for the life of the
// process; the zero value is no device.
type Device struct{ h uintptr }

// Devices returns the devices of all loaded backends, none before [Load]. It may be called
// from any goroutine.
func Devices() []Device {
	if _, ok := Loaded(); !ok {
		return nil
	}
	registry.RLock()
	defer registry.RUnlock()
	n := call(c.devCount)
	devices := make([]Device, n)
	for i := range devices {
		devices[i].h = call1(c.devGet, uintptr(i))
	}
	return devices
}

// Name returns the device's short name: "CPU", "Vulkan0".
func (d Device) Name() string {
	if d.h == 0 {
		return ""
	}
	return goString(call1(c.devName, d.h))
}

// Description returns the device's name for people: "AMD EPYC".
func (d Device) Description() string {
	if d.h == 0 {
		return ""
	}
	return goString(call1(c.devDescription, d.h))
}

// Type returns what kind of device it is.
func (d Device) Type() DeviceType {
	if d.h == 0 {
		return -1
	}
	return DeviceType(int32(call1(c.devType, d.h)))
}

// Memory returns the device's free and total memory in bytes, now.
func (d Device) Memory() (free, total uint64) {
	if d.h == 0 {
		return 0, 0
	}
	m := new([2]uintptr)
	call4(c.devMemory, d.h, uintptr(unsafe.Pointer(&m[0])), uintptr(unsafe.Pointer(&m[1])), 0)
	return uint64(m[0]), uint64(m[1])
}

// Backend returns the name of the backend that the device is of: "CPU",
// "Vulkan", "CUDA", "Metal".
func (d Device) Backend() string {
	if d.h == 0 {
		return ""
	}
	reg := call1(c.devReg, d.h)
	if reg == 0 {
		return ""
	}
	return goString(call1(c.regName, reg))
}

// DeviceProps is what a device says of itself beyond its name.
type DeviceProps struct {
	// ID names the hardware, where the backend knows it: of a GPU on PCI, its
	// address in lower case ("0000:01:00.0"), whichever backend it is seen through.
	ID string

	Async             bool // computes while the host goes on
	HostBuffer        bool // has pinned buffers on the host
	BufferFromHostPtr bool // computes with memory that the host has allocated
	Events            bool // can be waited for
	Mmap              bool // loads weights from a mapped file well
}

// Props returns the device's properties; those of no device are zero.
func (d Device) Props() DeviceProps {
	if d.h == 0 {
		return DeviceProps{}
	}
	p := new(deviceProps)
	call2(c.devProps, d.h, uintptr(unsafe.Pointer(p)))
	return DeviceProps{
		ID:                goString(p.id),
		Async:             p.caps[0],
		HostBuffer:        p.caps[1],
		BufferFromHostPtr: p.caps[2],
		Events:            p.caps[3],
		Mmap:              p.caps[4],
	}
}

// deviceProps is ggml_backend_dev_props. The strings are the device's own.
type deviceProps struct {
	name, description uintptr
	free, total       uintptr
	typ               int32
	id                uintptr
	caps              [5]bool
}

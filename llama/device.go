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

// Devices returns the devices of all loaded backends, none before [Load].
func Devices() []Device {
	if _, ok := Loaded(); !ok {
		return nil
	}
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

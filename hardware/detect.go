package hardware

import (
	"context"
	"runtime"
	"strings"

	"github.com/cria-lm/cria/llama"
)

// Detect looks at the machine: the system's own tables, and llama.cpp's devices if
// its libraries are loaded ([llama.Load]). It takes milliseconds, and may be called
// from any goroutine, again and again as memory comes and goes. What cannot be read
// is left out, so the only error is that of ctx.
func Detect(ctx context.Context) (Machine, error) {
	if ctx.Err() != nil {
		return Machine{}, context.Cause(ctx)
	}
	m := native()
	m.OS, m.Arch = runtime.GOOS, runtime.GOARCH
	m.CPU.fill(runtime.NumCPU())
	m.Devices = devices()
	return m, nil
}

// Threads is how many threads have a core to themselves on this machine: see
// [CPU.Threads]. It reads the processors' tables only.
func Threads() int {
	c := nativeCPU()
	c.fill(runtime.NumCPU())
	return c.Threads()
}

// fill gives what the system did not say the values of a machine with one kind of
// core and one hardware thread in each.
func (c *CPU) fill(logical int) {
	if c.Logical == 0 {
		c.Logical = logical
	}
	if c.Cores == 0 {
		c.Cores = c.Logical
	}
	if c.PerformanceCores == 0 {
		c.PerformanceCores = c.Cores
	}
	if len(c.Allowed) == 0 {
		for cpu := range c.Logical {
			c.Allowed = append(c.Allowed, cpu)
		}
	}
	if c.AllowedCores == 0 {
		c.AllowedCores = min(c.PerformanceCores, len(c.Allowed))
	}
}

// devices are llama.cpp's.
func devices() (list []Device) {
	for _, d := range llama.Devices() {
		free, total := d.Memory()
		p := d.Props()
		list = append(list, Device{
			Name:        d.Name(),
			Description: d.Description(),
			Backend:     backendOf(d.Backend()),
			Kind:        Kind(strings.ToLower(d.Type().String())),
			ID:          p.ID,
			Free:        free,
			Total:       total,
			Caps:        capsOf(p),
		})
	}
	return list
}

// backendOf is the backend that ggml's registry knows by a name.
func backendOf(registered string) Backend {
	if registered == "MTL" { // what ggml-metal calls itself
		return BackendMetal
	}
	return Backend(strings.ToLower(registered))
}

func capsOf(p llama.DeviceProps) (caps []Cap) {
	for _, c := range []struct {
		can bool
		cap Cap
	}{
		{p.Async, CapAsync}, {p.HostBuffer, CapHostBuffer}, {p.BufferFromHostPtr, CapFromHostPtr},
		{p.Events, CapEvents}, {p.Mmap, CapMmap},
	} {
		if c.can {
			caps = append(caps, c.cap)
		}
	}
	return caps
}

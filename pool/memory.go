package pool

import (
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
)

// Host is the name of the device whose memory is the machine's own.
const Host = "CPU"

// Room is what a pool has memory for. Neither is to be changed.
type Room struct {
	Budget Memory // devices that it does not name have no limit
	Used   Memory // by models of the pool, which it can close
}

// Memory is a number of bytes by device. Devices have ggml's names: [Host], "Vulkan0".
type Memory map[string]uint64

// String writes the devices in the order of their names: "CPU 1.2 GiB, Vulkan0 3.4 GiB".
func (m Memory) String() string {
	var parts []string
	for _, device := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, device+" "+humanize.IBytes(m[device]))
	}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func (m Memory) add(other Memory) {
	for device, n := range other {
		m[device] += n
	}
}

func (m Memory) subtract(other Memory) {
	for device, n := range other {
		if m[device] -= n; m[device] == 0 {
			delete(m, device)
		}
	}
}

// short returns what is missing of a budget for used and need together, nothing if they
// fit. Devices that the budget does not name have no limit.
func (budget Memory) short(used, need Memory) Memory {
	missing := Memory{}
	for device, n := range need {
		if limit, ok := budget[device]; ok && n > 0 && used[device]+n > limit {
			missing[device] = used[device] + n - limit
		}
	}
	return missing
}

// on reports whether m has bytes on one of the devices.
func (m Memory) on(devices Memory) bool {
	for device := range devices {
		if m[device] > 0 {
			return true
		}
	}
	return false
}

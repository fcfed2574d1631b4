package hardware

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// windowsCore writes the record of a core.
func windowsCore(class byte, group uint16, mask uint64) []byte {
	r := make([]byte, coreMasks+coreMaskSize)
	binary.LittleEndian.PutUint32(r[coreSize:], uint32(len(r)))
	r[coreEfficiency] = class
	binary.LittleEndian.PutUint16(r[coreGroups:], 1)
	binary.LittleEndian.PutUint64(r[coreMasks:], mask)
	binary.LittleEndian.PutUint16(r[coreMasks+coreGroup:], group)
	return r
}

func TestReadWindowsCores(t *testing.T) {
	var hybrid []byte // two fast cores of two threads, two slow ones, one in a second group
	for _, r := range [][]byte{windowsCore(1, 0, 3), windowsCore(1, 0, 12), windowsCore(0, 0, 16), windowsCore(0, 1, 1)} {
		hybrid = append(hybrid, r...)
	}
	for name, tt := range map[string]struct {
		buf      []byte
		affinity uint64
		want     CPU
	}{
		"all":        {hybrid, 0, CPU{Logical: 6, Cores: 4, PerformanceCores: 2, AllowedCores: 2, Allowed: CPUSet{0, 1, 2, 3, 4, 64}}},
		"fast cores": {hybrid, 6, CPU{Logical: 6, Cores: 4, PerformanceCores: 2, AllowedCores: 2, Allowed: CPUSet{1, 2}}},
		"slow only":  {hybrid, 16, CPU{Logical: 6, Cores: 4, PerformanceCores: 2, AllowedCores: 1, Allowed: CPUSet{4}}},
		"cut short":  {hybrid[:100], 0, CPU{Logical: 4, Cores: 2, PerformanceCores: 2, AllowedCores: 2, Allowed: CPUSet{0, 1, 2, 3}}},
		"nothing":    {nil, 0, CPU{}},
		"no size":    {make([]byte, 64), 0, CPU{}},
	} {
		if d := cmp.Diff(tt.want, readWindowsCores(tt.buf, tt.affinity)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestPCIID(t *testing.T) {
	for device, want := range map[string]Vendor{
		`PCI\VEN_10DE&DEV_2335&SUBSYS_1`: NVIDIA, `pci\ven_8086&dev_a7a0`: Intel, `pci\ven_1af4&dev_1050`: "", `ROOT\BasicDisplay`: "",
	} {
		if got, id := pciID(device); got != want || want == NVIDIA && id != "10de:2335" {
			t.Errorf("%s is of %q (%s), want %q", device, got, id, want)
		}
	}
}

package llama

import (
	"debug/macho"
	"fmt"
	"runtime"
)

var machoCPUs = map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64}

// checkImage reads the Mach-O header of the file at path.
func checkImage(path string, _ int64) error {
	want := machoCPUs[runtime.GOARCH]
	if fat, err := macho.OpenFat(path); err == nil {
		defer fat.Close()
		for _, a := range fat.Arches {
			if a.Cpu == want {
				return nil
			}
		}
		return notLibrary(path)
	}
	f, err := macho.Open(path)
	if err != nil && hasPrefix(path, "\xcf\xfa\xed\xfe") {
		return fmt.Errorf("%s: %w", path, errDamaged)
	}
	if err != nil {
		return notLibrary(path)
	}
	defer f.Close()
	if f.Cpu != want {
		return otherMachine(path, f.Cpu)
	}
	if f.Type != macho.TypeDylib && f.Type != macho.TypeBundle {
		return notLibrary(path)
	}
	return nil
}

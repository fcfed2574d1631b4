package llama

import (
	"debug/elf"
	"fmt"
	"runtime"
)

var elfMachines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// checkImage reads the ELF header of the file at path. A library cut short
// would be mapped without complaint and raise SIGBUS when touched.
func checkImage(path string, size int64) error {
	f, err := elf.Open(path)
	if err != nil && hasPrefix(path, elf.ELFMAG) {
		return fmt.Errorf("%s: %w", path, errDamaged)
	}
	if err != nil {
		return notLibrary(path)
	}
	defer f.Close()
	if want, ok := elfMachines[runtime.GOARCH]; ok && f.Machine != want {
		return otherMachine(path, f.Machine)
	}
	if f.Class != elf.ELFCLASS64 || f.Type != elf.ET_DYN {
		return notLibrary(path)
	}
	for _, p := range f.Progs {
		if p.Filesz > uint64(size) || p.Off > uint64(size)-p.Filesz {
			return fmt.Errorf("%s: %w", path, errDamaged)
		}
	}
	return nil
}

package llama

import (
	"debug/pe"
	"fmt"
	"runtime"
)

var peMachines = map[string]uint16{"amd64": pe.IMAGE_FILE_MACHINE_AMD64, "arm64": pe.IMAGE_FILE_MACHINE_ARM64}

type peMachine uint16

func (m peMachine) String() string { return fmt.Sprintf("PE machine %#x", uint16(m)) }

// checkImage reads the PE header of the file at path.
func checkImage(path string, size int64) error {
	f, err := pe.Open(path)
	if err != nil && hasPrefix(path, "MZ") {
		return fmt.Errorf("%s: %w", path, errDamaged)
	}
	if err != nil {
		return notLibrary(path)
	}
	defer f.Close()
	if f.Machine != peMachines[runtime.GOARCH] {
		return otherMachine(path, peMachine(f.Machine))
	}
	if f.Characteristics&pe.IMAGE_FILE_DLL == 0 {
		return notLibrary(path)
	}
	for _, s := range f.Sections {
		if int64(s.Offset)+int64(s.Size) > size {
			return fmt.Errorf("%s: %w", path, errDamaged)
		}
	}
	return nil
}

package llama

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
)

var errDamaged = errors.New("the library is damaged or cut short; fetch it again")

func notLibrary(path string) error {
	return fmt.Errorf("%s: not a shared library for %s/%s", path, runtime.GOOS, runtime.GOARCH)
}

func otherMachine(path string, machine fmt.Stringer) error {
	return fmt.Errorf("%s: a library for %v, this process is %s/%s", path, machine, runtime.GOOS, runtime.GOARCH)
}

// hasPrefix reports whether the file at path begins with magic.
func hasPrefix(path, magic string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(magic))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == magic
}

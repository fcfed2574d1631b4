package engine

import (
	"fmt"
	"io"
	"os"
)

// checkModelFile reports a file that is not GGUF before llama.cpp opens it.
func checkModelFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("engine: model: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("engine: model: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("engine: model: %s is not a file", path)
	}
	head := make([]byte, 4)
	if _, err := io.ReadFull(f, head); err != nil || string(head) != "GGUF" {
		return fmt.Errorf("engine: model: %s is not a GGUF file (it does not begin with GGUF)", path)
	}
	return nil
}

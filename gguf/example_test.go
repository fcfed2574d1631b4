package gguf_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/cria-lm/cria/gguf"
)

func Example() {
	dir, err := os.MkdirTemp("", "gguf")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tiny.gguf")
	if err := writeTiny(path); err != nil {
		log.Fatal(err)
	}

	f, err := gguf.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(f.Architecture(), f.ContextLength())
	for _, t := range f.Tensors() {
		fmt.Println(t.Name, t.Type, t.Dims, t.Size)
	}
	// Output:
	// llama 512
	// output_norm.weight F32 [64] 256
}

func writeTiny(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return gguf.Write(file, []gguf.KeyValue{
		{Key: "general.architecture", Value: "llama"},
		{Key: "llama.context_length", Value: uint32(512)},
	}, []gguf.TensorData{
		{Name: "output_norm.weight", Type: gguf.F32, Dims: []uint64{64}},
	})
}

// Package gguf reads what a GGUF model file says about itself, without loading
// the model: its architecture, context length, chat template, special tokens
// and tensor table.
//
//	f, err := gguf.Open("SmolLM2-135M-Instruct.Q4_1.gguf")
//	if err != nil {
//		return err // names the file, the key or tensor, and what is wrong
//	}
//	fmt.Println(f.Architecture(), f.ContextLength()) // llama 8192
//	for _, t := range f.Tensors() {
//		fmt.Println(t.Name, t.Type, t.Dims)
//	}
//
// llama.cpp ends the process on some malformed files, so a file is opened here
// before its path is handed to C. [Open] refuses what is not a whole GGUF of
// version 2 or 3: every count and length is checked against the size of the
// file before anything of that size is allocated, keys and tensor names are
// unique, and all tensor data lies inside the file, without gaps. [Check] then asks what
// llama.cpp relies on: numbers, tensors and a vocabulary that make a model which it survives.
// [Parts] does what [Open] does for a model that is cut over several files.
//
// Memory is bounded by the metadata (at most [MaxMetadata] bytes); tensor data
// is never read. A [File] keeps the whole metadata, the token list included:
// some ten megabytes for a large vocabulary. Let go of it when it is not needed.
//
// [Write] makes the small files that tests need.
package gguf

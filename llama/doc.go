// Package llama binds llama.cpp: llama.h and the parts of ggml that a program
// needs, one to one, through purego and without cgo.
//
// The libraries are chosen at run time. [Load] opens them once per process,
// checks that they are a release whose struct layouts this package knows, and
// loads the CPU backend that suits the machine:
//
//	err := llama.Load(llama.Files{
//		Llama: "/opt/llama/libllama.v0.5.0.so",
//		GGML:  "/opt/llama/libggml.v0.5.0.so",
//		Base:  "/opt/llama/libggml-base.so",
//		CPU:   []string{"/opt/llama/libggml-cpu-haswell.so", "/opt/llama/libggml-cpu-x64.so"},
//	})
//	if err != nil { ... }
//	model, err := llama.LoadModel("model.gguf", llama.DefaultModelParams(), nil)
//	if err != nil { ... }
//	defer model.Free()
//	params := llama.DefaultContextParams()
//	ctx, err := llama.NewContext(model, params)
//	if err != nil { ... }
//	defer ctx.Free()
//
//	tokens := model.Vocab().Tokenize(nil, "The capital of France is", true, false)
//	batch := llama.NewBatch(len(tokens))
//	defer batch.Free()
//	for i, t := range tokens {
//		batch.Add(t, llama.Pos(i), 0, i == len(tokens)-1)
//	}
//	if rc := ctx.Decode(batch); rc != 0 { ... }
//	logits := ctx.LogitsIth(-1)
//
// # What it adds to the C interface
//
// No policy: no default is changed and nothing is retried. But llama.cpp ends
// the process on an assertion, an uncaught exception or a bad pointer, so every
// call that could do so is checked first. A value that can come from data (a
// token id, a batch size, a sequence id) gives the answer its doc comment
// names; a mistake of the program (use after Free, a full batch) panics with a
// message that says which. What cannot be checked here is a hostile model
// file: check its header before loading it.
//
// # Concurrency
//
// [Load], [SetLogger], [LoadModel] and the methods of [Model] (but Free) and
// [Vocab] may be called from any goroutine. A [Context], with its [Memory], and
// a [Batch], a [ThreadPool] and a [SamplerChain] belong to one goroutine at a
// time; only [Context.Abort] may come from another.
//
// # Platforms
//
// 64-bit Linux, macOS and Windows on amd64 and arm64. On Linux the C library
// must be glibc 2.34 or later (the prebuilt libraries need it); musl is not
// supported. Callbacks on Windows do not receive floating-point arguments: the
// progress of [LoadModel] is always 0 there.
package llama

// Package hardware finds out what a machine can compute with, and plans how a model is
// loaded on it: the Hardware Manager.
//
// [Detect] makes a [Machine], plain data: processors and what of them this process may
// use, the memory that a container really has, GPUs as the system sees them without any
// driver, the libraries that drivers need, and llama.cpp's own devices.
// [Machine.Missing] says in words what keeps a better backend from working.
//
// [Choose] makes a [Plan] of a machine, a model's facts and what its placement takes
// ([Needs]): backend, layers on GPUs, their split, threads, batches, context and type of
// the KV cache, each with a reason. Nothing is loaded for that. If memory is gone by the
// time the model is loaded, [Plan.StepDown] returns the next smaller plan.
//
//	machine, err := hardware.Detect(ctx)
//	...
//	header, err := gguf.Open(path)
//	...
//	needs, err := hardware.EstimatedNeeds(header)
//	...
//	plan, err := hardware.Choose(machine, hardware.ModelOf("my-model", header), needs, nil)
//	...
//	for _, r := range plan.Reasons {
//		fmt.Println(r)
//	}
//
// What cannot be known without trying is measured on request: [Calibrate] measures
// [Candidates], and [Choose] takes the [Calibration] before its rules.
//
// All functions may be called from any goroutine; plans and machines are values that
// nobody changes.
package hardware

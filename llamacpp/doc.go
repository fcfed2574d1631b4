// Package llamacpp runs language models in this process with llama.cpp and
// brings them to package cria.
//
//	lm, err := llamacpp.Load(ctx, "smollm2-135m-instruct", nil)
//	if err != nil { ... }
//	defer lm.Close()
//	answer, err := predict.Call(cria.With(ctx, cria.Scope{LM: lm}), question)
//
// [Load] fetches what is missing: llama.cpp's libraries once per machine, and
// the model, which a name of the catalogue, a file, or a reference (hf:, https:,
// pip:) says. See package hub for where they come from and where they are kept.
//
// A [LoadedModel] is a [cria.LM] with plain defaults. An [Adapter] is the
// specification's LlamaCppAdapter over it: a [Config] with sampling defaults,
// retries, a token budget, a rate limit and a cache.
//
// # How a model is loaded
//
// Load plans before it loads (see package hardware): the backend, the layers on GPUs, the
// context, the threads, whether a copy of the weights is loaded that computes faster.
// [LoadedModel.Plan] has the plan with the reason of each choice, [Plan] makes one without
// loading anything, and [Prepare] does all but the loading, which [Prepared.Load] then does.
// [Calibrate] measures what rules cannot know; later loads follow it. What [Options] say is
// kept. If the memory that was planned with has gone, the model is loaded smaller, with a
// warning to Options.Logger.
//
// # LoRA adapters
//
// [Options].LoRAs are loaded beside the model, and each call says which of them the model
// is to have, its [cria.Scope] or, saved with a program, its [cria.PredictOptions]. Calls
// with different adapters run at once.
//
//	lm, err := llamacpp.Load(ctx, "base.gguf", &llamacpp.Options{LoRAs: map[string]string{"sql": "sql.gguf"}})
//	...
//	ctx = cria.With(ctx, cria.Scope{LM: lm, LoRA: []cria.LoRA{{Name: "sql", Scale: 0.8}}})
//
// An adapter that does not fit the model, or is damaged, is an [engine.LoRAError] that says
// where; models that run go on. llama.cpp's convert_lora_to_gguf.py makes such files of
// adapters in PEFT's format.
//
// # From a request to tokens
//
// The conversation is rendered in the model's own chat template by package
// chattemplate, the assistant's turn left open behind the request's prefill; a model
// without a template sees the same lines as plain text. A template that cannot be read
// is an error of [Load], a [chattemplate.SyntaxError] within an [ErrModelNotLoaded]; a
// conversation that it refuses or fails on is a [chattemplate.RenderError] within an
// [ErrInvalidParameter]. Control tokens come from the
// template alone: what a user writes is tokenized as text, whatever it reads
// like. The request's constraint is compiled with package grammar, and package
// engine generates.
//
// # Several contexts
//
// [LoadedModel.NewContext] makes another LoadedModel of the same weights, with a context
// length, slots, threads, adapters and a chat template of its own. Package pool has such
// contexts by name.
//
// # Errors
//
// Every error is one of the kinds listed at [ErrInference] and wraps its cause;
// [ContextTooLongError] and [TokenBudgetError] carry figures. A cancelled call
// returns the context's error.
package llamacpp

// Package synth writes models of any shape for tests and benchmarks: random
// weights, and the vocabulary of a real model. They talk nonsense, at the speed
// of a trained model of that shape.
//
//	err := synth.Write(ctx, "half.gguf", "SmolLM2-135M-Instruct.Q4_1.gguf", synth.Shape{
//		Architecture: synth.Llama,
//		Layers:       24,
//		Embedding:    896,
//		Heads:        14,
//		KVHeads:      2,
//		FeedForward:  4864,
//		Type:         gguf.Q8_0,
//	}, nil)
//
// The zero [Shape] is the smallest llama that is of use; every shape that
// passes is one that llama.cpp v0.5.0 loads and computes. The same shape, seed
// and vocabulary give the same bytes.
//
// Weights are uniform, scaled by the width of what they are multiplied with, so
// that the hidden state keeps its size from layer to layer. Logits are as far
// apart as those of a trained model (a standard deviation of about 4), and the
// output matrix is never that of the embeddings, which would make a model
// without training repeat its last token.
package synth

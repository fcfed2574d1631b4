// Package engine generates text with one model in this process: requests go in
// as tokens, text comes out as a stream. It knows tokens, never prompts'
// meaning.
//
//	e, err := engine.Load(ctx, "model.gguf", nil) // after llama.Load
//	if err != nil { ... }
//	defer e.Close()
//
//	prompt, err := e.Vocab().Encode("The capital of France is")
//	if err != nil { ... }
//	for chunk, err := range e.Generate(ctx, &engine.Request{Prompt: prompt, MaxTokens: 16}) {
//		if err != nil { ... }
//		fmt.Print(chunk.Text)
//	}
//
// # Ownership
//
// A llama.cpp context costs tens of milliseconds to make and is not safe for
// concurrent use, so an [Engine] makes one for its life and gives it to one
// goroutine, its owner. The owner never waits for a reader: what a request
// writes is kept, joined, until it is read, and is bounded by the request's own
// length.
//
// Every method of [Engine] and [Vocab] may be called from any goroutine.
//
// # Scheduling
//
// Requests wait in a bounded queue and then run together: every step computes
// one batch of what each has pending and of chunks of the prompts that begin,
// cut so that the streams of others go on. Tokens are chosen in parallel. A
// request starts when the cache has room for its prompt and its longest output,
// so that nobody runs out of it; if llama.cpp should be out of room all the same,
// what is only kept for reuse goes first, and then the youngest request waits
// and goes on later.
//
// # Prefixes
//
// Requests that begin alike share the cells of what they have in common, also
// while it is being computed: the second waits for the first. What a finished
// request leaves is kept until the room is needed. [Usage] says how much of a
// prompt was shared, [Request].Salt keeps tenants apart. A request with a seed
// and a temperature shares nothing, as the kernels give slightly different
// logits for other batches. [Engine.Pin] keeps a prefix in the cache, and in a file
// for the next process; [Engine.Samples] generates several outputs of one prompt.
//
// # Several contexts
//
// [Engine.Share] starts another engine over the same weights: a long context for
// conversations beside many slots for short questions, say. They compute at the same time,
// and the weights are freed with the last one.
//
// # Adapters
//
// [Options].LoRAs are loaded beside the model, and each request chooses among them:
//
//	e, err := engine.Load(ctx, "model.gguf", &engine.Options{LoRAs: map[string]string{"sql": "sql.gguf"}})
//	...
//	req := &engine.Request{Prompt: prompt, MaxTokens: 64, LoRA: []engine.LoRA{{Name: "sql", Scale: 0.8}}}
//
// A batch is of requests with the same adapters. Others take turns of 100 ms, who has
// waited the longest first: nobody waits for another's end. Cells are shared, and
// prefixes kept, within one set of adapters only.
//
// # Speculation
//
// Where the output repeats the text before it, what follows is guessed from that
// text and computed along with the next token. That does not change the output. It
// is done as far as it is expected to pay, by what batches were measured to cost
// and how often guesses were right.
//
// # Embeddings
//
// An [Embedder] turns texts into vectors. It is a model and a context of its own.
//
// # What a request may contain
//
// Everything is checked before llama.cpp sees it, as it ends the process on a
// bad argument: see [RequestError] and [ContextTooLongError]. A request that
// fails does not affect others.
//
// # Steering
//
// A [Matcher] says which tokens may come next and which must: the seam for
// package grammar. The zero [Sampling] is greedy; the samplers are written in
// Go over the row of logits in place, and are tested against llama.cpp's own.
package engine

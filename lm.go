package cria

import (
	"context"
	"fmt"
	"iter"
)

// LM is a language model. Implementations are safe for concurrent use.
//
// Generate answers one request as a stream of chunks; the last one carries the
// finish reason and the usage, and no error follows it. A consumer may break
// out at any time, which cancels the work. An error ends the stream.
type LM interface {
	Generate(context.Context, *Request) iter.Seq2[Chunk, error]
}

// Request is one generation. An [Adapter] makes it from a signature and its
// inputs; the fields that say how to sample are filled in by the predictor.
type Request struct {
	Chat Chat

	// Prefill is how the assistant's turn already begins, such as "answer:".
	// The model continues it; it is not part of the generated text.
	Prefill string

	// Thinking is what the model has thought before it answers: it stands in a block
	// <think>...</think> before Prefill. Empty: there is no block.
	Thinking string

	// Think asks for what stands in that block instead of an answer. Thinking, Prefill
	// and Output then have no effect. An LM that cannot let its model think refuses the
	// request.
	Think bool

	// Output says what may be generated after Prefill. Nil: free text. It belongs to the
	// signature: requests share it, and nobody may change it.
	Output Constraint

	// Images are what the model is shown, in the order of "[image 1]", "[image 2]" in the
	// last turn. An LM that is no [ImageReader] never has any.
	Images []Image

	// Tools are what the model may call; an LM that cannot call tools refuses
	// the request.
	Tools []Tool

	Stop      []string // generation ends before any of these; nil: none
	MaxTokens int      // generated tokens at most; 0: the LM's default

	Sampling *Sampling // nil: the LM's default

	LoRA []LoRA // adapters that the model has for this request; nil: none. See [Scope]

	CloseOnLimit bool // see [Scope]; an LM that cannot do so lets the reply be cut off

	// What an LM computes is shared between requests of the same salt only; one that
	// shares nothing has no use for it. See [Scope].
	Salt string

	Rollout     int         // tells requests apart that are otherwise equal; see [Scope]
	CachePolicy CachePolicy // for every [Cache] that the request meets; zero: [CacheOn]
}

// Sampling says how tokens are chosen. The zero value is greedy: always the
// most probable token.
type Sampling struct {
	Temperature   float64 `json:"temperature"`              // 0: greedy
	TopK          int     `json:"top_k,omitempty"`          // keep the k most probable; 0: all
	TopP          float64 `json:"top_p,omitempty"`          // keep the smallest set of at least this mass; 0: all
	MinP          float64 `json:"min_p,omitempty"`          // keep at least this share of the best one's probability; 0: all
	RepeatPenalty float64 `json:"repeat_penalty,omitempty"` // over the last 64 tokens; 0 or 1: none
	Seed          *uint32 `json:"seed,omitempty"`           // nil: a random one for each request; given: repeats
}

// FinishReason says why a generation ended.
type FinishReason string

// The reasons a generation can end.
const (
	FinishStop      FinishReason = "stop"      // the model or the constraint ended it
	FinishLength    FinishReason = "length"    // MaxTokens or the context was used up
	FinishCancelled FinishReason = "cancelled" // the context was cancelled
)

// Chunk is a piece of a reply. Only the last one has a Finish.
type Chunk struct {
	Text   string // valid UTF-8; may be empty
	Finish FinishReason
	Closed bool  // with FinishLength: the reply is whole all the same, see [Scope.CloseOnLimit]
	Usage  Usage // of the whole request; zero in all but the last chunk
}

// Usage counts the tokens of one or more requests.
type Usage struct {
	PromptTokens     int  `json:"prompt_tokens"`
	CompletionTokens int  `json:"completion_tokens"`
	CachedTokens     int  `json:"cached_tokens,omitempty"` // of the prompt, those whose computation was shared with another request
	Cached           bool `json:"cached,omitempty"`        // the reply came from a response cache, nothing was computed
}

// TotalTokens is the sum of prompt and completion tokens.
func (u Usage) TotalTokens() int { return u.PromptTokens + u.CompletionTokens }

// Add returns the sum of two usages, which counts as cached if both are.
func (u Usage) Add(v Usage) Usage {
	return Usage{
		PromptTokens:     u.PromptTokens + v.PromptTokens,
		CompletionTokens: u.CompletionTokens + v.CompletionTokens,
		CachedTokens:     u.CachedTokens + v.CachedTokens,
		Cached:           u.Cached && v.Cached,
	}
}

// Bounds of factors on logits, far beyond any use, so that they stay finite in
// 32 bits.
const (
	maxTemperature = 1000.0
	maxPenalty     = 100.0
)

// Validate reports the first value that is out of range.
func (s Sampling) Validate() error {
	switch {
	case !(s.Temperature >= 0 && s.Temperature <= maxTemperature): // false for NaN too
		return fmt.Errorf("temperature %v is not a number from 0 to %v", s.Temperature, maxTemperature)
	case s.TopK < 0:
		return fmt.Errorf("top-k %d is negative; 0 keeps all tokens", s.TopK)
	case !(s.TopP >= 0 && s.TopP <= 1):
		return fmt.Errorf("top-p %v is not between 0 and 1", s.TopP)
	case !(s.MinP >= 0 && s.MinP <= 1):
		return fmt.Errorf("min-p %v is not between 0 and 1", s.MinP)
	case s.RepeatPenalty != 0 && !(s.RepeatPenalty >= 1/maxPenalty && s.RepeatPenalty <= maxPenalty):
		return fmt.Errorf("repeat penalty %v is not a number from %v to %v; 1 is none", s.RepeatPenalty, 1/maxPenalty, maxPenalty)
	}
	return nil
}

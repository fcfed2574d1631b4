package engine

import (
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/cria-lm/cria/llama"
)

// Token is a token id of the model's vocabulary.
type Token = llama.Token

// Request is one generation. The engine only reads it, and not beyond the end
// of the iteration.
type Request struct {
	// Prompt is the tokens to continue, at least one; the engine adds none (see
	// [Vocab.AddBOS]).
	Prompt []Token

	// MaxTokens is the most tokens of output, sampled and forced ones together;
	// at least 1. It is reduced to what the context has room for. Reaching it
	// ends the request with [FinishLength].
	MaxTokens int

	// Sampling says how tokens are chosen; the zero value is greedy.
	Sampling Sampling

	// Stop ends the output before the first of these texts to appear in it, also
	// where it is spread over tokens or partly forced. None may be empty.
	Stop []string

	// Matcher steers the generation; nil leaves the model free. It serves one
	// generation.
	Matcher Matcher

	// Logprobs asks for the log probability of each token that is chosen (not of
	// forced ones), and TopLogprobs, 0 to [MaxTopLogprobs], for those of that many
	// most probable ones: see [Chunk].
	Logprobs    bool
	TopLogprobs int

	// LoRA are the adapters of [Options].LoRAs that the model has for this request, none
	// twice; nil is the model alone. Requests with other adapters take turns with it.
	LoRA []LoRA

	// Priority lets a request start before waiting ones of a lower number.
	Priority int

	// Salt separates tenants: what was computed for a prompt is used again only
	// for requests with the same salt.
	Salt string
}

// Sampling says how a token is chosen from the model's logits. Its steps are
// llama.cpp's, in its usual order: logit bias, penalties, DRY, top-k, typical-p,
// top-p, min-p, temperature, choice. A zero field switches its step off.
type Sampling struct {
	// Temperature divides the logits. 0 chooses the most probable token, after
	// bias, penalties and DRY: the other fields then have no effect.
	Temperature float32

	TopK     int     // keep the k most probable tokens
	TypicalP float32 // keep the tokens of the most expected surprise that together exceed this probability; 1 is off
	TopP     float32 // keep the most probable tokens that together reach this probability; 1 is off
	MinP     float32 // keep tokens at least this share as probable as the best

	// Mirostat replaces top-k, typical-p, top-p and min-p, which then have no
	// effect. Unlike llama.cpp's, it leaves penalties and DRY on.
	Mirostat Mirostat

	// RepeatPenalty above 1 makes the tokens of the last RepeatLastN (if zero,
	// [DefaultRepeatLastN]), prompt included, less probable: a positive logit is
	// divided by it, a negative one multiplied. 1 is off. Then PresencePenalty is
	// subtracted from the logits of the same tokens, and FrequencyPenalty as many
	// times as they occur there.
	RepeatPenalty    float32
	FrequencyPenalty float32
	PresencePenalty  float32
	RepeatLastN      int

	// DRY makes repetitions of more than a token less probable.
	DRY DRY

	// LogitBias is added to the logits of tokens; minus infinity excludes one.
	LogitBias map[Token]float32

	// Seed makes a generation repeat exactly on the same machine and model, if
	// no other request runs meanwhile; nil takes a random one. With a temperature,
	// nothing is guessed then, and nothing is used that others have computed,
	// since both change logits a little: it costs time.
	Seed *uint32
}

// DefaultRepeatLastN is how many tokens back the penalties of [Sampling] look.
const DefaultRepeatLastN = 64

// FinishReason says why a generation ended.
type FinishReason string

// The reasons.
const (
	FinishStop      FinishReason = "stop"      // an end token, a stop text, or the matcher was done
	FinishLength    FinishReason = "length"    // MaxTokens, or the context is full
	FinishCancelled FinishReason = "cancelled" // the context was cancelled or the engine closed
)

// Usage counts tokens.
type Usage struct {
	PromptTokens int // of the request's prompt

	// CompletionTokens counts the tokens of the output: sampled and forced ones,
	// those of a stop text included, but not an end token nor one that the
	// matcher dropped.
	CompletionTokens int

	CachedTokens  int // of the prompt, those that did not have to be computed
	GuessedTokens int // of the completion, those that speculation had guessed
}

// Chunk is a part of the output.
type Chunk struct {
	// Text is what was generated since the last chunk: valid UTF-8, whole
	// characters. Bytes that are not UTF-8 come as U+FFFD.
	Text string

	// Logprobs is, if the request asks for it, one for each token that was chosen
	// since the last chunk, those of text that is held back included.
	Logprobs []TokenLogprob

	Finish FinishReason // set in the last chunk only, unless the request failed
	Usage  Usage        // so far; final in the last chunk
}

// Matcher steers one generation. The engine calls it one call at a time, from
// changing goroutines; its methods return soon, as others wait for them, and do not
// call the engine. It asks Forced until that returns nothing, then Done, and then
// lets the model choose. A panic of a Matcher is passed on to the goroutine that
// iterates.
type Matcher interface {
	// Forced returns tokens that must come next. They are appended as if they
	// were prompt, without sampling, and are part of the output. None: the model
	// chooses.
	Forced() []Token

	// Allowed reports whether the model may choose t now. It is asked about the
	// token that was sampled; on rejection the next best is tried. End tokens
	// are asked about like others.
	Allowed(t Token) bool

	// Accept takes the chosen token, never a forced one. If it returns false, t
	// is not output (it ended a part of it): the engine drops it and goes on
	// with Forced. An accepted end token ends the generation.
	Accept(t Token) bool

	// Done reports whether the output is complete: the request then ends with
	// [FinishStop], without an end token, or with Err if that is not nil.
	Done() bool

	// Err is asked when Done: why the output cannot be completed, or nil.
	Err() error
}

// Masker is a [Matcher] that can say faster which tokens it allows than by being
// asked about each. It is asked only where the tokens that were sampled first were
// rejected.
type Masker interface {
	Matcher

	// Mask sets the bit of each token that Allowed allows: token t is bit t%64 of
	// bits[t/64]. The bits are clear before, and are as many as the vocabulary has
	// tokens, rounded up to 64.
	Mask(bits []uint64)
}

// Guide is a [Matcher] that knows what can come of a guess.
type Guide interface {
	Matcher

	// Guide returns how many tokens of a guess may come next, one after the other. For
	// each of them it says in certain, which is as long as the guess, whether no other
	// text may come there. It is asked when nothing is to be forced.
	Guide(guess []Token, certain []bool) int
}

// Limiter is a [Matcher] that can bring its output to an end in time.
type Limiter interface {
	Matcher

	// Limit says, before each choice, how many tokens may still be output.
	Limit(tokens int)

	// Limited reports, when Done, whether the output was cut short for that: the
	// request then ends with [FinishLength].
	Limited() bool
}

// MaxTopLogprobs is the most that [Request].TopLogprobs may be.
const MaxTopLogprobs = 100

// check reports the first unusable part of r, for a vocabulary of n tokens and
// a context of limit.
func (r *Request) check(n, limit int) error {
	if len(r.Prompt) == 0 {
		return &RequestError{"Prompt", "is empty; give at least one token"}
	}
	if len(r.Prompt)+1 > limit {
		return &ContextTooLongError{Length: len(r.Prompt), Limit: limit}
	}
	for i, t := range r.Prompt {
		if t < 0 || int(t) >= n {
			return &RequestError{fmt.Sprintf("Prompt[%d]", i), fmt.Sprintf("token %d is not in the vocabulary of %d", t, n)}
		}
	}
	if r.MaxTokens <= 0 {
		return &RequestError{"MaxTokens", fmt.Sprintf("%d is not positive", r.MaxTokens)}
	}
	if r.TopLogprobs < 0 || r.TopLogprobs > MaxTopLogprobs {
		return &RequestError{"TopLogprobs", fmt.Sprintf("%d is not in 0 to %d", r.TopLogprobs, MaxTopLogprobs)}
	}
	if r.TopLogprobs > 0 && !r.Logprobs {
		return &RequestError{"TopLogprobs", "needs Logprobs"}
	}
	if len(r.Stop) > maxStops {
		return &RequestError{"Stop", fmt.Sprintf("has %d texts; there may be %d", len(r.Stop), maxStops)}
	}
	for i, s := range r.Stop {
		if len(s) > maxStopLength {
			return &RequestError{fmt.Sprintf("Stop[%d]", i), fmt.Sprintf("has %d bytes; there may be %d", len(s), maxStopLength)}
		}
		if s == "" {
			return &RequestError{fmt.Sprintf("Stop[%d]", i), "is empty"}
		}
		if !utf8.ValidString(s) {
			return &RequestError{fmt.Sprintf("Stop[%d]", i), "is not valid UTF-8"}
		}
	}
	return r.Sampling.check(n)
}

// Each stop text is looked for after each token.
const (
	maxStops      = 64
	maxStopLength = 1024 // bytes
)

// check reports the first unusable field, for a vocabulary of n tokens. The
// bounds are far from anything useful and keep finite logits finite.
func (s *Sampling) check(n int) error {
	for _, f := range []struct {
		name     string
		v        float32
		min, max float64
		allowed  string
	}{
		{"Temperature", s.Temperature, 0, math.MaxFloat32, "finite and not negative"},
		{"TypicalP", s.TypicalP, 0, 1, "in 0 to 1"},
		{"TopP", s.TopP, 0, 1, "in 0 to 1"},
		{"MinP", s.MinP, 0, 1, "in 0 to 1"},
		{"Mirostat.Tau", s.Mirostat.Tau, 0, 100, "in 0 to 100"},
		{"Mirostat.Eta", s.Mirostat.Eta, 0, 1, "in 0 to 1"},
		{"FrequencyPenalty", s.FrequencyPenalty, -100, 100, "in -100 to 100"},
		{"PresencePenalty", s.PresencePenalty, -100, 100, "in -100 to 100"},
		{"DRY.Multiplier", s.DRY.Multiplier, 0, 1000, "in 0 to 1000"},
	} {
		// Written so that NaN fails.
		if v := float64(f.v); !(v >= f.min && v <= f.max) {
			return &RequestError{"Sampling." + f.name, fmt.Sprintf("%v is not %s", f.v, f.allowed)}
		}
	}
	if v := s.RepeatPenalty; v != 0 && !(v >= 0.01 && v <= 100) {
		return &RequestError{"Sampling.RepeatPenalty", fmt.Sprintf("%v is not in 0.01 to 100; 0 is off", v)}
	}
	if v := s.DRY.Base; v != 0 && !(v >= 1 && v <= 1000) {
		return &RequestError{"Sampling.DRY.Base", fmt.Sprintf("%v is not in 1 to 1000; 0 is the default of %v", v, DefaultDRYBase)}
	}
	for _, f := range []struct {
		name string
		v    int
		zero string
	}{
		{"TopK", s.TopK, "off"},
		{"RepeatLastN", s.RepeatLastN, fmt.Sprintf("the default of %d", DefaultRepeatLastN)},
		{"DRY.AllowedLength", s.DRY.AllowedLength, fmt.Sprintf("the default of %d", DefaultDRYAllowedLength)},
		{"DRY.LastN", s.DRY.LastN, "all tokens"},
	} {
		if f.v < 0 {
			return &RequestError{"Sampling." + f.name, fmt.Sprintf("%d is negative; 0 is %s", f.v, f.zero)}
		}
	}
	return checkBias(s.LogitBias, n)
}

// maxBias is the greatest logit bias; logits are rarely beyond 100.
const maxBias = 1e4

func checkBias(bias map[Token]float32, n int) error {
	for t, b := range bias {
		field := fmt.Sprintf("Sampling.LogitBias[%d]", t)
		if t < 0 || int(t) >= n {
			return &RequestError{field, fmt.Sprintf("the token is not in the vocabulary of %d", n)}
		}
		if v := float64(b); !(math.Abs(v) <= maxBias || math.IsInf(v, -1)) {
			return &RequestError{field, fmt.Sprintf("%v is neither in -%v to %v nor minus infinity", b, maxBias, maxBias)}
		}
	}
	return nil
}

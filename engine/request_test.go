package engine

import (
	"errors"
	"math"
	"testing"

	"github.com/cria-lm/cria/gguf"
)

func TestRequestCheck(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	base := func() *Request { return &Request{Prompt: []Token{1, 2}, MaxTokens: 1} }
	tests := []struct {
		field string // of the error; "": none
		alter func(*Request)
	}{
		{"", func(r *Request) {}},
		{"", func(r *Request) { r.MaxTokens = math.MaxInt }},
		{"", func(r *Request) {
			r.Sampling = Sampling{Temperature: 2, TopK: 1 << 30, TopP: 1, MinP: 1, RepeatPenalty: 9}
		}},
		{"", func(r *Request) {
			r.Sampling = Sampling{
				TypicalP: 1, Mirostat: Mirostat{Tau: 100, Eta: 1}, FrequencyPenalty: -2, PresencePenalty: 2,
				DRY:       DRY{Multiplier: 1, Base: 1, AllowedLength: math.MaxInt, LastN: math.MaxInt, Breakers: &DRYBreakers{}},
				LogitBias: map[Token]float32{0: -inf, 99: 100},
			}
		}},
		{"", func(r *Request) { r.Stop = []string{"é"} }},
		{"Prompt", func(r *Request) { r.Prompt = nil }},
		{"Prompt[1]", func(r *Request) { r.Prompt[1] = -1 }},
		{"Prompt[0]", func(r *Request) { r.Prompt[0] = 100 }},
		{"MaxTokens", func(r *Request) { r.MaxTokens = 0 }},
		{"MaxTokens", func(r *Request) { r.MaxTokens = -5 }},
		{"Stop[1]", func(r *Request) { r.Stop = []string{"a", ""} }},
		{"Stop[0]", func(r *Request) { r.Stop = []string{"\xff"} }},
		{"Sampling.Temperature", func(r *Request) { r.Sampling.Temperature = nan }},
		{"Sampling.Temperature", func(r *Request) { r.Sampling.Temperature = inf }},
		{"Sampling.Temperature", func(r *Request) { r.Sampling.Temperature = -0.1 }},
		{"Sampling.TopP", func(r *Request) { r.Sampling.TopP = 1.1 }},
		{"Sampling.TopP", func(r *Request) { r.Sampling.TopP = nan }},
		{"Sampling.TopP", func(r *Request) { r.Sampling.TopP = -1 }},
		{"Sampling.MinP", func(r *Request) { r.Sampling.MinP = 2 }},
		{"Sampling.RepeatPenalty", func(r *Request) { r.Sampling.RepeatPenalty = -inf }},
		{"Sampling.RepeatPenalty", func(r *Request) { r.Sampling.RepeatPenalty = 1e-40 }},
		{"Sampling.RepeatPenalty", func(r *Request) { r.Sampling.RepeatPenalty = nan }},
		{"Sampling.TypicalP", func(r *Request) { r.Sampling.TypicalP = nan }},
		{"Sampling.TypicalP", func(r *Request) { r.Sampling.TypicalP = 1.01 }},
		{"Sampling.Mirostat.Tau", func(r *Request) { r.Sampling.Mirostat.Tau = nan }},
		{"Sampling.Mirostat.Tau", func(r *Request) { r.Sampling.Mirostat.Tau = -1 }},
		{"Sampling.Mirostat.Eta", func(r *Request) { r.Sampling.Mirostat.Eta = inf }},
		{"Sampling.FrequencyPenalty", func(r *Request) { r.Sampling.FrequencyPenalty = nan }},
		{"Sampling.FrequencyPenalty", func(r *Request) { r.Sampling.FrequencyPenalty = -1e9 }},
		{"Sampling.PresencePenalty", func(r *Request) { r.Sampling.PresencePenalty = inf }},
		{"Sampling.DRY.Multiplier", func(r *Request) { r.Sampling.DRY.Multiplier = -1 }},
		{"Sampling.DRY.Multiplier", func(r *Request) { r.Sampling.DRY.Multiplier = nan }},
		{"Sampling.DRY.Base", func(r *Request) { r.Sampling.DRY.Base = 0.5 }},
		{"Sampling.DRY.Base", func(r *Request) { r.Sampling.DRY.Base = nan }},
		{"Sampling.DRY.AllowedLength", func(r *Request) { r.Sampling.DRY.AllowedLength = -1 }},
		{"Sampling.DRY.LastN", func(r *Request) { r.Sampling.DRY.LastN = -1 }},
		{"Sampling.LogitBias[100]", func(r *Request) { r.Sampling.LogitBias = map[Token]float32{100: 1} }},
		{"Sampling.LogitBias[-1]", func(r *Request) { r.Sampling.LogitBias = map[Token]float32{-1: 1} }},
		{"Sampling.LogitBias[7]", func(r *Request) { r.Sampling.LogitBias = map[Token]float32{7: inf} }},
		{"Sampling.LogitBias[7]", func(r *Request) { r.Sampling.LogitBias = map[Token]float32{7: nan} }},
		{"Sampling.TopK", func(r *Request) { r.Sampling.TopK = -1 }},
		{"Sampling.RepeatLastN", func(r *Request) { r.Sampling.RepeatLastN = -1 }},
	}
	for _, tt := range tests {
		r := base()
		tt.alter(r)
		err := r.check(100, 50)
		if tt.field == "" {
			if err != nil {
				t.Errorf("%+v: %v", r, err)
			}
			continue
		}
		var bad *RequestError
		if !errors.As(err, &bad) || bad.Field != tt.field {
			t.Errorf("want an error about %s: %v", tt.field, err)
		}
	}

	r := base()
	r.Prompt = make([]Token, 49)
	if err := r.check(100, 50); err != nil {
		t.Errorf("a prompt that leaves room for one token: %v", err)
	}
	r.Prompt = make([]Token, 50)
	var long *ContextTooLongError
	if err := r.check(100, 50); !errors.As(err, &long) || long.Length != 50 || long.Limit != 50 {
		t.Errorf("a prompt that leaves no room: %v", err)
	}
}

func TestOptionsDefaults(t *testing.T) {
	poll := 101
	for field, o := range map[string]Options{
		"ContextLength": {ContextLength: 1 << 25}, "Threads": {Threads: 1000},
		"BatchSize": {BatchSize: -1}, "GPULayers": {GPULayers: -1}, "KV": {KV: gguf.Q4_0}, "Split": {Split: []float32{1}}, "QueueLength": {QueueLength: -1}, "Poll": {Poll: &poll},
	} {
		var bad *OptionError
		if err := o.setDefaults(); !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("want an error about %s: %v", field, err)
		}
	}
	var o Options
	if err := o.setDefaults(); err != nil || o.Threads != 0 ||
		o.BatchSize != DefaultBatchSize || o.QueueLength != DefaultQueueLength || *o.Poll != DefaultPoll || o.Logger == nil {
		t.Errorf("defaults: %+v, %v", o, err)
	}
}

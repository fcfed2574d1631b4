package cria

import (
	"strings"
	"testing"
)

// BenchmarkCall is a call of a predictor on an LM that answers at once.
func BenchmarkCall(b *testing.B) {
	for _, demos := range []int{0, 16} {
		b.Run(strings.Repeat("d", demos), func(b *testing.B) {
			var list []Example
			for range demos {
				list = append(list, Example{"question": "q", "answer": "a", "score": 1})
			}
			p := NewPredict[question, answer]("", &PredictOptions{Demos: list})
			ctx := With(b.Context(), Scope{LM: &script{pieces: []string{" Paris\nscore: 5"}}})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Call(ctx, question{"What?"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

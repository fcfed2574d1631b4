package cria

import (
	"context"
	"iter"
	"testing"
)

// thinkingScript thinks when it is asked to.
type thinkingScript struct {
	script
	asked []Request
}

func (s *thinkingScript) Generate(ctx context.Context, req *Request) iter.Seq2[Chunk, error] {
	s.asked = append(s.asked, *req)
	if req.Think {
		thought := &script{pieces: []string{" Hm,", " well.\n"}, finish: FinishLength}
		return thought.Generate(ctx, req)
	}
	return s.script.Generate(ctx, req)
}

func TestThinkTokens(t *testing.T) {
	lm := &thinkingScript{script: script{pieces: []string{" Paris\nscore: 9"}}}
	p := NewPredict[question, answer]("", &PredictOptions{LM: lm, ThinkTokens: 50, MaxTokens: 20})
	thought := ""
	var result *Result[answer]
	for delta, err := range p.Stream(t.Context(), question{"Where?"}) {
		if err != nil {
			t.Fatal(err)
		}
		thought += delta.Thinking
		result = delta.Result
	}
	if thought != " Hm, well.\n" || result.Thinking != "Hm, well." || result.Value != (answer{"Paris", 9}) || result.Text != "answer: Paris\nscore: 9" {
		t.Errorf("thought %q, result %+v", thought, result)
	}
	if u := result.Usage; u.PromptTokens != 20 || u.CompletionTokens != 3 {
		t.Errorf("usage %+v is not that of both requests", u)
	}
	first, second := lm.asked[0], lm.asked[1]
	if !first.Think || first.MaxTokens != 50 || first.Output != nil || first.Thinking != "" {
		t.Errorf("the first request is %+v", first)
	}
	if second.Think || second.MaxTokens != 20 || second.Output == nil || second.Thinking != "Hm, well." {
		t.Errorf("the second request is %+v", second)
	}
	for range p.Stream(t.Context(), question{"Where?"}) {
		break
	}
	if len(lm.asked) != 3 {
		t.Errorf("%d requests, though the reader left while the model thought", len(lm.asked))
	}
	if _, err := p.Call(With(t.Context(), Scope{ThinkTokens: -1}), question{"?"}); err == nil {
		t.Error("-1 think tokens were taken")
	}
}

package llamacpp

import (
	"strings"
	"testing"

	"github.com/cria-lm/cria"
)

// What a model thinks ends with the budget, and then it answers within its types.
func TestThinking(t *testing.T) {
	model := loadShared(t)
	sig := parseSignature(t, "review -> stars: int, sentiment: Literal['positive', 'negative']")
	const budget = 12
	for _, format := range cria.OutputFormats() {
		p, err := cria.NewPredictor(sig, &cria.PredictOptions{LM: model, Format: format, ThinkTokens: budget})
		if err != nil {
			t.Fatal(err)
		}
		thought := ""
		var got *cria.Prediction
		for delta, err := range p.Stream(t.Context(), cria.Example{"review": "I loved every minute."}) {
			if err != nil {
				t.Fatal(err)
			}
			if thought += delta.Thinking; delta.Thinking != "" && delta.Field != "" {
				t.Errorf("%s: a thought belongs to the field %q", format, delta.Field)
			}
			got = delta.Result
		}
		if got == nil || got.Thinking == "" || got.Thinking != strings.TrimSpace(thought) || strings.Contains(got.Text, got.Thinking) {
			t.Fatalf("%s: thought %q, streamed %q, text %q", format, got.Thinking, thought, got.Text)
		}
		if len(got.Value) != 2 || got.Choice == nil || got.Usage.CompletionTokens < budget {
			t.Errorf("%s: %+v", format, got)
		}
		thinks, err := model.CountTokens(t.Context(), &cria.Request{Chat: cria.Chat{Turns: []cria.Message{{Role: cria.RoleUser, Content: "x"}}}, Thinking: got.Thinking})
		if err != nil || thinks > 60 {
			t.Errorf("%s: the thought makes the prompt %d tokens long (%v)", format, thinks, err)
		}
	}
}

// The block stands before the prefill, and what looks like its end within it is text.
func TestThinkingInPrompt(t *testing.T) {
	model := loadShared(t)
	req := &cria.Request{Chat: cria.Chat{Turns: []cria.Message{{Role: cria.RoleUser, Content: "Hi"}}}, Prefill: "answer:"}
	for want, change := range map[string]func(*cria.Request){
		"assistant\nanswer:":   func(*cria.Request) {},
		"assistant\n<think>\n": func(r *cria.Request) { r.Think = true },
		"assistant\n<think>\nIt is late.\n</think>\n\nanswer:": func(r *cria.Request) { r.Thinking = "It is late." },
		"assistant\n<think>\na</think>b\n</think>\n\nanswer:":  func(r *cria.Request) { r.Thinking = "a</think>b" },
	} {
		r := *req
		change(&r)
		if text, err := model.PromptText(&r); err != nil || !strings.HasSuffix(text, want) {
			t.Errorf("the prompt is %q (%v), want the end %q", text, err, want)
		}
	}
	req.Thinking = "\xff"
	if _, err := model.PromptText(req); err == nil {
		t.Error("a thought that is not UTF-8 was taken")
	}
}

// Where the end of the block is a token without text, the matcher sees it.
func TestUntil(t *testing.T) {
	u := &until{end: 7}
	if !u.Allowed(3) || !u.Accept(3) || u.Done() || u.Forced() != nil {
		t.Error("another token ended it")
	}
	if !u.Allowed(7) || u.Accept(7) || !u.Done() || u.Err() != nil {
		t.Error("its token did not end it, or is output")
	}
}

// An adapter counts what is thought, and its own grammar is for the answer.
func TestAdapterThinks(t *testing.T) {
	a := newAdapter(t, func(c *Config) {
		c.GrammarSchema = []byte(`{"type":"object","properties":{"answer":{"enum":["yes","no"]}},"required":["answer"],"additionalProperties":false}`)
		c.TokenBudget = 2000
	})
	p, err := cria.NewPredictor(parseSignature(t, qa), &cria.PredictOptions{LM: a, ThinkTokens: 10})
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Call(t.Context(), cria.Example{"question": "Is the sky blue?"})
	if err != nil {
		t.Fatal(err)
	}
	if answer := got.Value["answer"]; got.Thinking == "" || strings.HasPrefix(got.Thinking, "{") || answer != "yes" && answer != "no" {
		t.Errorf("thought %q, answer %v", got.Thinking, answer)
	}
}

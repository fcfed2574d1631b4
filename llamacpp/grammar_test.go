package llamacpp

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cria-lm/cria"
)

const answerSchema = `{
	"type": "object",
	"properties": {"answer": {"type": "string", "maxLength": 80}, "legs": {"enum": [2, 4, 8]}},
	"required": ["answer", "legs"], "additionalProperties": false
}`

func TestGrammarSchema(t *testing.T) {
	a := newAdapter(t, func(c *Config) { c.GrammarSchema = json.RawMessage(answerSchema) })
	sig := parseSignature(t, "question -> answer, legs: int")
	spider := cria.Example{"question": "How many legs does a spider have?"}
	for name, scope := range map[string]cria.Scope{"as adapter": {Adapter: a}, "as model": {LM: a}} {
		p, err := cria.NewPredictor(sig, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Call(cria.With(t.Context(), scope), spider)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if legs, _ := got.Value["legs"].(int64); !strings.Contains(got.Value.Text("answer"), "8") || legs == 0 {
			t.Errorf("%s: %v, want an answer that says 8, and legs", name, got.Value)
		}
		if !json.Valid([]byte(got.Text)) || got.Finish != cria.FinishStop {
			t.Errorf("%s: the reply is %q and ended by %q, want JSON and nothing before it", name, got.Text, got.Finish)
		}
	}
}

// A request that another adapter made has its turn opened; the rest of it is held to
// the grammar.
func TestGrammarSchemaBehindPrefill(t *testing.T) {
	a := newAdapter(t, func(c *Config) { c.GrammarSchema = json.RawMessage(answerSchema) })
	sig := parseSignature(t, "question -> answer, legs: int")
	req, err := cria.Lines{}.Format(sig, france)
	if err != nil {
		t.Fatal(err)
	}
	reply, _, _ := text(t, a, req)
	if !json.Valid([]byte(reply)) {
		t.Errorf("reply = %q, want JSON", reply)
	}
	if _, err := a.Parse(sig, cria.Message{Role: cria.RoleAssistant, Content: req.Prefill + reply}); err != nil {
		t.Error(err)
	}
}

func TestGrammarSchemaOfAValue(t *testing.T) {
	schema := json.RawMessage(`{"type": "array", "items": {"type": "string", "maxLength": 12}, "minItems": 2, "maxItems": 3}`)
	a := newAdapter(t, func(c *Config) { c.GrammarSchema = schema })
	got, err := a.Call(t.Context(), parseSignature(t, "topic -> words: list[str]"), cria.Example{"topic": "the sea"})
	if err != nil {
		t.Fatal(err)
	}
	if words, _ := got.Value["words"].([]any); len(words) < 2 || len(words) > 3 {
		t.Errorf("words = %v, want 2 or 3", got.Value["words"])
	}
}

func TestGrammarSchemaClosesOnLimit(t *testing.T) {
	a := newAdapter(t, func(c *Config) { c.GrammarSchema = json.RawMessage(answerSchema) })
	p, err := cria.NewPredictor(parseSignature(t, "question -> answer, legs: int"), nil)
	if err != nil {
		t.Fatal(err)
	}
	story := cria.Example{"question": "Tell me a long story about a dragon and a spider."}
	got, err := p.Call(cria.With(t.Context(), cria.Scope{Adapter: a, MaxTokens: 20, CloseOnLimit: true}), story)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Value) != 2 || !json.Valid([]byte(got.Text)) || got.Usage.CompletionTokens > 20 {
		t.Errorf("within 20 tokens: %q (%+v)", got.Text, got.Usage)
	}
	// Without, it is an error that says so.
	_, err = p.Call(cria.With(t.Context(), cria.Scope{Adapter: a, MaxTokens: 5}), story)
	if err == nil || !strings.Contains(err.Error(), "the reply was cut off") {
		t.Errorf("within 5 tokens: %v, want an error that says it was cut off", err)
	}
}

func TestGrammarGBNF(t *testing.T) {
	a := newAdapter(t, func(c *Config) { c.GrammarGBNF = "root ::= item \"\\n\" item\nitem ::= \"- \" [a-z]{3,12}" })
	got, err := a.Call(t.Context(), parseSignature(t, "topic -> words: list[str]"), cria.Example{"topic": "fruits"})
	if err != nil {
		t.Fatal(err)
	}
	if words, _ := got.Value["words"].([]any); len(words) != 2 || !strings.HasPrefix(got.Text, "- ") {
		t.Errorf("reply = %q, words %v, want two lines", got.Text, words)
	}
}

func TestGrammarOff(t *testing.T) {
	sig := parseSignature(t, "text -> mood: Literal['zzxq', 'qqwv']")
	sea := cria.Example{"text": "I love the sea."}
	req, err := newAdapter(t, nil).Format(sig, sea)
	if err != nil {
		t.Fatal(err)
	}
	forced, _, _ := text(t, newAdapter(t, nil), req)
	if forced = strings.TrimSpace(forced); forced != "zzxq" && forced != "qqwv" {
		t.Errorf("auto: %q, want one of the set", forced)
	}
	off := newAdapter(t, func(c *Config) { c.Grammar, c.MaxTokens = GrammarOff, 20 })
	same, err := off.Format(sig, sea)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(req.Prefill, same.Prefill); diff != "" {
		t.Errorf("prefill (-auto +off):\n%s", diff)
	}
	if free, _, _ := text(t, off, same); strings.Contains(free, "zzxq") || strings.Contains(free, "qqwv") {
		t.Errorf("off: %q, want what the model says by itself", free)
	}
}

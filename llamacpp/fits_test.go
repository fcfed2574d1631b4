package llamacpp

import (
	"math"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/internal/testmodel"
)

// What is in the cache is listed once: under its card's name, or else its own.
func TestKnownModels(t *testing.T) {
	path := testmodel.Model(t)
	digest := strings.Repeat("a", 64)
	for _, ref := range []string{hub.DefaultModel, "hf:a/b/c.gguf"} {
		var cached []Known
		for _, k := range known(hub.Catalog(), []hub.CachedModel{{Refs: []string{ref}, Paths: []string{path}, Digest: digest}}) {
			if k.Cached != nil {
				cached = append(cached, k)
			}
		}
		if len(cached) != 1 || cached[0].Name != ref || cached[0].model.Layers != 30 || cached[0].Err != nil || (cached[0].Card != nil) != (ref == hub.DefaultModel) {
			t.Errorf("%s: got %+v", ref, cached)
		}
	}
	broken := known(nil, []hub.CachedModel{{Refs: []string{"hf:a/b/c.gguf"}, Paths: []string{filepath.Join(t.TempDir(), "none")}}})
	if len(broken) != 1 || broken[0].Err == nil {
		t.Errorf("a file that is gone: %+v", broken)
	}
	card := hub.Catalog()[:1]
	broken = known(card, []hub.CachedModel{{Refs: []string{card[0].Name}, Paths: []string{filepath.Join(t.TempDir(), "none")}}})
	if len(broken) != 1 || broken[0].Err == nil || broken[0].Memory != uint64(card[0].Memory) || broken[0].ContextLength == 0 {
		t.Errorf("a file that is gone, with a card: %+v", broken)
	}
	machine := hardware.Machine{OS: "linux", Memory: hardware.Memory{Total: 8 << 30, Available: 8 << 30}}
	if _, err := broken[0].Plan(machine); err != nil {
		t.Errorf("with a card it has a plan: %v", err)
	}
}

// The cards say what the headers of the models that are here say.
func TestCardsAgreeWithHeaders(t *testing.T) {
	testmodel.Model(t)
	tiedTwice := runtime.GOARCH == "arm64" // embeddings that are the output matrix too take their place twice there
	h, err := hub.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	list, err := KnownModels(h)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, k := range list {
		if k.Card == nil || k.Cached == nil || k.Card.Sources[0].SHA256 != k.Cached.Digest {
			continue
		}
		compared++
		if k.Err != nil || !tiedTwice && math.Abs(float64(k.Card.Memory)-float64(k.Memory)) > 0.1*float64(k.Memory) {
			t.Errorf("%s: its card says %d bytes, its header %d (%v)", k.Name, k.Card.Memory, k.Memory, k.Err)
		}
		if k.TrainedContext() != k.Card.ContextLength {
			t.Errorf("%s: its card says %d tokens, its header %d", k.Name, k.Card.ContextLength, k.TrainedContext())
		}
	}
	if compared == 0 {
		t.Error("no model was compared")
	}
}

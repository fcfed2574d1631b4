package llamacpp

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/internal/testmodel"
)

func newContext(t *testing.T, m *LoadedModel, opts *Options) *LoadedModel {
	t.Helper()
	c, err := m.NewContext(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Contexts of a model have settings of their own and answer as the model does, at the same
// time.
func TestNewContext(t *testing.T) {
	m := loadShared(t)
	want, err := reply(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	c := newContext(t, m, &Options{ContextLength: 1024, Slots: 2})
	if c.Vocabulary() != m.Vocabulary() || c.Path() != m.Path() || c.Name() != m.Name() {
		t.Error("the context is of another model")
	}
	if c.ContextLength() != 1024 || newContext(t, m, nil).ContextLength() != hardware.WorkingContext {
		t.Errorf("a context of %d tokens", c.ContextLength())
	}
	if a, b := m.Describe(), c.Describe(); a["weights"] != b["weights"] || a["chat template"] != b["chat template"] || m.Identity() != c.Identity() {
		t.Errorf("the model is %v, the context %v", a, b)
	}
	weights := uint64(80 << 20) // and more
	if need, all := c.Plan().Need.Host, m.Plan().Need.Host; need == 0 || need+weights > all {
		t.Errorf("the context needs %d bytes, all together %d", need, all)
	}
	if plain := newContext(t, m, &Options{ContextLength: 256, ChatTemplate: PlainText}); plain.Describe()["chat template"] == m.Describe()["chat template"] {
		t.Error("its chat template is the model's")
	}
	var all sync.WaitGroup
	for _, m := range []*LoadedModel{m, c} {
		all.Go(func() {
			for range 3 {
				if got, err := reply(t.Context(), m); err != nil || got != want {
					t.Errorf("says %q, %v, want %q", got, err, want)
				}
			}
		})
	}
	all.Wait()
	c.Close()
	if _, err := reply(t.Context(), c); !errors.Is(err, ErrModelNotLoaded) {
		t.Errorf("a closed context: %v", err)
	}
	if got, err := reply(t.Context(), m); err != nil || got != want {
		t.Errorf("then the model says %q, %v", got, err)
	}
}

// A model may be closed before its contexts.
func TestNewContextOutlives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := synth.Write(t.Context(), path, testmodel.Model(t), synth.Shape{}, nil); err != nil {
		t.Fatal(err)
	}
	m, err := Load(t.Context(), path, &Options{Threads: 1, ChatTemplate: PlainText})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c := newContext(t, m, &Options{Threads: 1, ContextLength: 256, ChatTemplate: PlainText})
	want, err := reply(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
	if got, err := reply(t.Context(), c); err != nil || got != want {
		t.Errorf("says %q, %v, want %q", got, err, want)
	}
	c = newContext(t, c, &Options{Threads: 1, ContextLength: 128, ChatTemplate: PlainText})
	if got, err := reply(t.Context(), c); err != nil || got != want {
		t.Errorf("a context of a context says %q, %v, want %q", got, err, want)
	}
}

// A file that is written to ends the model and its contexts, and each says so. One that takes
// its place is of no interest to them.
func TestContextsOfChangedFile(t *testing.T) {
	dir := t.TempDir()
	path, spare := filepath.Join(dir, "model.gguf"), filepath.Join(dir, "spare.gguf")
	small := &Options{Threads: 1, ContextLength: 256, ChatTemplate: PlainText}
	if err := synth.Write(t.Context(), path, testmodel.Model(t), synth.Shape{}, nil); err != nil {
		t.Fatal(err)
	}
	m, err := Load(t.Context(), path, small)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := os.Rename(path, spare); err != nil {
		t.Fatal(err)
	}
	first, second := newContext(t, m, small), newContext(t, m, small)
	if _, err := reply(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("GGUF of another model"), 0o600); err != nil {
		t.Fatal(err)
	}
	third := newContext(t, m, small)
	if err := os.Truncate(spare, 1000); err != nil {
		t.Fatal(err)
	}
	wantChanged := func(what string, err error) {
		t.Helper()
		if changed := (*engine.FileChangedError)(nil); !errors.Is(err, ErrModelNotLoaded) || !errors.As(err, &changed) || changed.Path != path {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = reply(t.Context(), second)
	wantChanged("a reply", err)
	for _, m := range []*LoadedModel{m, first, second, third} {
		wantChanged("Err", m.Err())
		_, err = reply(t.Context(), m)
		wantChanged("then a reply", err)
		_, err = m.NewContext(t.Context(), small)
		wantChanged("a further context", err)
	}
}

func TestNewContextFails(t *testing.T) {
	m := loadShared(t)
	other := hardware.BackendCUDA
	if m.Plan().Backend == other {
		other = hardware.BackendCPU
	}
	for name, opts := range map[string]*Options{
		"another backend":     {Backend: other},
		"other layers":        {GPULayers: m.GPULayers() + 1},
		"another file":        {AsShipped: true},
		"copied weights":      {CopyWeights: true},
		"a template":          {ChatTemplate: "none such"},
		"a context":           {ContextLength: -1},
		"a number of threads": {Threads: 1000},
	} {
		if _, err := m.NewContext(t.Context(), opts); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	missing := &Options{LoRAs: map[string]string{"l": filepath.Join(t.TempDir(), "missing")}}
	if _, err := m.NewContext(t.Context(), missing); !errors.Is(err, ErrModelNotLoaded) {
		t.Errorf("an adapter that is not there: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.NewContext(ended, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
	newContext(t, m, &Options{Backend: m.Plan().Backend, GPULayers: m.GPULayers(), ContextLength: 128}) // as it is
}

// On a GPU a context is where the weights are, and no longer than what it was asked for.
func TestPlanContext(t *testing.T) {
	model := gpuPlan(t)
	prepared, err := Prepare(t.Context(), testmodel.Model(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := prepared.PlanContext(model, &Options{ContextLength: 2048, Threads: 3})
	if err != nil {
		t.Fatal(err)
	}
	o := (&Options{ContextLength: 2048, Threads: 3}).engineOptions(&plan)
	if o.GPULayers != model.GPULayers || o.Devices[0] != "Vulkan0" || o.ContextLength != 2048 || o.CacheLength != 8192 || o.Threads != 3 {
		t.Errorf("%+v", o)
	}
	cells := uint64(30 * 2 * 192 * 2 * 8192) // layers, keys and values, their width, F16
	if got := plan.Need.Devices[0]; got < cells || got > 2*cells {
		t.Errorf("the cache of %d bytes and the buffers need %d", cells, got)
	}
	if _, err := plan.StepDown(); err == nil {
		t.Error("there is a smaller plan of a context")
	}
	if small, err := prepared.PlanContext(model, &Options{ContextLength: 2048, CacheLength: 3000}); err != nil || small.CacheLength != 3000 || small.Need.Devices[0] >= plan.Need.Devices[0] {
		t.Errorf("with a cache of its own: %d, %v", small.CacheLength, err)
	}
	long, err := prepared.PlanContext(model, &Options{ContextLength: 1 << 20})
	if err != nil || long.ContextLength != 8192 || long.CacheLength != 16384 {
		t.Errorf("a context longer than the model was trained with: %d, %d, %v", long.ContextLength, long.CacheLength, err)
	}
}

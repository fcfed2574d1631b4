package engine

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/llama"
)

// LoRA is a low-rank adapter that a [Request] wants the model to have.
type LoRA struct {
	Name string // one of [Options].LoRAs

	// Scale is how much of the adapter's change is made, -100 to 100. If zero, 1: as it
	// was trained.
	Scale float32
}

// LoRAError says why an adapter of [Options].LoRAs was not loaded. Err is a
// [*gguf.LoRAError] if it does not fit the model, wraps [gguf.ErrInvalid] if the file is
// not a whole GGUF, or is what went wrong when it was read.
type LoRAError struct {
	Name string
	Err  error
}

func (e *LoRAError) Error() string { return fmt.Sprintf("engine: LoRA adapter %q: %v", e.Name, e.Err) }

// Unwrap returns the reason.
func (e *LoRAError) Unwrap() error { return e.Err }

// adapters are loaded LoRA adapters by name.
type adapters map[string]*adapter

type adapter struct {
	lora  *llama.LoRA
	files modelFiles
}

// loadAdapters loads adapters, files by name, for a model. That must be before the
// context is made that uses them, which then has room for what they compute.
func loadAdapters(w *weights, paths map[string]string) (all adapters, err error) {
	if len(paths) == 0 {
		return nil, nil
	}
	base, err := w.headers()
	if err != nil {
		return nil, err
	}
	all = adapters{}
	for _, name := range slices.Sorted(maps.Keys(paths)) { // in one order, so that the first error is always the same
		a, err := loadAdapter(w.model, base, paths[name])
		if err != nil {
			all.free()
			return nil, &LoRAError{name, err}
		}
		all[name] = a
	}
	return all, nil
}

func loadAdapter(model *llama.Model, base []*gguf.File, path string) (*adapter, error) {
	files, err := openFiles([]string{path})
	if err != nil {
		return nil, err
	}
	defer files.close() // llama.cpp copies the weights
	return newAdapter(model, base, files)
}

// newAdapter loads an adapter from its open file. The header that is checked is that file's,
// whatever has its name by now, and llama.cpp, which opens the name, must have met it there.
func newAdapter(model *llama.Model, base []*gguf.File, files modelFiles) (*adapter, error) {
	header, err := files.header(0)
	if err != nil {
		return nil, err
	}
	path := files.paths[0]
	if err := gguf.CheckLoRA(header, base...); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := files.stayed(); err != nil { // what llama.cpp would open is not what was checked
		return nil, err
	}
	lora, err := llama.LoadLoRA(model, path)
	if err != nil {
		return nil, err
	}
	if err := files.stayed(); err != nil {
		lora.Free()
		return nil, err
	}
	return &adapter{lora, files}, nil
}

// free releases adapters that no context uses any more.
func (a adapters) free() {
	for _, one := range a {
		one.lora.Free()
	}
}

// names lists the adapters for people.
func (a adapters) names() string { return strings.Join(slices.Sorted(maps.Keys(a)), ", ") }

// LoRAs returns the names of the adapters that the engine has, sorted.
func (e *Engine) LoRAs() []string { return slices.Sorted(maps.Keys(e.adapters)) }

// LoRAFingerprint is [Engine.Fingerprint] of an adapter.
func (e *Engine) LoRAFingerprint(name string) ([]byte, error) {
	a := e.adapters[name]
	if a == nil {
		return nil, e.adapters.unknown("name", name)
	}
	return a.files.fingerprint()
}

func (a adapters) unknown(field, name string) error {
	if len(a) == 0 {
		return &RequestError{field, fmt.Sprintf("there is no adapter %q, nor any other: load the model with it", name)}
	}
	return &RequestError{field, fmt.Sprintf("there is no adapter %q; there are %s", name, a.names())}
}

// loraSet is the adapters of a request and their scales, in the order of their names.
// Nil is the model alone.
type loraSet struct {
	names  []string
	loras  []*llama.LoRA
	scales []float32
	text   string // equal for equal sets
}

// key is equal for equal sets, and for no others.
func (s *loraSet) key() string {
	if s == nil {
		return ""
	}
	return s.text
}

// maxScale is far beyond the scale of any use.
const maxScale = 100

// set returns the adapters that a request asks for.
func (a adapters) set(asked []LoRA) (*loraSet, error) {
	if len(asked) == 0 {
		return nil, nil
	}
	asked = slices.Clone(asked)
	for i, l := range asked {
		switch v := float64(l.Scale); {
		case a[l.Name] == nil:
			return nil, a.unknown(fmt.Sprintf("LoRA[%d].Name", i), l.Name)
		case slices.ContainsFunc(asked[:i], func(other LoRA) bool { return other.Name == l.Name }):
			return nil, &RequestError{fmt.Sprintf("LoRA[%d].Name", i), fmt.Sprintf("%q stands there twice", l.Name)}
		case !(math.Abs(v) <= maxScale): // so that NaN fails
			return nil, &RequestError{fmt.Sprintf("LoRA[%d].Scale", i), fmt.Sprintf("%v is not in -%v to %v", l.Scale, maxScale, maxScale)}
		case v == 0:
			asked[i].Scale = 1
		}
	}
	slices.SortFunc(asked, func(x, y LoRA) int { return strings.Compare(x.Name, y.Name) })
	s := &loraSet{}
	var key bytes.Buffer
	for _, l := range asked {
		s.names = append(s.names, l.Name)
		s.loras = append(s.loras, a[l.Name].lora)
		s.scales = append(s.scales, l.Scale)
		fmt.Fprintf(&key, "%q %x ", l.Name, math.Float32bits(l.Scale))
	}
	s.text = key.String()
	return s, nil
}

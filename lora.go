package cria

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// LoRA is a low-rank adapter that the model of a call is to have: one of those that it was
// loaded with.
type LoRA struct {
	Name  string  `json:"name"`
	Scale float64 `json:"scale,omitempty"` // how much of its change is made; 0: 1, as it was trained
}

// Adapted is an [LM] that was loaded with LoRA adapters, of which each request may have
// others: see [Scope]. An LM that is none has no adapters.
type Adapted interface {
	LM

	// LoRAs returns the names of the adapters, each with a digest of the adapter, "" if
	// it cannot say: then a [Cache] keeps replies with it for this LM alone and in memory.
	LoRAs() map[string]string
}

// LoRAError says that the model of a call does not have an adapter.
type LoRAError struct {
	Name  string
	Known []string // those that it has, sorted
}

func (e *LoRAError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("LoRA adapter %q: the model was loaded without adapters: load it with this one, or call it with an empty Scope.LoRA", e.Name)
	}
	return fmt.Sprintf("LoRA adapter %q: the model does not have it; it has %s", e.Name, strings.Join(e.Known, ", "))
}

func lorasOf(lm LM) map[string]string {
	if a, ok := lm.(Adapted); ok {
		return a.LoRAs()
	}
	return nil
}

// checkLoRA reports the first adapter that lm cannot have.
func checkLoRA(lm LM, asked []LoRA) error {
	if len(asked) == 0 {
		return nil
	}
	known := lorasOf(lm)
	for i, l := range asked {
		if _, ok := known[l.Name]; !ok {
			return &LoRAError{l.Name, slices.Sorted(maps.Keys(known))}
		}
		if slices.ContainsFunc(asked[:i], func(other LoRA) bool { return other.Name == l.Name }) {
			return fmt.Errorf("LoRA adapter %q: it is asked for twice", l.Name)
		}
		if math.IsNaN(l.Scale) || math.IsInf(l.Scale, 0) {
			return fmt.Errorf("LoRA adapter %q: scale %v is not finite", l.Name, l.Scale)
		}
	}
	return nil
}

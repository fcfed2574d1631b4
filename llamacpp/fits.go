package llamacpp

import (
	"slices"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
)

// A Known model is one of the catalogue or of the cache, before it is loaded.
type Known struct {
	Name          string
	Card          *hub.Card        // of the catalogue; nil: it is of the cache only
	Cached        *hub.CachedModel // nil: it is not in the cache
	Memory        uint64           // bytes that it takes on the CPU with a context of ContextLength
	ContextLength int              // [hardware.WorkingContext], or what it was trained with if that is less
	Err           error            // why the header of a cached one cannot be read: then its card is asked, if there is one

	model hardware.Model
	needs hardware.Needs
}

// KnownModels are the models of the catalogue in its order, then those of the cache that are
// not of it. Of a model in the cache its header is asked, of another its card. Nothing is
// fetched. If the cache cannot be read there are the cards beside the error.
func KnownModels(h *hub.Hub) ([]Known, error) {
	cached, err := h.Models()
	return known(hub.Catalog(), cached), err
}

func known(cards []hub.Card, cached []hub.CachedModel) (list []Known) {
	listed := map[string]bool{} // digests
	for i := range cards {
		card := &cards[i]
		at := slices.IndexFunc(cached, func(m hub.CachedModel) bool { return slices.Contains(m.Refs, card.Name) })
		k := Known{Name: card.Name, Card: card}
		if at >= 0 {
			listed[cached[at].Digest] = true
			k.Cached = &cached[at]
			k.readHeader()
		}
		if k.needs == nil { // not in the cache, or damaged there
			k.readCard()
		}
		list = append(list, k)
	}
	for i := range cached {
		if m := &cached[i]; !listed[m.Digest] {
			k := Known{Name: m.Refs[0], Cached: m}
			k.readHeader()
			list = append(list, k)
		}
	}
	return list
}

// readCard takes a model for one block: all of it is on GPUs, or nothing.
func (k *Known) readCard() {
	k.Memory = uint64(k.Card.Memory)
	k.model = hardware.Model{Name: k.Name, ContextLength: k.Card.ContextLength, Size: uint64(k.Card.Sources[0].Size)}
	k.ContextLength = workingContext(k.model)
	memory := k.Memory
	k.needs = func(p hardware.Placement) hardware.Need {
		if len(p.Split) == 0 {
			return hardware.Need{Host: memory}
		}
		n := hardware.Need{Devices: make([]uint64, len(p.Split))}
		for i, share := range p.Split {
			n.Devices[i] = uint64(float64(memory) * float64(share))
		}
		return n
	}
}

func (k *Known) readHeader() {
	_, headers, err := gguf.OpenParts(k.Cached.Paths[0])
	if err == nil {
		k.needs, err = hardware.EstimatedNeeds(headers[0], headers[1:]...)
	}
	if err != nil {
		k.Err = err
		return
	}
	k.model = hardware.ModelOf(k.Name, headers...)
	k.ContextLength = workingContext(k.model)
	if k.model.Copy != 0 {
		headers[0] = headers[0].As(k.model.Copy)
	}
	// Of an architecture that is not known it is a guess.
	e, _ := hardware.EstimateMemory(headers[0], hardware.EstimateOptions{ContextLength: k.ContextLength, Batch: hardware.CPUBatch}, headers[1:]...)
	k.Memory = e.Host()
}

// workingContext is the context that a model must have room for.
func workingContext(m hardware.Model) int {
	if m.ContextLength > 0 {
		return min(m.ContextLength, hardware.WorkingContext)
	}
	return hardware.WorkingContext
}

// TrainedContext is how many tokens the model was trained to see at once; 0: it is not
// known.
func (k *Known) TrainedContext() int { return k.model.ContextLength }

// Plan says how the model would be loaded on a machine. The error is a
// *[hardware.FitError] if it has no place there.
func (k *Known) Plan(m hardware.Machine) (hardware.Plan, error) {
	if k.needs == nil {
		return hardware.Plan{}, k.Err
	}
	return hardware.Choose(m, k.model, k.needs, &hardware.Request{ContextLength: k.ContextLength, KV: gguf.F16})
}

package program

import (
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llamacpp"
)

// Catalog returns what [Options].Catalog takes: the models of the catalogue and those of
// the cache, with the capabilities that their cards say ([hub.CapInstruct] and others), and
// which of them have a place on a machine: see [llamacpp.Machine]. A pool's budget is
// m.Memory.Most.
func Catalog(h *hub.Hub, m hardware.Machine) func() []Model {
	return func() (list []Model) {
		known, _ := llamacpp.KnownModels(h) // of a cache that cannot be read there are none
		for i := range known {
			k := &known[i]
			model := Model{Name: k.Name}
			if k.Card != nil {
				model.Unaccepted = k.Cached == nil && !h.Accepted(k.Card)
				model.Parameters, model.Capabilities = k.Card.Parameters, k.Card.Capabilities
			} else { // of which the size says how large it is
				model.Parameters = k.Cached.Size
			}
			_, err := k.Plan(m)
			model.Fits = err == nil
			list = append(list, model)
		}
		return list
	}
}

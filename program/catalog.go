package program

import (
	"sync"
	"time"

	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llamacpp"
)

// Catalog returns what [Options].Catalog takes: the models of the catalogue, with the
// capabilities that their cards say ([hub.CapInstruct] and others), and which of them have a
// place on a machine: see [llamacpp.Machine]. A pool's budget is m.Memory.Most. Models that
// are only in the cache are not listed, since nobody says what they can do; they are run by
// name. What is in the cache is looked at again after ten seconds.
func Catalog(h *hub.Hub, m hardware.Machine) func() []Model {
	var mu sync.Mutex
	var list []Model
	var at time.Time
	return func() []Model {
		mu.Lock()
		defer mu.Unlock()
		if list == nil || time.Since(at) > catalogAgain {
			list, at = catalog(h, m), time.Now()
		}
		return list
	}
}

func catalog(h *hub.Hub, m hardware.Machine) (list []Model) {
	known, _ := llamacpp.KnownModels(h) // of a cache that cannot be read, the cards
	for i := range known {
		k := &known[i]
		if k.Card == nil {
			continue
		}
		_, err := k.Plan(m)
		list = append(list, Model{
			Name: k.Name, Parameters: k.Card.Parameters, Capabilities: k.Card.Capabilities,
			Unaccepted: k.Cached == nil && !h.Accepted(k.Card), Fits: err == nil,
		})
	}
	return list
}

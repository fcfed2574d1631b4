package llamacpp

import (
	"fmt"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/engine"
)

// LoRAs implements [cria.Adapted]: the adapters of [Options].LoRAs, each with a digest of
// its file's header and the beginnings of its tensors.
func (m *LoadedModel) LoRAs() map[string]string { return m.loras() }

func (m *LoadedModel) digestLoRAs() map[string]string {
	all := map[string]string{}
	for _, name := range m.engine.LoRAs() {
		digest, err := m.engine.LoRAFingerprint(name)
		if err != nil {
			m.log.Warn("replies with this adapter are cached in memory only", "model", m.name, "adapter", name, "reason", err)
			all[name] = ""
			continue
		}
		all[name] = fmt.Sprintf("%x", digest)
	}
	return all
}

// LoRAs implements [cria.Adapted]: they are the model's.
func (a *Adapter) LoRAs() map[string]string { return a.model.LoRAs() }

// engineLoRAs are a request's adapters as the engine takes them.
func engineLoRAs(asked []cria.LoRA) (loras []engine.LoRA) {
	for _, l := range asked {
		scale := float32(l.Scale)
		if scale == 0 && l.Scale != 0 {
			continue // it is so little that nothing is left of it; the engine would take 0 for 1
		}
		loras = append(loras, engine.LoRA{Name: l.Name, Scale: scale})
	}
	return loras
}

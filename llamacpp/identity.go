package llamacpp

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/cria-lm/cria/llama"
)

// Identity implements [cria.Identifier]: it is a digest of the model file's header and the
// beginnings of its tensors, the release of llama.cpp and the chat template. How long
// a context is, which depends on the memory that is free, does not count: what was cut off
// is not kept. The first call reads the file, which takes milliseconds; if it was replaced
// since it was loaded there is no identity.
func (m *LoadedModel) Identity() string { return m.identity() }

func (m *LoadedModel) identify() string {
	model, err := m.engine.Fingerprint()
	if err != nil {
		m.log.Warn("the model's replies are cached in memory only", "model", m.name, "reason", err)
		return ""
	}
	info, _ := llama.Loaded()
	m.parts = map[string]string{
		"weights":       fmt.Sprintf("%x", model),
		"llama.cpp":     info.Version,
		"chat template": fmt.Sprintf("%x", sha256.Sum256([]byte(m.template.source))),
	}
	return fmt.Sprintf("llama.cpp %x", sha256.Sum256(fmt.Appendf(nil, "%x\n%s\n%s", model, info.Version, m.template.source)))
}

// Describe implements [cria.Describer].
func (m *LoadedModel) Describe() map[string]string {
	m.identity() // which finds the parts
	return maps.Clone(m.parts)
}

// Identity implements [cria.Identifier]: it is the model's, with what the [Config] says of
// replies.
func (a *Adapter) Identity() string {
	model := a.model.Identity()
	if model == "" {
		return ""
	}
	return model + " " + a.configDigest()
}

// Describe implements [cria.Describer].
func (a *Adapter) Describe() map[string]string {
	parts := a.model.Describe()
	if parts != nil {
		parts["config"] = a.configDigest()
	}
	return parts
}

// configDigest is of what the [Config] says of replies.
func (a *Adapter) configDigest() string {
	c := a.config
	// These say how a reply is come by, not what it is.
	c.ModelName, c.TokenBudget, c.RequestsPerMinute = "", 0, 0
	c.MaxRetries, c.InitialBackoff, c.MaxBackoff = 0, 0, 0
	c.EnableCache, c.CacheTTL, c.EnableStreaming = false, 0, false
	config, err := json.Marshal(c)
	if err != nil { // of a configuration that is valid: there is no such error
		panic(fmt.Sprintf("llamacpp: a configuration cannot be written: %v", err))
	}
	return fmt.Sprintf("%x", sha256.Sum256(config))
}

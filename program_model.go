package cria

import (
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
)

// Describer is an [Identifier] that says what its identity is made of, so that people
// can be told what differs between two.
type Describer interface {
	// Describe returns the parts of the identity by name, such as "weights" and
	// "llama.cpp". It is nil if there is no identity.
	Describe() map[string]string
}

func identityOf(lm LM) string {
	if known, ok := lm.(Identifier); ok {
		return known.Identity()
	}
	return ""
}

func partsOf(lm LM) map[string]string {
	if d, ok := lm.(Describer); ok {
		return d.Describe()
	}
	return nil
}

// differsFrom says what is another in the model that a program was tuned for.
func (s state) differsFrom(lm LM) string {
	here := partsOf(lm)
	names := maps.Clone(s.ModelParts)
	for name := range here {
		if names == nil {
			names = map[string]string{}
		}
		names[name] = ""
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if was, is := s.ModelParts[name], here[name]; was != "" && is != "" && was != is {
			parts = append(parts, fmt.Sprintf("%s was %s and is %s here", name, was, is))
		}
	}
	if len(parts) == 0 {
		return fmt.Sprintf("it was %s, this is %s", s.Model, identityOf(lm))
	}
	return strings.Join(parts, ", ")
}

// version is that of this module in the running program, "" if that does not say.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == ourPackage {
			return m.Version
		}
	}
	return ""
}

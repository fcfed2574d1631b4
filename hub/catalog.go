package hub

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// DefaultModel is the name of the model that is used when none is named.
const DefaultModel = "smollm2-135m-instruct"

// A Card describes one model of the catalogue.
type Card struct {
	Name          string   `json:"name"`
	Description   string   `json:"description"` // one sentence
	Strengths     []string `json:"strengths"`   // what it is good for
	Kind          string   `json:"kind"`        // "instruct" or "base"
	Parameters    int64    `json:"parameters"`
	Quantization  string   `json:"quantization"` // of the first source
	ContextLength int      `json:"context_length"`
	License       License  `json:"license"`
	Sources       []Source `json:"sources"` // tried in this order
}

// A License names the terms of a model.
type License struct {
	ID         string `json:"id"` // SPDX, or LicenseRef-...
	URL        string `json:"url"`
	MustAccept bool   `json:"must_accept,omitempty"` // before it is fetched
}

// A Source is one place that has a file for a model. Sources of one model may
// have different files (other quantizations).
type Source struct {
	Ref      string `json:"ref"`                // a reference as for [Hub.Model]
	SHA256   string `json:"sha256"`             // of the model file; if empty, what the hub states is used
	Size     int64  `json:"size"`               // of the model file, bytes
	Download int64  `json:"download,omitempty"` // bytes that travel, if not Size
}

//go:embed catalog.json
var catalogJSON []byte

// Catalog returns the embedded catalogue, the default model first.
func Catalog() []Card {
	var cards []Card
	if err := json.Unmarshal(catalogJSON, &cards); err != nil {
		panic("hub: catalog.json: " + err.Error()) // a mistake in this package
	}
	return cards
}

func (h *Hub) card(name string) *Card {
	for i, c := range h.catalog {
		if strings.EqualFold(c.Name, name) {
			return &h.catalog[i]
		}
	}
	return nil
}

// nearest returns the catalogue's name closest to a mistyped one, or "".
func (h *Hub) nearest(name string) string {
	name = strings.ToLower(name)
	best, distance := "", max(3, len(name)/2)
	for _, c := range h.catalog {
		if name != "" && strings.HasPrefix(c.Name, name) {
			return c.Name
		}
		if d := levenshtein.ComputeDistance(name, c.Name); d < distance {
			best, distance = c.Name, d
		}
	}
	return best
}

// accepted reports whether the user has accepted a card's terms, if they ask
// for it.
func (h *Hub) accepted(c *Card) bool {
	return !c.License.MustAccept || slices.ContainsFunc(h.opts.AcceptLicense, func(name string) bool {
		return strings.EqualFold(name, c.Name) || strings.EqualFold(name, c.License.ID)
	})
}

// has reports whether a digest is one of the card's files. A source without a
// digest may have any.
func (c *Card) has(digest string) bool {
	return slices.ContainsFunc(c.Sources, func(s Source) bool { return s.SHA256 == "" || s.SHA256 == digest })
}

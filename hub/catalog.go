package hub

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// DefaultModel is the name of the model that is used when none is named.
const DefaultModel = "smollm2-135m-instruct"

// A Card describes one model of the catalogue.
type Card struct {
	Name        string   `json:"name"`
	Description string   `json:"description"` // one sentence
	Strengths   []string `json:"strengths"`   // what it is good for

	// Capabilities are what programs may ask for: [CapInstruct] or [CapBase], and others.
	Capabilities []string `json:"capabilities"`

	// ChatTemplate is the kind of the model's chat template, as llama.cpp names those
	// that it has built in: "chatml", "llama3", "granite". "none": it has none that it
	// was trained with, as a base model.
	ChatTemplate string `json:"chat_template"`

	Parameters    int64  `json:"parameters"`
	Quantization  string `json:"quantization"`   // of the first source
	ContextLength int    `json:"context_length"` // tokens it was trained to see at once

	// Memory is an estimate, in bytes, of what the first source's file, or the copy of it
	// that computes faster, takes on the CPU at a context of 4096 tokens: weights, cache and
	// buffers. Once the file is there
	// its header says it better, see hardware.EstimateMemory.
	Memory int64 `json:"memory"`

	License License  `json:"license"`
	Sources []Source `json:"sources"` // tried in this order
}

// The capabilities of cards.
const (
	CapInstruct     = "instruct"     // follows instructions in a chat
	CapBase         = "base"         // continues text
	CapThinking     = "thinking"     // was trained to think in a block of its own before it answers
	CapTools        = "tools"        // was trained to call tools
	CapMultilingual = "multilingual" // more than English
)

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

// Card returns the card of a model of the catalogue; case does not matter. The error for
// a name that is not there wraps [ErrUnknown] and says which one is near.
func (h *Hub) Card(name string) (Card, error) {
	if c := h.card(name); c != nil {
		return *c, nil
	}
	if near := h.nearest(name); near != "" {
		return Card{}, h.unknown(name)
	}
	return Card{}, fmt.Errorf("%w %q: the catalogue has %s", ErrUnknown, name, strings.Join(h.names(), ", "))
}

// names are those of the catalogue.
func (h *Hub) names() []string {
	names := make([]string, len(h.catalog))
	for i, c := range h.catalog {
		names[i] = c.Name
	}
	return names
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

// Accepted reports whether the user has accepted a card's terms, if they ask
// for it.
func (h *Hub) Accepted(c *Card) bool {
	return !c.License.MustAccept || slices.ContainsFunc(h.opts.AcceptLicense, func(name string) bool {
		return strings.EqualFold(name, c.Name) || strings.EqualFold(name, c.License.ID)
	})
}

// has reports whether a digest is one of the card's files. A source without a
// digest may have any.
func (c *Card) has(digest string) bool {
	return slices.ContainsFunc(c.Sources, func(s Source) bool { return s.SHA256 == "" || s.SHA256 == digest })
}

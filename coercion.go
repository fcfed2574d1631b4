package cria

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// Coercion is something that was done to read the value of a field: a reply is read
// tolerantly, and what it took is told, so that a program can be stricter or a format be
// found wanting. A value that is written as it was asked for has none.
type Coercion struct {
	Field string       `json:"field"`
	Kind  CoercionKind `json:"kind"`
}

// CoercionKind says what was done.
type CoercionKind string

// The kinds.
const (
	CoercedFence  CoercionKind = "fence"  // a code fence around it was removed
	CoercedExtra  CoercionKind = "extra"  // text before, behind or around it was ignored
	CoercedTrim   CoercionKind = "trim"   // quotes, emphasis or punctuation around a word was ignored
	CoercedCase   CoercionKind = "case"   // a word of a closed set, or a key in JSON, is written in another case
	CoercedWord   CoercionKind = "word"   // true or false is written as another word, or as text in JSON
	CoercedNumber CoercionKind = "number" // the only number in a text was taken, or a whole one written as a fraction
	CoercedTime   CoercionKind = "time"   // a time, date or duration is written in another way
	CoercedList   CoercionKind = "list"   // items are parted by lines or commas, not a JSON list
	CoercedText   CoercionKind = "text"   // JSON that is no text was taken as one
	CoercedNull   CoercionKind = "null"   // the word null or none was taken as no value
	CoercedJSON   CoercionKind = "json"   // JSON was repaired
	CoercedFormat CoercionKind = "format" // the reply is in another format than was asked for
	CoercedWhole  CoercionKind = "whole"  // the reply is in no format: all of it was taken as the value
)

// coercer turns what a reply has for fields into values of their types, and notes what
// it took. Nil notes nothing.
type coercer []CoercionKind

func (c *coercer) note(kind CoercionKind) {
	if c != nil && !slices.Contains(*c, kind) {
		*c = append(*c, kind)
	}
}

// noteIf notes a kind where it applies.
func (c *coercer) noteIf(applies bool, kind CoercionKind) {
	if applies {
		c.note(kind)
	}
}

func (c *coercer) noteAll(kinds []CoercionKind) {
	for _, kind := range kinds {
		c.note(kind)
	}
}

// withoutFence returns a text without space and a code fence around it.
func (c *coercer) withoutFence(text string) string {
	trimmed := strings.TrimSpace(text)
	inner := strings.TrimSpace(stripFence(trimmed))
	c.noteIf(inner != trimmed, CoercedFence)
	return inner
}

// coercions says what it took to read an object in a text.
func (o jsonObject) coercions(text string) []CoercionKind {
	var c coercer
	around := strings.TrimSpace(text[:o.start] + "\n" + text[o.end:])
	bare := strings.TrimSpace(fence.ReplaceAllString(around, ""))
	c.noteIf(around != bare, CoercedFence)
	c.noteIf(bare != "", CoercedExtra)
	c.noteIf(!json.Valid([]byte(text[o.start:o.end])), CoercedJSON)
	return c
}

// fence matches the lines that open and close a code fence.
var fence = regexp.MustCompile("```\\w*")

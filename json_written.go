package cria

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// writtenJSON is JSON as it stands in a reply, in the place of a value of [parseJSON].
// Values of [KindJSON] are made of it, so that the members of objects keep their order
// and numbers their digits; only space goes.
type writtenJSON string

// holdsJSON reports whether values of the type have a [KindJSON] in them.
func (t *Type) holdsJSON() bool {
	return t.holds(func(t *Type) bool { return t.Kind == KindJSON })
}

// asWritten keeps the text of a value that holds a [KindJSON], if it is JSON. What is
// that only nearly, or not at all, is written anew.
func asWritten(t *Type, raw any) any {
	text, ok := raw.(string)
	if !ok || !t.holdsJSON() {
		return raw
	}
	text = strings.TrimSpace(stripFence(text))
	v, err := parseJSON(text)
	switch {
	case err == nil && json.Valid([]byte(text)):
		return writtenJSON(text)
	case err == nil && t.Kind == KindJSON:
		return v
	default:
		return raw
	}
}

// opened returns the list or the object that a type wants with what is in it as it is
// written, and any other value whole.
func (w writtenJSON) opened(t *Type) (any, error) {
	first := strings.TrimLeft(string(w), " \t\r\n")[0] // JSON is never empty
	switch {
	case first == '[' && t.Kind == KindList:
		var items []json.RawMessage
		err := json.Unmarshal([]byte(w), &items)
		list := make([]any, len(items))
		for i, item := range items {
			list[i] = writtenJSON(item)
		}
		return list, err
	case first == '{' && slices.Contains([]Kind{KindDict, KindObject, KindUnion}, t.Kind):
		var members map[string]json.RawMessage
		err := json.Unmarshal([]byte(w), &members)
		object := make(map[string]any, len(members))
		for name, member := range members {
			object[name] = writtenJSON(member)
		}
		return object, err
	}
	return parseJSON(string(w))
}

// kept returns the members of an object, or of the one that is its member within, if
// that is not "". Those of an output that is to keep them are as they are written, if
// the object is JSON.
func (o jsonObject) kept(outputs []Field, within string) map[string]any {
	value, text := o.value, []byte(o.text)
	if within != "" {
		value, _ = o.value[within].(map[string]any)
	}
	if !slices.ContainsFunc(outputs, func(f Field) bool { return f.Type.holdsJSON() }) {
		return value
	}
	if within != "" {
		text = memberTexts(text)[within]
	}
	members := maps.Clone(value)
	for name, text := range memberTexts(text) {
		if slices.ContainsFunc(outputs, func(f Field) bool { return f.Type.holdsJSON() && sameName(name, f.Label()) }) {
			members[name] = writtenJSON(text)
		}
	}
	return members
}

// memberTexts returns how the members of an object are written; nil if it is not JSON.
func memberTexts(object []byte) map[string]json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil {
		return nil
	}
	return members
}

// coerceJSON returns the text of any value.
func coerceJSON(raw any) (any, error) {
	if w, ok := raw.(writtenJSON); ok {
		raw = json.RawMessage(w)
	}
	data, err := marshalCompact(raw)
	return json.RawMessage(data), err
}

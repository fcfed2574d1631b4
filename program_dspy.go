package cria

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// LoadDSPy reads the state of a program that DSPy 3.4 saved as JSON (module.save(
// "program.json")): instructions and demonstrations, by predictor. A predictor of DSPy
// is the program's of the same name, where ".predict" at the end may be missing
// (ChainOfThought has its predictor in a field of that name), or the only one if the file
// has only one. DSPy's default instruction counts as none, as Cria's own default is
// better for small models; descriptions and the settings of its LM are left out. It
// refuses, with a *[StateError], a predictor that the program does not have, or that has
// another number of fields, and demonstrations with other fields.
func (p *Program) LoadDSPy(data []byte) (Candidate, error) {
	saved, err := readDSPy(data)
	if err != nil {
		return nil, &StateError{Err: err}
	}
	c := Candidate{}
	for _, theirs := range slices.Sorted(maps.Keys(saved)) {
		name := p.fromDSPy(theirs, len(saved))
		if name == "" {
			return nil, &StateError{theirs, fmt.Errorf("the program has none of that name; it has %s", p.list())}
		}
		params, err := saved[theirs].params(p.predictors[name])
		if err != nil {
			return nil, &StateError{theirs, err}
		}
		c[name] = params
	}
	return c, nil
}

// fromDSPy returns the name of the predictor that DSPy calls so, "" if there is none.
func (p *Program) fromDSPy(name string, all int) string {
	for _, n := range []string{name, strings.TrimSuffix(name, ".predict"), name + ".predict"} {
		if p.predictors[n] != nil {
			return n
		}
	}
	if all == 1 && len(p.names) == 1 {
		return p.names[0]
	}
	return ""
}

// dspyPredictor is what DSPy saves of a predictor.
type dspyPredictor struct {
	Demos     []map[string]any `json:"demos"`
	Signature *struct {
		Instructions string `json:"instructions"`
		Fields       []struct {
			Prefix string `json:"prefix"`
		} `json:"fields"`
	} `json:"signature"`
}

func readDSPy(data []byte) (map[string]dspyPredictor, error) {
	if len(data) > 0 && data[0] == 0x80 { // pickle's first byte
		return nil, errors.New("it is a pickle, which can hold code: have DSPy save a .json file")
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return nil, fmt.Errorf("it is not whole, or not JSON: %w", err)
	}
	delete(parts, "metadata")
	if _, ok := parts["signature"]; ok { // a predictor that was saved by itself
		parts = map[string]json.RawMessage{"predict": data}
	}
	saved := map[string]dspyPredictor{}
	for name, part := range parts {
		var d dspyPredictor
		if err := json.Unmarshal(part, &d); err != nil {
			return nil, fmt.Errorf("predictor %q: %w", name, err)
		}
		if d.Signature == nil {
			return nil, fmt.Errorf("predictor %q has no signature: DSPy did not save this", name)
		}
		saved[name] = d
	}
	if len(saved) == 0 {
		return nil, errors.New("it has no predictors")
	}
	return saved, nil
}

func (d dspyPredictor) params(p *Predictor) (params Params, err error) {
	fields := slices.Concat(p.sig.inputs, p.sig.outputs)
	if n := len(d.Signature.Fields); n != len(fields) {
		return params, fmt.Errorf("it has %d fields, and here there are %d: %s", n, len(fields), p.sig)
	}
	params.Demos = []Example{}
	for i, demo := range d.Demos {
		delete(demo, "augmented") // how DSPy marks what it found itself
		for name := range demo {
			if !slices.ContainsFunc(fields, func(f Field) bool { return f.Name == name }) {
				return params, fmt.Errorf("demo %d has a field %q, and the signature is %s", i+1, name, p.sig)
			}
		}
		params.Demos = append(params.Demos, demo)
	}
	if text := d.Signature.Instructions; !strings.HasPrefix(text, "Given the fields `") || !strings.HasSuffix(text, "`.") {
		params.Instruction = text
	}
	_, err = p.with(params)
	return params, err
}

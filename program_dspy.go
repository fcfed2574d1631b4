package cria

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// LoadDSPy reads the state of a program that DSPy 3.4 saved as JSON (module.save(
// "program.json")): instructions and demonstrations, by predictor. A predictor of DSPy
// is the program's of the same name, where ".predict" at the end may be missing
// (ChainOfThought has its predictor in a field of that name) and tools['search'] is
// tools.search, or the only one if the file has only one. DSPy's default instruction
// counts as none, which keeps the program's own; descriptions and the settings of its LM
// are left out.
//
// DSPy's optimizers give predictors examples of the whole program. As in DSPy their other
// fields do not count, and one without an input or an output of the predictor is no
// demonstration of it: skipped says how many those were, by predictor of the program,
// and is empty if there were none.
//
// It refuses, with a *[StateError], a predictor that the program does not have or the file
// does not (as DSPy does), or that has other fields, and demonstrations whose values do
// not fit. The last field may be shown as something else: optimizers tune that.
func (p *Program) LoadDSPy(data []byte) (c Candidate, skipped map[string]int, err error) {
	saved, err := readDSPy(data)
	if err != nil {
		return nil, nil, &StateError{Err: err}
	}
	c, skipped = Candidate{}, map[string]int{}
	for _, theirs := range slices.Sorted(maps.Keys(saved)) {
		name := p.fromDSPy(theirs, len(saved))
		if name == "" {
			return nil, nil, &StateError{theirs, fmt.Errorf("the program has none of that name; it has %s", p.list())}
		}
		if _, twice := c[name]; twice {
			return nil, nil, &StateError{theirs, fmt.Errorf("the file has another one for the program's %s", name)}
		}
		params, left, err := saved[theirs].params(p.predictors[name])
		if err != nil {
			return nil, nil, &StateError{theirs, err}
		}
		if c[name] = params; left > 0 {
			skipped[name] = left
		}
	}
	for _, name := range p.names {
		if _, ok := c[name]; !ok {
			return nil, nil, &StateError{name, errors.New("the file does not have it")}
		}
	}
	return c, skipped, nil
}

// fromDSPy returns the name of the predictor that DSPy calls so, "" if there is none.
func (p *Program) fromDSPy(name string, all int) string {
	name = strings.NewReplacer("['", ".", "']", "").Replace(name) // an entry of a dict
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
	Demos     []map[string]json.RawMessage `json:"demos"`
	Signature *struct {
		Instructions string      `json:"instructions"`
		Fields       []dspyField `json:"fields"`
	} `json:"signature"`
}

// dspyField is what DSPy saves of a field: how it is shown, but not its name.
type dspyField struct {
	Prefix      string `json:"prefix"`
	Description string `json:"description"`
}

// is reports whether a field has the name: the default description is "${name}", and the
// default prefix is the name in words.
func (f dspyField) is(name string) bool {
	if rest, ok := strings.CutPrefix(f.Description, "${"); ok && strings.HasSuffix(rest, "}") {
		return rest == name+"}"
	}
	return plainWords(f.Prefix) == plainWords(name)
}

// tuned reports whether nothing is left of the field's name: there is a description, and
// the prefix may be one that an optimizer (COPRO) has found.
func (f dspyField) tuned() bool { return !strings.HasPrefix(f.Description, "${") }

// plainWords leaves letters and digits, in lower case.
func plainWords(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
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
	if parts["signature"] != nil && parts["demos"] != nil { // a predictor that was saved by itself
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

// params returns what is to be changed of a predictor, and how many demonstrations are
// none of it.
func (d dspyPredictor) params(p *Predictor) (params Params, skipped int, err error) {
	if err := d.fits(p.sig); err != nil {
		return params, 0, err
	}
	params.Demos = []Example{}
	for i, raw := range d.Demos {
		demo, err := p.sig.demoOfDSPy(raw)
		if err != nil {
			return params, 0, &DemoError{Demo: i + 1, Err: err}
		}
		if demo == nil {
			skipped++
			continue
		}
		if err := p.sig.checkDemo(demo); err != nil {
			return params, 0, &DemoError{Demo: i + 1, Err: err}
		}
		params.Demos = append(params.Demos, demo)
	}
	if text := d.Signature.Instructions; !p.sig.isDefaultOfDSPy(text) {
		params.Instruction = text
	}
	_, err = p.with(params)
	return params, skipped, err
}

// fits reports fields that are not those of a signature.
func (d dspyPredictor) fits(sig *Signature) error {
	fields := slices.Concat(sig.inputs, sig.outputs)
	if n := len(d.Signature.Fields); n != len(fields) {
		return fmt.Errorf("it has %d fields, and here there are %d: %s", n, len(fields), sig)
	}
	for i, theirs := range d.Signature.Fields {
		if last := i == len(fields)-1; !theirs.is(fields[i].Name) && !(last && theirs.tuned()) {
			return fmt.Errorf("its field %d is %q (%s), and here it is %s", i+1, theirs.Prefix, theirs.Description, fields[i].Name)
		}
	}
	return nil
}

// demoOfDSPy returns the values of the signature's fields, nil if those are no
// demonstration.
func (s *Signature) demoOfDSPy(raw map[string]json.RawMessage) (Example, error) {
	demo, inputs := Example{}, s.shown()
	for _, f := range slices.Concat(inputs, s.outputs) {
		data, ok := raw[f.Name]
		if !ok || isJSONNull(data) {
			continue
		}
		value, err := f.readJSON(data)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
		demo[f.Name] = value
	}
	if len(inputs) > 0 && !demo.hasAny(inputs) || !demo.hasAny(s.outputs) {
		return nil, nil
	}
	return demo, nil
}

// isDefaultOfDSPy reports what DSPy has for an instruction where none was given;
// ChainOfThought adds its reasoning without saying so there.
func (s *Signature) isDefaultOfDSPy(instruction string) bool {
	quoted := func(fields []Field, but string) string {
		var names []string
		for _, f := range fields {
			if f.Name != but {
				names = append(names, "`"+f.Name+"`")
			}
		}
		return strings.Join(names, ", ")
	}
	for _, but := range []string{"", reasoningName} {
		if instruction == fmt.Sprintf("Given the fields %s, produce the fields %s.", quoted(s.inputs, ""), quoted(s.outputs, but)) {
			return true
		}
	}
	return false
}

package cria

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// signatureJSON is a signature as it is saved.
type signatureJSON struct {
	Instruction string            `json:"instruction,omitempty"`
	Inputs      []Field           `json:"inputs"`
	Outputs     []Field           `json:"outputs"`
	Demos       []json.RawMessage `json:"demos,omitempty"`
}

// MarshalJSON writes the whole signature: an object with the instruction, unless it is
// the default one, inputs and outputs in order, and the demonstrations.
func (s *Signature) MarshalJSON() ([]byte, error) {
	if len(s.outputs) == 0 {
		return nil, errors.New("writing a signature: it is empty; make one with NewSignature")
	}
	saved := signatureJSON{Instruction: s.instruction, Inputs: s.inputs, Outputs: s.outputs}
	for i, demo := range s.demos {
		data, err := s.writeDemo(demo)
		if err != nil {
			return nil, fmt.Errorf("writing a signature: %w", &DemoError{Demo: i + 1, Err: err})
		}
		saved.Demos = append(saved.Demos, data)
	}
	return marshalCompact(saved)
}

// writeDemo writes the values of the fields in order, then what else there is.
func (s *Signature) writeDemo(demo Example) (json.RawMessage, error) {
	fields := slices.Concat(s.inputs, s.outputs)
	for _, name := range demo.Keys() {
		if _, ok := s.Field(name); !ok {
			fields = append(fields, Field{Name: name, Type: Type{Kind: KindAny}})
		}
	}
	o := object{}
	for _, f := range fields {
		value, ok := demo[f.Name]
		if !ok {
			continue
		}
		data, err := f.JSON(value)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
		o = append(o, member{f.Name, data})
	}
	return o.MarshalJSON()
}

// UnmarshalJSON reads what [Signature.MarshalJSON] writes, and checks it as
// [NewSignature] and [Signature.WithDemos] do. Members that are not known are mistakes
// too. Where a mistake is says the *[DeclarationError] or *[DemoError]. It is for a new
// Signature, as encoding/json makes them: one that is in use must not change.
func (s *Signature) UnmarshalJSON(data []byte) error {
	read, err := readSignature(data)
	if err != nil {
		return fmt.Errorf("reading a signature: %w", err)
	}
	s.instruction, s.inputs, s.outputs, s.demos = read.instruction, read.inputs, read.outputs, read.demos
	s.frames.Clear()
	return nil
}

func readSignature(data []byte) (*Signature, error) {
	if _, err := parseStrict(string(data)); err != nil {
		return nil, err
	}
	var saved signatureJSON
	if err := strictJSON(data, reflect.ValueOf(&saved).Elem(), 0); err != nil {
		return nil, err
	}
	sig, err := NewSignature(saved.Instruction, saved.Inputs, saved.Outputs)
	if err != nil {
		return nil, errors.Unwrap(err) // what is being done is said already
	}
	var demos []Example
	for i, data := range saved.Demos {
		demo, err := sig.readDemo(data)
		if err != nil {
			return nil, &DemoError{Demo: i + 1, Err: err}
		}
		demos = append(demos, demo)
	}
	return sig.WithDemos(demos...)
}

// readDemo reads an object whose members are values of the fields.
func (s *Signature) readDemo(data []byte) (Example, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil || members == nil {
		return nil, errors.New("it is not an object")
	}
	demo := Example{}
	for name, member := range members {
		f, _ := s.Field(name)
		value, err := f.readJSON(member)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", name, err)
		}
		demo[name] = value
	}
	return demo, nil
}

// readJSON reads what [Field.JSON] writes: as a value of the field if that is written
// the same, so that a demonstration shows what it showed, else as what the JSON says.
func (f Field) readJSON(data json.RawMessage) (any, error) {
	parsed, err := parseStrict(string(data))
	if err != nil {
		return nil, err
	}
	f = f.essential()
	value, err := coerceType(&f.Type, writtenJSON(data))
	if err == nil {
		again, err := f.JSON(value)
		if err == nil {
			same, err := parseStrict(string(again))
			if err == nil && reflect.DeepEqual(same, parsed) {
				return f.inOrder(value, again, data)
			}
		}
	}
	return plain(parsed)
}

// inOrder returns a value, which is written as again, or the JSON that it was read from
// if that has its members in another order and nothing else would keep it.
func (f Field) inOrder(value any, again, data json.RawMessage) (any, error) {
	if !f.Type.isAny() {
		return value, nil
	}
	compact, err := marshalCompact(data)
	if err != nil || bytes.Equal(again, compact) {
		return value, err
	}
	return json.RawMessage(compact), nil
}

// essential returns the field without what is only told to a model: descriptions and
// aliases, its own and those within.
func (f Field) essential() Field {
	f.Desc, f.Alias, f.Type = "", "", f.Type.essential()
	return f
}

func (t Type) essential() Type {
	if t.Elem != nil {
		t.Elem = new(t.Elem.essential())
	}
	t.Fields = essential(t.Fields)
	t.Variants = slices.Clone(t.Variants)
	for i := range t.Variants {
		t.Variants[i].Fields = essential(t.Variants[i].Fields)
	}
	return t
}

func essential(fields []Field) []Field {
	out := make([]Field, len(fields))
	for i, f := range fields {
		out[i] = f.essential()
	}
	return out
}

// Fingerprint returns a digest of what the values of the inputs and outputs may be: of
// each field, in order, its name, its type with the fields within, whether it is
// optional, and its constraints. Instruction, demonstrations, descriptions and aliases
// do not go in: they may be tuned without the signature becoming another. What was saved
// for one signature fits another of the same fingerprint. It is the first half of a
// SHA-256 in hexadecimal, 32 digits, and stays the same between versions.
func (s *Signature) Fingerprint() string {
	data, err := json.Marshal(signatureJSON{Inputs: essential(s.inputs), Outputs: essential(s.outputs)})
	if err != nil {
		panic(fmt.Sprintf("cria: a signature that was checked cannot be written: %v", err))
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:len(sum)/2])
}

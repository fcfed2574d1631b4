package program

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/cria-lm/cria"
)

// declaration is a program in a file.
type declaration struct {
	Signature   json.RawMessage      `json:"signature"` // in DSPy's syntax, or a [cria.Signature]
	Instruction string               `json:"instruction,omitempty"`
	Reasoning   bool                 `json:"reasoning,omitempty"` // the model thinks step by step first
	Model       Requirement          `json:"model"`
	Options     *cria.PredictOptions `json:"options,omitempty"`
}

// Requirement says which model a program runs on. In JSON a text is the Name.
type Requirement struct {
	// Name is a model of the pool.
	Name string `json:"name,omitempty"`

	// Capabilities are what the model has to have, where no name is given: of those that
	// have them all and fit the machine the smallest is taken.
	Capabilities []string `json:"capabilities,omitempty"`
}

// UnmarshalJSON reads a text as a name.
func (r *Requirement) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &r.Name) == nil {
		return nil
	}
	type plain Requirement
	if err := strict(data, (*plain)(r)); err != nil {
		return err
	}
	if r.Name != "" && r.Capabilities != nil {
		return errors.New("a model is asked for by its name or by capabilities, not both")
	}
	return nil
}

// isSaved reports whether a file is a saved program, and does not declare one.
func isSaved(data []byte) (bool, error) {
	var file struct {
		Saved *json.RawMessage `json:"cria_program"`
	}
	if err := json.Unmarshal(data, &file); errors.As(err, new(*json.UnmarshalTypeError)) {
		return false, errors.New("it is no JSON object")
	} else if err != nil {
		return false, fmt.Errorf("it is not whole, or not JSON: %w", err)
	}
	return file.Saved != nil, nil
}

// predictor makes the predictor that a file declares.
func (d *declaration) predictor() (*cria.Predictor, error) {
	if d.Signature == nil {
		return nil, errors.New(`"signature" is missing, such as "question -> answer"`)
	}
	sig, err := d.signature()
	if err == nil && d.Instruction != "" {
		sig, err = sig.WithInstruction(d.Instruction)
	}
	if err == nil && d.Reasoning {
		sig, err = sig.WithReasoning()
	}
	if err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	p, err := cria.NewPredictor(sig, d.Options)
	if err != nil {
		return nil, fmt.Errorf("options: %w", err)
	}
	return p, nil
}

func (d *declaration) signature() (*cria.Signature, error) {
	var text string
	if json.Unmarshal(d.Signature, &text) == nil {
		return cria.ParseSignature(text)
	}
	sig := new(cria.Signature)
	return sig, json.Unmarshal(d.Signature, sig)
}

// strict reads one JSON value, whose members must be known.
func strict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something stands behind its end")
	}
	return nil
}

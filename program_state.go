package cria

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/cria-lm/cria/internal/atomicfile"
)

// stateVersion is the version of the format that Save writes.
const stateVersion = 1

// StateError says why a saved program does not fit, or cannot be read.
type StateError struct {
	Predictor string // by name; empty if it is about the whole
	Err       error
}

func (e *StateError) Error() string {
	if e.Predictor == "" {
		return "loading a program: " + e.Err.Error()
	}
	return fmt.Sprintf("loading a program: predictor %q: %v", e.Predictor, e.Err)
}

// Unwrap returns the reason.
func (e *StateError) Unwrap() error { return e.Err }

// state is a saved program.
type state struct {
	Version    int                   `json:"cria_program"`
	Model      string                `json:"model,omitempty"`
	Predictors map[string]savedState `json:"predictors"`
}

// savedState is a saved predictor.
type savedState struct {
	Signature   string `json:"signature"` // for people
	Fingerprint string `json:"fingerprint"`
	Params
}

// Save writes the program's predictors as they are with a candidate over them: their
// instructions, demonstrations and settings, without LM and Adapter. model is the digest
// of the model that it was tuned for, "" if that does not matter; see [Identifier].
func (p *Program) Save(c Candidate, model string) ([]byte, error) {
	s := state{stateVersion, model, map[string]savedState{}}
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if p.predictors[name] == nil {
			return nil, fmt.Errorf("saving a program: it has no predictor %q; it has %s", name, p.list())
		}
	}
	for name, predictor := range p.Predictors() {
		predictor, err := predictor.with(c[name])
		if err != nil {
			return nil, fmt.Errorf("saving a program: predictor %q: %w", name, err)
		}
		params, err := predictor.params()
		if err != nil {
			return nil, fmt.Errorf("saving a program: predictor %q: %w", name, err)
		}
		s.Predictors[name] = savedState{predictor.sig.String(), predictor.sig.Fingerprint(), params}
	}
	data, err := json.MarshalIndent(s, "", "\t")
	return append(data, '\n'), err
}

// Load reads what [Program.Save] wrote. It refuses, with a *[StateError], what is not
// whole, is of a later version, has other predictors or ones with other fields than the
// program, or was tuned for another model than the one that model is the digest of; ""
// is any. Nothing of the file is ever executed. The program itself stays as it is:
// [Program.With] uses what was loaded.
func (p *Program) Load(data []byte, model string) (Candidate, error) {
	s, err := readState(data)
	if err != nil {
		return nil, &StateError{Err: err}
	}
	if model != "" && s.Model != "" && model != s.Model {
		return nil, &StateError{Err: fmt.Errorf("it was tuned for the model %s, this is %s; load it without a model to use it all the same", s.Model, model)}
	}
	c := Candidate{}
	for _, name := range slices.Sorted(maps.Keys(s.Predictors)) {
		saved, predictor := s.Predictors[name], p.predictors[name]
		if predictor == nil {
			return nil, &StateError{name, fmt.Errorf("the program has none of that name; it has %s", p.list())}
		}
		if saved.Fingerprint != predictor.sig.Fingerprint() {
			return nil, &StateError{name, fmt.Errorf("it was saved with other fields: %s, which are now %s", saved.Signature, predictor.sig)}
		}
		if saved.Demos == nil {
			saved.Demos = []Example{}
		}
		if _, err := predictor.with(saved.Params); err != nil {
			return nil, &StateError{name, err}
		}
		c[name] = saved.Params
	}
	for _, name := range p.names {
		if _, ok := c[name]; !ok {
			return nil, &StateError{name, errors.New("the file does not have it")}
		}
	}
	return c, nil
}

func readState(data []byte) (s state, err error) {
	var version struct {
		Version *int `json:"cria_program"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return s, fmt.Errorf("it is not whole, or not JSON: %w", err)
	}
	switch v := version.Version; {
	case v == nil:
		return s, errors.New(`it has no "cria_program": it is not a saved program (one that DSPy saved: LoadDSPy)`)
	case *v != stateVersion:
		return s, fmt.Errorf("it is of version %d, and this release reads version %d", *v, stateVersion)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	dec.UseNumber() // demonstrations keep their digits
	if err := dec.Decode(&s); err != nil {
		return s, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return s, errors.New("something stands behind its end")
	}
	return s, nil
}

// params is everything that is declared of a predictor.
func (p *Predictor) params() (Params, error) {
	o := PredictOptions{
		Format: p.scope.Format, Sampling: p.scope.Sampling, MaxTokens: p.scope.MaxTokens, ThinkTokens: p.scope.ThinkTokens,
		CloseOnLimit: p.scope.CloseOnLimit, Calibration: p.scope.Calibration, Retries: p.retries,
	}
	for i, demo := range p.sig.demos {
		written, err := p.sig.writtenDemo(demo)
		if err != nil {
			return Params{}, fmt.Errorf("demo %d: %w", i+1, err)
		}
		o.Demos = append(o.Demos, written)
	}
	return Params{p.sig.instruction, o}, nil
}

// writtenDemo returns a demonstration whose values are as JSON has them: a date needs its
// field to be written.
func (s *Signature) writtenDemo(demo Example) (Example, error) {
	written := Example{}
	for _, f := range slices.Concat(s.shown(), s.outputs) {
		value, ok := demo[f.Name]
		if !ok || value == nil {
			continue
		}
		data, err := f.JSON(value)
		if err != nil {
			return nil, err
		}
		written[f.Name] = data
	}
	return written, nil
}

// SaveFile is [Program.Save] to a file, which has its old content or the new one,
// whatever happens.
func (p *Program) SaveFile(path string, c Candidate, model string) error {
	data, err := p.Save(c, model)
	if err != nil {
		return err
	}
	if err := atomicfile.WriteFile(path, data); err != nil {
		return fmt.Errorf("saving a program: %w", err)
	}
	return nil
}

// LoadFile is [Program.Load] of a file.
func (p *Program) LoadFile(path, model string) (Candidate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, &StateError{Err: err}
	}
	return p.Load(data, model)
}

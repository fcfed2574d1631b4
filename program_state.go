package cria

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
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
	Cria       string                `json:"cria,omitempty"` // the version that wrote it
	Model      string                `json:"model,omitempty"`
	ModelParts map[string]string     `json:"model_parts,omitempty"`
	Predictors map[string]savedState `json:"predictors"`
}

// savedState is a saved predictor.
type savedState struct {
	Signature   string `json:"signature"` // for people
	Fingerprint string `json:"fingerprint"`
	Params
	Demos []json.RawMessage `json:"demos,omitempty"` // instead of those of Params: the signature reads them
}

// Save writes the program's predictors as they are with a candidate over them: their
// instructions, demonstrations and settings, without LM and Adapter. lm is what it was
// tuned for, nil if that does not matter: the file says which model that is if it is an
// [Identifier], and what that is made of if it is a [Describer].
func (p *Program) Save(c Candidate, lm LM) ([]byte, error) {
	s := state{Version: stateVersion, Cria: version(), Model: identityOf(lm), ModelParts: partsOf(lm), Predictors: map[string]savedState{}}
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
		saved, err := predictor.saved()
		if err != nil {
			return nil, fmt.Errorf("saving a program: predictor %q: %w", name, err)
		}
		s.Predictors[name] = saved
	}
	data, err := json.MarshalIndent(s, "", "\t")
	return append(data, '\n'), err
}

// Load reads what [Program.Save] wrote. What was saved counts as it was, whatever the
// program declares now: its params say [Params.Replace]. It refuses, with a
// *[StateError], what is not whole, is of a later version, has other predictors or ones
// with other fields than the program, or was tuned for another model than lm; nil, and
// one without an identity, is any. Nothing of the file is ever executed. The program
// itself stays as it is: [Program.With] uses what was loaded.
func (p *Program) Load(data []byte, lm LM) (Candidate, error) {
	s, err := readState(data)
	if err != nil {
		return nil, &StateError{Err: err}
	}
	if model := identityOf(lm); model != "" && s.Model != "" && model != s.Model {
		return nil, &StateError{Err: fmt.Errorf("it was tuned for another model: %s; load it without one to use it all the same", s.differsFrom(lm))}
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
		if c[name], err = saved.read(predictor); err != nil {
			return nil, &StateError{name, err}
		}
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
		Version *int   `json:"cria_program"`
		Cria    string `json:"cria"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return s, fmt.Errorf("it is not whole, or not JSON: %w", err)
	}
	switch v := version.Version; {
	case v == nil:
		return s, errors.New(`it has no "cria_program": it is not a saved program (one that DSPy saved: LoadDSPy)`)
	case *v != stateVersion:
		return s, fmt.Errorf("it is of version %d%s, and this release reads version %d", *v, writtenBy(version.Cria), stateVersion)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return s, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return s, errors.New("something stands behind its end")
	}
	return s, nil
}

// writtenBy says which version of Cria wrote a file, if that is known.
func writtenBy(cria string) string {
	if cria == "" {
		return ""
	}
	return ", written by Cria " + cria
}

// saved is everything that may be changed of a predictor, as it is.
func (p *Predictor) saved() (savedState, error) {
	s := savedState{Signature: p.sig.String(), Fingerprint: p.sig.Fingerprint(), Params: Params{
		Instruction: p.sig.instruction,
		PredictOptions: PredictOptions{
			Format: p.scope.Format, Sampling: p.scope.Sampling, MaxTokens: p.scope.MaxTokens, LoRA: p.scope.LoRA, ThinkTokens: p.scope.ThinkTokens,
			CloseOnLimit: p.scope.CloseOnLimit, Calibration: p.scope.Calibration, Retries: p.retries,
		},
	}}
	for i, demo := range p.sig.demos {
		data, err := p.sig.writeDemo(demo)
		if err != nil {
			return s, &DemoError{Demo: i + 1, Err: err}
		}
		s.Demos = append(s.Demos, data)
	}
	return s, nil
}

// read returns what was saved of a predictor, if that can be had.
func (s savedState) read(p *Predictor) (Params, error) {
	params := s.Params
	params.Replace = true
	for i, data := range s.Demos {
		demo, err := p.sig.readDemo(data)
		if err != nil {
			return Params{}, &DemoError{Demo: i + 1, Err: err}
		}
		params.Demos = append(params.Demos, demo)
	}
	_, err := p.with(params)
	return params, err
}

// SaveFile is [Program.Save] to a file, which has its old content or the new one,
// whatever happens. One that is there keeps its permissions, and stays where a link to it
// points; a new one is for the user alone.
func (p *Program) SaveFile(path string, c Candidate, lm LM) error {
	data, err := p.Save(c, lm)
	if err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	err = atomicfile.Replace(path, func(f *os.File) error {
		if old, err := os.Stat(path); err == nil {
			if err := f.Chmod(old.Mode().Perm()); err != nil {
				return err
			}
		}
		if _, err := f.Write(data); err != nil {
			return err
		}
		return f.Sync()
	})
	if err != nil {
		return fmt.Errorf("saving a program: %w", err)
	}
	return nil
}

// LoadFile is [Program.Load] of a file.
func (p *Program) LoadFile(path string, lm LM) (Candidate, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, &StateError{Err: err}
	}
	return p.Load(data, lm)
}

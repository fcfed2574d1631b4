package program

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cria-lm/cria"
)

// Version is what a program was at one time.
type Version struct {
	Number  int       // from 1 on, never used again
	Digest  string    // SHA-256 of the file, in hexadecimal digits; empty for a program as it stands in Go
	Loaded  time.Time // when it was read
	Current bool      // calls run it
}

// version is a version that can run. It never changes.
type version struct {
	Version
	require    Requirement
	declaredIn string // the file with require; empty: it is from Go
	module     runner
	program    *cria.Program
	candidate  cria.Candidate

	saved   []byte   // if the program was saved, for the check below
	checked sync.Map // identities of models, each with what cria.Program.Load says of it
}

// runner calls a module with inputs and outputs by name.
type runner func(ctx context.Context, inputs cria.Example) (cria.Example, error)

// readVersion makes a version of the file at path; of is the program in Go, nil if there is none.
func readVersion(path string, data []byte, of *version) (*version, error) {
	digest := sha256.Sum256(data)
	v := &version{Version: Version{Digest: hex.EncodeToString(digest[:])}}
	saved, err := isSaved(data)
	switch {
	case err != nil:
		return nil, err
	case !saved && of != nil:
		return nil, errors.New("the program is declared in Go: beside it belongs a file that cria.Program.SaveFile wrote")
	case !saved:
		v.declaredIn = path
		return v, v.declare(data)
	case of == nil:
		return nil, errors.New(`it is a saved program, and none in Go has its name: add that, or declare one with "signature"`)
	}
	candidate, err := of.program.Load(data, nil)
	v.require, v.module, v.program, v.candidate, v.saved = of.require, of.module, of.program, candidate, data
	return v, err
}

func (v *version) declare(data []byte) error {
	var d declaration
	if err := strict(data, &d); err != nil {
		return fmt.Errorf("it does not declare a program: %w", err)
	}
	p, err := d.predictor()
	if err != nil {
		return err
	}
	if v.program, err = cria.NewProgram(p); err != nil {
		return err
	}
	v.require = d.Model
	v.module = func(ctx context.Context, inputs cria.Example) (cria.Example, error) {
		result, err := p.Call(ctx, inputs)
		if err != nil {
			return nil, err
		}
		return result.Value, nil
	}
	return nil
}

// run calls the program on a model.
func (v *version) run(ctx context.Context, lm cria.LM, inputs cria.Example) (cria.Example, error) {
	if err := v.check(lm); err != nil {
		return nil, err
	}
	ctx, err := v.program.With(cria.With(ctx, cria.Scope{LM: lm}), v.candidate)
	if err != nil {
		return nil, err
	}
	return v.module(ctx, inputs)
}

// check reports whether a saved program was tuned for another model.
func (v *version) check(lm cria.LM) error {
	identifier, ok := lm.(cria.Identifier)
	if !ok || v.saved == nil {
		return nil
	}
	identity := identifier.Identity()
	known, ok := v.checked.Load(identity)
	if !ok {
		_, err := v.program.Load(v.saved, lm)
		known, _ = v.checked.LoadOrStore(identity, result{err})
	}
	return known.(result).err
}

type result struct{ err error }

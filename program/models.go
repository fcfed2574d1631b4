package program

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/pool"
)

// Models has models ready by name. [Pool] is one.
type Models interface {
	// Use calls f with a model that stays in memory meanwhile.
	Use(ctx context.Context, name string, f func(context.Context, cria.LM) error) error
}

// Pool is a [pool.Pool] as [Models].
func Pool[M interface {
	cria.LM
	io.Closer
}](p *pool.Pool[M]) Models {
	return pooled[M]{p}
}

type pooled[M interface {
	cria.LM
	io.Closer
}] struct{ pool *pool.Pool[M] }

func (p pooled[M]) Use(ctx context.Context, name string, f func(context.Context, cria.LM) error) error {
	return p.pool.Use(ctx, name, func(ctx context.Context, m M) error { return f(ctx, m) })
}

// Model is one that a [Requirement] without a name may come to.
type Model struct {
	Name         string
	Parameters   int64
	Capabilities []string
	Fits         bool // the machine, or the pool's budget
}

// RequirementError says that no model is as a program wants it, or that none is known.
type RequirementError struct {
	Program      string
	Capabilities []string
	TooLarge     []string // models that have them all but do not fit
	NoCatalog    bool     // nobody says what models there are: [Options].Catalog is nil
}

func (e *RequirementError) Error() string {
	if e.NoCatalog {
		return fmt.Sprintf("the program %s cannot run: its declaration names no model, and no catalogue to choose one from was given (Options.Catalog); name a model in its declaration", e.Program)
	}
	wanted := "no model fits this machine"
	if len(e.Capabilities) > 0 {
		wanted = fmt.Sprintf("no model has all of %s", strings.Join(e.Capabilities, ", "))
	}
	if len(e.TooLarge) > 0 {
		wanted = fmt.Sprintf("%s and fits this machine: too large are %s", wanted, strings.Join(e.TooLarge, ", "))
	}
	return fmt.Sprintf("the program %s cannot run: %s; name a model in its declaration", e.Program, wanted)
}

// ModelError says that the model that a program runs on could not be had. It wraps the
// reason.
type ModelError struct {
	Program string
	Path    string // the file that says which model; empty: it is said in Go
	Model   string
	Known   []string // models that there are, as far as [Options].Catalog says
	Err     error
}

func (e *ModelError) Error() string {
	program, place := e.Program, "its Requirement"
	if e.Path != "" {
		program, place = fmt.Sprintf("%s (%s)", e.Program, e.Path), `"model" there`
	}
	known := "cria models --all lists those that are known"
	if len(e.Known) > 0 {
		known = "there are " + strings.Join(e.Known, ", ")
	}
	return fmt.Sprintf("the program %s runs on the model %s, which cannot be had: %v; another can be named in %s: %s", program, e.Model, e.Err, place, known)
}

func (e *ModelError) Unwrap() error { return e.Err }

// resolve returns the name of the model that a program runs on: the smallest of those
// that fit. Of equals the first in the list is taken.
func (r Requirement) resolve(program string, models []Model) (string, error) {
	if r.Name != "" {
		return r.Name, nil
	}
	var fit []Model
	e := &RequirementError{Program: program, Capabilities: r.Capabilities}
	for _, m := range models {
		missing := slices.ContainsFunc(r.Capabilities, func(c string) bool { return !slices.Contains(m.Capabilities, c) })
		switch {
		case missing:
		case m.Fits:
			fit = append(fit, m)
		default:
			e.TooLarge = append(e.TooLarge, m.Name)
		}
	}
	if len(fit) == 0 {
		return "", e
	}
	return slices.MinFunc(fit, func(a, b Model) int { return cmp.Compare(a.Parameters, b.Parameters) }).Name, nil
}

package program

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

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

// contexts are [Models] that have contexts of models by names of their own.
type contexts interface {
	ContextOf(name string) (model string, ok bool)
}

func (p pooled[M]) ContextOf(name string) (model string, ok bool) { return p.pool.ContextOf(name) }

func (p pooled[M]) Use(ctx context.Context, name string, f func(context.Context, cria.LM) error) error {
	return p.pool.Use(ctx, name, func(ctx context.Context, m M) error { return f(ctx, m) })
}

// Model is one that a [Requirement] without a name may come to.
type Model struct {
	Name         string
	Parameters   int64
	Capabilities []string
	Fits         bool // the machine, or the pool's budget
	Unaccepted   bool // its licence is to be accepted first: who wants it has to name it
}

// RequirementError says that no model is as a program wants it, or that none is known.
type RequirementError struct {
	Program      string
	Capabilities []string
	TooLarge     []string // models that have them all but do not fit
	Unaccepted   []string // models that have them all, whose licence is to be accepted first
	NoCatalog    bool     // nobody says what models there are: [Options].Catalog is nil
}

func (e *RequirementError) Error() string {
	if e.NoCatalog {
		return fmt.Sprintf("the program %s cannot run: its declaration names no model, and no catalogue to choose one from was given (Options.Catalog); name a model in its declaration", e.Program)
	}
	wanted := "no model fits this machine"
	if len(e.Capabilities) > 0 {
		wanted = "no model has all of " + strings.Join(e.Capabilities, ", ")
		if len(e.TooLarge) > 0 {
			wanted += " and fits this machine"
		}
	}
	if len(e.TooLarge) > 0 {
		wanted += ": too large are " + strings.Join(e.TooLarge, ", ")
	}
	if len(e.Unaccepted) > 0 {
		wanted += "; the licence is to be accepted first of " + strings.Join(e.Unaccepted, ", ")
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
		switch {
		case !r.suits(m):
		case !m.Fits:
			e.TooLarge = append(e.TooLarge, m.Name)
		case m.Unaccepted:
			e.Unaccepted = append(e.Unaccepted, m.Name)
		default:
			fit = append(fit, m)
		}
	}
	if len(fit) == 0 {
		return "", e
	}
	return slices.MinFunc(fit, func(a, b Model) int { return cmp.Compare(a.Parameters, b.Parameters) }).Name, nil
}

// suits reports whether a model has all capabilities that are asked for.
func (r Requirement) suits(m Model) bool {
	return !slices.ContainsFunc(r.Capabilities, func(c string) bool { return !slices.Contains(m.Capabilities, c) })
}

// unknownCapability is the error of a capability that no model of a list has; nil if there is
// none, or if nothing is listed.
func (r Requirement) unknownCapability(models []Model) error {
	var all []string
	for _, m := range models {
		all = append(all, m.Capabilities...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	for _, c := range r.Capabilities {
		if len(all) > 0 && !slices.Contains(all, c) {
			return fmt.Errorf("no model has the capability %q; there are %s", c, strings.Join(all, ", "))
		}
	}
	return nil
}

// unknownModel is the error of a model that is not in a list, which names near ones; nil if
// it is, or if nothing is listed. As in the catalogue, case does not matter.
func unknownModel(name string, models []Model) error {
	type near struct {
		name     string
		distance int
	}
	lower := strings.ToLower(name)
	var all []string
	var nearest []near
	for _, m := range models {
		other := strings.ToLower(m.Name)
		distance := levenshtein.ComputeDistance(lower, other)
		switch {
		case distance == 0:
			return nil
		case strings.HasPrefix(other, lower):
			distance = 1
		}
		all = append(all, m.Name)
		if distance < max(3, len(lower)/2) {
			nearest = append(nearest, near{m.Name, distance})
		}
	}
	if all == nil {
		return nil
	}
	if nearest == nil {
		return fmt.Errorf("nobody has the model %q; there are %s", name, strings.Join(all, ", "))
	}
	slices.SortStableFunc(nearest, func(a, b near) int { return cmp.Compare(a.distance, b.distance) })
	var names []string
	for _, n := range nearest[:min(3, len(nearest))] {
		names = append(names, n.name)
	}
	return fmt.Errorf("nobody has the model %q; near are %s", name, strings.Join(names, ", "))
}

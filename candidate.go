package cria

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
)

// Params is what may be changed of a predictor without changing its signature's fields:
// what an optimizer tries out and a saved program holds.
//
// What a [Scope] of the context says comes before, as it does for a predictor's own
// options: try out sampling without one there.
type Params struct {
	// Replace has these params stand for all that may be changed: a zero field is then
	// the default, whatever the predictor declares or an outer [Program.With] has changed;
	// only its LM and Adapter stay. So says [Program.Load], which brings back what was
	// saved. Otherwise a zero field leaves things as they are.
	Replace bool `json:"replace,omitempty"`

	Instruction    string `json:"instruction,omitempty"`
	PredictOptions        // Demos that are empty but not nil take the demonstrations away
}

// Candidate is Params for the predictors of a [Program], by name. It changes nothing by
// itself: a context carries it ([Program.With]), so that many candidates can run at once over
// one program.
type Candidate map[string]Params

// with returns a predictor that differs by params.
func (p *Predictor) with(params Params) (_ *Predictor, err error) {
	if err := params.validate(p.sig); err != nil {
		return nil, err
	}
	sig, scope, retries := p.sig, p.scope, p.retries
	if params.Replace {
		sig, scope, retries = sig.copy(), Scope{LM: scope.LM, Adapter: scope.Adapter}, 0
		sig.instruction, sig.demos = "", nil
	}
	if params.Instruction != "" {
		if sig, err = sig.WithInstruction(params.Instruction); err != nil {
			return nil, err
		}
	}
	if params.Demos != nil {
		if sig, err = sig.WithDemos(params.Demos...); err != nil {
			return nil, err
		}
	}
	return &Predictor{sig: sig, scope: params.scope().over(scope), retries: cmp.Or(params.Retries, retries), origin: p.declared()}, nil
}

// declared returns the predictor that p was made from.
func (p *Predictor) declared() *Predictor {
	if p.origin != nil {
		return p.origin
	}
	return p
}

// overlay is what a context has in place of predictors, and how it calls them.
type overlay struct {
	instead map[*Predictor]*Predictor // by the declared one
	names   map[*Predictor]string
}

type overlayKey struct{}

func overlayOf(ctx context.Context) overlay {
	o, _ := ctx.Value(overlayKey{}).(overlay)
	return o
}

// withOverlay adds to what the context has already.
func withOverlay(ctx context.Context, o overlay) context.Context {
	outer := overlayOf(ctx)
	return context.WithValue(ctx, overlayKey{}, overlay{merged(outer.instead, o.instead), merged(outer.names, o.names)})
}

func merged[V any](a, b map[*Predictor]V) map[*Predictor]V {
	if len(a) == 0 {
		return b
	}
	m := maps.Clone(a)
	maps.Copy(m, b)
	return m
}

// current returns what the context has in place of p.
func (p *Predictor) current(ctx context.Context) *Predictor {
	if instead := overlayOf(ctx).instead[p]; instead != nil {
		return instead
	}
	return p
}

// withDemos returns a context that has other demonstrations for one predictor.
func withDemos(ctx context.Context, p *Predictor, demos []Example) (context.Context, error) {
	if demos == nil {
		demos = []Example{}
	}
	instead, err := p.current(ctx).with(Params{PredictOptions: PredictOptions{Demos: demos}})
	if err != nil {
		return nil, err
	}
	return withOverlay(ctx, overlay{instead: map[*Predictor]*Predictor{p: instead}}), nil
}

// With returns a context whose calls use the candidate. The error says which predictor
// it does not fit. A nil candidate changes nothing; the context then knows the
// predictors' names, which traces and events show.
func (p *Program) With(ctx context.Context, c Candidate) (context.Context, error) {
	instead := map[*Predictor]*Predictor{}
	for _, name := range slices.Sorted(maps.Keys(c)) {
		declared := p.predictors[name]
		if declared == nil {
			return nil, fmt.Errorf("the program has no predictor %q; it has %s", name, p.list())
		}
		changed, err := declared.current(ctx).with(c[name])
		if err != nil {
			return nil, fmt.Errorf("predictor %q: %w", name, err)
		}
		instead[declared] = changed
	}
	return withOverlay(ctx, overlay{instead, p.byPredictor}), nil
}

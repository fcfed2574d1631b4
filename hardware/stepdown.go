package hardware

import (
	"fmt"
	"slices"
)

// StepDown returns the next smaller plan, for when the memory was there as the plan was
// made and is not as the model is loaded: the cache shrinks to one request's context,
// then the context is halved down to [LeastContext], then a quarter of the layers on
// GPUs goes to the CPU, until none is left there. What was asked for stays: a context,
// a backend. The reasons say what was given up. The error is an *[ExhaustedError] if
// there is no smaller plan, and a *[FitError] if the layers have no room in main memory
// either.
func (p Plan) StepDown() (Plan, error) {
	c := p.choice
	if c == nil {
		return Plan{}, &ExhaustedError{p.Model, p.ContextLength, p.GPULayers}
	}
	next := p
	next.Reasons = slices.Clone(p.Reasons)
	const why = "%s did not fit when the model was loaded"
	switch {
	case p.CacheLength > p.ContextLength:
		next.CacheLength = p.ContextLength
		next.because("context", next.contextText(), why, p.contextText())
	case c.shorten(&next):
		next.because("context", next.contextText(), why, p.contextText())
	case p.GPULayers > 1 || p.GPULayers == 1 && c.req.Backend == "":
		if err := c.fewerLayers(&next); err != nil {
			return Plan{}, err
		}
	default:
		return Plan{}, &ExhaustedError{p.Model, p.ContextLength, p.GPULayers}
	}
	next.Need = c.needs(next.placement())
	return next, nil
}

func (p *Plan) contextText() string {
	return fmt.Sprintf("%d tokens a request, %d in the cache for all together", p.ContextLength, p.CacheLength)
}

// fewerLayers leaves three quarters of the layers where they are, or more if main memory
// has no room for so many.
func (c *choice) fewerLayers(p *Plan) error {
	before, most := p.layersText(), p.GPULayers
	p.GPULayers = most * 3 / 4
	if c.req.Backend != "" {
		p.GPULayers = max(1, p.GPULayers)
	}
	for c.needs(p.placement()).Host > c.hostRoom() {
		if p.GPULayers == most-1 {
			return c.fitError(p)
		}
		p.GPULayers++
	}
	if p.GPULayers == 0 {
		p.toHost(c)
		p.because("backend", BackendCPU.Title(), "%s did not fit when the model was loaded", before)
		p.Reasons = slices.DeleteFunc(p.Reasons, func(r Reason) bool { return r.Choice == "layers" })
		c.explainTypes(p)
	} else {
		p.FlashAttention = c.flash(p)
		p.because("layers", p.layersText(), "%s did not fit when the model was loaded", before)
		c.explainTypes(p)
	}
	c.threads(p)
	return nil
}

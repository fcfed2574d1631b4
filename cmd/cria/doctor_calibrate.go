package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llamacpp"
)

// measure measures the model on this machine, and keeps that.
func (d *doctor) measure(ctx context.Context) error {
	c, err := llamacpp.Calibrate(ctx, d.model, d.options(), func(done, total int, next hardware.Candidate) {
		if !d.quiet {
			fmt.Fprintf(d.err, "measuring %d of %d: %v\n", done+1, total, next)
		}
	})
	if errors.Is(err, hub.ErrOffline) {
		return unavailableError{fmt.Errorf("%s or llama.cpp's libraries are not in the cache, and doctor fetches nothing: run cria pull %[1]s first", d.model)}
	}
	if err != nil {
		return unavailableError{err}
	}
	for _, m := range c.Measurements {
		text := fmt.Sprintf("%.0f tokens/s of prompt, %.1f tokens/s of output", m.Prefill, m.Decode)
		if m.Failed != "" {
			text = m.Failed
		}
		d.found("measured", "%v: %s", m.Candidate, text)
	}
	return nil
}

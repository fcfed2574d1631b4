package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llamacpp"
)

// machine tells what the machine has and lacks.
func (d *doctor) machine(m hardware.Machine) {
	for _, f := range m.Facts() {
		d.found(f.What, "%s", f.Text)
	}
	for _, a := range m.Missing() {
		d.advise("%v", a)
	}
}

// record prints the machine as JSON. Without libraries that can be used, it is what the
// system itself knows.
func (d *doctor) record(ctx context.Context) error {
	unusable := d.libraries(ctx)
	m, err := hardware.Detect(ctx)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(printLine(d.out, string(text)), unusable)
}

// explainRecorded says of a recorded machine what it says of this one.
func (d *doctor) explainRecorded(ctx context.Context) error {
	data, err := os.ReadFile(d.recorded)
	if err != nil {
		return usageError{err}
	}
	var m hardware.Machine
	if err := json.Unmarshal(data, &m); err != nil {
		return usageError{fmt.Errorf("%s is not what cria doctor --json prints: %w", d.recorded, err)}
	}
	if m.OS == "" || m.CPU.Logical == 0 {
		return usageError{fmt.Errorf("%s is not what cria doctor --json prints: it names no system and no processor", d.recorded)}
	}
	d.machine(m)
	err = d.plan(ctx, m)
	return errors.Join(d.report(), err)
}

// plan says how the model would be loaded on a machine.
func (d *doctor) plan(ctx context.Context, m hardware.Machine) error {
	opts := d.options()
	plan, err := llamacpp.Plan(ctx, m, d.model, opts)
	switch {
	case errors.Is(err, hub.ErrOffline):
		d.found("plan", "none: %s is not in the cache, or damaged there", d.model)
		d.advise("run cria pull %s; cria models show %[1]s says what it is estimated to take", d.model)
		return nil
	case errors.As(err, new(*hardware.FitError)) || errors.As(err, new(*hardware.RequestError)):
		d.found("plan", "none for %s: %v", d.model, err)
		return nil
	case err != nil:
		return unavailableError{err}
	}
	d.found("plan", "for %s", d.model)
	for _, f := range plan.Facts() {
		d.found("  "+f.What, "%s", f.Text)
	}
	return nil
}

// options are those that cria run would have, but nothing is fetched.
func (d *doctor) options() *llamacpp.Options {
	o := d.place.options()
	o.Hub, o.Logger = d.hubOptions(), d.logger()
	o.Hub.Offline = true
	return o
}

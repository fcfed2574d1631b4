package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llama"
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
	d.machine(m)
	err = d.plan(ctx, m)
	return errors.Join(d.report(), err)
}

// plan says how the model would be loaded on a machine.
func (d *doctor) plan(ctx context.Context, m hardware.Machine) error {
	model, err := d.hub.Model(ctx, d.model)
	if errors.Is(err, hub.ErrOffline) && !d.calibrate {
		d.found("plan", "none: %s is not in the cache", d.model)
		return nil
	}
	if err != nil {
		return unavailableError{err}
	}
	shape, err := readShape(d.model, model.Paths)
	if err != nil {
		return unavailableError{err}
	}
	request, err := d.calibration(ctx, m, model, shape)
	if err != nil {
		return err
	}
	plan, err := hardware.Choose(m, shape.model, shape.needs, request)
	if err != nil {
		d.found("plan", "none for %s", d.model)
		d.advise("%v", err)
		return nil
	}
	d.found("plan", "for %s", d.model)
	for _, f := range plan.Facts() {
		d.found("  "+f.What, "%s", f.Text)
	}
	return nil
}

// A shape is what of a model a plan is made from.
type shape struct {
	model hardware.Model
	needs hardware.Needs
}

func readShape(name string, paths []string) (shape, error) {
	var headers []*gguf.File
	for _, path := range paths {
		header, err := gguf.Open(path)
		if err != nil {
			return shape{}, err
		}
		headers = append(headers, header)
	}
	needs, err := hardware.EstimatedNeeds(headers[0], headers[1:]...)
	if err != nil {
		return shape{}, err
	}
	return shape{hardware.ModelOf(name, headers...), needs}, nil
}

// calibration returns what was measured, after measuring if that was asked for.
func (d *doctor) calibration(ctx context.Context, m hardware.Machine, model *hub.Model, s shape) (*hardware.Request, error) {
	if d.recorded != "" {
		return nil, nil
	}
	release := ""
	if info, ok := llama.Loaded(); ok {
		release = info.Version
	}
	if d.calibrate {
		return d.measure(ctx, m, model, s, release)
	}
	kept, err := hardware.ReadCalibration(d.hub.CacheDir(), m, modelKey(model), release)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.found("calibration", "none; cria doctor --calibrate measures")
		return nil, nil
	case err != nil:
		d.found("calibration", "%v", err)
		return nil, nil
	}
	d.found("calibration", "of %s", kept.Made.Format(time.DateOnly))
	return &hardware.Request{Calibration: kept}, nil
}

// modelKey names a model's bytes, as far as is cheap.
func modelKey(m *hub.Model) string {
	if m.Digest != "" {
		return m.Digest
	}
	info, err := os.Stat(m.Path)
	if err != nil {
		return m.Path
	}
	return fmt.Sprintf("%s %d %s", m.Path, m.Size, info.ModTime().UTC().Format(time.RFC3339Nano))
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llama"
	"github.com/cria-lm/cria/llamacpp"
)

// listFitting lists what of the catalogue and the cache fits this machine now.
func (g *globals) listFitting(ctx context.Context) error {
	opts := g.hubOptions()
	opts.Offline = true // a list fetches nothing
	h, err := hub.New(opts)
	if err != nil {
		return usageError{err}
	}
	// llama.cpp shows GPUs once it and their backend are loaded. Without them there is the
	// CPU; cria doctor says what is wrong with them.
	if libs, err := h.Libraries(ctx); err == nil && llama.Load(libs.Files) == nil {
		_ = llamacpp.LoadBackends(ctx, h, libs, "", nil)
	}
	machine, err := hardware.Detect(ctx)
	if err != nil {
		return err
	}
	known, err := llamacpp.KnownModels(h)
	if err != nil {
		return err
	}
	return printFitting(g.out, machine, known)
}

// place says where a model goes. The error is a *[hardware.FitError] if nowhere.
func place(k *llamacpp.Known, m hardware.Machine) (string, error) {
	p, err := k.Plan(m)
	switch {
	case err != nil:
		return "", err
	case p.GPULayers == 0:
		return "CPU", nil
	case p.GPULayers < p.Layers:
		return fmt.Sprintf("%s, %d of %d layers", p.Backend.Title(), p.GPULayers, p.Layers), nil
	}
	return p.Backend.Title(), nil
}

func printFitting(w io.Writer, m hardware.Machine, list []llamacpp.Known) error {
	var unreadable []llamacpp.Known
	fitting := 0
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range list {
		where, err := place(&c, m)
		switch {
		case errors.As(err, new(*hardware.FitError)):
			continue
		case err != nil:
			c.Err = err
			unreadable = append(unreadable, c)
			continue
		}
		if fitting == 0 {
			fmt.Fprintln(t, "NAME\tCACHED\tMEMORY\tWHERE\tCONTEXT\tDESCRIPTION")
		}
		fitting++
		mark, description := "", ""
		if c.Cached != nil {
			mark = "yes"
		}
		if c.Card != nil {
			description = c.Card.Description
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\n", c.Name, mark, humanize.IBytes(c.Memory), where, c.TrainedContext(), description)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, c := range unreadable {
		if err := printLine(w, fmt.Sprintf("not known of %s: %v", c.Name, c.Err)); err != nil {
			return err
		}
	}
	judged := len(list) - len(unreadable)
	return printLine(w, fmt.Sprintf("%d of %d models fit, %d do not: %s", fitting, judged, judged-fitting, freeMemory(m)))
}

// freeMemory says what there is for a model.
func freeMemory(m hardware.Machine) string {
	if m.Memory.Size() == 0 {
		return "the system does not say how much memory is free"
	}
	text := humanize.IBytes(m.Memory.Free()) + " of memory free"
	gpus := 0
	for _, d := range m.Devices {
		if d.Kind == hardware.KindGPU || d.Kind == hardware.KindIGPU {
			gpus++
			text += fmt.Sprintf("; %s free on %s", humanize.IBytes(d.Free), d.Name)
		}
	}
	if gpus == 0 && len(m.GPUs) > 0 {
		text += "; the GPU cannot be used yet, cria doctor says why"
	}
	return text
}

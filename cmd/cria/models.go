package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/cria-lm/cria/hub"
)

func newModels(g *globals) *cobra.Command {
	var all, fits bool
	cmd := &cobra.Command{
		Use:        "models",
		SuggestFor: []string{"list", "ls"},
		Short:      "List the models in the cache",
		Long: `Models lists the models in the cache; with --all those of the catalogue too, and with
--fits those of both that fit into the memory that is free here now, with a context of
4096 tokens: what each takes on the CPU, and whether the plan of cria doctor would have it
on a GPU. Of a model in the cache its header is asked, of another its card: no list
fetches anything.

MODEL, for cria run and the others, is a name of these lists. cria models show NAME prints
all that is known of one; cria pull NAME fetches it.

Below a model stands the copy of it that is loaded in its place, if there is one: weights
of some types (Q4_1, Q5_1) compute slowly on a CPU, so cria run and cria batch
make a copy of such a model as Q8_0 once, which answers the same but for rounding.
Prompts are read up to twice as fast then. cria run --as-shipped loads the
model's own file; cria rm removes both.`,
		Example: `  cria models --fits
  cria models show qwen3-0.6b`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all && fits {
				return usageError{errors.New("--all and --fits are two lists, and --fits has the catalogue in it: give one of them")}
			}
			if fits {
				return g.listFitting(cmd.Context())
			}
			h, err := g.hub()
			if err != nil {
				return err
			}
			if all {
				return listCatalog(g.out, h)
			}
			return listCached(g.out, h)
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "list the catalogue, with what is in the cache marked")
	cmd.Flags().BoolVar(&fits, "fits", false, "list what of the catalogue and the cache fits into the memory of this machine")
	cmd.AddCommand(newVerify(g), newModelsCheck(g), newModelsTry(g), newModelsShow(g))
	return cmd
}

func listCached(w io.Writer, h *hub.Hub) error {
	models, err := h.Models()
	if err != nil {
		return err
	}
	if len(models) == 0 {
		return printLine(w, "no model is in the cache yet: cria pull fetches the default one, cria models --all lists others")
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tSIZE\tFETCHED\tSHA256\tCHECKED\tFROM")
	for _, m := range models {
		fmt.Fprintf(t, "%s\t%s\t%s\t%.12s\t%s\t%s\n", strings.Join(m.Refs, ", "), humanize.IBytes(uint64(m.Size)),
			m.Fetched.Format("2006-01-02"), m.Digest, m.Trust, m.Source)
		for _, c := range m.Copies {
			fmt.Fprintf(t, "  as %s\t%s\t%s\t%.12s\t%s\tmade here of %.12s\n", c.Kind, humanize.IBytes(uint64(c.Size)),
				c.Made.Format("2006-01-02"), c.Digest, hub.TrustComputed, m.Digest)
		}
	}
	return t.Flush()
}

func listCatalog(w io.Writer, h *hub.Hub) error {
	models, err := h.Models()
	if err != nil {
		return err
	}
	cached := map[string]bool{}
	for _, m := range models {
		for _, ref := range m.Refs {
			cached[ref] = true
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tCACHED\tKIND\tSIZE\tMEMORY\tCONTEXT\tLICENCE\tDESCRIPTION")
	for _, c := range hub.Catalog() {
		mark := ""
		if cached[c.Name] {
			mark = "yes"
		}
		licence := c.License.ID
		if c.License.MustAccept {
			licence += " (to be accepted)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", c.Name, mark, c.Capabilities[0], cardSize(c), humanize.IBytes(uint64(c.Memory)), c.ContextLength, licence, c.Description)
	}
	return t.Flush()
}

func cardSize(c hub.Card) string {
	if len(c.Sources) == 0 || c.Sources[0].Size == 0 {
		return "?"
	}
	return humanize.IBytes(uint64(c.Sources[0].Size))
}

func newVerify(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "verify [MODEL]...",
		Short: "Read models of the cache again and compare their digests",
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := g.hub()
			if err != nil {
				return err
			}
			if err := h.Verify(cmd.Context(), args...); err != nil {
				return err
			}
			return printLine(g.out, "what is in the cache is as it was fetched")
		},
		ValidArgsFunction: completeModels(g),
	}
}

func newRemove(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:        "rm MODEL...",
		SuggestFor: []string{"remove", "delete"},
		Short:      "Remove models from the cache",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("rm needs the name of a model; cria models lists them")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := g.hub()
			if err != nil {
				return err
			}
			for _, ref := range args {
				if err := h.Remove(cmd.Context(), ref); err != nil {
					return err
				}
				if err := printLine(g.out, "removed "+ref); err != nil {
					return err
				}
			}
			return nil
		},
		ValidArgsFunction: completeModels(g),
	}
}

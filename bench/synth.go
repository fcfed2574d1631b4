package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/internal/synth"
)

const synthShort = "write a model of any shape with random weights"

// synthOptions are the flags of bench synth.
type synthOptions struct {
	from               string
	force              bool
	arch, typ, pooling string // as they are given
	shape              synth.Shape
	out, errs          io.Writer
}

// newSynth is the command that writes a synthetic model.
func newSynth(out, errs io.Writer) *cobra.Command {
	o := &synthOptions{out: out, errs: errs}
	cmd := &cobra.Command{
		Use:   "synth OUT.gguf",
		Short: synthShort,
		Long: `Synth writes a model with random weights and the vocabulary of a real one. It
talks nonsense at the speed of a trained model of that shape, so it shows what
a shape costs before a model of it is downloaded, or exists. The same shape and
seed give the same file. It takes about a second for half a gigabyte.

Architectures:
  llama   attention, the usual one
  gemma3  a sliding window in all layers but every sixth (or the last of fewer)
  mamba   recurrent; has no heads and no feed-forward network
  jamba   hybrid: recurrent layers, attention in every eighth (or the last of fewer)
  bert    an encoder, for embeddings

A flag that is 0 or not given means its default. Rows must be whole blocks of
the type: --embd and --ff are multiples of 32 for q8_0, q4_0 and q4_1, of 256
for q4_k and q6_k. --heads divides --embd, --kv-heads divides --heads.`,
		Example: `  go run ./bench synth /tmp/half.gguf --layers 24 --embd 896 --heads 14 --kv-heads 2 --ff 4864 --type q8_0
  go run ./bench decode --model /tmp/half.gguf
  go run ./bench synth /tmp/window.gguf --arch gemma3 --layers 12 --embd 512 --window 256`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("synth writes one file, %d are named; try go run ./bench synth OUT.gguf", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := onlyOwnFlags(cmd); err != nil {
				return err
			}
			return o.write(cmd.Context(), args[0])
		},
	}
	cmd.SetUsageTemplate("Usage:\n  {{.UseLine}}\n\nExamples:\n{{.Example}}\n\nFlags:\n{{.LocalFlags.FlagUsages}}")
	flags, s := cmd.Flags(), &o.shape
	flags.SortFlags = false
	flags.StringVar(&o.arch, "arch", string(synth.Llama), "architecture: "+names(synth.Architectures))
	flags.IntVar(&s.Layers, "layers", 0, "layers (default 2)")
	flags.IntVar(&s.Embedding, "embd", 0, "width of the hidden state (default 64)")
	flags.IntVar(&s.Heads, "heads", 0, "heads of attention (default 4)")
	flags.IntVar(&s.KVHeads, "kv-heads", 0, "heads of keys and values (default: as --heads)")
	flags.IntVar(&s.FeedForward, "ff", 0, "width of the feed-forward network (default: 4 times --embd)")
	flags.IntVar(&s.Context, "context", 0, "tokens it is said to be trained with (default 2048)")
	flags.IntVar(&s.Window, "window", 0, "tokens in the sliding window of gemma3 (default 512)")
	flags.StringVar(&o.pooling, "pooling", "", "pooling of bert: "+names(poolings)+" (default mean)")
	flags.StringVar(&o.typ, "type", "f32", "type of the matrices: "+names(synth.Types))
	flags.Uint64Var(&s.Seed, "seed", 0, "seed of the weights")
	flags.StringVar(&o.from, "from", hub.DefaultModel, "model whose vocabulary to take: name, file or reference")
	flags.BoolVar(&o.force, "force", false, "replace a file that is there")
	return cmd
}

// onlyOwnFlags refuses the flags of the figures, which would say nothing here.
func onlyOwnFlags(cmd *cobra.Command) error {
	for _, name := range []string{"pairs", "threads", "model", "peers"} {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s is for the figures, synth has no use for it", name)
		}
	}
	return nil
}

// poolings are what --pooling may be: from synth.Mean on.
var poolings = []string{"mean", "cls", "last"}

// names lists what a flag may be.
func names[T any](values []T) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = strings.ToLower(fmt.Sprint(v))
	}
	return strings.Join(words, ", ")
}

// choose returns the place of the value that a flag names.
func choose[T any](flag, name string, values []T) (int, error) {
	for i, v := range values {
		if strings.EqualFold(fmt.Sprint(v), name) {
			return i, nil
		}
	}
	return 0, fmt.Errorf("--%s %q is not one of %s", flag, name, names(values))
}

// parse reads the flags that are names.
func (o *synthOptions) parse() error {
	arch, err := choose("arch", o.arch, synth.Architectures)
	if err != nil {
		return err
	}
	typ, err := choose("type", o.typ, synth.Types)
	if err != nil {
		return err
	}
	o.shape.Architecture, o.shape.Type = synth.Architectures[arch], synth.Types[typ]
	if o.pooling == "" {
		return nil
	}
	p, err := choose("pooling", o.pooling, poolings)
	o.shape.Pooling = synth.Mean + synth.Pooling(p)
	return err
}

// write makes the model and says what it has become.
func (o *synthOptions) write(ctx context.Context, path string) error {
	if err := o.parse(); err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil && !o.force {
		return fmt.Errorf("%s exists; give --force to replace it", path)
	}
	screen := &session{errs: o.errs, bars: isTerminal(o.errs)}
	h, err := hub.New(&hub.Options{Progress: hub.TerminalProgress(o.errs, screen.bars)})
	if err != nil {
		return err
	}
	from, err := h.Model(ctx, o.from)
	if err != nil {
		return err
	}
	start, shown := time.Now(), int64(-1)
	err = synth.Write(ctx, path, from.Path, o.shape, func(done, total int64) {
		if percent := 100 * done / total; percent != shown {
			shown = percent
			screen.status("writing %d %%", percent)
		}
	})
	screen.status("")
	if err != nil {
		return err
	}
	return describe(o.out, path, time.Since(start))
}

// describe prints what a model file has.
func describe(out io.Writer, path string, took time.Duration) error {
	f, err := gguf.Open(path)
	if err != nil {
		return err
	}
	weights := int64(0)
	for _, t := range f.Tensors() {
		n := int64(1)
		for _, d := range t.Dims {
			n *= int64(d)
		}
		weights += n
	}
	_, err = fmt.Fprintf(out, "%s: %s, %d layers, %s weights, %d tokens, %s, in %.1f s\n", path, f.Architecture(), f.BlockCount(),
		humanize.Comma(weights), f.VocabularySize(), humanize.IBytes(uint64(f.Size())), took.Seconds())
	return err
}

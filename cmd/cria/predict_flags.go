package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llamacpp"
)

// predictFlags are the flags of every command that runs a signature on a model.
type predictFlags struct {
	*globals
	constraint constraintFlags
	choice     choiceFlags
	lora       loraFlags
	place      placeFlags

	model        string
	instructions string
	demos        string
	cot          bool
	think        int
	format       string

	chatTemplate string
	slots        int
	maxTokens    int
	closeOnLimit bool
	sampling     cria.Sampling
	seed         uint32
	cache        string
}

// add declares the flags, with a default policy for the cache of replies. It takes the
// command's PreRun.
func (f *predictFlags) add(cmd *cobra.Command, cache cria.CachePolicy) {
	flags := cmd.Flags()
	flags.StringVarP(&f.model, "model", "m", "", "name from the catalogue, file, hf:, https: or pip: reference (default \""+hub.DefaultModel+"\")")
	flags.StringVarP(&f.instructions, "instructions", "i", "", "what the model is to do (default \"Read the {inputs} and give the {outputs}.\")")
	flags.StringVar(&f.demos, "demos", "", "file with demonstrations: one JSON object of inputs and outputs a line")
	flags.BoolVar(&f.cot, "cot", false, "let the model reason first (adds an output \"reasoning\")")
	flags.IntVar(&f.think, "think", 0, "let a reasoning model think first, in a block <think>...</think> of at most so many tokens, which is not printed")
	flags.StringVar(&f.format, "format", "", "how the reply is written: lines (name: value), json (an object), markers ([[ ## name ## ]], values of several lines), tags (<name>, the same) or completion (lines in one text without turns, for base models) (default: lines; completion if the model has no chat template)")
	f.constraint.add(flags)
	f.choice.add(flags)
	f.lora.add(flags)
	flags.StringVar(&f.chatTemplate, "chat-template", "", "chat template to use instead of the model's own: its text, the name of a built-in one, or \"none\"")
	f.place.add(flags)
	flags.IntVar(&f.maxTokens, "max-tokens", llamacpp.DefaultMaxTokens, "tokens to generate at most")
	flags.BoolVar(&f.closeOnLimit, "close-on-limit", false, "end an output in time, as its type allows, before the tokens run out")
	flags.Float64Var(&f.sampling.Temperature, "temperature", 0, "0 always takes the most probable token")
	flags.IntVar(&f.sampling.TopK, "top-k", 0, "keep this many of the most probable tokens; 0 keeps all")
	flags.Float64Var(&f.sampling.TopP, "top-p", 1, "keep the most probable tokens that together reach this probability")
	flags.Float64Var(&f.sampling.MinP, "min-p", 0, "keep tokens of at least this share of the best one's probability")
	flags.Float64Var(&f.sampling.RepeatPenalty, "repeat-penalty", 1, "make recent tokens less probable; 1 is none")
	flags.Uint32Var(&f.seed, "seed", 0, "make random choices repeat (default: others each time)")
	flags.StringVar(&f.cache, "cache", string(cache), "replies that are kept: on uses and adds to them, read-only uses them, off does neither (see cria cache --help)")
	mustRegister(cmd, "model", completeModels(f.globals))
	mustRegister(cmd, "cache", cobra.FixedCompletions([]string{string(cria.CacheOn), string(cria.CacheOff), string(cria.CacheReadOnly)}, cobra.ShellCompDirectiveNoFileComp))
	mustRegister(cmd, "format", func(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
		for _, format := range cria.OutputFormats() {
			names = append(names, string(format))
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	cmd.PreRun = func(cmd *cobra.Command, _ []string) {
		if cmd.Flags().Changed("seed") {
			f.sampling.Seed = &f.seed
		}
		if f.sampling.Temperature > 0 && f.sampling.Seed == nil && !cmd.Flags().Changed("cache") {
			f.cache = string(cria.CacheOff) // every answer is to be another one
		}
	}
}

func (f *predictFlags) signature(text string) (*cria.Signature, error) {
	sig, err := cria.ParseSignature(text)
	if err != nil {
		return nil, err
	}
	if sig, err = f.constraint.apply(sig); err != nil {
		return nil, usageError{err}
	}
	if sig, err = sig.WithInstruction(f.instructions); err != nil {
		return nil, usageError{err}
	}
	if f.cot {
		if sig, err = sig.WithReasoning(); err != nil {
			return nil, usageError{err}
		}
	}
	if f.demos == "" {
		return sig, nil
	}
	demos, err := readDemos(f.demos)
	if err != nil {
		return nil, usageError{fmt.Errorf("--demos: %w", err)}
	}
	if sig, err = sig.WithDemos(demos...); err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", f.demos, err)}
	}
	return sig, nil
}

func (f *predictFlags) validate(sig *cria.Signature) error {
	switch {
	case f.maxTokens <= 0:
		return fmt.Errorf("--max-tokens %d must be more than 0", f.maxTokens)
	case f.think < 0:
		return fmt.Errorf("--think %d is negative", f.think)
	}
	if err := f.place.validate(); err != nil {
		return err
	}
	if err := f.sampling.Validate(); err != nil {
		return err
	}
	if err := cria.CachePolicy(f.cache).Validate(); err != nil || f.cache == "" {
		return fmt.Errorf("--cache %q is not on, off or read-only", f.cache)
	}
	if _, err := f.lora.used(); err != nil {
		return err
	}
	if _, err := cria.OutputFormat(f.format).Adapter(false); err != nil {
		return fmt.Errorf("--format: %w", err)
	}
	switch random := f.sampling.Temperature != 0 || f.sampling.RepeatPenalty != 0 && f.sampling.RepeatPenalty != 1; {
	case f.constraint.gbnf != "" && f.format == string(cria.OutputJSON):
		return errors.New("--gbnf: a text of a grammar cannot be written in JSON; use another --format")
	case random && (f.choice.probs || f.choice.calibrate != "none"):
		return errors.New("--probs and --calibrate need choices that are not random: without --temperature and --repeat-penalty")
	}
	return f.choice.check(sig)
}

func (f *predictFlags) predictor(sig *cria.Signature) (*cria.Predictor, error) {
	loras, err := f.lora.used()
	if err != nil {
		return nil, err
	}
	return cria.NewPredictor(sig, &cria.PredictOptions{
		Format:       cria.OutputFormat(f.format),
		Sampling:     &f.sampling,
		MaxTokens:    f.maxTokens,
		LoRA:         loras,
		ThinkTokens:  f.think,
		CloseOnLimit: f.closeOnLimit,
	})
}

func (f *predictFlags) load(ctx context.Context) (*llamacpp.LoadedModel, error) {
	loras, err := f.lora.files()
	if err != nil {
		return nil, err
	}
	o := f.place.options()
	o.Hub, o.LoRAs, o.Slots, o.ChatTemplate, o.Logger = f.hubOptions(), loras, f.slots, f.chatTemplate, f.logger()
	return llamacpp.Load(ctx, f.model, o)
}

// completeModels offers the names of the catalogue and of the cache.
func completeModels(g *globals) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		names := completeCards()
		h, err := g.hub()
		if err != nil {
			return names, cobra.ShellCompDirectiveDefault
		}
		cached, err := h.Models()
		if err != nil {
			return names, cobra.ShellCompDirectiveDefault
		}
		for _, m := range cached {
			for _, ref := range m.Refs {
				if strings.Contains(ref, ":") {
					names = append(names, ref)
				}
			}
		}
		return names, cobra.ShellCompDirectiveDefault
	}
}

// mustRegister ties a completion to a flag; the flag's name is the only thing
// that can be wrong.
func mustRegister(cmd *cobra.Command, flag string, complete cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(errors.Join(errors.New("registering the completion of --"+flag), err))
	}
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llamacpp"
)

// runFlags are the flags of cria run.
type runFlags struct {
	*globals
	model        string
	instructions string
	demos        string
	cot          bool
	json         bool
	stream       bool
	showPrompt   bool

	chatTemplate  string
	contextLength int
	threads       int
	maxTokens     int
	sampling      cria.Sampling
	seed          uint32
}

func newRun(g *globals) *cobra.Command {
	f := &runFlags{globals: g}
	cmd := &cobra.Command{
		Use:        "run SIGNATURE [NAME=VALUE]...",
		SuggestFor: []string{"ask", "predict", "chat"},
		Short:      "Ask a model to fill in a signature's outputs",
		Long: `Run asks a model to fill in the outputs of a signature.

A signature names inputs and outputs, with types if they are not text:

  question, context: list[str] -> answer, confidence: float

The types are str, int, float, bool, Any, list[T], dict[str, T],
Literal['a', 'b'], Optional[T] and T | None. Values of inputs that are not text
are written as JSON. NAME=@FILE reads a value from a file, NAME=@- from standard
input, and NAME=@@... is a value that begins with @.

With one output its value is printed, with several one "name: value" line each,
with --json an object.`,
		Example: `  cria run "question -> answer" question="What is the capital of France?"
  cria run "review -> sentiment: Literal['positive','negative']" review=@review.txt
  cria run --cot "question -> answer" question="What is 7 plus 5?"
  cria run --json --demos examples.jsonl "text -> name, city, age: int" text="..."`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New(`run needs a signature, such as "question -> answer"; see cria run --help`)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("seed") {
				f.sampling.Seed = &f.seed
			}
			return f.run(cmd.Context(), args[0], args[1:])
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.model, "model", "m", "", "name from the catalogue, file, hf:, https: or pip: reference (default \""+hub.DefaultModel+"\")")
	flags.StringVarP(&f.instructions, "instructions", "i", "", "what the model is to do (default \"Read the {inputs} and give the {outputs}.\")")
	flags.StringVar(&f.demos, "demos", "", "file with demonstrations: one JSON object of inputs and outputs a line")
	flags.BoolVar(&f.cot, "cot", false, "let the model reason first (adds an output \"reasoning\")")
	flags.BoolVar(&f.json, "json", false, "print one JSON object")
	flags.BoolVar(&f.stream, "stream", false, "print text as it is generated")
	flags.BoolVar(&f.showPrompt, "show-prompt", false, "print the prompt instead of running it")
	flags.StringVar(&f.chatTemplate, "chat-template", "", "built-in chat template to use instead of the model's own, or \"none\"")
	flags.IntVar(&f.contextLength, "context-length", 0, "tokens of prompt and reply together (default: up to 4096, as the model allows)")
	flags.IntVar(&f.threads, "threads", 0, "threads to compute with (default: one for each physical core, fewer while other processes are busy)")
	flags.IntVar(&f.maxTokens, "max-tokens", llamacpp.DefaultMaxTokens, "tokens to generate at most")
	flags.Float64Var(&f.sampling.Temperature, "temperature", 0, "0 always takes the most probable token")
	flags.IntVar(&f.sampling.TopK, "top-k", 0, "keep this many of the most probable tokens; 0 keeps all")
	flags.Float64Var(&f.sampling.TopP, "top-p", 1, "keep the most probable tokens that together reach this probability")
	flags.Float64Var(&f.sampling.MinP, "min-p", 0, "keep tokens of at least this share of the best one's probability")
	flags.Float64Var(&f.sampling.RepeatPenalty, "repeat-penalty", 1, "make recent tokens less probable; 1 is none")
	flags.Uint32Var(&f.seed, "seed", 0, "make random choices repeat (default: others each time)")
	mustRegister(cmd, "model", completeModels(g))
	return cmd
}

func (f *runFlags) run(ctx context.Context, signature string, assignments []string) error {
	// Everything that can be wrong is found before anything is fetched or loaded.
	sig, err := f.signature(signature)
	if err != nil {
		return err
	}
	inputs, err := readInputs(sig, assignments, f.in)
	if err != nil {
		return err
	}
	if err := f.validate(); err != nil {
		return usageError{err}
	}
	predictor, err := cria.NewPredictor(sig, &cria.PredictOptions{Sampling: &f.sampling, MaxTokens: f.maxTokens})
	if err != nil {
		return err
	}
	model, err := llamacpp.Load(ctx, f.model, &llamacpp.Options{
		Hub:           f.hubOptions(),
		ContextLength: f.contextLength,
		Threads:       f.threads,
		ChatTemplate:  f.chatTemplate,
		Logger:        f.logger(),
	})
	if err != nil {
		return err
	}
	err = f.answer(cria.With(ctx, cria.Scope{LM: model}), model, predictor, inputs)
	return cmp.Or(err, model.Close())
}

func (f *runFlags) signature(text string) (*cria.Signature, error) {
	sig, err := cria.ParseSignature(text)
	if err != nil {
		return nil, err
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

func (f *runFlags) validate() error {
	switch {
	case f.maxTokens <= 0:
		return fmt.Errorf("--max-tokens %d must be more than 0", f.maxTokens)
	case f.contextLength < 0:
		return fmt.Errorf("--context-length %d is negative", f.contextLength)
	case f.threads < 0:
		return fmt.Errorf("--threads %d is negative", f.threads)
	case f.json && f.stream:
		return errors.New("--json and --stream exclude each other")
	}
	return f.sampling.Validate()
}

func (f *runFlags) answer(ctx context.Context, model *llamacpp.LoadedModel, p *cria.Predictor, inputs cria.Example) error {
	switch {
	case f.showPrompt:
		req, err := p.Request(ctx, inputs)
		if err != nil {
			return err
		}
		text, err := model.PromptText(req)
		if err != nil {
			return err
		}
		return printLine(f.out, text)
	case f.stream:
		return f.streamAnswer(ctx, p, inputs)
	}
	prediction, err := f.call(ctx, p, inputs)
	if err != nil {
		return err
	}
	f.warnIfCutOff(prediction.Finish)
	if f.json {
		return printJSON(f.out, p.Signature(), prediction.Value)
	}
	return printLines(f.out, p.Signature(), prediction.Value)
}

// call is the predictor's Call, with a word about its progress on a terminal
// when it takes long.
func (f *runFlags) call(ctx context.Context, p *cria.Predictor, inputs cria.Example) (*cria.Prediction, error) {
	if f.quiet || !isTerminal(f.err) {
		return p.Call(ctx, inputs)
	}
	status := newStatus(f.err, "generating")
	defer status.done()
	for delta, err := range p.Stream(ctx, inputs) {
		if err != nil || delta.Result != nil {
			return delta.Result, err
		}
		status.step()
	}
	return nil, errors.New("the reply has no end")
}

// streamAnswer prints text as it comes, in the form of printLines.
func (f *runFlags) streamAnswer(ctx context.Context, p *cria.Predictor, inputs cria.Example) error {
	named := len(p.Signature().Outputs()) > 1
	current, open := "", false // open: the last line has no end yet
	for delta, err := range p.Stream(ctx, inputs) {
		if err != nil && open {
			err = cmp.Or(printLine(f.out, ""), err)
		}
		if err != nil {
			return err
		}
		text := delta.Text
		if named && delta.Field != "" && delta.Field != current {
			text = delta.Field + ": " + text
		}
		current = delta.Field
		if delta.Done {
			text += "\n"
		}
		if delta.Result != nil {
			f.warnIfCutOff(delta.Result.Finish)
		}
		if text != "" {
			open = !strings.HasSuffix(text, "\n")
		}
		if _, err := fmt.Fprint(f.out, text); err != nil {
			return err
		}
	}
	return nil
}

func (f *runFlags) warnIfCutOff(finish cria.FinishReason) {
	if finish == cria.FinishLength {
		fmt.Fprintf(f.err, "cria: the reply was cut off after %d tokens or at the end of the context; see --max-tokens and --context-length\n", f.maxTokens)
	}
}

// completeModels offers the names of the catalogue and of the cache.
func completeModels(g *globals) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, card := range hub.Catalog() {
			names = append(names, card.Name+"\t"+card.Description)
		}
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

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/llamacpp"
)

// runFlags are the flags of cria run.
type runFlags struct {
	predictFlags
	json       bool
	stream     bool
	showPrompt bool
}

func newRun(g *globals) *cobra.Command {
	f := &runFlags{predictFlags: predictFlags{globals: g}}
	cmd := &cobra.Command{
		Use:        "run SIGNATURE [NAME=VALUE]...",
		SuggestFor: []string{"ask", "predict", "chat"},
		Short:      "Ask a model to fill in a signature's outputs",
		Long: `Run asks a model to fill in the outputs of a signature.

A signature names inputs and outputs, with types if they are not text:

  question, context: list[str] -> answer, confidence: float

The types are str, int, float, bool, datetime, date, timedelta, Any, list[T],
dict[str, T], Literal['a', 'b'], Optional[T] and T | None. Values of inputs that are not text
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
			return f.run(cmd.Context(), args[0], args[1:])
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f.add(cmd, cria.CacheOff) // who asks again wants to see the model answer
	flags := cmd.Flags()
	flags.BoolVar(&f.json, "json", false, "print one JSON object")
	flags.BoolVar(&f.stream, "stream", false, "print text as it is generated")
	flags.BoolVar(&f.showPrompt, "show-prompt", false, "print the prompt instead of running it")
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
	if err := f.validate(sig); err != nil {
		return usageError{err}
	}
	predictor, err := f.predictor(sig)
	if err != nil {
		return err
	}
	model, err := f.load(ctx)
	if err != nil {
		return err
	}
	cache, err := f.openCache()
	if err == nil {
		err = f.answer(cria.With(ctx, cria.Scope{LM: model, Cache: cache, CachePolicy: cria.CachePolicy(f.cache)}), model, predictor, inputs)
	}
	f.warnOfCache(cache)
	return cmp.Or(err, model.Close())
}

func (f *runFlags) validate(sig *cria.Signature) error {
	switch {
	case f.json && f.stream:
		return errors.New("--json and --stream exclude each other")
	case f.choice.probs && f.stream:
		return errors.New("--probs and --stream exclude each other")
	case slices.Contains(batchMethods, f.choice.calibrate):
		return fmt.Errorf("--calibrate %s needs many inputs: see cria batch", f.choice.calibrate)
	}
	return f.predictFlags.validate(sig)
}

func (f *runFlags) answer(ctx context.Context, model *llamacpp.LoadedModel, p *cria.Predictor, inputs cria.Example) error {
	if f.showPrompt {
		req, err := p.Request(ctx, inputs)
		if err != nil {
			return err
		}
		req.Think = f.think > 0 // which comes first
		text, err := model.PromptText(req)
		if err != nil {
			return err
		}
		return printLine(f.out, text)
	}
	calibration, err := f.choice.fit(ctx, p, nil)
	if err != nil {
		return err
	}
	ctx = cria.With(ctx, cria.Scope{Calibration: calibration})
	if f.stream {
		return f.streamAnswer(ctx, p, inputs)
	}
	prediction, err := f.call(ctx, p, inputs)
	if err != nil {
		return err
	}
	f.warnIfCutOff(prediction.Finish)
	var choice *cria.Choice
	if f.choice.probs {
		choice = prediction.Choice
	}
	if f.json {
		return printJSON(f.out, p.Signature(), prediction.Value, choice)
	}
	if err := printLines(f.out, p.Signature(), prediction.Value); err != nil || choice == nil {
		return err
	}
	return printProbs(f.out, choice)
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

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/engine"
)

// batchFlags are the flags of cria batch.
type batchFlags struct {
	predictFlags
	inPath      string
	outPath     string
	concurrency int
	resume      bool
}

func newBatch(g *globals) *cobra.Command {
	f := &batchFlags{predictFlags: predictFlags{globals: g}}
	cmd := &cobra.Command{
		Use:        "batch SIGNATURE [--in FILE.jsonl] [--out FILE.jsonl]",
		SuggestFor: []string{"map", "bulk"},
		Short:      "Run a signature on every line of a JSONL file",
		Long: `Batch fills in the outputs of a signature (see cria run --help) for every line of
its input, a JSON object of inputs each, and writes one line for each, in the
order of the input: a JSON object of the outputs.

A member "id" that is not an input is copied to the line's output. What cannot
be answered gives {"error": "..."} instead; the others go on, and the exit code
is 1 at the end. To try the failures again, give the lines that failed to another
batch. Blank lines are skipped.

Inputs that were answered before, by this batch or by another with the same model,
signature and flags, are not computed again: see cria cache --help, and --cache off.
With a temperature and no seed every answer is another one, unless --cache is given.

Every line is written at once and whole. A batch that was interrupted goes on
with --resume: as many inputs are skipped as the output has lines, failures
included, so the input and the signature must be the same.`,
		Example: `  cria batch "review -> sentiment: Literal['positive','negative']" --in reviews.jsonl --out answers.jsonl
  cria batch "question -> answer" --in questions.jsonl --out answers.jsonl --resume
  cria batch "text -> name, age: int" --demos examples.jsonl < texts.jsonl`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				hint := "see cria batch --help"
				if len(args) == 2 && isFile(args[1]) {
					hint = "did you mean --in " + args[1] + "?"
				}
				return errors.New(`batch needs one signature, such as "question -> answer"; ` + hint)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), args[0])
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f.add(cmd, cria.CacheOn)
	flags := cmd.Flags()
	flags.StringVar(&f.inPath, "in", "-", "file with one JSON object of inputs a line; - is standard input")
	flags.StringVar(&f.outPath, "out", "-", "file for one JSON object of outputs a line; - is standard output")
	flags.IntVar(&f.concurrency, "concurrency", 8, "records to work on at once; more than 64 wait for others")
	flags.BoolVar(&f.resume, "resume", false, "go on with an output that is there in part")
	return cmd
}

func (f *batchFlags) run(ctx context.Context, signature string) (err error) {
	// Everything that can be wrong is found before anything is fetched or loaded.
	sig, err := f.signature(signature)
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
	in, err := openBatchInput(f.inPath, f.in)
	if err != nil {
		return usageError{fmt.Errorf("--in: %w", err)}
	}
	defer in.close()
	out, err := openBatchOutput(f.outPath, f.out, sig, f.resume)
	if err != nil {
		return usageError{fmt.Errorf("--out: %w", err)}
	}
	defer func() { err = cmp.Or(err, out.close(err)) }()
	switch {
	case in.total >= 0 && in.total < out.lines:
		return tooManyLines(out.lines, in.total)
	case out.lines > 0 && in.total == out.lines: // no need of a model
		if err := in.read(ctx, sig, out, nil); err != nil {
			return err
		}
		return f.finish(newTally(out))
	}
	f.slots = max(engine.DefaultSlots, min(f.concurrency, 64))
	model, err := f.load(ctx)
	if err != nil {
		return err
	}
	b := &batch{batchFlags: f, sig: sig, predictor: predictor, in: in, out: out}
	cache, err := f.openCache()
	if err == nil {
		err = b.runOn(cria.With(ctx, cria.Scope{LM: model, Cache: cache, CachePolicy: cria.CachePolicy(f.cache)}))
	}
	f.warnOfCache(cache)
	if err != nil && out.file != nil {
		err = resumableError{err}
	}
	return cmp.Or(err, model.Close())
}

func (f *batchFlags) validate(sig *cria.Signature) error {
	switch {
	case f.concurrency < 1 || f.concurrency > engine.DefaultQueueLength:
		return fmt.Errorf("--concurrency %d is not from 1 to %d", f.concurrency, engine.DefaultQueueLength)
	case f.resume && f.outPath == "-":
		return errors.New("--resume needs --out FILE, the output to go on with")
	case sameFile(f.inPath, f.outPath):
		return fmt.Errorf("--in and --out are the same file, %s", f.inPath)
	case slices.Contains(outputNames(sig), "error"):
		return errors.New(`an output named "error" would read like a failure; give it another name`)
	}
	if slices.Contains(batchMethods, f.choice.calibrate) && f.inPath == "-" {
		return fmt.Errorf("--calibrate %s needs --in FILE: the input is read twice", f.choice.calibrate)
	}
	return f.predictFlags.validate(sig)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && infoA.Mode().IsRegular() && os.SameFile(infoA, infoB)
}

// batch is one run over an input.
type batch struct {
	*batchFlags
	sig       *cria.Signature
	predictor *cria.Predictor
	in        *batchInput
	out       *batchOutput
}

// window is how many records may be in work or finished but not yet written,
// for each record in work.
const window = 4

// runOn finds out the calibration, if one is asked for, and runs.
func (b *batch) runOn(ctx context.Context) error {
	var inputs []cria.Example
	if slices.Contains(batchMethods, b.choice.calibrate) {
		var err error
		if inputs, err = b.in.all(b.sig); err != nil {
			return err
		}
	}
	calibration, err := b.choice.fit(ctx, b.predictor, inputs)
	if err != nil {
		return err
	}
	return b.run(cria.With(ctx, cria.Scope{Calibration: calibration}))
}

func (b *batch) run(ctx context.Context) error {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	records := make(chan record)
	ended := make(chan error, 1)
	go func() {
		defer close(records)
		ended <- b.in.read(reading, b.sig, b.out, records)
	}()

	tally := newTally(b.out)
	bar := b.newBar()
	err := inOrder(ctx, b.concurrency, window*b.concurrency, records, b.answer, func(a answer) error {
		if err := b.out.write(a.line); err != nil {
			return err
		}
		tally.add(a)
		bar.step()
		return nil
	})
	bar.done()
	if err == nil {
		err = <-ended // after an error it may sit in a read that nothing ends
	}
	if err != nil && tally.records == 0 {
		return err
	}
	return cmp.Or(err, b.finish(tally))
}

// finish sums up and returns an error if the output has failures.
func (f *batchFlags) finish(t *tally) error {
	if !f.quiet {
		fmt.Fprintln(f.err, "cria: "+t.summary())
	}
	return t.failure()
}

// answer is what becomes of a record.
type answer struct {
	line       string           // of the output
	prediction *cria.Prediction // nil: the record failed
	failure    string           // "": it did not
}

// answer fails only if ctx ends: failures of a record are its answer.
func (b *batch) answer(ctx context.Context, r record) (answer, error) {
	prediction, err := b.predict(ctx, r)
	if err != nil && ctx.Err() != nil {
		return answer{}, ctx.Err()
	}
	a := answer{prediction: prediction}
	var names []string
	values := cria.Example{}
	if r.hasID {
		names, values["id"] = append(names, "id"), r.id
	}
	if err != nil {
		a.failure = fmt.Sprintf("line %d: %s", r.line, message(err))
		names, values["error"] = append(names, "error"), a.failure
	} else {
		outputs, err := outputValues(b.sig, prediction.Value)
		if err != nil {
			return a, err
		}
		names = append(names, outputNames(b.sig)...)
		maps.Copy(values, outputs)
		if b.choice.probs && prediction.Choice != nil {
			if values["probs"], err = probsOf(prediction.Choice); err != nil {
				return a, err
			}
			names = append(names, "probs")
		}
	}
	a.line, err = jsonObject(names, values)
	return a, err
}

func (b *batch) predict(ctx context.Context, r record) (*cria.Prediction, error) {
	if r.err != nil {
		return nil, r.err
	}
	return b.predictor.Call(ctx, r.inputs)
}

func tooManyLines(have, inputs int) error {
	return usageError{fmt.Errorf("the output has %s, but the input only %d: they do not belong together", english.Plural(have, "line", ""), inputs)}
}

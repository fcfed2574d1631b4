package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/cria-lm/cria"
)

// choiceFlags are about outputs with a closed set of values.
type choiceFlags struct {
	probs     bool
	calibrate string

	labelled []cria.Example // of --calibrate FILE
}

func (f *choiceFlags) add(flags *pflag.FlagSet) {
	flags.BoolVar(&f.probs, "probs", false, "print how probable each value of the last output is, too, if that is of a closed set")
	flags.StringVar(&f.calibrate, "calibrate", "none", "correct what the model prefers whatever the input: none, contextual (prompt without inputs), mean or midrange (of a batch), or a file with 8 labelled examples or more, a JSON object a line")
}

// batchMethods are found out from all inputs of a batch.
var batchMethods = []string{string(cria.CalibrateMean), string(cria.CalibrateMidrange)}

// check reads the examples and makes sure that there is a closed set.
func (f *choiceFlags) check(sig *cria.Signature) (err error) {
	if !f.probs && f.calibrate == "none" {
		return nil
	}
	outputs := sig.Outputs()
	last := outputs[len(outputs)-1]
	if kind := last.Type.Kind; last.Optional || kind != cria.KindLiteral && kind != cria.KindBool {
		return fmt.Errorf("--probs and --calibrate need a signature whose last output is of a closed set, such as Literal['a', 'b']; this one is %q", sig)
	}
	if f.probs && declares(sig, "probs") {
		return errors.New(`with --probs no field can be named "probs"`)
	}
	if f.calibrate == "none" || f.calibrate == string(cria.CalibrateContextual) || slices.Contains(batchMethods, f.calibrate) {
		return nil
	}
	if !isFile(f.calibrate) {
		return fmt.Errorf("--calibrate: %q is no file with labelled examples, and none of the methods none, contextual, mean and midrange", f.calibrate)
	}
	if f.labelled, err = readDemos(f.calibrate); err != nil {
		return fmt.Errorf("--calibrate: %w", err)
	}
	for i, ex := range f.labelled {
		if _, err := sig.WithDemos(ex); err != nil {
			return fmt.Errorf("--calibrate: %s: example %d: %w", f.calibrate, i+1, errors.Unwrap(err))
		}
		if ex[last.Name] == nil {
			return fmt.Errorf("--calibrate: %s: example %d: it has no %q", f.calibrate, i+1, last.Name)
		}
	}
	if n := len(f.labelled); n < cria.MinLabelled {
		return fmt.Errorf("--calibrate: %s has %d examples; at least %d are needed", f.calibrate, n, cria.MinLabelled)
	}
	return nil
}

// fit returns the calibration that was asked for, nil for none. batch is the inputs of
// a batch.
func (f *choiceFlags) fit(ctx context.Context, p *cria.Predictor, batch []cria.Example) (*cria.Calibration, error) {
	switch method := cria.CalibrationMethod(f.calibrate); {
	case f.calibrate == "none":
		return nil, nil
	case f.labelled != nil:
		return cria.Calibrate(ctx, p, cria.CalibrateLabelled, f.labelled)
	default:
		return cria.Calibrate(ctx, p, method, batch)
	}
}

// probsOf is a distribution as JSON shows it: values in declared order.
func probsOf(c *cria.Choice) (object, error) {
	o := object{}
	for i, v := range c.Values {
		if err := o.add(v, c.Probs[i]); err != nil {
			return nil, err
		}
	}
	return o, nil
}

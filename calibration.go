package cria

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
)

// Calibration corrects the scores of a closed set for what a model prefers whatever
// the input: a bias per value, subtracted from its log probability, and a temperature.
// It belongs to one program and one model, and can be written as JSON. Nil is none.
type Calibration struct {
	Method      CalibrationMethod  `json:"method"`                // "" if the biases are of another source
	Bias        map[string]float64 `json:"bias"`                  // by value; those that are missing have none
	Temperature float64            `json:"temperature,omitempty"` // divides the scores; 0 is 1
}

// CalibrationMethod says where a bias comes from.
type CalibrationMethod string

// The methods. Measured on small models ([formats]): labelled examples help from 8 on,
// 16 are better; without labels the mean of a batch if its classes may be assumed to be
// equally frequent, the midrange if not.
//
// [formats]: https://github.com/cria-lm/cria/blob/main/docs/design.md
const (
	CalibrateLabelled   CalibrationMethod = "labelled"   // mean of the classes' means over labelled examples
	CalibrateMean       CalibrationMethod = "mean"       // mean over a batch without labels
	CalibrateMidrange   CalibrationMethod = "midrange"   // between the means of the top and the bottom tenth of a batch
	CalibrateContextual CalibrationMethod = "contextual" // scores of the prompt with empty inputs
)

var calibrationMethods = []CalibrationMethod{CalibrateLabelled, CalibrateMean, CalibrateMidrange, CalibrateContextual}

// MinLabelled is how many labelled examples a calibration needs at least.
const MinLabelled = 8

// validate reports what cannot be, for a signature whose last output this is.
func (c *Calibration) validate(output Field) error {
	if c == nil {
		return nil
	}
	if c.Method != "" && !slices.Contains(calibrationMethods, c.Method) {
		return fmt.Errorf("%q is no method of calibration; they are %v", c.Method, calibrationMethods)
	}
	values := output.closedSet()
	for v := range c.Bias {
		if values != nil && !slices.Contains(values, v) {
			return fmt.Errorf("a calibration has a bias for %q, but field %q has one of %s", v, output.Name, strings.Join(values, ", "))
		}
	}
	if t := c.Temperature; !(t >= 0) || math.IsInf(t, 0) {
		return fmt.Errorf("the temperature %v of a calibration is not a number of 0 or more", t)
	}
	for value, bias := range c.Bias {
		if !finite(bias) {
			return fmt.Errorf("the bias of %q in a calibration is not a number", value)
		}
	}
	return nil
}

// apply returns the distribution over values that have these scores.
func (c *Calibration) apply(values []string, logprobs []float64) *Choice {
	choice := &Choice{Values: values, Probs: logprobs}
	if c != nil {
		choice.Probs = make([]float64, len(values))
		for i, v := range values {
			choice.Probs[i] = (logprobs[i] - c.Bias[v]) / cmp.Or(c.Temperature, 1)
		}
	}
	choice.Probs = softmax(choice.Probs)
	return choice
}

// Calibrate finds the calibration of a predictor whose last output is one of a closed
// set, for the LM and the adapter that its calls use; that of a [Predict] is its
// [Predict.Predictor]. Labelled examples, [MinLabelled] or more, have inputs and that
// output; the other methods use the inputs only, and contextual none.
func Calibrate(ctx context.Context, p *Predictor, method CalibrationMethod, examples []Example) (*Calibration, error) {
	values := p.sig.outputs[len(p.sig.outputs)-1].closedSet()
	if values == nil {
		return nil, fmt.Errorf("calibrating: the last output of the signature %q is not of a closed set", p.sig)
	}
	if method == CalibrateContextual {
		examples = []Example{{}}
		for _, f := range p.sig.inputs {
			if f.Type.Kind != KindString {
				return nil, fmt.Errorf("calibrating: input %q is not text, so it cannot be left empty", f.Name)
			}
			examples[0][f.Name] = ""
		}
	}
	scored, err := p.scoreAll(ctx, examples, method == CalibrateLabelled)
	if err != nil {
		return nil, fmt.Errorf("calibrating: %w", err)
	}
	return fitCalibration(method, values, scored)
}

// scoredAtOnce is how many examples are scored at the same time.
const scoredAtOnce = 8

// scoreAll scores examples and returns the error of the first that cannot be.
func (p *Predictor) scoreAll(ctx context.Context, examples []Example, labelled bool) ([]scoredExample, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	scored, errs := make([]scoredExample, len(examples)), make([]error, len(examples))
	var work sync.WaitGroup
	next := make(chan int)
	for range min(scoredAtOnce, len(examples)) {
		work.Go(func() {
			for i := range next {
				if scored[i], errs[i] = p.score(ctx, examples[i], labelled); errs[i] != nil {
					cancel()
				}
			}
		})
	}
	for i := range examples {
		next <- i
	}
	close(next)
	work.Wait()
	var cancelled error // by another's error
	for i, err := range errs {
		switch {
		case errors.Is(err, context.Canceled) && cancelled == nil:
			cancelled = err
		case err != nil && !errors.Is(err, context.Canceled):
			return nil, fmt.Errorf("example %d: %w", i+1, err)
		}
	}
	return scored, cancelled
}

// scoredExample is the scores of a closed set's values and the right one, -1 if it is
// not known.
type scoredExample struct {
	logprobs []float64
	label    int
}

// leastProb stands for probabilities that are 0 as a float64.
const leastProb = 1e-300

// score returns the uncalibrated scores of an example.
func (p *Predictor) score(ctx context.Context, ex Example, labelled bool) (scoredExample, error) {
	inputs := Example{}
	for _, f := range p.sig.inputs {
		if v, ok := ex[f.Name]; ok {
			inputs[f.Name] = v
		}
	}
	s := scoredExample{label: -1}
	prediction, err := p.Call(With(ctx, Scope{Calibration: &Calibration{}}), inputs)
	if err != nil {
		return s, err
	}
	choice := prediction.Choice
	if choice == nil {
		return s, errors.New("the model does not score closed sets, or the sampling is random")
	}
	for _, prob := range choice.Probs {
		s.logprobs = append(s.logprobs, math.Log(max(prob, leastProb)))
	}
	if !labelled {
		return s, nil
	}
	output := p.sig.outputs[len(p.sig.outputs)-1].Name
	if s.label = slices.Index(choice.Values, ex.Text(output)); s.label < 0 {
		return s, fmt.Errorf("field %q: want one of %v, got %q", output, choice.Values, ex.Text(output))
	}
	return s, nil
}

func fitCalibration(method CalibrationMethod, values []string, scored []scoredExample) (*Calibration, error) {
	c := &Calibration{Method: method, Bias: map[string]float64{}}
	if len(scored) == 0 || method == CalibrateLabelled && len(scored) < MinLabelled {
		return nil, fmt.Errorf("calibrating: %d examples are too few; %s needs %d", len(scored), method, map[bool]int{true: MinLabelled, false: 1}[method == CalibrateLabelled])
	}
	if classes := map[int]bool{}; method == CalibrateLabelled {
		for _, s := range scored {
			classes[s.label] = true
		}
		if len(classes) == 1 && len(values) > 1 {
			return nil, fmt.Errorf("calibrating: all %d examples are %q; give some of other values too", len(scored), values[scored[0].label])
		}
	}
	for i, v := range values {
		switch method {
		case CalibrateLabelled:
			c.Bias[v] = classMean(scored, i, len(values))
		case CalibrateMean, CalibrateContextual:
			c.Bias[v] = mean(column(scored, i))
		case CalibrateMidrange:
			c.Bias[v] = midrange(column(scored, i))
		default:
			return nil, fmt.Errorf("calibrating: %q is no method; they are %v", method, calibrationMethods)
		}
	}
	if method == CalibrateLabelled {
		c.Temperature = fitTemperature(c, values, scored)
	}
	return c, nil
}

func column(scored []scoredExample, i int) []float64 {
	scores := make([]float64, len(scored))
	for k, s := range scored {
		scores[k] = s.logprobs[i]
	}
	return scores
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// classMean is the mean over the classes of the mean score of value i, so that a class
// with many examples counts no more than others.
func classMean(scored []scoredExample, i, classes int) float64 {
	var means []float64
	for class := range classes {
		var own []float64
		for _, s := range scored {
			if s.label == class {
				own = append(own, s.logprobs[i])
			}
		}
		if own != nil {
			means = append(means, mean(own))
		}
	}
	return mean(means)
}

// midrange is the middle between the means of the lowest and the highest tenth.
func midrange(v []float64) float64 {
	slices.Sort(v)
	tenth := max(1, len(v)/10)
	return (mean(v[:tenth]) + mean(v[len(v)-tenth:])) / 2
}

// fitTemperature finds the temperature under which the labels are most probable
// ("temperature scaling", Guo et al., On Calibration of Modern Neural Networks, 2017),
// by golden-section search over its logarithm. Few examples that are all right would make
// the model sure of itself without bounds, so the logarithm is expected to be near 0
// (normally distributed with a deviation of 1) unless they say otherwise.
func fitTemperature(c *Calibration, values []string, scored []scoredExample) float64 {
	const deviation = 1.0
	loss := func(logT float64) float64 {
		t := Calibration{Bias: c.Bias, Temperature: math.Exp(logT)}
		sum := logT * logT / (2 * deviation * deviation)
		for _, s := range scored {
			sum -= math.Log(max(t.apply(values, s.logprobs).Probs[s.label], 1e-12))
		}
		return sum
	}
	const golden = 0.618033988749895
	lo, hi := math.Log(0.2), math.Log(5)
	for range 40 {
		a, b := hi-golden*(hi-lo), lo+golden*(hi-lo)
		if loss(a) < loss(b) {
			hi = b
		} else {
			lo = a
		}
	}
	return math.Exp((lo + hi) / 2)
}

// Brier returns the mean squared error of distributions against the right values:
// 0 if the right one always had the probability 1, 2 at worst, and NaN of none. Choices and
// labels are as many; a label that a choice does not have is wrong with all of it.
func Brier(choices []*Choice, labels []string) float64 {
	sum := 0.0
	for i, c := range choices {
		found := false
		for k, p := range c.Probs {
			want := 0.0
			if c.Values[k] == labels[i] {
				want, found = 1, true
			}
			sum += (p - want) * (p - want)
		}
		if !found {
			sum++
		}
	}
	return sum / float64(len(choices))
}

// calibrationBins is how many bins of confidence are compared.
const calibrationBins = 10

// ExpectedCalibrationError returns how far the probabilities of the best values are
// from the share of them that is right: the mean of the difference over 10 equal bins,
// weighted by their sizes (Naeini et al., 2015). 0 is perfect, 1 the worst, NaN that of
// none.
func ExpectedCalibrationError(choices []*Choice, labels []string) float64 {
	var confidence, right, n [calibrationBins]float64
	for i, c := range choices {
		best := c.Best()
		bin := min(int(c.Probs[best]*calibrationBins), calibrationBins-1)
		n[bin]++
		confidence[bin] += c.Probs[best]
		if c.Values[best] == labels[i] {
			right[bin]++
		}
	}
	sum := 0.0
	for bin := range n {
		sum += math.Abs(confidence[bin] - right[bin])
	}
	return sum / float64(len(choices))
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/cria-lm/cria"
)

func printLine(w io.Writer, text string) error {
	_, err := fmt.Fprintln(w, text)
	return err
}

// printLines prints a single output's value alone, several with their names.
func printLines(w io.Writer, sig *cria.Signature, values cria.Example) error {
	outputs := sig.Outputs()
	for _, f := range outputs {
		text, err := f.Text(values[f.Name])
		if err != nil {
			return err
		}
		if len(outputs) > 1 {
			text = f.Name + ": " + text
		}
		if err := printLine(w, text); err != nil {
			return err
		}
	}
	return nil
}

// printJSON prints one object on one line, its fields in declared order, and how
// probable the values of a closed set were, unless that is nil.
func printJSON(w io.Writer, sig *cria.Signature, values cria.Example, probs *cria.Choice) error {
	names := outputNames(sig)
	values, err := outputValues(sig, values)
	if err != nil {
		return err
	}
	if probs != nil {
		o, err := probsOf(probs)
		if err != nil {
			return err
		}
		names, values["probs"] = append(names, "probs"), o
	}
	object, err := jsonObject(names, values)
	if err != nil {
		return err
	}
	return printLine(w, object)
}

func outputNames(sig *cria.Signature) []string {
	var names []string
	for _, f := range sig.Outputs() {
		names = append(names, f.Name)
	}
	return names
}

// outputValues returns the outputs as their fields write them in JSON.
func outputValues(sig *cria.Signature, values cria.Example) (cria.Example, error) {
	written := cria.Example{}
	for _, f := range sig.Outputs() {
		data, err := f.JSON(values[f.Name])
		if err != nil {
			return nil, err
		}
		written[f.Name] = data
	}
	return written, nil
}

// jsonObject writes the named values in that order, on one line.
func jsonObject(names []string, values cria.Example) (string, error) {
	var o object
	for _, name := range names {
		if err := o.add(name, values[name]); err != nil {
			return "", err
		}
	}
	return o.String(), nil
}

// object is the members of a JSON object, in order.
type object []string

func (o *object) add(name string, value any) error {
	key, err := encodeJSON(name)
	if err != nil {
		return err
	}
	text, err := encodeJSON(value)
	*o = append(*o, key+":"+text)
	return err
}

func (o object) String() string { return "{" + strings.Join(o, ",") + "}" }

// MarshalJSON keeps the order.
func (o object) MarshalJSON() ([]byte, error) { return []byte(o.String()), nil }

// printProbs prints a distribution, a value a line.
func printProbs(w io.Writer, c *cria.Choice) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, v := range c.Values {
		fmt.Fprintf(t, "  %s\t%.4f\n", v, c.Probs[i])
	}
	return t.Flush()
}

// encodeJSON writes compact JSON without escaping <, > and &.
func encodeJSON(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

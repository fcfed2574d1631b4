package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/cria-lm/cria"
)

func printLine(w io.Writer, text string) error {
	_, err := fmt.Fprintln(w, text)
	return err
}

// printLines prints a single output's value alone, several with their names.
func printLines(w io.Writer, sig *cria.Signature, values cria.Example) error {
	outputs := sig.Outputs()
	if len(outputs) == 1 {
		return printLine(w, values.Text(outputs[0].Name))
	}
	for _, f := range outputs {
		if err := printLine(w, f.Name+": "+values.Text(f.Name)); err != nil {
			return err
		}
	}
	return nil
}

// printJSON prints one object on one line, its fields in declared order.
func printJSON(w io.Writer, sig *cria.Signature, values cria.Example) error {
	object, err := jsonObject(outputNames(sig), values)
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

// jsonObject writes the named values in that order, on one line.
func jsonObject(names []string, values cria.Example) (string, error) {
	var members []string
	for _, name := range names {
		value, err := encodeJSON(values[name])
		if err != nil {
			return "", err
		}
		members = append(members, fmt.Sprintf("%q:%s", name, value))
	}
	return "{" + strings.Join(members, ",") + "}", nil
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

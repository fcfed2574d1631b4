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
	var members []string
	for _, f := range sig.Outputs() {
		value, err := encodeJSON(values[f.Name])
		if err != nil {
			return err
		}
		members = append(members, fmt.Sprintf("%q:%s", f.Name, value))
	}
	return printLine(w, "{"+strings.Join(members, ",")+"}")
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

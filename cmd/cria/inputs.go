package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/cria-lm/cria"
)

// maxInput bounds what is read from one file, in bytes; no context holds more.
const maxInput = 16 << 20

// readInputs reads NAME=VALUE arguments by the types of the signature.
func readInputs(sig *cria.Signature, assignments []string, stdin io.Reader) (cria.Example, error) {
	inputs := cria.Example{}
	for _, a := range assignments {
		name, text, ok := strings.Cut(a, "=")
		if !ok {
			return nil, usageError{fmt.Errorf("%q is not NAME=VALUE; the inputs are %s", a, inputNames(sig))}
		}
		if _, dup := inputs[name]; dup {
			return nil, usageError{fmt.Errorf("input %q is given twice", name)}
		}
		text, err := inputText(text, stdin)
		if err != nil {
			return nil, usageError{fmt.Errorf("input %q: %w", name, err)}
		}
		if inputs[name], err = inputValue(sig, name, text); err != nil {
			return nil, usageError{fmt.Errorf("input %q: %w", name, err)}
		}
	}
	return inputs, sig.CheckInputs(inputs)
}

func inputNames(sig *cria.Signature) string {
	var names []string
	for _, f := range sig.Inputs() {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

// inputText resolves @file, @- and @@.
func inputText(text string, stdin io.Reader) (string, error) {
	name, ok := strings.CutPrefix(text, "@")
	switch {
	case !ok:
		return text, nil
	case strings.HasPrefix(name, "@"):
		return name, nil
	case name == "":
		return "", errors.New("the name of a file is missing after @ (write @@ for a value that begins with @)")
	case name == "-":
		return readText(stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("%w (write @@ for a value that begins with @)", err)
	}
	defer f.Close()
	return readText(f)
}

func readText(r io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err != nil {
		return "", err
	}
	if len(data) > maxInput {
		return "", fmt.Errorf("more than %d MiB", maxInput>>20)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

// inputValue reads text as the field's type says: what is not one text is JSON.
func inputValue(sig *cria.Signature, name, text string) (any, error) {
	inputs := sig.Inputs()
	i := slices.IndexFunc(inputs, func(f cria.Field) bool { return f.Name == name })
	if i < 0 {
		return text, nil // CheckInputs says that the name is unknown
	}
	switch t := inputs[i].Type; t.Kind {
	case cria.KindString, cria.KindLiteral, cria.KindAny, cria.KindDateTime, cria.KindDate, cria.KindDuration:
		return text, nil
	default:
		var value any
		if err := decodeJSON([]byte(text), &value); err != nil {
			if t.Kind == cria.KindList {
				return nil, fmt.Errorf("want %s as JSON, such as [\"a\", \"b\"], got %q", t, text)
			}
			return nil, fmt.Errorf("want %s, got %q", t, text)
		}
		return value, nil
	}
}

// decodeJSON reads one value, numbers as they are written.
func decodeJSON(data []byte, value any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(value); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("text after the JSON value")
	}
	return nil
}

// readDemos reads one JSON object a line.
func readDemos(path string) ([]cria.Example, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var demos []cria.Example
	for line, err := range textLines(f) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		demo, err := line.object()
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, line.number, err)
		}
		demos = append(demos, demo)
	}
	if len(demos) == 0 {
		return nil, errors.New(path + ": no demonstration in it")
	}
	return demos, nil
}

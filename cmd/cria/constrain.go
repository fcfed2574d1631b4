package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/cria-lm/cria"
	"github.com/cria-lm/cria/grammar"
)

// constraintFlags say what the one output of a signature may be, where its type
// says too little.
type constraintFlags struct {
	schema  string
	regex   string
	gbnf    string
	choices []string

	flags *pflag.FlagSet // that it was added to
}

func (f *constraintFlags) add(flags *pflag.FlagSet) {
	f.flags = flags
	flags.StringVar(&f.schema, "schema", "", "file with a JSON Schema that the output must fit; see cria grammar check")
	flags.StringVar(&f.regex, "regex", "", "regular expression (RE2) that the output must match as a whole")
	flags.StringSliceVar(&f.choices, "choices", nil, "values one of which the output must be, with commas")
	flags.StringVar(&f.gbnf, "gbnf", "", "file with a grammar in llama.cpp's notation that the output must follow, on one line")
}

// apply returns the signature with its output constrained.
func (f *constraintFlags) apply(sig *cria.Signature) (*cria.Signature, error) {
	var given []string
	for name, is := range map[string]bool{"schema": f.schema != "", "regex": f.regex != "", "choices": f.flags != nil && f.flags.Changed("choices"), "gbnf": f.gbnf != ""} {
		if is {
			given = append(given, "--"+name)
		}
	}
	outputs := sig.Outputs()
	switch {
	case len(given) == 0:
		return sig, nil
	case len(given) > 1:
		slices.Sort(given)
		return nil, fmt.Errorf("%s exclude each other", strings.Join(given, " and "))
	case len(outputs) > 1:
		return nil, fmt.Errorf("%s says what the output is, but the signature has %d; declare types instead", given[0], len(outputs))
	}
	field, err := f.field(outputs[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", given[0], err)
	}
	constrained, err := cria.NewSignature("", sig.Inputs(), []cria.Field{field})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", given[0], err)
	}
	return constrained, nil
}

func (f *constraintFlags) field(field cria.Field) (cria.Field, error) {
	if field.Type.Kind != cria.KindString {
		return field, fmt.Errorf("the output %s has a type already", field)
	}
	var part grammar.Part
	switch {
	case f.schema != "":
		text, err := readFile(f.schema)
		if err != nil {
			return field, err
		}
		field.Type, field.Schema = cria.Type{Kind: cria.KindAny}, text
		part = grammar.JSONSchema{Schema: text}
	case f.regex != "":
		field.Pattern, part = f.regex, grammar.Line{Pattern: f.regex}
	case f.gbnf != "":
		text, err := readFile(f.gbnf)
		if err != nil {
			return field, err
		}
		field.GBNF, part = string(text), grammar.GBNF(text)
	default:
		var values []string
		for _, v := range f.choices {
			values = append(values, strings.TrimSpace(v))
		}
		field.Type = cria.Type{Kind: cria.KindLiteral, Values: values}
		part = grammar.Choices{Values: values}
	}
	_, err := grammar.Compile(part)
	return field, err
}

// readFile reads a file that is not larger than any input.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := readText(f)
	if err == nil && text == "" {
		err = errors.New(path + " is empty")
	}
	return []byte(text), err
}

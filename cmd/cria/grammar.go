package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/cria-lm/cria/grammar"
	"github.com/cria-lm/cria/llamacpp"
)

func newGrammar(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "grammar",
		Short: "Look at what a JSON Schema lets a model write",
		Args:  knownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newGrammarCheck(g))
	return cmd
}

// grammarCheck is cria grammar check.
type grammarCheck struct {
	*globals
	instances string
	model     string
	json      bool
}

func newGrammarCheck(g *globals) *cobra.Command {
	c := &grammarCheck{globals: g}
	cmd := &cobra.Command{
		Use:   "check SCHEMA.json",
		Short: "Say what of a JSON Schema is enforced and what is not",
		Long: `Check compiles a JSON Schema (draft 2020-12 or 7) as cria run --schema would. A
keyword that cannot be enforced is named, and the schema refused: the exit code
is then 1.

With instances, one JSON value a line, it says of each whether the grammar accepts
it, written compactly: no spaces, strings and numbers in the shortest way, members
in the order of the line. (A grammar has the properties that a schema declares in
the order of their declaration.) No model is needed. With a model, it also measures
how long the masks over its vocabulary take on the way.`,
		Example: `  cria grammar check schema.json
  cria grammar check schema.json --instances values.jsonl --json
  cria grammar check schema.json --instances values.jsonl --model smollm2-135m-instruct`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("check needs one file with a JSON Schema; see cria grammar check --help")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0]) },
	}
	flags := cmd.Flags()
	flags.StringVar(&c.instances, "instances", "", "file with one JSON value a line")
	flags.StringVarP(&c.model, "model", "m", "", "model whose vocabulary the masks are measured on")
	flags.BoolVar(&c.json, "json", false, "print one JSON object")
	mustRegister(cmd, "model", completeModels(g))
	return cmd
}

// grammarReport is what cria grammar check --json prints.
type grammarReport struct {
	Compiled    bool             `json:"compiled"`
	Error       string           `json:"error"`
	Unsupported []string         `json:"unsupported"`
	Instances   []instanceReport `json:"instances"`

	reasons []string // why each keyword is not enforced; may be empty

	empty bool // no value fits the schema
	masks []time.Duration
	words int // tokens of the vocabulary
}

type instanceReport struct {
	Valid bool   `json:"valid"`
	Error string `json:"error,omitempty"` // why the line is no instance

	rejected string // where it is not of the grammar
	line     int
}

// errRefused says that a schema was not compiled, which was said already.
var errRefused = errors.New("the schema was refused")

func (c *grammarCheck) run(ctx context.Context, path string) error {
	text, err := readFile(path)
	if err != nil {
		return usageError{err}
	}
	report := &grammarReport{Unsupported: []string{}, Instances: []instanceReport{}}
	g := report.compile(text)
	if c.instances != "" {
		if err := c.readInstances(ctx, g, report); err != nil {
			return err
		}
	}
	if err := c.print(report); err != nil {
		return err
	}
	if !report.Compiled {
		return errRefused
	}
	return nil
}

// compile returns nil if the schema is refused or no value fits it.
func (r *grammarReport) compile(text []byte) *grammar.Grammar {
	g, err := grammar.Compile(grammar.JSONSchema{Schema: text})
	var refused *grammar.SchemaError
	r.empty = errors.Is(err, grammar.ErrEmpty)
	r.Compiled = err == nil || r.empty
	switch {
	case r.Compiled:
	case errors.As(err, &refused) && refused.Err == nil:
		for _, u := range refused.Unsupported {
			r.Unsupported = append(r.Unsupported, fmt.Sprintf("%s: %s", pointer(u.Path), u.Name))
			r.reasons = append(r.reasons, u.Reason)
		}
		r.Error = message(refused)
	default:
		r.Error = message(err)
	}
	return g
}

// pointer is a JSON pointer that can be seen.
func pointer(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

func (c *grammarCheck) readInstances(ctx context.Context, g *grammar.Grammar, report *grammarReport) error {
	f, err := os.Open(c.instances)
	if err != nil {
		return usageError{fmt.Errorf("--instances: %w", err)}
	}
	defer f.Close()
	var vocabulary *grammar.Vocabulary
	if c.model != "" && g != nil {
		model, err := llamacpp.Load(ctx, c.model, &llamacpp.Options{Hub: c.hubOptions(), AsShipped: true, Logger: c.logger()})
		if err != nil {
			return err
		}
		defer model.Close()
		vocabulary = model.Vocabulary()
		vocabulary.Prepare()
		report.words = vocabulary.NTokens()
	}
	for line, err := range textLines(f) {
		if err != nil {
			return fmt.Errorf("%s: %w", c.instances, err)
		}
		instance := instanceReport{line: line.number}
		text, err := grammar.CompactJSON(line.text)
		if err == nil && g != nil {
			instance.Valid, err = g.Match(text)
		}
		switch {
		case err != nil:
			instance.Error = message(err)
		case g != nil && !instance.Valid:
			instance.rejected = rejection(g, text)
		}
		report.Instances = append(report.Instances, instance)
		if vocabulary != nil && err == nil {
			if err := report.measure(g, vocabulary, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// rejection says where a text that is not of the grammar leaves it; the end of a sentence.
func rejection(g *grammar.Grammar, text string) string {
	const shown = 30 // characters on each side
	n, err := g.Reads(text)
	before, after := []rune(text[:n]), []rune(text[n:])
	switch {
	case err != nil:
		return ": " + message(err)
	case len(after) == 0:
		return ": it ends too early"
	}
	return fmt.Sprintf(": character %d, `%s` cannot follow `%s`", len(before)+1,
		string(after[:min(len(after), shown)]), string(before[max(0, len(before)-shown):]))
}

// measure times the masks before each token of a text.
func (r *grammarReport) measure(g *grammar.Grammar, v *grammar.Vocabulary, text string) error {
	tokens, err := v.Encode(text)
	if err != nil {
		return err
	}
	m := g.Matcher(v)
	m.Rollback(len(text)) // what it would write by itself
	bits := make([]uint64, (v.NTokens()+63)/64)
	for _, token := range tokens {
		clear(bits)
		start := time.Now()
		m.Mask(bits)
		r.masks = append(r.masks, time.Since(start))
		if !m.Read(token) {
			break
		}
	}
	return nil
}

func (c *grammarCheck) print(r *grammarReport) error {
	if c.json {
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		return printLine(c.out, string(text))
	}
	for _, line := range r.lines() {
		if err := printLine(c.out, line); err != nil {
			return err
		}
	}
	return nil
}

func (r *grammarReport) lines() (lines []string) {
	switch {
	case r.empty:
		lines = append(lines, "compiled, but no value fits it")
	case r.Compiled:
		lines = append(lines, "compiled: every keyword is enforced")
	case len(r.Unsupported) > 0:
		lines = append(lines, "refused, as these keywords are not enforced:")
		for i, u := range r.Unsupported {
			if r.reasons[i] != "" {
				u += " (" + r.reasons[i] + ")"
			}
			lines = append(lines, "  "+u)
		}
	default:
		lines = append(lines, "refused: "+r.Error)
	}
	valid := 0
	for _, i := range r.Instances {
		switch {
		case i.Valid:
			valid++
		case i.Error != "":
			lines = append(lines, fmt.Sprintf("line %d: %s", i.line, i.Error))
		default:
			lines = append(lines, fmt.Sprintf("line %d: not accepted%s", i.line, i.rejected))
		}
	}
	if len(r.Instances) > 0 {
		lines = append(lines, fmt.Sprintf("%d of %s accepted", valid, english.Plural(len(r.Instances), "instance", "")))
	}
	if len(r.masks) > 0 {
		slices.Sort(r.masks)
		var sum time.Duration
		for _, d := range r.masks {
			sum += d
		}
		n := len(r.masks)
		lines = append(lines, fmt.Sprintf("%s over %d tokens: mean %v, median %v, p99 %v, most %v", english.Plural(n, "mask", ""), r.words,
			(sum/time.Duration(n)).Round(100*time.Nanosecond), r.masks[n/2], r.masks[n*99/100], r.masks[n-1]))
	}
	return lines
}

package cria

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// WithDemos returns a copy with these demonstrations instead. Fields that the
// signature does not have are ignored. A field may be missing from a demo, but
// each demo needs at least one output and, if the signature has inputs, one
// input. A value must be what the field can hold, constraints included; one of a closed
// set must be in it, and times, durations and unions must be as they are written. The
// first demo that does not fit gives a *[DemoError]. The demos must not be changed
// afterwards.
func (s *Signature) WithDemos(demos ...Example) (*Signature, error) {
	for i, demo := range demos {
		if err := s.checkDemo(demo); err != nil {
			return nil, &DemoError{Demo: i + 1, Err: err}
		}
	}
	c := s.copy()
	c.demos = slices.Clone(demos)
	return c, nil
}

func (s *Signature) checkDemo(demo Example) error {
	inputs := s.shown()
	if len(inputs) > 0 && !demo.hasAny(inputs) {
		return fmt.Errorf("it has no input field (want %s)", enumerate(inputs))
	}
	if !demo.hasAny(s.outputs) {
		return fmt.Errorf("it has no output field (want %s)", enumerate(s.outputs))
	}
	for _, f := range slices.Concat(inputs, s.outputs) {
		if err := f.checkDemo(demo[f.Name]); err != nil {
			return fmt.Errorf("field %q: %w", f.Name, err)
		}
	}
	return nil
}

// checkDemo reports a value that a reply could not have: what a demonstration shows is
// what a model will write.
func (f Field) checkDemo(value any) error {
	if f.Type.Kind == KindImage && value != nil {
		return errors.New("demonstrations and histories cannot have images")
	}
	text, err := f.Text(value)
	switch {
	case err != nil:
		return err
	case !utf8.ValidString(text):
		return errors.New("the value is not valid UTF-8")
	case value == nil:
		return nil
	case f.Type.unlikeJSON():
		return f.checkInput(value)
	}
	if err := f.Type.checkLiteral(text); err != nil {
		return err
	}
	_, err = coerce(&f, text)
	return err
}

package chattemplate

import "fmt"

// SyntaxError says why a template cannot be parsed.
type SyntaxError struct {
	Line   int // from 1
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("chat template, line %d: %s", e.Line, e.Reason)
}

// RenderError says why a template cannot be rendered with an input.
type RenderError struct {
	Line   int // from 1; 0 where the input itself is wrong
	Reason string

	// Raised is whether the template itself refuses the input, by calling
	// raise_exception; Reason is then the template's own words.
	Raised bool
}

func (e *RenderError) Error() string {
	switch {
	case e.Raised:
		return fmt.Sprintf("the chat template refuses this conversation (line %d): %s", e.Line, e.Reason)
	case e.Line == 0:
		return "chat template: " + e.Reason
	default:
		return fmt.Sprintf("chat template, line %d: %s", e.Line, e.Reason)
	}
}

// LimitError says that a template was stopped because it takes too much.
type LimitError struct {
	Line  int // from 1; 0 where it is not known
	Of    string
	Limit int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("chat template, line %d: more than %d %s", e.Line, e.Limit, e.Of)
}

// fail is an error of an operation that does not know its line.
func fail(format string, args ...any) error {
	return &RenderError{Reason: fmt.Sprintf(format, args...)}
}

// at gives an error its line if it has none yet.
func at(err error, line int) error {
	switch e := err.(type) {
	case *RenderError:
		if e.Line == 0 {
			e.Line = line
		}
	case *LimitError:
		if e.Line == 0 {
			e.Line = line
		}
	}
	return err
}

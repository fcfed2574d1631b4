package cria

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"sync"
)

// limits are what a [Field] or a [Type] says of a number or a text.
type limits struct {
	min, max *float64
	pattern  string
	format   Format
}

func (f *Field) limits() limits { return limits{f.Min, f.Max, f.Pattern, f.Format} }

func (t *Type) limits() limits { return limits{t.Min, t.Max, t.Pattern, t.Format} }

// validate reports limits that values of a type cannot have.
func (l limits) validate(t Type) error {
	numeric := t.Kind == KindInt || t.Kind == KindFloat
	switch {
	case (l.min != nil || l.max != nil) && !numeric:
		return fmt.Errorf("min and max need a number, not %s", t)
	case l.min != nil && !finite(*l.min) || l.max != nil && !finite(*l.max):
		return errors.New("min or max is not a number")
	case l.min != nil && l.max != nil && *l.min > *l.max:
		return fmt.Errorf("min %v is greater than max %v", *l.min, *l.max)
	case t.Kind == KindInt && l.min != nil && l.max != nil && math.Ceil(*l.min) > math.Floor(*l.max):
		return fmt.Errorf("there is no whole number from %v to %v", *l.min, *l.max)
	case (l.pattern != "" || l.format != "") && t.Kind != KindString:
		return fmt.Errorf("pattern and format need a str, not %s", t)
	}
	if _, ok := formats[l.format]; !ok && l.format != "" {
		return fmt.Errorf("unknown format %q; there are %s", l.format, formatNames())
	}
	if _, err := compilePattern(l.pattern); err != nil {
		return fmt.Errorf("pattern: %w", err)
	}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// check reports whether a coerced value meets the limits.
func (l limits) check(value any) error {
	switch v := value.(type) {
	case int64:
		return l.checkRange(float64(v))
	case float64:
		return l.checkRange(v)
	case string:
		return l.checkText(v)
	}
	return nil
}

func (l limits) checkRange(v float64) error {
	if l.min != nil && v < *l.min {
		return fmt.Errorf("%v is less than the minimum %v", v, *l.min)
	}
	if l.max != nil && v > *l.max {
		return fmt.Errorf("%v is greater than the maximum %v", v, *l.max)
	}
	return nil
}

func (l limits) checkText(v string) error {
	if l.pattern != "" {
		re, err := compilePattern(l.pattern)
		if err != nil {
			return err
		}
		if !re.MatchString(v) {
			return fmt.Errorf("%q does not match the pattern %s", v, l.pattern)
		}
	}
	if l.format != "" {
		return l.format.check(v)
	}
	return nil
}

// maxPatterns bounds the patterns that are kept compiled; a program has few, but
// signatures may come from files.
const maxPatterns = 256

var patterns struct {
	sync.Mutex
	compiled map[string]*regexp.Regexp
}

// compilePattern returns the expression of whole texts that match the pattern.
func compilePattern(pattern string) (*regexp.Regexp, error) {
	patterns.Lock()
	defer patterns.Unlock()
	if re, ok := patterns.compiled[pattern]; ok {
		return re, nil
	}
	if _, err := regexp.Compile(pattern); err != nil { // which shows it as it was written
		return nil, err
	}
	re, err := regexp.Compile(`^(?:` + pattern + `)$`)
	if err != nil {
		return nil, err
	}
	if patterns.compiled == nil || len(patterns.compiled) == maxPatterns {
		patterns.compiled = map[string]*regexp.Regexp{}
	}
	patterns.compiled[pattern] = re
	return re, nil
}

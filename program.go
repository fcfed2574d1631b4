package cria

import (
	"fmt"
	"iter"
	"reflect"
	"strings"
)

// Program is a module whose predictors are known by name. It is immutable and safe for
// concurrent use.
type Program struct {
	names       []string // in the order in which they were found
	predictors  map[string]*Predictor
	byPredictor map[*Predictor]string
}

// NewProgram finds the predictors of a module, which is a pointer to a struct, a
// [Predict] or a [Predictor]: in its fields and in theirs, through pointers, interfaces,
// slices, arrays and maps with string keys; unexported fields count in structs of the
// module's own package, an [Example] never does. A predictor's name is the path
// to it, in snake case: "answer", "rewriter.predict", "steps[0]", "tools.search"; a
// json tag names a field otherwise, and an embedded one adds nothing. That of a module
// which is itself a predictor is "predict". One that is found twice keeps its first name.
// The error says that there is none, that two have one name, or which one is held by
// value in a map or an interface, where it has no address that calls would share.
func NewProgram(module any) (*Program, error) {
	p := &Program{predictors: map[string]*Predictor{}, byPredictor: map[*Predictor]string{}}
	f := finder{program: p, home: packageOf(reflect.TypeOf(module)), seen: map[visit]bool{}, holds: map[reflect.Type]bool{}}
	if err := f.find(reflect.ValueOf(module)); err != nil {
		return nil, fmt.Errorf("finding the predictors of %T: %w", module, err)
	}
	if len(p.names) == 0 {
		return nil, fmt.Errorf("finding the predictors of %T: it has none; give a pointer to the struct that holds them", module)
	}
	return p, nil
}

// Predictors yields the predictors by name, in the order in which they are declared.
func (p *Program) Predictors() iter.Seq2[string, *Predictor] {
	return func(yield func(string, *Predictor) bool) {
		for _, name := range p.names {
			if !yield(name, p.predictors[name]) {
				return
			}
		}
	}
}

// Predictor returns the predictor of a name, nil if there is none.
func (p *Program) Predictor(name string) *Predictor { return p.predictors[name] }

func (p *Program) list() string { return strings.Join(p.names, ", ") }

func (p *Program) add(name string, predictor *Predictor) error {
	if name == "" {
		name = "predict"
	}
	if predictor == nil {
		return fmt.Errorf("%s was not made: it is a zero value", name)
	}
	if _, ok := p.byPredictor[predictor]; ok {
		return nil
	}
	if p.predictors[name] != nil {
		return fmt.Errorf("two of them have the name %q; give one of the fields a json tag", name)
	}
	p.names = append(p.names, name)
	p.predictors[name], p.byPredictor[predictor] = predictor, name
	return nil
}

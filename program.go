package cria

import (
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"unsafe"
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
// module's own package. A predictor's name is the path
// to it, in snake case: "answer", "rewriter.predict", "steps[0]", "tools.search"; a
// json tag names a field otherwise, and an embedded one adds nothing. That of a module
// which is itself a predictor is "predict". One that is found twice keeps its first name.
// The error says that there is none, or that two have one name.
func NewProgram(module any) (*Program, error) {
	p := &Program{predictors: map[string]*Predictor{}, byPredictor: map[*Predictor]string{}}
	f := finder{program: p, home: packageOf(reflect.TypeOf(module)), seen: map[unsafe.Pointer]bool{}}
	if err := f.find(reflect.ValueOf(module), ""); err != nil {
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

// maxModuleDepth bounds how deep modules may lie in each other.
const maxModuleDepth = 64

// finder walks through a module.
type finder struct {
	program *Program
	home    string                  // the module's package
	seen    map[unsafe.Pointer]bool // structs that were walked through
	depth   int
}

// holder is a [Predict] of some types.
type holder interface{ Predictor() *Predictor }

var (
	predictorType = reflect.TypeFor[*Predictor]()
	ourPackage    = predictorType.Elem().PkgPath()
)

func (f *finder) find(v reflect.Value, path string) error {
	if f.depth++; f.depth > maxModuleDepth {
		return errors.New("modules lie too deep in each other")
	}
	defer func() { f.depth-- }()
	switch v.Kind() {
	case reflect.Interface:
		return f.find(v.Elem(), path)
	case reflect.Pointer:
		return f.pointer(v, path)
	case reflect.Struct:
		return f.fields(v, path)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := f.find(v.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		return f.entries(v, path)
	}
	return nil
}

func (f *finder) pointer(v reflect.Value, path string) error {
	if v.IsNil() {
		return nil
	}
	t, at := v.Type(), v.UnsafePointer()
	switch {
	case t == predictorType:
		return f.program.add(path, (*Predictor)(at))
	case isPredict(t.Elem()):
		// Made anew: methods of what lies in an unexported field cannot be called.
		return f.program.add(path, reflect.NewAt(t.Elem(), at).Interface().(holder).Predictor())
	case t.Elem().Kind() != reflect.Struct || f.seen[at]:
		return nil
	}
	f.seen[at] = true
	return f.fields(v.Elem(), path)
}

func (f *finder) fields(v reflect.Value, path string) error {
	if f.home == ourPackage {
		f.home = v.Type().PkgPath()
	}
	if v.CanAddr() && isPredict(v.Type()) {
		return f.program.add(path, reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Interface().(holder).Predictor())
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-" || !field.IsExported() && v.Type().PkgPath() != f.home:
			continue
		case name == "" && field.Anonymous:
		case name == "":
			name = snakeCase(field.Name)
		}
		if err := f.find(v.Field(i), joinPath(path, name)); err != nil {
			return err
		}
	}
	return nil
}

func (f *finder) entries(v reflect.Value, path string) error {
	if v.Type().Key().Kind() != reflect.String {
		return nil
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, key := range keys {
		if err := f.find(v.MapIndex(key), joinPath(path, key.String())); err != nil {
			return err
		}
	}
	return nil
}

// isPredict reports a [Predict], and not what embeds one.
func isPredict(t reflect.Type) bool {
	return t.PkgPath() == ourPackage && strings.HasPrefix(t.Name(), "Predict[")
}

// packageOf is where a type is declared, or what it points to.
func packageOf(t reflect.Type) string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil {
		return ""
	}
	return t.PkgPath()
}

func joinPath(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}

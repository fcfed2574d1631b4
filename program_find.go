package cria

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// maxModuleDepth bounds how deep modules may lie in each other.
const maxModuleDepth = 64

// finder walks through a module.
type finder struct {
	program *Program
	home    string // the module's package
	path    []byte // to where it is; a string is made of it only for what is found
	seen    map[visit]bool
	holds   map[reflect.Type]bool // whether a predictor can lie in a value of the type
	depth   int
}

// visit is something that was walked through. A struct and its first field have one
// address, so that alone would not tell them apart.
type visit struct {
	at unsafe.Pointer
	t  reflect.Type
	n  int // of a slice, its length
}

// holder is a [Predict] of some types.
type holder interface{ Predictor() *Predictor }

var (
	predictorType = reflect.TypeFor[*Predictor]()
	exampleType   = reflect.TypeFor[Example]()
	ourPackage    = predictorType.Elem().PkgPath()
)

func (f *finder) find(v reflect.Value) error {
	if !v.IsValid() || !f.canHold(v.Type()) {
		return nil
	}
	if f.depth++; f.depth > maxModuleDepth {
		return errors.New("modules lie too deep in each other")
	}
	defer func() { f.depth-- }()
	switch v.Kind() {
	case reflect.Interface:
		return f.find(v.Elem())
	case reflect.Pointer:
		return f.pointer(v)
	case reflect.Struct:
		return f.fields(v)
	case reflect.Slice:
		if f.again(visit{v.UnsafePointer(), v.Type(), v.Len()}) {
			return nil
		}
		return f.elements(v)
	case reflect.Array:
		return f.elements(v)
	case reflect.Map:
		return f.entries(v)
	}
	return nil
}

// again reports what was walked through before.
func (f *finder) again(v visit) bool {
	seen := f.seen[v]
	f.seen[v] = true
	return seen
}

// named finds what lies under a name, which is empty for what adds nothing to the path.
func (f *finder) named(name string, v reflect.Value) error {
	n := len(f.path)
	if n > 0 && name != "" {
		f.path = append(f.path, '.')
	}
	f.path = append(f.path, name...)
	err := f.find(v)
	f.path = f.path[:n]
	return err
}

func (f *finder) elements(v reflect.Value) error {
	n := len(f.path)
	for i := range v.Len() {
		f.path = append(strconv.AppendInt(append(f.path, '['), int64(i), 10), ']')
		err := f.find(v.Index(i))
		f.path = f.path[:n]
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *finder) pointer(v reflect.Value) error {
	t := v.Type()
	switch {
	case v.IsNil():
		return nil
	case t == predictorType || isPredict(t.Elem()):
		return f.add(t.Elem(), v.UnsafePointer())
	case t.Elem().Kind() != reflect.Struct || f.again(visit{at: v.UnsafePointer(), t: t}):
		return nil
	}
	return f.fields(v.Elem())
}

// add adds the predictor, or that of the Predict, which lies at an address.
func (f *finder) add(t reflect.Type, at unsafe.Pointer) error {
	if t == predictorType.Elem() {
		return f.program.add(string(f.path), (*Predictor)(at))
	}
	// Made anew: methods of what lies in an unexported field cannot be called.
	return f.program.add(string(f.path), reflect.NewAt(t, at).Interface().(holder).Predictor())
}

func (f *finder) fields(v reflect.Value) error {
	t := v.Type()
	if t == predictorType.Elem() || isPredict(t) {
		if !v.CanAddr() {
			return fmt.Errorf("%s is a %s that is held by value, where it has no address; hold a pointer to it", f.path, t)
		}
		return f.add(t, v.Addr().UnsafePointer())
	}
	if f.home == ourPackage {
		f.home = t.PkgPath()
	}
	for i := range v.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-" || !field.IsExported() && t.PkgPath() != f.home:
			continue
		case name == "" && field.Anonymous:
		case name == "":
			name = snakeCase(field.Name)
		}
		if err := f.named(name, v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

func (f *finder) entries(v reflect.Value) error {
	if f.again(visit{at: v.UnsafePointer(), t: v.Type()}) {
		return nil
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, key := range keys {
		if err := f.named(key.String(), v.MapIndex(key)); err != nil {
			return err
		}
	}
	return nil
}

// canHold reports whether a predictor can lie in a value of the type: data is not walked
// through.
func (f *finder) canHold(t reflect.Type) bool {
	holds, known := f.holds[t]
	if !known {
		holds = leadsToPredictor(t, map[reflect.Type]bool{})
		f.holds[t] = holds
	}
	return holds
}

// leadsToPredictor follows types, which may be cyclic, as find does values.
func leadsToPredictor(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] || t == exampleType {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer:
		return t.Elem().Kind() == reflect.Struct && leadsToPredictor(t.Elem(), seen)
	case reflect.Slice, reflect.Array:
		return leadsToPredictor(t.Elem(), seen)
	case reflect.Map:
		return t.Key().Kind() == reflect.String && leadsToPredictor(t.Elem(), seen)
	case reflect.Struct:
		if t == predictorType.Elem() || isPredict(t) {
			return true
		}
		for i := range t.NumField() {
			if leadsToPredictor(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
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

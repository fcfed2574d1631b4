package chattemplate

import "slices"

// The methods that would change a list or a dict. Templates may not: they get an
// undefined value.
var (
	listChanges = []string{"append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"}
	dictChanges = []string{"clear", "pop", "popitem", "setdefault", "update"}
)

var dictMethods = map[string]func(r *run, d *dict, a *args) (value, error){
	"get": func(_ *run, d *dict, a *args) (value, error) {
		b, err := a.bind("get", "key", "default=")
		if err != nil {
			return nil, err
		}
		v, ok, err := d.get(b[0])
		if err != nil || ok {
			return v, err
		}
		return or(b[1], nil), nil
	},
	"items":  dictView("items"),
	"keys":   dictView("keys"),
	"values": dictView("values"),
	"copy": func(_ *run, d *dict, a *args) (value, error) {
		_, err := a.bind("copy")
		return d, err
	},
}

func dictView(what string) func(r *run, d *dict, a *args) (value, error) {
	return func(_ *run, d *dict, a *args) (value, error) {
		_, err := a.bind(what)
		return &view{d, what}, err
	}
}

var listMethods = map[string]func(r *run, l list, a *args) (value, error){
	"count": func(r *run, l list, a *args) (value, error) { return countItems(r, l, a) },
	"index": func(r *run, l list, a *args) (value, error) { return indexOf(r, l, a) },
	"copy": func(_ *run, l list, a *args) (value, error) {
		_, err := a.bind("copy")
		return l, err
	},
}

var tupleMethods = map[string]func(r *run, t tuple, a *args) (value, error){
	"count": func(r *run, t tuple, a *args) (value, error) { return countItems(r, t, a) },
	"index": func(r *run, t tuple, a *args) (value, error) { return indexOf(r, t, a) },
}

func countItems(r *run, items []value, a *args) (value, error) {
	b, err := a.bind("count", "value")
	if err != nil {
		return nil, err
	}
	n := int64(0)
	for _, item := range items {
		ok, err := r.equal(item, b[0])
		if err != nil {
			return nil, err
		}
		if ok {
			n++
		}
	}
	return n, nil
}

func indexOf(r *run, items []value, a *args) (value, error) {
	b, err := a.bind("index", "value")
	if err != nil {
		return nil, err
	}
	var failed error
	i := slices.IndexFunc(items, func(item value) bool {
		ok, err := r.equal(item, b[0])
		failed = err
		return ok || err != nil
	})
	if failed == nil && i < 0 {
		return nil, fail("the value is not in the list")
	}
	return int64(i), failed
}

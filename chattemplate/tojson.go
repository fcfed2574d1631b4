package chattemplate

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf16"
)

// tojson is the filter as transformers has it, which is Python's json.dumps.
func tojson(r *run, v value, a *args) (value, error) {
	b, err := a.bind("tojson", "ensure_ascii=", "indent=", "separators=", "sort_keys=")
	if err != nil {
		return nil, err
	}
	w := &jsonWriter{output: output{r: r}, comma: ", ", colon: ": "}
	if w.ascii, err = truth(r, or(b[0], false)); err != nil {
		return nil, err
	}
	switch indent := or(b[1], nil).(type) {
	case nil:
	case string, markup:
		s, _ := text(indent)
		w.indent = &s
	default:
		n, err := wantInt("indent", indent)
		if err != nil {
			return nil, err
		}
		n = max(0, n)
		if err := r.alloc(n); err != nil {
			return nil, err
		}
		s := strings.Repeat(" ", n)
		w.indent = &s
	}
	if w.indent != nil {
		w.comma = ","
	}
	if separators := or(b[2], nil); separators != nil {
		both, err := r.iterate(separators)
		if err != nil {
			return nil, err
		}
		if len(both) != 2 {
			return nil, fail("separators have to be two strings")
		}
		if w.comma, err = wantText("a separator", both[0]); err != nil {
			return nil, err
		}
		if w.colon, err = wantText("a separator", both[1]); err != nil {
			return nil, err
		}
	}
	if w.sorted, err = truth(r, or(b[3], false)); err != nil {
		return nil, err
	}
	err = w.value(v, 0)
	return w.text.String(), err
}

type jsonWriter struct {
	output
	ascii, sorted bool
	indent        *string // nil: on one line
	comma, colon  string
}

func (w *jsonWriter) value(v value, level int) error {
	if err := w.r.enter(); err != nil {
		return err
	}
	defer w.r.leave()
	switch v := v.(type) {
	case nil:
		return w.write("null")
	case bool:
		return w.write(map[bool]string{true: "true", false: "false"}[v])
	case int64:
		return w.repr(v)
	case float64:
		return w.write(jsonFloat(v))
	case string:
		return w.string(v)
	case markup:
		return w.string(string(v))
	case list:
		return w.array(v, level)
	case tuple:
		return w.array(v, level)
	case *dict:
		return w.object(v, level)
	}
	return fail("Object of type %s is not JSON serializable", typeName(v))
}

func jsonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return formatFloat(f)
}

// line begins a new line where there are lines.
func (w *jsonWriter) line(level int) error {
	if w.indent == nil {
		return nil
	}
	if err := w.r.allocTimes(level, len(*w.indent)); err != nil {
		return err
	}
	return w.write("\n" + strings.Repeat(*w.indent, level))
}

func (w *jsonWriter) array(items []value, level int) error {
	return w.group("[", "]", len(items), level, func(i int) error {
		return w.value(items[i], level+1)
	})
}

func (w *jsonWriter) object(d *dict, level int) error {
	order, err := w.order(d)
	if err != nil {
		return err
	}
	return w.group("{", "}", len(order), level, func(i int) error {
		if err := w.key(d.keys[order[i]]); err != nil {
			return err
		}
		if err := w.write(w.colon); err != nil {
			return err
		}
		return w.value(d.values[order[i]], level+1)
	})
}

// group writes n elements between brackets, each on a line of its own where there are lines.
func (w *jsonWriter) group(open, end string, n, level int, element func(i int) error) error {
	if n == 0 {
		return w.write(open + end)
	}
	if err := w.write(open); err != nil {
		return err
	}
	for i := range n {
		if i > 0 {
			if err := w.write(w.comma); err != nil {
				return err
			}
		}
		if err := w.line(level + 1); err != nil {
			return err
		}
		if err := element(i); err != nil {
			return err
		}
	}
	if err := w.line(level); err != nil {
		return err
	}
	return w.write(end)
}

// order returns in which order the members are written.
func (w *jsonWriter) order(d *dict) ([]int, error) {
	if err := w.r.allocTimes(d.len(), 8); err != nil {
		return nil, err
	}
	order := make([]int, d.len())
	for i := range order {
		order[i] = i
	}
	var failed error
	if w.sorted {
		slices.SortStableFunc(order, func(a, b int) int {
			c, err := w.r.compare("<", d.keys[a], d.keys[b])
			if failed == nil {
				failed = err
			}
			return c
		})
	}
	return order, failed
}

func (w *jsonWriter) key(key value) error {
	switch k := key.(type) {
	case string, markup:
		s, _ := text(k)
		return w.string(s)
	case nil, bool, int64, float64:
		if err := w.write(`"`); err != nil {
			return err
		}
		if err := w.value(k, 0); err != nil {
			return err
		}
		return w.write(`"`)
	}
	return fail("keys must be str, int, float, bool or None, not %s", typeName(key))
}

var jsonEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}

func (w *jsonWriter) string(s string) error {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		if b.Len() > 4096 {
			if err := w.write(b.String()); err != nil {
				return err
			}
			b.Reset()
		}
		escape, ok := jsonEscapes[c]
		switch {
		case ok:
			b.WriteString(escape)
		case c < 0x20 || w.ascii && (c > 0x7e && c < 0x10000):
			fmt.Fprintf(&b, `\u%04x`, c)
		case w.ascii && c >= 0x10000:
			high, low := utf16.EncodeRune(c)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return w.write(b.String())
}

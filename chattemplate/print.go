package chattemplate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// output collects text.
type output struct {
	r    *run
	text strings.Builder
}

func (o *output) write(s string) error {
	if len(s) > o.r.limits.Output-o.text.Len() {
		return &LimitError{Of: "bytes of output", Limit: int64(o.r.limits.Output)}
	}
	if err := o.r.alloc(len(s)); err != nil {
		return err
	}
	o.text.WriteString(s)
	return nil
}

// str is what printing a value writes, as Python's str.
func (r *run) str(v value) (string, error) {
	if s, ok := text(v); ok {
		return s, nil
	}
	if _, ok := v.(*undefined); ok {
		return "", nil
	}
	o := &output{r: r}
	err := o.repr(v)
	return o.text.String(), err
}

// repr writes a value as it is written within a list.
func (o *output) repr(v value) error {
	if err := o.r.enter(); err != nil {
		return err
	}
	defer o.r.leave()
	o.r.watch.opened("a list or mapping that is written", v)
	switch v := v.(type) {
	case nil:
		return o.write("None")
	case bool:
		if v {
			return o.write("True")
		}
		return o.write("False")
	case int64:
		return o.write(strconv.FormatInt(v, 10))
	case float64:
		return o.write(formatFloat(v))
	case string:
		if err := o.r.allocTimes(len(v), 4); err != nil {
			return err
		}
		return o.write(quote(v))
	case markup:
		if err := o.r.allocTimes(len(v), 4); err != nil {
			return err
		}
		return o.write("Markup(" + quote(string(v)) + ")")
	case *undefined:
		return o.write("Undefined")
	case list:
		return o.reprItems("[", v, "]")
	case tuple:
		if len(v) == 1 {
			return o.reprItems("(", v, ",)")
		}
		return o.reprItems("(", v, ")")
	case *dict:
		return o.reprDict(v)
	case *view:
		items, err := o.r.iterate(v)
		if err != nil {
			return err
		}
		return o.reprItems("dict_"+v.what+"([", items, "])")
	case span:
		if v.step == 1 {
			return o.write(fmt.Sprintf("range(%d, %d)", v.start, v.stop))
		}
		return o.write(fmt.Sprintf("range(%d, %d, %d)", v.start, v.stop, v.step))
	case *namespace:
		if err := o.write("<Namespace "); err != nil {
			return err
		}
		if err := o.reprDict(v.attrs); err != nil {
			return err
		}
		return o.write(">")
	case *macro:
		if v.def.name == "" {
			return o.write("<Macro anonymous>")
		}
		return o.write("<Macro " + quote(v.def.name) + ">")
	case *loop:
		n, err := v.length(o.r)
		if err != nil {
			return err
		}
		return o.write(fmt.Sprintf("<LoopContext %d/%d>", v.index0+1, n))
	case *generator:
		return fail("what map, select and the like return cannot be printed; make it a list with |list")
	case *function:
		return fail("a function cannot be printed: %s has to be called", v.name)
	}
	return fail("a %s cannot be printed", typeName(v))
}

func (o *output) reprItems(begin string, items []value, end string) error {
	if err := o.write(begin); err != nil {
		return err
	}
	for i, item := range items {
		if i > 0 {
			if err := o.write(", "); err != nil {
				return err
			}
		}
		if err := o.repr(item); err != nil {
			return err
		}
	}
	return o.write(end)
}

func (o *output) reprDict(d *dict) error {
	if err := o.write("{"); err != nil {
		return err
	}
	for i, key := range d.keys {
		if i > 0 {
			if err := o.write(", "); err != nil {
				return err
			}
		}
		if err := o.repr(key); err != nil {
			return err
		}
		if err := o.write(": "); err != nil {
			return err
		}
		if err := o.repr(d.values[i]); err != nil {
			return err
		}
	}
	return o.write("}")
}

// formatFloat is Python's repr of a float: the shortest digits that read back,
// with an exponent below 1e-4 and from 1e16.
func formatFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// brief is quote for messages.
func brief(s string) string { return quote(firstRunes(s, 100)) }

// quote is Python's repr of a string.
func quote(s string) string {
	q := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	var b strings.Builder
	b.WriteByte(q)
	for _, c := range s {
		switch {
		case c == rune(q) || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case c < 0x100:
			fmt.Fprintf(&b, `\x%02x`, c)
		case c < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			fmt.Fprintf(&b, `\U%08x`, c)
		}
	}
	b.WriteByte(q)
	return b.String()
}

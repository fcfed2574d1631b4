package chattemplate

import "math"

// maxRange is how long a range may be, as in Jinja's sandbox.
const maxRange = 100_000

// globals are the functions that every template has.
var globals = map[string]*function{
	"range":           {"range", makeRange},
	"dict":            {"dict", func(r *run, a *args) (value, error) { return makeDict(r, a) }},
	"namespace":       {"namespace", makeNamespace},
	"raise_exception": {"raise_exception", raise},
	"strftime_now":    {"strftime_now", strftimeNow},
}

func makeRange(_ *run, a *args) (value, error) {
	b, err := a.bind("range", "start", "stop=", "step=")
	if err != nil {
		return nil, err
	}
	var parts [3]int64
	for i, v := range b {
		if _, missing := v.(absent); missing {
			continue
		}
		n, err := wantInt("range's argument", v)
		if err != nil {
			return nil, err
		}
		parts[i] = int64(n)
	}
	s := span{parts[0], parts[1], parts[2]}
	if _, missing := b[1].(absent); missing {
		s = span{0, parts[0], 1}
	}
	if _, missing := b[2].(absent); missing {
		s.step = 1
	}
	if s.step == 0 {
		return nil, fail("range() arg 3 must not be zero")
	}
	for _, n := range []int64{s.start, s.stop, s.step} {
		if n > math.MaxInt32 || n < math.MinInt32 {
			return nil, fail("a range's numbers have 32 bits here")
		}
	}
	if s.len() > maxRange {
		return nil, fail("Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).", maxRange)
	}
	return s, nil
}

// makeDict is dict(mapping or pairs, name=value, ...).
func makeDict(r *run, a *args) (*dict, error) {
	d := newDict()
	for _, from := range a.positional {
		if n, ok := size(from); ok {
			if err := r.allocTimes(n, 4*valueSize); err != nil {
				return nil, err
			}
		}
	}
	if len(a.positional) > 1 {
		return nil, fail("dict expected at most 1 argument, got %d", len(a.positional))
	}
	for _, from := range a.positional {
		switch from := from.(type) {
		case *dict:
			for i, key := range from.keys {
				if err := d.set(key, from.values[i]); err != nil {
					return nil, err
				}
			}
		case list:
			for _, pair := range from {
				t, ok := pair.(tuple)
				if !ok || len(t) != 2 {
					return nil, fail("a dict can be made of a dict or of a list of pairs")
				}
				r.watch.key(t[0])
				if err := d.set(t[0], t[1]); err != nil {
					return nil, err
				}
			}
		default:
			return nil, fail("a dict can be made of a dict or of a list of pairs, not of %s", typeName(from))
		}
	}
	for i, name := range a.names {
		if err := d.set(name, a.named[i]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func makeNamespace(r *run, a *args) (value, error) {
	d, err := makeDict(r, a)
	if err != nil {
		return nil, err
	}
	return &namespace{d}, r.allocTimes(d.len(), 4*valueSize)
}

// raise is how a template refuses a conversation.
func raise(r *run, a *args) (value, error) {
	b, err := a.bind("raise_exception", "message")
	if err != nil {
		return nil, err
	}
	message, err := r.str(b[0])
	if err != nil {
		return nil, err
	}
	return nil, &RenderError{Reason: message, Raised: true}
}

func strftimeNow(r *run, a *args) (value, error) {
	b, err := a.bind("strftime_now", "format")
	if err != nil {
		return nil, err
	}
	format, err := wantText("the format", b[0])
	if err != nil {
		return nil, err
	}
	return r.strftime(format)
}

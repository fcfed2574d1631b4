package cria

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCoerceDateTime(t *testing.T) {
	utc := func(h, m, s int) time.Time { return time.Date(2026, 1, 31, h, m, s, 0, time.UTC) }
	east := time.FixedZone("", 2*60*60)
	for text, want := range map[string]time.Time{
		"2026-01-31T15:04:05Z":             utc(15, 4, 5),
		"2026-01-31T15:04:05.25+02:00":     time.Date(2026, 1, 31, 15, 4, 5, 250_000_000, east),
		"2026-01-31T15:04:05":              utc(15, 4, 5),
		"2026-01-31t15:04z":                utc(15, 4, 0),
		"2026-01-31T15:04+0200":            time.Date(2026, 1, 31, 15, 4, 0, 0, east),
		"2026-01-31":                       utc(0, 0, 0),
		"2026-1-31":                        utc(0, 0, 0),
		"2026/01/31 15:04":                 utc(15, 4, 0),
		"2026-01-31 15:04":                 utc(15, 4, 0),
		"2026-01-31 15:04:05":              utc(15, 4, 5),
		"2026-01-31 15:04:05 UTC":          utc(15, 4, 5),
		"2026-01-31 15:04:05 GMT":          utc(15, 4, 5),
		"2026-01-31 15:04:05 +02:00":       time.Date(2026, 1, 31, 15, 4, 5, 0, east),
		"2026-01-31, 3:04 PM":              utc(15, 4, 0),
		"2026-01-31 3 p.m.":                utc(15, 0, 0),
		"`2026-01-31 15:04`.":              utc(15, 4, 0),
		"January 31, 2026":                 utc(0, 0, 0),
		"Jan. 31st 2026 at 3:04pm":         utc(15, 4, 0),
		"31 January 2026 15:04:05":         utc(15, 4, 5),
		"31st of january 2026":             utc(0, 0, 0),
		"Saturday, January 31, 2026, 3 PM": utc(15, 0, 0),
		"Sat, 31 Jan 2026 15:04:05 GMT":    utc(15, 4, 5),
	} {
		got, err := coerceType(&Type{Kind: KindDateTime}, text)
		if err != nil || !got.(time.Time).Equal(want) {
			t.Errorf("%q = %v, %v, want %v", text, got, err, want)
			continue
		}
		got, err = coerceType(&Type{Kind: KindDate}, text)
		if day := utc(0, 0, 0); err != nil || !got.(time.Time).Equal(day) {
			t.Errorf("the date of %q = %v, %v, want %v", text, got, err, day)
		}
	}
}

func TestCoerceTimeRefuses(t *testing.T) {
	for _, raw := range []any{
		"", "today", "tomorrow at 5 PM", "01/02/2026", "13/02/2026", "1.2.2026", "26-01-31", "2026", "2026-01", "January 2026",
		"January 31", "15:04", "2026-02-30", "2026-01-31 25:00", "2026-01-31 13:00 PM", "2026-01-31 15", "2026-01-31 15:04 EST",
		"2026-01-31 and 2026-02-01", "2026-01-31 at 3 PM at 4 PM", "12026-01-31", "\xff\x00", strings.Repeat("at 1 PM ", 1000),
		json.Number("1769871845"), true, []any{"2026-01-31"}, map[string]any{},
	} {
		for _, kind := range []Kind{KindDateTime, KindDate} {
			if got, err := coerceType(&Type{Kind: kind}, raw); err == nil || !strings.Contains(err.Error(), "want a "+string(kind)+" such as 2026-01-31") {
				t.Errorf("%v as a %s = %v, %v, want an error", raw, kind, got, err)
			}
		}
	}
}

// FuzzCoerceTimes checks that no text makes the readers panic, and that what they read
// is written in a form that they read as the same.
func FuzzCoerceTimes(f *testing.F) {
	for _, seed := range []string{"2026-01-31T15:04:05.5+02:00", "Sat, 31st of Jan. 2026 at 3:04 p.m. GMT", "P1DT2,5H", "1 week, and 2 hrs 3m", "-01:30:00", "0000-1-1 0:00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, kind := range []Kind{KindDateTime, KindDate, KindDuration} {
			field := Field{Name: "x", Type: Type{Kind: kind}}
			value, err := coerce(&field, text)
			if err != nil {
				continue
			}
			written, err := field.Text(value)
			if err == nil {
				err = field.checkInput(written)
			}
			again, againErr := coerce(&field, written)
			if diff := cmp.Diff(value, again); err != nil || againErr != nil || diff != "" {
				t.Errorf("%q as a %s is written %q: %v, %v (-want +got):\n%s", text, kind, written, err, againErr, diff)
			}
		}
	})
}

type event struct {
	When  time.Time            `json:"when"`
	Day   time.Time            `json:"day" format:"date"`
	Ends  *time.Time           `json:"ends"`
	Days  []time.Time          `json:"days" format:"date"`
	Times map[string]time.Time `json:"times" format:"date-time"`
	In    struct {
		Day time.Time `format:"date"`
	} `json:"in"`
}

func TestTimesRoundTrip(t *testing.T) {
	when := time.Date(2026, 1, 31, 15, 4, 5, 0, time.FixedZone("", 2*60*60))
	day := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	want := event{When: when, Day: day, Ends: &when, Days: []time.Time{day}, Times: map[string]time.Time{"a": when}}
	want.In.Day = day
	got, lines := roundTrip(t, want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
	const text = "when: 2026-01-31T15:04:05+02:00\nday: 2026-01-31\nends: 2026-01-31T15:04:05+02:00\n" +
		`days: ["2026-01-31"]` + "\n" + `times: {"a":"2026-01-31T15:04:05+02:00"}` + "\n" + `in: {"Day":"2026-01-31"}`
	if diff := cmp.Diff(text, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if _, lines := roundTrip(t, event{}); !strings.HasPrefix(lines, "when: 0001-01-01T00:00:00Z\nday: 0001-01-01\n") {
		t.Errorf("the lines of zero times are %q", lines)
	}
}

// roundTrip writes the fields of a struct as lines and reads them again.
func roundTrip[T any](t *testing.T, in T) (out T, lines string) {
	t.Helper()
	codec := codecOf[T]()
	ex := codec.encode(in)
	sig, err := NewSignature("", fieldsOf(codec.fields), []Field{{Name: "unused", Type: Type{Kind: KindString}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := sig.CheckInputs(ex); err != nil {
		t.Fatal(err)
	}
	if lines, err = (Lines{}).inputs(sig.inputs, ex); err != nil {
		t.Fatal(err)
	}
	if sig, err = NewSignature("", nil, sig.inputs); err != nil {
		t.Fatal(err)
	}
	if _, err := sig.WithDemos(ex); err != nil {
		t.Errorf("as a demonstration: %v", err)
	}
	if demo := (Lines{}).demo(sig.outputs, ex); demo != lines {
		t.Errorf("as a demonstration it is %q, as an input %q", demo, lines)
	}
	values, err := Lines{}.Parse(sig, Message{RoleAssistant, lines})
	if err != nil {
		t.Fatalf("parsing %q: %v", lines, err)
	}
	if err := codec.decode(values, lines, &out); err != nil {
		t.Fatal(err)
	}
	return out, lines
}

func TestTimesAreChecked(t *testing.T) {
	sig := mustParse(t, "at: datetime, day: date, wait: timedelta -> days: list[date]")
	good := Example{"at": "2026-01-31T15:04:05Z", "day": time.Now(), "wait": "90m"}
	if err := sig.CheckInputs(good); err != nil {
		t.Error(err)
	}
	for name, value := range map[string]any{
		"at": "2026-01-31", "day": "2026-01-31T15:04:05Z", "wait": 90, "days": []string{"soon"},
	} {
		bad := Example{"at": time.Now(), "days": []time.Time{time.Now()}, name: value}
		if _, err := sig.WithDemos(bad); err == nil || !strings.Contains(err.Error(), `demo 1: field "`+name) {
			t.Errorf("a demo with %s = %v: %v", name, value, err)
		}
		if name == "days" {
			continue
		}
		bad = Example{"at": time.Now(), "day": time.Now(), "wait": time.Minute, name: value}
		var inputErr *InputError
		if err := sig.CheckInputs(bad); !errors.As(err, &inputErr) || !strings.Contains(err.Error(), `input "`+name) {
			t.Errorf("the input %s = %v: %v", name, value, err)
		}
	}
	far := Example{"at": time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC), "day": time.Now(), "wait": time.Minute}
	if err := sig.CheckInputs(far); err == nil || !strings.Contains(err.Error(), "the year 12026") {
		t.Errorf("a far year: %v", err)
	}
}

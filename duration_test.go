package cria

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCoerceDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1h30m":                  90 * time.Minute,
		"1h30m0s":                90 * time.Minute,
		"1.5h":                   90 * time.Minute,
		"-45s":                   -45 * time.Second,
		"250ms":                  250 * time.Millisecond,
		"3µs":                    3 * time.Microsecond,
		"0":                      0,
		"PT1H30M":                90 * time.Minute,
		"P2D":                    48 * time.Hour,
		"p1w":                    7 * 24 * time.Hour,
		"P1DT12H":                36 * time.Hour,
		"PT0,5S":                 500 * time.Millisecond,
		"-PT5M":                  -5 * time.Minute,
		"90 minutes":             90 * time.Minute,
		"1 hour 30 minutes":      90 * time.Minute,
		"1 Hour, and 30 Minutes": 90 * time.Minute,
		"1 hr. 30 min.":          90 * time.Minute,
		"2 days":                 48 * time.Hour,
		"2d 4h":                  52 * time.Hour,
		"1 week and 1 day":       8 * 24 * time.Hour,
		"1H30M":                  90 * time.Minute,
		"\"45 seconds\"":         45 * time.Second,
		"01:30:00":               90 * time.Minute,
	} {
		if got, err := coerceType(&Type{Kind: KindDuration}, text); err != nil || got != want {
			t.Errorf("%q = %v, %v, want %v", text, got, err, want)
		}
	}
}

func TestCoerceDurationRefuses(t *testing.T) {
	for _, raw := range []any{
		"", "-", "P", "PT", "90", "1:30", "1 year", "P1Y", "P1M", "2 months", "1-2 hours", "5 minutes 10 minutes", "30 minutes 1 hour",
		"an hour", "about 5 minutes", "5 minutes ago", "10 parsecs", "1e3s", "99999999999999999999h", "200000 days 20000000 hours",
		"\xff", strings.Repeat("1 h ", 10_000), json.Number("90"), true, nil, []any{}, map[string]any{"hours": 1},
	} {
		if got, err := coerceType(&Type{Kind: KindDuration}, raw); err == nil {
			t.Errorf("%v = %v, want an error", raw, got)
		}
	}
	_, err := coerceType(&Type{Kind: KindDuration}, "soon")
	if want := `want a timedelta such as 1h30m, got "soon"`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// What is written is read again as it was, and is what a model may write.
func TestDurationText(t *testing.T) {
	pattern := regexp.MustCompile("^(?:" + DurationPattern + ")$")
	check := func(d time.Duration) {
		text := durationText(d)
		if got, err := parseDuration(text); err != nil || got != d {
			t.Errorf("%d is written %s and read as %d, %v", d, text, got, err)
		}
		if d >= 0 && d < 1_000_000*time.Hour && d%(100*time.Millisecond) == 0 && !pattern.MatchString(text) {
			t.Errorf("the pattern does not match %s", text)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", 45 * time.Second: "45s", 90 * time.Minute: "1h30m", time.Hour: "1h", 10 * time.Minute: "10m", 36 * time.Hour: "36h",
		time.Hour + time.Second: "1h0m1s", 250 * time.Millisecond: "250ms", 1500 * time.Millisecond: "1.5s", time.Nanosecond: "0.000001ms",
		-90 * time.Minute: "-1h30m",
	} {
		check(d)
		if got := durationText(d); got != want {
			t.Errorf("%v is written %s, want %s", d, got, want)
		}
	}
	check(math.MaxInt64)
	check(math.MinInt64)
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		d := time.Duration(r.Int64() >> r.IntN(63))
		check(d)
		check(d.Truncate(100 * time.Millisecond))
	}
	for _, text := range []string{"", "h", "1", "1h1h", "30m1h", "1h90m", "1m60s", "-1h", "1234567h", "1.25s", "1d", "1 h", "1h 30m", "PT1H"} {
		if pattern.MatchString(text) {
			t.Errorf("the pattern matches %q", text)
		}
	}
	for _, text := range []string{"999999.9h", "999999h59m59.9s", "000000s", "01h05m", "1h5s"} {
		if _, err := time.ParseDuration(text); err != nil || !pattern.MatchString(text) {
			t.Errorf("%s: %v, the pattern matches: %v", text, err, pattern.MatchString(text))
		}
	}
}

type step struct {
	Name string         `json:"name"`
	Took time.Duration  `json:"took"`
	Rest *time.Duration `json:"rest,omitempty"`
}

type plan struct {
	Total time.Duration            `json:"total"`
	Limit *time.Duration           `json:"limit"`
	Laps  []time.Duration          `json:"laps"`
	By    map[string]time.Duration `json:"by"`
	Steps []step                   `json:"steps"`
	First *step                    `json:"first"`
	Deep  map[string][]*step       `json:"deep"`
	Any   any                      `json:"any"`
}

func TestDurationsRoundTrip(t *testing.T) {
	minute := time.Minute
	want := plan{
		Total: 90 * time.Minute, Limit: &minute, Laps: []time.Duration{time.Second, 0}, By: map[string]time.Duration{"a": time.Hour},
		Steps: []step{{"x", time.Minute, &minute}, {"y", 0, nil}}, First: &step{Name: "z"},
		Deep: map[string][]*step{"k": {{"w", time.Hour, nil}}}, Any: []any{"text"},
	}
	got, lines := roundTrip(t, want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
	const text = "total: 1h30m\nlimit: 1m\nlaps: [\"1s\",\"0s\"]\nby: {\"a\":\"1h\"}\n" +
		`steps: [{"name":"x","took":"1m","rest":"1m"},{"name":"y","took":"0s"}]` + "\n" +
		`first: {"name":"z","took":"0s"}` + "\n" + `deep: {"k":[{"name":"w","took":"1h"}]}` + "\n" + `any: ["text"]`
	if diff := cmp.Diff(text, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if _, lines := roundTrip(t, plan{Any: 1.5}); !strings.HasPrefix(lines, "total: 0s\nlaps: []\nby: {}\nsteps: []\n") {
		t.Errorf("the lines of the zero value are %q", lines)
	}
}

func TestExamplesWriteDurationsAsText(t *testing.T) {
	ex := Example{"a": time.Minute, "b": []any{map[string]any{"c": time.Hour}}, "d": "<", "e": nil}
	data, err := json.Marshal(ex)
	if want := `{"a":"1m","b":[{"c":"1h"}],"d":"\u003c","e":null}`; err != nil || string(data) != want {
		t.Errorf("%s, %v, want %s", data, err, want)
	}
	if got := ex.Text("a") + " " + ex.Text("b"); got != `1m [{"c":"1h"}]` {
		t.Errorf("texts %s", got)
	}
	if data, err := json.Marshal(Example(nil)); err != nil || string(data) != "null" {
		t.Errorf("a nil Example is %s, %v", data, err)
	}
	ex["b"].([]any)[0].(map[string]any)["c"] = ex["b"]
	if _, err := json.Marshal(ex); err == nil || !strings.Contains(err.Error(), "nested deeper") {
		t.Errorf("a value that contains itself: %v", err)
	}
}

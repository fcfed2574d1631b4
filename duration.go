package cria

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// DurationPattern is what a model may write as a [KindDuration], a regular expression
// (RE2) of the whole text: Go's syntax with one number (1.5h, 90m, 250ms) or several in
// descending order, each but the first below 60 (1h30m, 2m5s). Every such text fits a
// [time.Duration].
//
// There is one decimal because small models fill more with noise ("7 minutes" becomes
// 7.000s) and need that one for "an hour and a half".
const DurationPattern = `[0-9]{1,6}(?:\.[0-9])?(?:h|ms?|s)` +
	`|[0-9]{1,6}h[0-5]?[0-9]m(?:[0-5]?[0-9](?:\.[0-9])?s)?` +
	`|[0-9]{1,6}[hm][0-5]?[0-9](?:\.[0-9])?s`

// durationText writes a duration as the pattern says: unlike [time.Duration.String]
// without units that are zero, and in milliseconds if it is less than a second.
func durationText(d time.Duration) string {
	if d > -time.Second && d < time.Second && d != 0 {
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', -1, 64) + "ms"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// coerceDuration reads Go's syntax, ISO 8601, a clock of three parts and words. A
// number alone does not say its unit.
func coerceDuration(raw any) (any, error) {
	if text, ok := raw.(string); ok {
		if d, err := parseDuration(bare(text)); err == nil {
			return d, nil
		}
	}
	return nil, wantText(KindDuration, raw)
}

var (
	// isoDuration has no years and months, whose lengths differ.
	isoDuration = regexp.MustCompile(`^p(?:[\d.,]+w)?(?:[\d.,]+d)?(?:t(?:[\d.,]+h)?(?:[\d.,]+m)?(?:[\d.,]+s)?)?$`)
	clock       = regexp.MustCompile(`^(\d+):([0-5]\d):([0-5]\d(?:\.\d+)?)$`)
	amount      = regexp.MustCompile(`^(?:,|and\b|\s)*(\d+(?:\.\d+)?)\s*([a-z]+)\.?\s*`)
)

func parseDuration(text string) (time.Duration, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return d, nil
	}
	text = strings.ToLower(text)
	positive, negative := strings.CutPrefix(text, "-")
	switch {
	case isoDuration.MatchString(positive):
		text = strings.NewReplacer("p", "", "t", "", ",", ".").Replace(positive)
	case clock.MatchString(positive):
		text = clock.ReplaceAllString(positive, "${1}h${2}m${3}s")
	default:
		text = positive
	}
	d, err := sumUnits(text)
	if negative {
		d = -d
	}
	return d, err
}

// durationUnit is a unit as words name it, in Go's syntax and how many of that it is.
type durationUnit struct {
	names string
	unit  string
	times time.Duration
}

var durationUnits = []durationUnit{ // in descending order
	{"w wk wks week weeks", "h", 7 * 24},
	{"d day days", "h", 24},
	{"h hr hrs hour hours", "h", 1},
	{"m min mins minute minutes", "m", 1},
	{"s sec secs second seconds", "s", 1},
	{"ms msec msecs millisecond milliseconds", "ms", 1},
}

// sumUnits adds up amounts such as "1 hour, 30 minutes". They come in descending
// order: "5 minutes 10 minutes" is no duration.
func sumUnits(text string) (sum time.Duration, err error) {
	units := durationUnits
	for text != "" || len(units) == len(durationUnits) {
		m := amount.FindStringSubmatch(text)
		if m == nil {
			return 0, fmt.Errorf("want an amount and its unit, got %s", abbreviate(text, 40))
		}
		i := unitIndex(units, m[2])
		if i < 0 {
			return 0, fmt.Errorf("%q is no unit, or not smaller than the one before", m[2])
		}
		d, err := time.ParseDuration(m[1] + units[i].unit)
		if err != nil {
			return 0, err
		}
		if d > (math.MaxInt64-sum)/units[i].times {
			return 0, fmt.Errorf("it is too long")
		}
		sum += d * units[i].times
		units, text = units[i+1:], text[len(m[0]):]
	}
	return sum, nil
}

func unitIndex(units []durationUnit, name string) int {
	for i, u := range units {
		for known := range strings.FieldsSeq(u.names) {
			if known == name {
				return i
			}
		}
	}
	return -1
}

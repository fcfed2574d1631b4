package cria

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// wantText is the error of a raw value that cannot be read as a time or a duration.
func wantText(kind Kind, raw any) error {
	example := map[Kind]string{KindDateTime: "2026-01-31T15:04:05Z", KindDate: "2026-01-31", KindDuration: "1h30m"}[kind]
	return fmt.Errorf("want a %s such as %s, got %s", kind, example, abbreviate(fmt.Sprint(raw), 40))
}

// coerceTime reads a date with or without a time of day, in UTC if it does not say.
// Which number is the month must be clear: 01/02/2026 is an error.
func coerceTime(kind Kind, raw any) (any, error) {
	text, ok := raw.(string)
	if !ok {
		return nil, wantText(kind, raw)
	}
	t, err := parseTime(bare(text))
	if err != nil {
		return nil, wantText(kind, raw)
	}
	if kind == KindDate {
		t = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	}
	return t, nil
}

var (
	weekday = regexp.MustCompile(`^(?i:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?i:day)?[,.]?\s+`)
	ordinal = regexp.MustCompile(`(\d)(?i:st|nd|rd|th)\b`)
	timeSep = regexp.MustCompile(`(\d)(?:[Tt]|,?\s+(?:at\s+)?)(\d{1,2}(?::|\s*[AaPp]\.?[Mm]))`)
	noon    = regexp.MustCompile(`\s*([AaPp])\.?([Mm])\b\.?`)
	utc     = regexp.MustCompile(`\s*(?i:z|utc|gmt)$`)
	offset  = regexp.MustCompile(`\s*([-+]\d\d):?(\d\d)$`)
)

// parseTime reads RFC 3339 and what else models write, brought into one spelling.
func parseTime(text string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	text = weekday.ReplaceAllString(text, "")
	text = ordinal.ReplaceAllString(text, "$1")
	text = timeSep.ReplaceAllString(text, "$1 at $2")
	date, hour, timed := strings.Cut(text, " at ")
	date = strings.NewReplacer(",", " ", ".", "", " of ", " ").Replace(date)
	date = strings.Join(strings.Fields(date), " ")
	if !timed {
		return parseLayouts(dateLayouts, date)
	}
	hour = strings.ToUpper(noon.ReplaceAllString(hour, "$1$2"))
	hour = utc.ReplaceAllString(hour, "+00:00")
	hour = offset.ReplaceAllString(hour, "$1:$2")
	return parseLayouts(dateTimeLayouts, date+" at "+hour)
}

// The layouts begin with the year or name the month.
var (
	dateLayouts = []string{
		"2006-1-2", "2006/1/2",
		"January 2 2006", "Jan 2 2006", "2 January 2006", "2 Jan 2006",
	}
	hourLayouts     = []string{"15:04", "15:04:05", "3:04PM", "3:04:05PM", "3PM"}
	dateTimeLayouts = func() (layouts []string) {
		for _, d := range dateLayouts {
			for _, h := range hourLayouts {
				layouts = append(layouts, d+" at "+h, d+" at "+h+"Z07:00")
			}
		}
		return layouts
	}()
)

func parseLayouts(layouts []string, text string) (t time.Time, err error) {
	for _, layout := range layouts {
		if t, err = time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return t, err
}

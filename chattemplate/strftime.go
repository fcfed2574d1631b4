package chattemplate

import (
	"fmt"
	"strings"
	"time"
)

// The layouts of package time for what strftime has in the C locale.
var timeLayouts = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM",
	'B': "January", 'b': "Jan", 'h': "Jan", 'A': "Monday", 'a': "Mon", 'j': "002", 'e': "_2",
	'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'D': "01/02/06", 'x': "01/02/06", 'X': "15:04:05", 'c': "Mon Jan _2 15:04:05 2006",
}

// The same without leading zeros, which glibc writes for %-d and the like.
var shortLayouts = map[byte]string{'m': "1", 'd': "2", 'I': "3", 'M': "4", 'S': "5", 'e': "2"}

// strftime formats the present time, which has no zone, as datetime.now() of
// Python has none.
func (r *run) strftime(format string) (value, error) {
	if err := r.allocTimes(len(format), 16); err != nil {
		return nil, err
	}
	date, err := strftime(r.now(), format)
	if err != nil {
		return nil, err
	}
	r.watch.date(format, date)
	return date, nil
}

func strftime(now time.Time, format string) (string, error) {
	var b strings.Builder
	for rest := format; ; {
		before, after, found := strings.Cut(rest, "%")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		n := 1
		if strings.HasPrefix(after, "-") {
			n = 2
		}
		if len(after) < n {
			return "", fail("the date's format ends within a directive: %q", format)
		}
		text, ok := formatTime(now, after[n-1], n == 2)
		if !ok {
			return "", fail("%%%s is not a directive of dates that is known here", after[:n])
		}
		b.WriteString(text)
		rest = after[n:]
	}
}

func formatTime(now time.Time, directive byte, short bool) (string, bool) {
	if short {
		switch layout, ok := shortLayouts[directive]; {
		case ok:
			return now.Format(layout), true
		case directive == 'H':
			return fmt.Sprint(now.Hour()), true
		case directive == 'j':
			return fmt.Sprint(now.YearDay()), true
		}
		return "", false
	}
	switch directive {
	case '%':
		return "%", true
	case 'n':
		return "\n", true
	case 't':
		return "\t", true
	case 'Z', 'z':
		return "", true
	case 'f':
		return fmt.Sprintf("%06d", now.Nanosecond()/1000), true
	case 's':
		return fmt.Sprint(now.Unix()), true
	case 'w':
		return fmt.Sprint(int(now.Weekday())), true
	case 'u':
		return fmt.Sprint((int(now.Weekday())+6)%7 + 1), true
	}
	layout, ok := timeLayouts[directive]
	return now.Format(layout), ok
}

package cria

import (
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Format names a well-known shape of a string, as JSON Schema's "format" does.
type Format string

// The formats that a field can declare.
const (
	FormatDate     Format = "date"      // RFC 3339 full-date: 2026-01-31
	FormatTime     Format = "time"      // RFC 3339 full-time, with an offset: 12:30:00Z
	FormatDateTime Format = "date-time" // RFC 3339
	FormatDuration Format = "duration"  // RFC 3339, appendix A: P1DT2H
	FormatHostname Format = "hostname"  // RFC 1123
	FormatEmail    Format = "email"     // RFC 5322 addr-spec
	FormatIPv4     Format = "ipv4"
	FormatIPv6     Format = "ipv6"
	FormatURI      Format = "uri" // absolute
	FormatUUID     Format = "uuid"
)

var (
	durationForm = regexp.MustCompile(`^P(?:\d+W|(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?:\d+H)?(?:\d+M)?(?:\d+S)?)?)$`)
	hostname     = regexp.MustCompile(`^` + hostLabel + `(?:\.` + hostLabel + `)*$`)
)

const hostLabel = `[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?`

var uuidPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// uriPattern is an absolute URI of RFC 3986 (appendix A), but that any host in brackets
// is an address.
var uriPattern = regexp.MustCompile(strings.NewReplacer("CHAR", `[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2}`).Replace(
	`^[A-Za-z][A-Za-z0-9+.-]*:` +
		`(?://(?:(?:CHAR|:)*@)?(?:\[[0-9A-Za-z._~!$&'()*+,;=:-]+\]|(?:CHAR)*)(?::[0-9]*)?(?:/(?:CHAR|[:@])*)*` +
		`|/?(?:(?:CHAR|[:@])+(?:/(?:CHAR|[:@])*)*)?)` +
		`(?:\?(?:CHAR|[:@/?])*)?(?:#(?:CHAR|[:@/?])*)?$`))

// isURI takes what the RFC allows, of which [url.Parse] refuses some (escapes in a host),
// and what that takes besides: letters that are not ASCII.
func isURI(s string) bool {
	if uriPattern.MatchString(s) {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && u.IsAbs()
}

var formats = map[Format]func(string) bool{
	FormatDate:     func(s string) bool { _, err := time.Parse(time.DateOnly, s); return err == nil },
	FormatTime:     func(s string) bool { _, err := time.Parse("15:04:05Z07:00", s); return err == nil },
	FormatDuration: func(s string) bool { return durationForm.MatchString(s) && s != "P" && !strings.HasSuffix(s, "T") },
	FormatHostname: func(s string) bool { return len(s) <= 253 && hostname.MatchString(s) },
	FormatDateTime: func(s string) bool { _, err := time.Parse(time.RFC3339, s); return err == nil },
	FormatEmail:    func(s string) bool { a, err := mail.ParseAddress(s); return err == nil && a.Address == s },
	FormatIPv4:     func(s string) bool { a, err := netip.ParseAddr(s); return err == nil && a.Is4() },
	FormatIPv6:     func(s string) bool { a, err := netip.ParseAddr(s); return err == nil && a.Is6() },
	FormatURI:      isURI,
	FormatUUID:     uuidPattern.MatchString,
}

// formatNames lists the formats.
func formatNames() string {
	names := []string{}
	for f := range formats {
		names = append(names, string(f))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func (f Format) check(s string) error {
	if !formats[f](s) {
		return fmt.Errorf("%q is not a valid %s", s, f)
	}
	return nil
}

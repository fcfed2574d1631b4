package cria

import (
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Format names a well-known shape of a string, as JSON Schema's "format" does.
type Format string

// The formats that a field can declare.
const (
	FormatDate     Format = "date"      // RFC 3339 full-date: 2026-01-31
	FormatDateTime Format = "date-time" // RFC 3339
	FormatEmail    Format = "email"     // RFC 5322 addr-spec
	FormatIPv4     Format = "ipv4"
	FormatIPv6     Format = "ipv6"
	FormatURI      Format = "uri" // absolute
	FormatUUID     Format = "uuid"
)

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
	FormatDateTime: func(s string) bool { _, err := time.Parse(time.RFC3339, s); return err == nil },
	FormatEmail:    func(s string) bool { a, err := mail.ParseAddress(s); return err == nil && a.Address == s },
	FormatIPv4:     func(s string) bool { a, err := netip.ParseAddr(s); return err == nil && a.Is4() },
	FormatIPv6:     func(s string) bool { a, err := netip.ParseAddr(s); return err == nil && a.Is6() },
	FormatURI:      isURI,
	FormatUUID:     uuidPattern.MatchString,
}

func (f Format) check(s string) error {
	if !formats[f](s) {
		return fmt.Errorf("%q is not a valid %s", s, f)
	}
	return nil
}

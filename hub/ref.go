package hub

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// A reference says where a model is. Exactly one of its kinds is set.
type reference struct {
	pip *pipRef
	hf  *hfRef
	url *urlRef
}

// A pipRef is pip:package==version/path.gguf. Several packages joined by "+"
// each hold a part of the file, in order.
type pipRef struct {
	packages []string // package==version
	file     string   // path in the wheel, or base name; of the joined file
}

// An hfRef is hf:owner/repo/file.gguf[@revision].
type hfRef struct{ repo, file, revision string }

// A urlRef is an https URL, with the file's digest as its fragment
// #sha256=..., if it is known.
type urlRef struct{ url, digest string }

var (
	pipPackage = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9._+!-]*$`)
	hfName     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	hfRevision = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]*$`)
	hexDigest  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// parseReference parses what is written with a scheme. ok is false for text
// without one: an alias or a path.
func parseReference(text string) (ref reference, ok bool, err error) {
	scheme, rest, _ := strings.Cut(text, ":")
	switch scheme {
	case "pip":
		ref.pip, err = parsePip(rest)
	case "hf":
		ref.hf, err = parseHF(rest)
	case "http", "https":
		ref.url, err = parseURL(text)
	default:
		return ref, false, nil
	}
	if err != nil {
		err = fmt.Errorf("model reference %q: %w", text, err)
	}
	return ref, true, err
}

func parsePip(rest string) (*pipRef, error) {
	packages, file, _ := strings.Cut(rest, "/")
	r := &pipRef{file: file}
	// A "+" also stands in local versions (1.0+cpu), so only one after which
	// another name==version follows separates packages.
	for part := range strings.SplitSeq(packages, "+") {
		if n := len(r.packages); n > 0 && !strings.Contains(part, "==") {
			r.packages[n-1] += "+" + part
		} else {
			r.packages = append(r.packages, part)
		}
	}
	for _, p := range r.packages {
		if !pipPackage.MatchString(p) {
			return nil, fmt.Errorf("%q is not package==version; write pip:package==version/file.gguf", p)
		}
	}
	return r, checkModelName(file)
}

func parseHF(rest string) (*hfRef, error) {
	r := &hfRef{revision: "main"}
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		rest, r.revision = rest[:i], rest[i+1:]
	}
	parts := strings.SplitN(rest, "/", 3)
	if len(parts) < 3 || !hfName.MatchString(parts[0]) || !hfName.MatchString(parts[1]) || !hfRevision.MatchString(r.revision) {
		return nil, errors.New("write hf:owner/repository/file.gguf, or with a revision hf:owner/repository/file.gguf@revision")
	}
	r.repo, r.file = parts[0]+"/"+parts[1], parts[2]
	if _, err := splitParts(r.file); err != nil {
		return nil, err
	}
	return r, checkModelName(r.file)
}

func parseURL(text string) (*urlRef, error) {
	address, fragment, _ := strings.Cut(text, "#")
	r := &urlRef{url: address}
	if fragment != "" {
		digest, ok := strings.CutPrefix(fragment, "sha256=")
		r.digest = strings.ToLower(digest)
		if !ok || !hexDigest.MatchString(r.digest) {
			return nil, errors.New("after # write sha256= and 64 hexadecimal digits")
		}
	}
	return r, checkURL(address)
}

// checkURL accepts https, and http only to this machine.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	switch {
	case u.Host == "":
		return fmt.Errorf("%q is not a URL with a host", text)
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%q must begin with https:// (http:// is for this machine only)", text)
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// checkModelName accepts a relative path to a .gguf file.
func checkModelName(file string) error {
	if err := checkEntry(file); err != nil {
		return fmt.Errorf("%q is not the path of a file", file)
	}
	if !strings.HasSuffix(strings.ToLower(file), ".gguf") {
		return fmt.Errorf("%q does not end in .gguf", file)
	}
	return nil
}

func (r *urlRef) name() string {
	u, err := url.Parse(r.url)
	if err != nil || checkEntry(path.Base(u.Path)) != nil || path.Base(u.Path) == "/" {
		return "model.gguf"
	}
	return path.Base(u.Path)
}

// String is the reference for people.
func (r reference) String() string {
	switch {
	case r.pip != nil:
		first := "pip " + strings.Replace(r.pip.packages[0], "==", " ", 1)
		if more := len(r.pip.packages) - 1; more > 0 {
			return fmt.Sprintf("%s and %d more", first, more)
		}
		return first
	case r.hf != nil:
		return "Hugging Face " + r.hf.repo
	}
	return r.url.url
}

var splitName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)

// maxParts is far above any model that was cut.
const maxParts = 1000

// splitParts returns the names of all parts of a split model, given one of
// them; for any other file, its own name.
func splitParts(file string) ([]string, error) {
	m := splitName.FindStringSubmatch(file)
	if m == nil {
		return []string{file}, nil
	}
	part, _ := strconv.Atoi(m[2]) // both are five digits
	total, _ := strconv.Atoi(m[3])
	if part < 1 || part > total || total > maxParts {
		return nil, fmt.Errorf("%q names part %d of %d; parts are 1 to at most %d", file, part, total, maxParts)
	}
	parts := make([]string, total)
	for i := range parts {
		parts[i] = fmt.Sprintf("%s-%05d-of-%s.gguf", m[1], i+1, m[3])
	}
	return parts, nil
}

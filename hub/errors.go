package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/dustin/go-humanize"
)

var (
	// ErrOffline is wrapped by the error for something that is not cached
	// while [Options].Offline is set.
	ErrOffline = errors.New("offline")
	// ErrUnknown is wrapped by the error for a name that is neither in the
	// catalogue nor a path, or not in the cache.
	ErrUnknown = errors.New("unknown model")
)

// A FetchError says why something could not be fetched: every source that was
// tried, in order, with its reason, and what to do.
type FetchError struct {
	What     string // what was wanted
	Attempts []Attempt
	Hint     string // what to do next
}

// An Attempt is one source that did not work.
type Attempt struct {
	Source string
	Err    error
}

func (e *FetchError) Error() string {
	attempts := make([]string, len(e.Attempts))
	for i, a := range e.Attempts {
		attempts[i] = a.Source + ": " + oneLine(a.Err)
	}
	return fmt.Sprintf("cannot fetch %s: %s; %s", e.What, strings.Join(attempts, "; "), e.Hint)
}

// Unwrap returns the reasons, so that [errors.Is] and [errors.As] find them.
func (e *FetchError) Unwrap() []error {
	errs := make([]error, len(e.Attempts))
	for i, a := range e.Attempts {
		errs[i] = a.Err
	}
	return errs
}

// A LicenseError says that a model's terms must be accepted before it is
// fetched.
type LicenseError struct {
	Model string
	License
}

func (e *LicenseError) Error() string {
	return fmt.Sprintf("%s is under %s, whose terms must be accepted first: read %s, then set CRIA_ACCEPT_LICENSE=%s",
		e.Model, e.ID, e.URL, e.Model)
}

// A DigestError says that a file is not the one that was expected.
type DigestError struct {
	File      string
	Want, Got string // sha256, hexadecimal
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("%s has sha256 %s, expected %s: the file was damaged or replaced and is not used", e.File, e.Got, e.Want)
}

// A DiskError says that the cache directory cannot be written. No other source
// would help.
type DiskError struct {
	Dir    string
	Reason string
	Err    error
}

func (e *DiskError) Error() string {
	return fmt.Sprintf("cannot write to the cache directory %s: %s", e.Dir, e.Reason)
}

func (e *DiskError) Unwrap() error { return e.Err }

// A looseError is about files in a folder that is gone when it is read: it names
// them without it.
type looseError struct {
	dir string
	err error
}

func (e *looseError) Error() string {
	return strings.ReplaceAll(e.err.Error(), e.dir+string(filepath.Separator), "")
}

func (e *looseError) Unwrap() error { return e.err }

// disk turns an error of the file system into a *DiskError that says what to
// do; other errors pass unchanged, also those of programs and connections that
// are not permitted.
func (c *cache) disk(err error) error {
	var (
		disk *DiskError
		path *fs.PathError
		link *os.LinkError
	)
	if err == nil || errors.As(err, &disk) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || isDiskFull(err) {
		return &DiskError{c.dir, "the disk is full; free some space, or set CRIA_CACHE_DIR to a folder on another disk", err}
	}
	local := errors.As(err, &path) && path.Op != "fork/exec" || errors.As(err, &link)
	if local && (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOTDIR)) {
		return &DiskError{c.dir, fmt.Sprintf("%v; give permission to write there, or set CRIA_CACHE_DIR to another folder", err), err}
	}
	return err
}

// noRoom is the error for a disk that is known to be too full beforehand.
func (c *cache) noRoom(need, free int64) error {
	return &DiskError{c.dir, fmt.Sprintf("%s needed, %s free; free some space, or set CRIA_CACHE_DIR to a folder on another disk",
		humanize.IBytes(uint64(need)), humanize.IBytes(uint64(free))), syscall.ENOSPC}
}

// final reports whether an error ends the search: no other source can help.
func final(ctx context.Context, err error) bool {
	var disk *DiskError
	return ctx.Err() != nil || errors.As(err, &disk)
}

// oneLine is an error's text for a list. Which URL it was, the source says.
func oneLine(err error) string {
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > 400 {
		text = strings.ToValidUTF8(text[:400], "") + "…"
	}
	return text
}

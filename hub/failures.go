package hub

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// failureKept is for how long what could not be fetched, and can be done without, is not
// tried again: without a connection a try may take a minute.
const failureKept = 24 * time.Hour

// A RecentFailureError says that something is not fetched now since it could not be lately.
type RecentFailureError struct {
	What   string
	Time   time.Time // of the failure
	Reason string    // one line
}

func (e *RecentFailureError) Error() string {
	return fmt.Sprintf("%s could not be fetched %s (%s), and is tried again a day after that, or now by cria pull", e.What, humanize.Time(e.Time), e.Reason)
}

// ForgetFailures has the next call try again what could not be fetched lately.
func (h *Hub) ForgetFailures() error { return h.cache.disk(os.RemoveAll(h.cache.path("failures"))) }

// noteFailure notes why a set could not be fetched, and tells the user. If the cache cannot
// be written it is not noted: the set is then tried again.
func (h *Hub) noteFailure(s *librarySet, failed *FetchError) {
	reason := make([]string, len(failed.Attempts))
	for i, a := range failed.Attempts {
		reason[i] = a.Source + ": " + oneLine(a.Err)
	}
	text := strings.Join(reason, "; ")
	path := h.failurePath(s)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		h.log.Warn("a failure is not noted", "err", err)
		return
	}
	h.note("%s: %s: it is not tried again for a day, but by cria pull", s.what, text)
}

// recentFailure returns why a set could not be fetched lately, nil if nothing is noted.
func (h *Hub) recentFailure(s *librarySet) error {
	if !s.spare {
		return nil
	}
	path := h.failurePath(s)
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	if age := time.Since(info.ModTime()); age < -time.Minute || age > failureKept {
		return nil // a time to come is of a clock that was wrong
	}
	reason, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return &RecentFailureError{What: s.what, Time: info.ModTime(), Reason: string(reason)}
}

// failurePath is a file with the reason, as old as the failure, for each package and
// release: the digest of what was wanted names both.
func (h *Hub) failurePath(s *librarySet) string {
	digest, _ := s.sources[0].pinned()
	return h.cache.path("failures", digest)
}

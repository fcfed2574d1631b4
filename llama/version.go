package llama

import (
	"fmt"
	"slices"
	"strings"
)

// AcceptedReleases lists the llama.cpp releases whose struct layouts and
// signatures are the ones bound here, newest first. Do not modify it.
var AcceptedReleases = []string{"0.5.0", "0.4.0"}

// release returns the release part of a version that llama.cpp reports:
// "0.5.0" of "0.5.0-dev".
func release(version string) string {
	r, _, _ := strings.Cut(version, "-")
	return r
}

// checkVersion says whether the library at path, which reports version, can be
// used.
func checkVersion(path, version string) error {
	if slices.Contains(AcceptedReleases, release(version)) {
		return nil
	}
	return fmt.Errorf("llama: %s is llama.cpp %s, want %s; install the libraries of that release",
		path, version, wantedReleases())
}

func wantedReleases() string { return strings.Join(AcceptedReleases, " or ") }

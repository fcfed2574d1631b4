package llama

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// minGlibc is what the prebuilt libraries of the accepted releases need: 2.34.
const minGlibcMinor = 34

func checkPlatform() error {
	f := libcSymbol("gnu_get_libc_version")
	if f == 0 {
		return errors.New("llama: the llama.cpp libraries need glibc 2.34 or later; this system has another C library (musl?)")
	}
	return checkGlibc(goString(call(f)))
}

func checkGlibc(version string) error {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(minor)
	if err == nil && major == "2" && n < minGlibcMinor {
		return fmt.Errorf("llama: the llama.cpp libraries need glibc 2.%d or later; this system has %s", minGlibcMinor, version)
	}
	return nil
}

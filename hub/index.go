package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/cria-lm/cria/internal/atomicfile"
)

// An index is what index.json holds.
type index struct {
	Libraries map[string]entry `json:"libraries"` // by GOOS/GOARCH, and the name of a backend behind it
	Models    map[string]entry `json:"models"`    // by reference
	Copies    map[string]entry `json:"copies"`    // by model's digest/kind
}

// An entry is one published folder of the cache.
type entry struct {
	Digest  string    `json:"digest"` // names the folder
	Files   []stored  `json:"files"`
	Source  string    `json:"source"` // for people
	Release string    `json:"release,omitempty"`
	Trust   Trust     `json:"trust"`
	Fetched time.Time `json:"fetched"`
}

// A stored file is known by size and time: cheap to check, and whoever changes
// it changes those.
type stored struct {
	Name   string    `json:"name"`
	Digest string    `json:"digest,omitempty"`
	Size   int64     `json:"size"`
	Time   time.Time `json:"mtime"`
}

func (e entry) size() (n int64) {
	for _, f := range e.Files {
		n += f.Size
	}
	return n
}

// intact reports whether every file in dir has the size and time that were
// noted when it was verified.
func (e entry) intact(dir string) bool {
	for _, f := range e.Files {
		info, err := os.Stat(filepath.Join(dir, f.Name))
		if err != nil || info.Size() != f.Size || !info.ModTime().Equal(f.Time) {
			return false
		}
	}
	return len(e.Files) > 0
}

// restat notes the files' present times.
func (e *entry) restat(dir string) error {
	for i := range e.Files {
		info, err := os.Stat(filepath.Join(dir, e.Files[i].Name))
		if err != nil {
			return err
		}
		e.Files[i].Size, e.Files[i].Time = info.Size(), info.ModTime()
	}
	return nil
}

// readIndex returns what is in the cache. A missing or damaged index is an
// empty one: what it listed is found again by digest, and verified then. So are
// entries without files.
func (c *cache) readIndex() index {
	var x index
	data, err := os.ReadFile(c.path("index.json"))
	if err == nil && json.Unmarshal(data, &x) != nil {
		x = index{}
	}
	for _, entries := range []map[string]entry{x.Libraries, x.Models, x.Copies} {
		maps.DeleteFunc(entries, func(_ string, e entry) bool { return len(e.Files) == 0 })
	}
	if x.Libraries == nil {
		x.Libraries = map[string]entry{}
	}
	if x.Models == nil {
		x.Models = map[string]entry{}
	}
	if x.Copies == nil {
		x.Copies = map[string]entry{}
	}
	return x
}

// updateIndex changes the index under its lock.
func (c *cache) updateIndex(ctx context.Context, change func(*index)) (err error) {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return c.disk(err)
	}
	l := flock.New(c.path("index.lock"))
	if err := lock(ctx, l, func() {}); err != nil {
		return c.disk(fmt.Errorf("locking the cache index: %w", err))
	}
	defer func() { err = errors.Join(err, l.Unlock()) }()
	x := c.readIndex()
	change(&x)
	data, err := json.MarshalIndent(x, "", "\t")
	if err != nil {
		return err
	}
	return c.disk(atomicfile.WriteFile(c.path("index.json"), append(data, '\n')))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

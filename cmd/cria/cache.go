package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/cria-lm/cria"
)

// repliesDir is the folder of the cache of replies.
func (g *globals) repliesDir() (string, error) {
	if dir := os.Getenv("CRIA_REPLIES_DIR"); dir != "" {
		return dir, nil
	}
	h, err := g.hub()
	if err != nil {
		return "", err
	}
	return filepath.Join(h.CacheDir(), "replies"), nil
}

// openCache opens the cache that --cache asks for; nil is none. A folder that cannot be
// used is no reason to answer nothing.
func (f *predictFlags) openCache() (*cria.Cache, error) {
	policy := cria.CachePolicy(f.cache)
	if policy == cria.CacheOff {
		return nil, nil
	}
	dir, err := f.repliesDir()
	if err != nil {
		return nil, err
	}
	cache, err := cria.OpenCache(dir, &cria.CacheOptions{ReadOnly: policy == cria.CacheReadOnly, Logger: f.logger()})
	if err == nil {
		return cache, nil
	}
	fmt.Fprintf(f.err, "cria: warning: %v; replies are kept in memory only\n", err)
	return cria.OpenCache("", nil)
}

// warnOfCache says what went wrong with a cache that was opened.
func (g *globals) warnOfCache(cache *cria.Cache) {
	if cache == nil {
		return
	}
	if err := cache.Err(); err != nil {
		fmt.Fprintf(g.err, "cria: warning: %v; what was asked for was done without it\n", err)
	}
}

func newCache(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Say how many replies are kept, and where",
		Long: `Cache says in which folder cria batch and cria run keep replies, how many there
are, and what they take on the disk. Replies are used for 30 days, and the oldest
go where they would take more than 1 GiB. The folder may be shared or copied: a
reply is found by a digest of the model and of everything that was asked.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			dir, err := g.repliesDir()
			if err != nil {
				return err
			}
			replies, bytes := 0, int64(0)
			cache, err := cria.OpenCache(dir, &cria.CacheOptions{ReadOnly: true})
			if err == nil {
				replies, bytes, err = cache.Size()
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return printLine(g.out, fmt.Sprintf("%s: %s, %s", dir, english.Plural(replies, "reply", "replies"), humanize.IBytes(uint64(bytes))))
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "clear",
		Short: "Remove all replies that are kept",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			dir, err := g.repliesDir()
			if err != nil {
				return err
			}
			cache, err := cria.OpenCache(dir, nil)
			if err != nil {
				return err
			}
			replies, _, err := cache.Size()
			if err == nil {
				err = cache.Clear()
			}
			if err != nil {
				return err
			}
			return printLine(g.out, "removed "+english.Plural(replies, "reply", "replies"))
		},
	})
	return cmd
}

package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// cachedOf runs a request on a prefix and returns how much of it was cached.
func cachedOf(t *testing.T, e *Engine, prefix []Token, salt string) int {
	t.Helper()
	prompt := append(prefix[:len(prefix):len(prefix)], story(t, e, 9, 6)...)
	r := together(t, e, []*Request{{Prompt: prompt, MaxTokens: 4, Salt: salt}})
	checkAll(t, r, 4)
	return r[0].last.Usage.CachedTokens
}

func pin(t *testing.T, e *Engine, prefix []Token, o *PinOptions) *Prefix {
	t.Helper()
	p, err := e.Pin(t.Context(), prefix, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A pinned prefix stays while others come and go.
func TestPin(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 256, CacheLength: 512, BatchSize: smallBatch})
	defer e.Close()
	prefix := story(t, e, 0, 100)
	p := pin(t, e, prefix, &PinOptions{Salt: "a"})
	if p.Restored() {
		t.Error("restored from nothing")
	}
	for i := range 4 {
		together(t, e, []*Request{{Prompt: story(t, e, i+1, 120), MaxTokens: 4}})
	}
	if got := cachedOf(t, e, prefix, "a"); got != 100 {
		t.Errorf("%d tokens of the prefix were there, want 100", got)
	}
	if got := cachedOf(t, e, prefix, ""); got != 0 {
		t.Errorf("%d tokens of the prefix were there under another salt", got)
	}
	again := pin(t, e, prefix, &PinOptions{Salt: "a"}) // all of it is there
	again.Release()

	p.Release()
	p.Release()
	together(t, e, []*Request{{Prompt: story(t, e, 1, 240), MaxTokens: 4}, {Prompt: story(t, e, 2, 240), MaxTokens: 4}})
	if got := cachedOf(t, e, prefix, "a"); got != 0 {
		t.Errorf("%d tokens of the released prefix are still there", got)
	}
}

// A request that needs the whole cache gets it.
func TestPinGivesWay(t *testing.T) {
	t.Parallel()
	e := newTestEngine(t, &Options{ContextLength: 256, CacheLength: 256, BatchSize: smallBatch})
	defer e.Close()
	prefix := story(t, e, 0, 100)
	p := pin(t, e, prefix, nil)
	checkAll(t, together(t, e, []*Request{{Prompt: story(t, e, 1, 200), MaxTokens: 20}}), 20)
	if got := cachedOf(t, e, prefix, ""); got != 0 {
		t.Errorf("%d tokens of the prefix were kept", got)
	}
	p.Release()

	// Also if the memory turns out to have less room than it should.
	p = pin(t, e, prefix, nil)
	f := &faulty{codes: []int32{0, 1, 1}} // what was left behind goes first
	if err := e.onOwner(func() error { e.sched.decode = f.wrap(e.sched.decode); return nil }); err != nil {
		t.Fatal(err)
	}
	checkAll(t, together(t, e, []*Request{{Prompt: story(t, e, 1, 40), MaxTokens: 5}}), 5)
	if got := cachedOf(t, e, prefix, ""); got != 0 {
		t.Errorf("%d tokens of the prefix were kept", got)
	}
	p.Release()
}

func TestPinErrors(t *testing.T) {
	e := newTestEngine(t, &Options{ContextLength: 256})
	var tooLong *ContextTooLongError
	if _, err := e.Pin(t.Context(), make([]Token, 256), nil); !errors.As(err, &tooLong) {
		t.Errorf("too long: %v", err)
	}
	var bad *RequestError
	for _, tokens := range [][]Token{nil, {-1}, {1 << 30}} {
		if _, err := e.Pin(t.Context(), tokens, nil); !errors.As(err, &bad) {
			t.Errorf("%v: %v", tokens, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Pin(ctx, []Token{20}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	p, err := e.Pin(t.Context(), []Token{20}, &PinOptions{Snapshot: filepath.Join(t.TempDir(), "file", "below")})
	if err != nil || p == nil {
		t.Errorf("a snapshot in a new folder: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err = e.Pin(t.Context(), []Token{20}, &PinOptions{Snapshot: filepath.Join(file, "below")})
	if err == nil || p == nil {
		t.Errorf("a snapshot that cannot be written: %v, %v; want an error and the prefix", p, err)
	}
	e.Close()
	p.Release()
	if _, err := e.Pin(t.Context(), []Token{20}, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "prefix")
	e := newTestEngine(t, &Options{ContextLength: 256, BatchSize: smallBatch})
	defer e.Close()
	prefix := story(t, e, 0, 100)
	pin(t, e, prefix, &PinOptions{Snapshot: path})
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	other := newTestEngine(t, &Options{ContextLength: 512, BatchSize: smallBatch})
	defer other.Close()
	if p := pin(t, other, prefix, &PinOptions{Snapshot: path}); !p.Restored() {
		t.Fatal("the prefix was computed again")
	}
	if got := cachedOf(t, other, prefix, ""); got != 100 {
		t.Errorf("%d tokens of the prefix were there, want 100", got)
	}

	// What is not that prefix, whole, is computed, and the file written anew.
	sealed := func(state []byte) []byte { // with the right key and digest
		rest := append(slices.Clone(whole[len(snapshotMagic)+sha256.Size:snapshotHeader]), state...)
		sum := sha256.Sum256(rest)
		return slices.Concat([]byte(snapshotMagic), sum[:], rest)
	}
	state := whole[snapshotHeader:]
	changed := func(at int, v uint32) []byte {
		c := slices.Clone(state)
		binary.LittleEndian.PutUint32(c[at:], v)
		return sealed(c)
	}
	flipped := slices.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	foreign := slices.Clone(whole)
	foreign[len(snapshotMagic)+sha256.Size] ^= 1
	sum := sha256.Sum256(foreign[len(snapshotMagic)+sha256.Size:])
	copy(foreign[len(snapshotMagic):], sum[:])
	for name, content := range map[string][]byte{
		"empty": {}, "text": []byte("not a snapshot at all"), "cut off": whole[:len(whole)/2], "one bit": flipped, "another key": foreign,
		"sealed, cut off": sealed(state[:len(state)-100]), "sealed, without cells": sealed(state[:16]), "sealed, empty": sealed(nil),
		"sealed, many cells": changed(12, 0xffffffff), "sealed, no cells": changed(12, 0), "sealed, magic": changed(0, 1), "sealed, streams": changed(8, 7),
		"sealed, position": changed(16, 77), "sealed, sequences": changed(20, 0xffffffff),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			p := pin(t, other, prefix[:len(prefix):len(prefix)], &PinOptions{Snapshot: path, Salt: name})
			defer p.Release()
			if p.Restored() {
				t.Error("it was taken for the prefix")
			}
			if got, err := os.ReadFile(path); err != nil || len(got) != len(whole) {
				t.Errorf("the file has %d bytes instead of %d, %v", len(got), len(whole), err)
			}
		})
	}
	if p := pin(t, other, prefix[:50], &PinOptions{Snapshot: path}); p.Restored() {
		t.Error("a snapshot of a longer prefix was taken")
	}
	if got := cachedOf(t, other, prefix[:50], ""); got != 50 {
		t.Errorf("%d tokens of the shorter prefix were there, want 50", got)
	}
}

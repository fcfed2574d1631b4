package hub

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func writeCopy(data []byte) func(context.Context, string) error {
	return func(_ context.Context, to string) error { return os.WriteFile(to, data, 0o644) }
}

// A copy is made once, however many ask for it, and found again without being made.
func TestCopy(t *testing.T) {
	h := testHub(t, Options{})
	m := cachedTestModel(t, h, 1000)
	var made atomic.Int32
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			c, err := h.Copy(t.Context(), m, "Q8_0", 100, func(_ context.Context, to string) error {
				made.Add(1)
				time.Sleep(20 * time.Millisecond)
				return os.WriteFile(to, []byte("copy"), 0o644)
			})
			if err != nil {
				t.Error(err)
				return
			}
			wantFile(t, c.Path, []byte("copy"))
			if filepath.Base(c.Path) != "m1000.Q8_0.gguf" || c.Digest != digestOf([]byte("copy")) || c.Size != 4 || c.Kind != "Q8_0" {
				t.Errorf("%+v", c)
			}
		})
	}
	all.Wait()
	if made.Load() != 1 {
		t.Errorf("made %d times", made.Load())
	}
	if _, err := offline(t, h).Copy(t.Context(), m, "Q8_0", 100, nil); err != nil {
		t.Errorf("from the cache: %v", err)
	}
	models, err := h.Models()
	if err != nil || len(models) != 1 || len(models[0].Copies) != 1 || models[0].Copies[0].Kind != "Q8_0" {
		t.Errorf("listed: %+v, %v", models, err)
	}
}

func TestCopyThatFails(t *testing.T) {
	h := testHub(t, Options{})
	m := cachedTestModel(t, h, 1000)
	broken := errors.New("broken")
	_, err := h.Copy(t.Context(), m, "Q8_0", 100, func(_ context.Context, to string) error {
		return errors.Join(os.WriteFile(to, []byte("half"), 0o644), broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	wantError(t, err, m.Ref, "Q8_0")
	if found, _ := filepath.Glob(filepath.Join(h.CacheDir(), "work", "*", "*")); len(found) > 0 {
		t.Errorf("left behind: %v", found)
	}
	h.cache.space = func(string) (int64, error) { return 99, nil }
	_, err = h.Copy(t.Context(), m, "Q8_0", 100, writeCopy(nil))
	if disk := (*DiskError)(nil); !errors.As(err, &disk) {
		t.Errorf("full disk: %v", err)
	}
	_, err = h.Copy(t.Context(), &Model{Path: "/models/own.gguf"}, "Q8_0", 100, writeCopy(nil))
	wantError(t, err, "/models/own.gguf", "local")
}

// A copy is verified with its model, made again once it was changed, and removed with
// its model.
func TestCopyIsManagedWithItsModel(t *testing.T) {
	h := testHub(t, Options{})
	m := cachedTestModel(t, h, 1000)
	c, err := h.Copy(t.Context(), m, "Q8_0", 100, writeCopy([]byte("copy")))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Verify(t.Context()); err != nil {
		t.Errorf("whole: %v", err)
	}
	if err := overwrite(c.Path, "cope"); err != nil {
		t.Fatal(err)
	}
	err = h.Verify(t.Context(), m.Ref)
	wantError(t, err, m.Ref, "Q8_0", "made again")
	again, err := h.Copy(t.Context(), m, "Q8_0", 100, writeCopy([]byte("copy")))
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, again.Path, []byte("copy"))
	if err := overwrite(again.Path, "longer"); err != nil {
		t.Fatal(err)
	}
	again, err = h.Copy(t.Context(), m, "Q8_0", 100, writeCopy([]byte("copy")))
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, again.Path, []byte("copy"))
	if err := h.Remove(t.Context(), m.Ref); err != nil {
		t.Fatal(err)
	}
	if exists(again.Path) || len(h.cache.readIndex().Copies) > 0 {
		t.Error("the copy is still there")
	}
	if models, err := h.Models(); err != nil || slices.ContainsFunc(models, func(m CachedModel) bool { return len(m.Copies) > 0 }) {
		t.Errorf("%v, %v", models, err)
	}
}

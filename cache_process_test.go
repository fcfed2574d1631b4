package cria

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Environment of the test binary as a process of its own that asks a cache, see
// [askCache].
const (
	processDir  = "CRIA_TEST_CACHE_DIR"
	processRuns = "CRIA_TEST_CACHE_RUNS"
)

// askCache asks for a hundred replies, over and over in a run for ever, and says how many
// of the first hundred it had to compute. [TestMain] calls it.
func askCache(dir string) error {
	cache, err := OpenCache(dir, &CacheOptions{MemoryBytes: 1})
	if err != nil {
		return err
	}
	forEver := os.Getenv(processRuns) == "for ever"
	for round := 0; round == 0 || forEver; round++ {
		lm := echo()
		for i := range 100 {
			text := strings.Repeat(fmt.Sprint(i, " "), 1000)
			if got, _, err := generate(context.Background(), cache.LM(named{lm, "m"}), ask(text)); got != text || err != nil {
				return fmt.Errorf("reply %d is %.20q..., %v", i, got, err)
			}
		}
		if round == 0 {
			fmt.Printf("computed %d\n", lm.calls.Load())
		}
		if forEver {
			if err := cache.Clear(); err != nil {
				return err
			}
		}
	}
	return cache.Err()
}

func cacheProcess(ctx context.Context, dir, runs string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), processDir+"="+dir, processRuns+"="+runs)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	return cmd, &out
}

// What one process has computed, others find.
func TestCacheOfProcesses(t *testing.T) {
	dir := t.TempDir()
	for _, want := range []string{"computed 100\n", "computed 0\n"} {
		cmd, out := cacheProcess(t.Context(), dir, "once")
		if err := cmd.Run(); err != nil || !strings.Contains(out.String(), want) {
			t.Fatalf("%v, %s, want %q", err, out, want)
		}
	}
	if n, _, err := openCache(t, dir, nil).Size(); n != 100 || err != nil {
		t.Errorf("%d replies, %v", n, err)
	}
	several := t.TempDir() // at the same time
	type process struct {
		cmd *exec.Cmd
		out *bytes.Buffer
	}
	var processes []process
	for range 4 {
		cmd, out := cacheProcess(t.Context(), several, "once")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		processes = append(processes, process{cmd, out})
	}
	for _, p := range processes {
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("%v, %s", err, p.out)
		}
	}
	if n, _, err := openCache(t, several, nil).Size(); n != 100 || err != nil {
		t.Errorf("four processes left %d replies, %v", n, err)
	}
}

// Processes that are killed while they write and remove leave nothing that has the name of
// a reply and is none.
func TestCacheOfKilledProcesses(t *testing.T) {
	dir := t.TempDir()
	replies := 0
	for i := range 8 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(150+37*i)*time.Millisecond)
		cmd, out := cacheProcess(ctx, dir, "for ever") // which the end of ctx kills
		err := cmd.Run()
		killed := err != nil && ctx.Err() != nil
		cancel()
		if !killed {
			t.Fatalf("the process was not killed: %v, %s", err, out)
		}
		replies += checkEntries(t, dir)
	}
	if replies == 0 {
		t.Error("no process has written anything")
	}
	cmd, out := cacheProcess(t.Context(), dir, "once")
	if err := cmd.Run(); err != nil {
		t.Errorf("the next process: %v, %s", err, out)
	}
}

// checkEntries reads every file that has the name of a reply, and counts them.
func checkEntries(t *testing.T, dir string) (replies int) {
	t.Helper()
	for _, path := range entryFiles(t, dir) {
		name := filepath.Base(path)
		if strings.HasPrefix(name, tempPrefix) {
			continue
		}
		var key cacheKey
		data, err := os.ReadFile(path)
		if _, bad := hex.Decode(key[:], []byte(name)); err != nil || bad != nil {
			t.Fatalf("%s: %v, %v", path, err, bad)
		}
		if _, err := decodeEntry(data, key); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		replies++
	}
	return replies
}

package hardware

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCandidates(t *testing.T) {
	for name, tt := range map[string]struct {
		machine Machine
		want    string
	}{
		"a core":       {Machine{}, "[CPU, 1 thread]"},
		"two cores":    {Machine{CPU: CPU{AllowedCores: 2, Allowed: CPUSet{0, 1}}}, "[CPU, 1 thread CPU, 2 threads]"},
		"hyperthreads": {Machine{CPU: CPU{AllowedCores: 4, Allowed: CPUSet{0, 1, 2, 3, 4, 5, 6, 7}}}, "[CPU, 1 thread CPU, 2 threads CPU, 3 threads CPU, 4 threads CPU, 8 threads]"},
		"a limit":      {Machine{CPU: CPU{AllowedCores: 8, Limit: 2, Allowed: CPUSet{0, 1, 2, 3}}}, "[CPU, 1 thread CPU, 2 threads]"},
		"GPU":          {gpuMachine(BackendVulkan, KindGPU, 1).with(Device{Backend: BackendCUDA, Kind: KindGPU}), "[Vulkan, 4 threads CUDA, 4 threads CPU, 2 threads CPU, 4 threads CPU, 6 threads CPU, 8 threads]"},
	} {
		if got := fmt.Sprint(Candidates(tt.machine)); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestCalibrate(t *testing.T) {
	one, two, bad := Candidate{BackendCPU, 1}, Candidate{BackendCPU, 2}, Candidate{BackendVulkan, 4}
	readings := map[Candidate][]Speed{one: {{10, 5}, {30, 1}, {20, 9}}, two: {{40, 2}, {50, 3}, {60, 1}}}
	var order []Candidate
	measure := func(_ context.Context, c Candidate) (Speed, error) {
		order = append(order, c)
		if c == bad {
			return Speed{}, errors.New("device lost")
		}
		s := readings[c][0]
		readings[c] = readings[c][1:]
		return s, nil
	}
	var progress []int
	got, err := Calibrate(t.Context(), []Candidate{one, bad, two}, measure, func(done, total int, _ Candidate) {
		if total != 9 {
			t.Errorf("%d readings, want 9", total)
		}
		progress = append(progress, done)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []Measurement{
		{one, Speed{20, 5}, ""}, {bad, Speed{}, "Vulkan, 4 threads: device lost"}, {two, Speed{50, 2}, ""},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if d := cmp.Diff([]Candidate{one, bad, two, one, two, one, two}, order); d != "" {
		t.Errorf("not in turns (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]int{0, 1, 2, 3, 5, 6, 8}, progress); d != "" {
		t.Errorf("progress (-want +got):\n%s", d)
	}
}

func TestCalibrateFails(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	_, err := Calibrate(ctx, []Candidate{{BackendCPU, 1}}, func(context.Context, Candidate) (Speed, error) {
		calls++
		cancel()
		return Speed{1, 1}, nil
	}, nil)
	if !errors.Is(err, context.Canceled) || calls != 1 {
		t.Errorf("cancelled: %v after %d calls", err, calls)
	}
	lost := errors.New("lost")
	_, err = Calibrate(t.Context(), []Candidate{{BackendCPU, 1}, {BackendCPU, 2}}, func(_ context.Context, c Candidate) (Speed, error) {
		if c.Threads == 1 {
			return Speed{}, lost
		}
		return Speed{5, 0}, nil
	}, nil)
	if !errors.Is(err, lost) || !strings.Contains(err.Error(), "and 0 of output") {
		t.Errorf("all failed: %v", err)
	}
	if _, err := Calibrate(t.Context(), nil, nil, nil); err == nil {
		t.Error("nothing to measure is no error")
	}
}

func TestKeptCalibration(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	m := gpuMachine(BackendVulkan, KindGPU, 1)
	c := &Calibration{m.Fingerprint(), "sha256", "0.5.0", time.Date(2026, 11, 2, 3, 4, 5, 0, time.UTC),
		[]Measurement{{Candidate{BackendCPU, 2}, Speed{1.5, 2.5}, ""}, {Candidate{BackendVulkan, 2}, Speed{}, "lost"}}}
	if _, err := ReadCalibration(dir, m, "sha256", "0.5.0"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing kept: %v", err)
	}
	for range 2 { // the second takes the first's place
		if err := c.Write(dir); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadCalibration(dir, m, "sha256", "0.5.0")
	if d := cmp.Diff(c, got); err != nil || d != "" {
		t.Errorf("error %v, -want +got:\n%s", err, d)
	}
	if _, err := ReadCalibration(dir, m, "other", "0.5.0"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another model: %v", err)
	}
	if _, err := ReadCalibration(dir, m, "sha256", "0.4.0"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another release: %v", err)
	}
	other := m
	other.CPU.Limit = 1
	if _, err := ReadCalibration(dir, other, "sha256", "0.5.0"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another machine: %v", err)
	}
	m.Memory.Available = 1
	if _, err := ReadCalibration(dir, m, "sha256", "0.5.0"); err != nil {
		t.Errorf("other programs in memory: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "calibrations", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v (%v), want one", files, err)
	}
	if err := os.WriteFile(files[0], []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadCalibration(dir, m, "sha256", "0.5.0"); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "measure again") {
		t.Errorf("damaged: %v", err)
	}
	if err := (&Calibration{}).Write(files[0]); err == nil {
		t.Error("a file is no folder to keep it in")
	}
}

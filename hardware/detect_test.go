package hardware

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDetect(t *testing.T) {
	m, err := Detect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m.OS != runtime.GOOS || m.CPU.Logical < 1 || m.CPU.Cores < 1 || m.CPU.Cores > m.CPU.Logical ||
		m.CPU.AllowedCores < 1 || len(m.CPU.Allowed) < m.CPU.AllowedCores || m.CPU.Threads() < 1 {
		t.Errorf("CPU %+v", m.CPU)
	}
	if m.Memory.Free() == 0 || m.Memory.Free() > m.Memory.Size() || m.Memory.Size() > m.Memory.Total {
		t.Errorf("memory %+v", m.Memory)
	}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var again Machine
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(m, again); d != "" {
		t.Errorf("the table as JSON is another (-made +read):\n%s", d)
	}
}

func TestDetectCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Detect(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestCPUSet(t *testing.T) {
	for list, want := range map[string]string{
		"": "", "0": "0", "0-3": "0-3", "0-1,2,3": "0-3", "7,0-1\n": "0-1,7", "3,1": "1,3", "5,5": "5",
	} {
		set, err := ParseCPUSet(list)
		if err != nil || set.String() != want {
			t.Errorf("%q is %v (%v), want %s", list, set, err, want)
		}
	}
	for _, list := range []string{"x", "1-", "-1", "3-1", "1,,2", "0-99999999999", "0-999999", "1 2"} {
		if set, err := ParseCPUSet(list); err == nil {
			t.Errorf("%q is %v, want an error", list, set)
		}
	}
	if s := (CPUSet{1, 4}); !s.Has(4) || s.Has(2) {
		t.Error("Has")
	}
}

func TestCPUThreads(t *testing.T) {
	for name, tt := range map[string]struct {
		cpu  CPU
		want int
	}{
		"nothing known": {CPU{}, 1},
		"cores":         {CPU{AllowedCores: 8}, 8},
		"limit":         {CPU{AllowedCores: 8, Limit: 2.6}, 3},
		"small limit":   {CPU{AllowedCores: 8, Limit: 0.2}, 1},
		"large limit":   {CPU{AllowedCores: 8, Limit: 16}, 8},
	} {
		if got := tt.cpu.Threads(); got != tt.want {
			t.Errorf("%s: %d threads, want %d", name, got, tt.want)
		}
	}
}

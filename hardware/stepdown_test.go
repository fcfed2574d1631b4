package hardware

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Each step is smaller than the one before and says what it gave up, until there is none.
func TestStepDown(t *testing.T) {
	gpu := gpuMachine(BackendVulkan, KindGPU, 24*gib)
	small := newTestModel("small", 3, 4096, 1e9, 1024)
	for name, tt := range map[string]struct {
		machine Machine
		model   testModel
		req     Request
		want    []string // context/cache/layers of each step
		end     error
	}{
		"on a GPU":            {gpu, small, Request{}, []string{"4096/16384/4", "4096/4096/4", "2048/2048/4", "1024/1024/4", "1024/1024/3", "1024/1024/2", "1024/1024/1", "1024/1024/0"}, &ExhaustedError{"small", 1024, 0}},
		"on the CPU":          {gpuMachine(BackendCPU, KindGPU), small, Request{}, []string{"4096/16384/0", "4096/4096/0", "2048/2048/0", "1024/1024/0"}, &ExhaustedError{"small", 1024, 0}},
		"a context asked for": {gpu, small, Request{ContextLength: 3000}, []string{"3000/12000/4", "3000/3000/4", "3000/3000/3", "3000/3000/2", "3000/3000/1", "3000/3000/0"}, &ExhaustedError{"small", 3000, 0}},
		"a GPU asked for":     {gpu, small, Request{Backend: BackendVulkan, ContextLength: 1024}, []string{"1024/4096/4", "1024/1024/4", "1024/1024/3", "1024/1024/2", "1024/1024/1"}, &ExhaustedError{"small", 1024, 1}},
		"no room on the CPU": {Machine{OS: "linux", Memory: Memory{Total: 2 * gib, Available: 2 * gib}}.with(gpu.Devices...), model8B, Request{ContextLength: 1024},
			[]string{"1024/4096/33", "1024/1024/33", "1024/1024/27"}, &FitError{}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Choose(tt.machine, tt.model.Model, tt.model.needs, &tt.req)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range tt.want {
				if got := fmt.Sprintf("%d/%d/%d", p.ContextLength, p.CacheLength, p.GPULayers); got != want {
					t.Fatalf("step %d is %s, want %s", i, got, want)
				}
				checkPlan(t, tt.machine, p)
				next, err := p.StepDown()
				if err != nil {
					if i < len(tt.want)-1 || fmt.Sprintf("%T", err) != fmt.Sprintf("%T", tt.end) {
						t.Fatalf("step %d ends with %v", i, err)
					}
					if end := (*ExhaustedError)(nil); errors.As(tt.end, &end) && err.Error() != tt.end.Error() {
						t.Errorf("error %q, want %q", err, tt.end)
					}
					if fit := (*FitError)(nil); errors.As(err, &fit) && fit.Need <= fit.Free {
						t.Errorf("%d bytes do not fit into %d", fit.Need, fit.Free)
					}
					return
				}
				if next.Need.Total() > p.Need.Total() && next.GPULayers == p.GPULayers {
					t.Errorf("step %d takes %d bytes, the one before %d", i+1, next.Need.Total(), p.Need.Total())
				}
				if strings.Count(fmt.Sprint(next.Reasons), "did not fit when the model was loaded") == 0 {
					t.Errorf("%v do not say what was given up", next.Reasons)
				}
				p = next
			}
			t.Errorf("there is a step after the last: %s", summary(p))
		})
	}
}

// A plan that was read from a file has no steps, and a step leaves the plan before alone.
func TestStepDownOfOthers(t *testing.T) {
	if _, err := (Plan{Model: "m"}).StepDown(); !errors.As(err, new(*ExhaustedError)) {
		t.Errorf("error %v", err)
	}
	p, err := Choose(gpuMachine(BackendVulkan, KindGPU, 24*gib), model8B.Model, model8B.needs, nil)
	if err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprint(summary(p), p.Reasons)
	for next := p; err == nil; next, err = next.StepDown() {
	}
	if after := fmt.Sprint(summary(p), p.Reasons); after != before {
		t.Errorf("the plan became %s, was %s", after, before)
	}
}

package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/internal/testmodel"
)

var update = flag.Bool("update", false, "write the golden files anew")

// What is said of recorded machines, and how the default model would be loaded there.
func TestDoctorOfRecordedMachines(t *testing.T) {
	testmodel.Model(t)
	machines, err := filepath.Glob("../../hardware/testdata/*.json")
	if err != nil || len(machines) == 0 {
		t.Fatal(machines, err)
	}
	for _, machine := range machines {
		name := strings.TrimSuffix(filepath.Base(machine), ".json")
		t.Run(name, func(t *testing.T) {
			code, got, stderr := criaRun(t, "", "doctor", "--machine", machine)
			if code != 0 || stderr != "" {
				t.Fatalf("exit code %d, errors %q", code, stderr)
			}
			golden := filepath.Join("testdata", "doctor", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// What --json prints is what --machine reads: it says the same as doctor does of this
// machine.
func TestDoctorRecords(t *testing.T) {
	testmodel.Model(t)
	code, table, stderr := criaRun(t, "", "doctor", "--json")
	if code != 0 || !strings.Contains(table, `"name": "CPU"`) {
		t.Fatalf("exit code %d, output %q, errors %q", code, table, stderr)
	}
	_, recorded, _ := criaRun(t, "", "doctor", "--machine", write(t, "machine.json", table))
	_, here, _ := criaRun(t, "", "doctor")
	for _, what := range []string{"CPU  ", "GPU  "} {
		if a, b := lineOf(recorded, what), lineOf(here, what); a == "" || a != b {
			t.Errorf("%q, of this machine %q", a, b)
		}
	}
}

// lineOf is the line that begins so, with its spaces made one.
func lineOf(text, prefix string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			return strings.Join(strings.Fields(line), " ")
		}
	}
	return ""
}

// What was measured is kept for the machine and the model, and the plan follows it.
func TestDoctorCalibrates(t *testing.T) {
	model := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := synth.Write(t.Context(), model, testmodel.Model(t), synth.Shape{Layers: 1}, nil); err != nil {
		t.Fatal(err)
	}
	libraries := filepath.Dir(testmodel.Libraries(t).Llama)
	args := []string{"doctor", "--model", model, "--cache-dir", t.TempDir(), "--llama-dir", libraries}
	_, out, _ := criaRun(t, "", args...)
	if !strings.Contains(lineOf(out, "  calibration"), "none") || strings.Contains(out, "tokens/s") {
		t.Errorf("before: %s", out)
	}
	code, out, stderr := criaRun(t, "", append(args, "--calibrate")...)
	if code != 0 || !strings.Contains(lineOf(out, "measured"), "CPU, 1 thread: ") || !strings.Contains(lineOf(out, "  threads"), "measured here") {
		t.Fatalf("exit code %d, output %s, errors %s", code, out, stderr)
	}
	if !strings.Contains(stderr, "measuring 1 of ") {
		t.Errorf("progress %q", stderr)
	}
	_, again, _ := criaRun(t, "", args...)
	if !strings.Contains(lineOf(again, "  calibration"), "calibration 20") || lineOf(again, "  threads") != lineOf(out, "  threads") {
		t.Errorf("after: %s", again)
	}
}

// The plan is what cria run would do with the same flags.
func TestDoctorAsTold(t *testing.T) {
	testmodel.Model(t)
	for name, tt := range map[string]struct {
		args []string
		want string // in a line
	}{
		"no layers on GPUs":  {[]string{"--gpu-layers", "0"}, "backend CPU: it was asked for"},
		"some layers":        {[]string{"--gpu-layers", "10"}, "layers 10 of 31 (9 and the output) on Vulkan0: no more were asked for"},
		"a long context":     {[]string{"--context-length", "100000"}, "context 8192 tokens a request, 32768 in the cache for all together: 100000 were asked for, but so many the model was trained with"},
		"threads":            {[]string{"--backend", "cpu", "--threads", "3"}, "threads 3: so many were asked for"},
		"its own weights":    {[]string{"--backend", "cpu", "--as-shipped"}, "weights 92 MiB as shipped: a copy as Q8_0, which prompts are computed faster with, was not wanted"},
		"what is not there":  {[]string{"--backend", "metal"}, "plan none for smollm2-135m-instruct: the configuration is invalid: Backend: Metal cannot be used"},
		"what cannot be had": {[]string{"--backend", "cuda"}, "install driver 590 or newer"},
	} {
		code, out, stderr := criaRun(t, "", append([]string{"doctor", "--machine", "../../hardware/testdata/two-gpus.json"}, tt.args...)...)
		found := false
		for line := range strings.Lines(out) {
			found = found || strings.Contains(strings.Join(strings.Fields(line), " "), tt.want)
		}
		if code != 0 || !found {
			t.Errorf("%s: exit code %d, errors %q, %q is not in\n%s", name, code, stderr, tt.want, out)
		}
	}
}

func TestDoctorMistakes(t *testing.T) {
	empty := t.TempDir()
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"two things":           {[]string{"--json", "--calibrate"}, exitUsage, "give one of them"},
		"calibrates as told":   {[]string{"--calibrate", "--backend", "cpu"}, exitUsage, "give it without --backend"},
		"no such backend":      {[]string{"--backend", "abacus"}, exitUsage, "--backend \"abacus\" is not known"},
		"another table":        {[]string{"--machine", write(t, "o.json", `{"type": "object"}`)}, exitUsage, "names no system and no processor"},
		"no such table":        {[]string{"--machine", "none.json"}, exitUsage, "none.json"},
		"no table":             {[]string{"--machine", write(t, "m.json", "[]")}, exitUsage, "not what cria doctor --json prints"},
		"no such model":        {[]string{"--model", "none"}, exitUnavailable, "none"},
		"nothing to calibrate": {[]string{"--calibrate", "--cache-dir", empty}, exitUnavailable, hub.DefaultModel},
	} {
		code, _, stderr := criaRun(t, "", append([]string{"doctor"}, tt.args...)...)
		if code != tt.code || !strings.Contains(stderr, tt.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: exit code %d, errors %q, want %d and %q", name, code, stderr, tt.code, tt.want)
		}
	}
}

package main

import (
	"strings"
	"testing"
)

// wantError reports whether err is as the test says: "" is none.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("error %q, want none", err)
	case want != "" && err == nil:
		t.Errorf("no error, want one with %q", want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("error %q, want one with %q", err, want)
	}
}

func TestParseLlamaBench(t *testing.T) {
	const run = `{"n_prompt": 0, "n_gen": 128, "n_threads": 2, "avg_ts": 95.25, "samples_ts": [95.25]}`
	for _, test := range []struct {
		name, out string
		want      float64
		err       string
	}{
		{"one run", "[" + run + "]", 95.25, ""},
		{"two runs", "[" + run + "," + run + "]", 0, "2 runs"},
		{"none", "[]", 0, "0 runs"},
		{"other length", strings.Replace("["+run+"]", "128", "64", 1), 0, "an output of 64"},
		{"other threads", strings.Replace("["+run+"]", `"n_threads": 2`, `"n_threads": 4`, 1), 0, "4 threads"},
		{"no JSON", "error: failed to load model", 0, "did not write JSON"},
		{"nothing", "", 0, "did not write JSON"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseLlamaBench([]byte(test.out), 0, 128, 2)
			wantError(t, err, test.err)
			if got != test.want {
				t.Errorf("rate %v, want %v", got, test.want)
			}
		})
	}
}

func TestCheckCompletion(t *testing.T) {
	for _, test := range []struct{ name, reply, err string }{
		{"whole", `{"content":"x","tokens_predicted":32,"truncated":false,"timings":{"prompt_n":60,"cache_n":0}}`, ""},
		{"from the cache", `{"tokens_predicted":32,"timings":{"prompt_n":1,"cache_n":59}}`, ""},
		{"too short", `{"tokens_predicted":7,"timings":{"prompt_n":60}}`, "7 tokens instead of 32"},
		{"cut off", `{"tokens_predicted":32,"truncated":true,"timings":{"prompt_n":60}}`, "cut off: true"},
		{"other prompt", `{"tokens_predicted":32,"timings":{"prompt_n":61}}`, "61 tokens instead of 60"},
		{"error", `{"error":{"message":"no"}}`, "did not answer with a completion"},
		{"no JSON", `<html>`, "did not answer with a completion"},
	} {
		t.Run(test.name, func(t *testing.T) { wantError(t, checkCompletion([]byte(test.reply), 60, 32), test.err) })
	}
}

func TestParsePeakMemory(t *testing.T) {
	for _, test := range []struct {
		name, status string
		want         int64
		err          string
	}{
		{"there", "Name:\tx\nVmPeak:\t  999 kB\nVmHWM:\t  123456 kB\nVmRSS:\t 1 kB\n", 123456 << 10, ""},
		{"missing", "Name:\tkthreadd\n", 0, "no VmHWM"},
		{"no number", "VmHWM:\t  many kB\n", 0, "odd line"},
		{"other unit", "VmHWM:\t  12 MB\n", 0, "odd line"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parsePeakMemory(test.status)
			wantError(t, err, test.err)
			if got != test.want {
				t.Errorf("%d bytes, want %d", got, test.want)
			}
		})
	}
}

func TestBusy(t *testing.T) {
	for load, want := range map[string]string{
		"0.00 0.01 0.05": "", "0.30 2 2": "", "1.27 0 0": "load average 1.27", "unknown": "not known", "": "not known",
	} {
		if got := busy(load); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("busy(%q) = %q, want %q in it", load, got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	for _, test := range []struct {
		line string
		want int
		ok   bool
	}{
		{"[  0%] Building C object ggml.c.o", 0, true},
		{"[ 12%] Built target ggml", 12, true},
		{"[100%] Linking", 100, true},
		{"[150/300] Building CXX object", 50, true},
		{"[1/0] odd", 0, false},
		{"-- Configuring done", 0, false},
		{"see [ 12%]", 0, false},
		{"", 0, false},
	} {
		if got, ok := percent(test.line); got != test.want || ok != test.ok {
			t.Errorf("percent(%q) = %d, %v; want %d, %v", test.line, got, ok, test.want, test.ok)
		}
	}
}

func TestSteps(t *testing.T) {
	var out strings.Builder
	s := &steps{out: &out}
	for _, part := range []string{"[  1%] a\n[ 1", "2%] b\nno", "ise\n[ 15%] c\n[ 40%] d\n"} {
		if _, err := s.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if want := "compiling: 12 %\ncompiling: 40 %\n"; out.String() != want {
		t.Errorf("shown %q, want %q", out.String(), want)
	}
}

func TestIsWord(t *testing.T) {
	for piece, want := range map[string]bool{" the": true, " word": true, "word": false, " of": false, " The": false, " don't": false, " naïve": false, " ": false, "": false} {
		if got := isWord(piece); got != want {
			t.Errorf("isWord(%q) = %v, want %v", piece, got, want)
		}
	}
}

func TestTail(t *testing.T) {
	long := strings.Repeat("x", tailSize)
	for _, test := range []struct {
		name  string
		write []string
		want  string
	}{
		{"nothing", nil, "it said nothing"},
		{"blank lines", []string{"\n \n"}, "it said nothing"},
		{"few lines", []string{"one\n", "two\n"}, "one / two"},
		{"many lines", []string{"one\ntwo\n\nthree\nfour\n"}, "two / three / four"},
		{"the end is kept", []string{long, long + "\nend"}, long[4:] + " / end"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got tail
			for _, w := range test.write {
				if _, err := got.Write([]byte(w)); err != nil {
					t.Fatal(err)
				}
			}
			if got := got.last(3); got != test.want {
				t.Errorf("last(3) = %.60q (%d bytes), want %.60q (%d bytes)", got, len(got), test.want, len(test.want))
			}
		})
	}
}

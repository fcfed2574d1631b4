package main

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/cria-lm/cria/internal/testmodel"
)

// labelledReviews is examples with their answers, as many of each kind.
func labelledReviews(n int) string {
	var b strings.Builder
	words := []string{`"I loved film %d.", "sentiment": "positive"`, `"I hated film %d.", "sentiment": "negative"`}
	for i := range n {
		b.WriteString(`{"review": ` + strings.ReplaceAll(words[i%2], "%d", strings.Repeat("x", i)) + "}\n")
	}
	return b.String()
}

func TestProbs(t *testing.T) {
	testmodel.Model(t)
	labels := write(t, "labels.jsonl", labelledReviews(8))
	for name, args := range map[string][]string{
		"none": {"--calibrate", "none"}, "contextual": {"--calibrate", "contextual"}, "labelled": {"--calibrate", labels},
		"as JSON": {"--format", "json"}, "in markers": {"--format", "markers"}, "in tags": {"--format", "tags"},
	} {
		code, out, stderr := criaRun(t, "", append([]string{"run", verdict, "review=I loved every minute.", "--probs"}, args...)...)
		if lines := strings.Split(out, "\n"); code != 0 || len(lines) != 4 || lines[0] != "positive" || !strings.HasPrefix(lines[1], "  positive  ") || !strings.HasPrefix(lines[2], "  negative  ") {
			t.Errorf("%s: exit code %d, output %q, errors %q", name, code, out, stderr)
		}
	}
	in := write(t, "in.jsonl", reviews(6))
	for _, calibrate := range []string{"none", "mean", "midrange", "contextual", labels} {
		code, out, stderr := criaRun(t, "", "batch", "-q", verdict, "--in", in, "--probs", "--calibrate", calibrate)
		if code != 0 || strings.Count(out, "\n") != 6 {
			t.Fatalf("%s: exit code %d, output %q, errors %q", calibrate, code, out, stderr)
		}
		for line := range strings.Lines(out) {
			var v struct {
				Sentiment string
				Probs     map[string]float64
			}
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Fatal(err)
			}
			p := v.Probs[v.Sentiment]
			if math.Abs(v.Probs["positive"]+v.Probs["negative"]-1) > 1e-9 || p < 0.5 {
				t.Errorf("%s: %s", calibrate, line)
			}
		}
	}
}

func TestCalibrateMistakes(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"run", "q -> a", "q=1", "--probs"}, "whose last output is of a closed set"},
		{[]string{"run", verdict, "review=a", "--calibrate", write(t, "wrong.jsonl", strings.Replace(labelledReviews(8), "negative", "negtive", 1))}, "wrong.jsonl: example 2: field \"sentiment\": want one of"},
		{[]string{"run", verdict, "review=a", "--calibrate", write(t, "misspelt.jsonl", strings.Replace(labelledReviews(8), "sentiment", "sentimnt", 1))}, "misspelt.jsonl: example 1: it has no"},
		{[]string{"run", "q -> a", "q=1", "--choices", ""}, "--choices:"},
		{[]string{"batch", verdict, "--probs", "--temperature", "1"}, "need choices that are not random"},
		{[]string{"run", "q -> a", "q=1", "--format", "json", "--gbnf", write(t, "g.gbnf", `root ::= "a"`)}, "--gbnf: a text of a grammar cannot be written in JSON"},
		{[]string{"run", "q -> a", "q=1", "--regex", " a"}, "--regex:"},
		{[]string{"run", verdict, "review=a", "--format", "xml"}, `--format: unknown output format "xml"; there are lines, json, markers, tags, completion`},
		{[]string{"run", verdict, "review=a", "--probs", "--stream"}, "--probs and --stream exclude each other"},
		{[]string{"run", verdict, "review=a", "--calibrate", "mean"}, "--calibrate mean needs many inputs"},
		{[]string{"batch", verdict, "--calibrate", "mean"}, "--calibrate mean needs --in FILE"},
		{[]string{"batch", verdict, "--calibrate", "/no/such/file"}, `--calibrate: "/no/such/file" is no file with labelled examples, and none of the methods`},
		{[]string{"batch", verdict, "--calibrate", write(t, "few.jsonl", labelledReviews(7))}, "has 7 examples; at least 8"},
	} {
		code, out, stderr := criaRun(t, "", tt.args...)
		if code != exitUsage || out != "" || !strings.Contains(stderr, tt.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d, output %q, errors %q, want %q", tt.args, code, out, stderr, tt.want)
		}
	}
}

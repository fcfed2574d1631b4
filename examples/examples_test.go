// Package examples runs the examples as a reader would.
package examples

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/cria-lm/cria/internal/testmodel"
)

func TestMain(m *testing.M) { os.Exit(testmodel.Main(m)) }

func TestExamples(t *testing.T) {
	testmodel.Model(t)
	for name, want := range map[string]string{
		"best_of_n": "Best of 5 attempts, of which 0 are shorter: ",
		"classify":  "positive\n",
		"compare":   "Answer after 3 attempts: 12\n",
		"extract":   "{Customer:Eva Novak Items:[{Product:table Quantity:5} {Product:plate Quantity:20}] Express:true}\n",
		"from_dspy": "2 demonstrations; instruction: Say whether the review is good.\nnegative\n",
		"majority":  "Most: Paris\n",
		"nearest":   "Topic: science\n",
		"parallel":  "\"\": the review is empty\n",
		"pipeline":  "Eva Novak is angry\n",
		"question":  "Paris",
		"reasoning": "Answer: 12",
		"refine":    "ram", // the word that it is told to use
		"two_step":  "City: Paris\n",
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "go", "run", "./"+name)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("output %q (%v), want it to contain %q; errors: %s", out, err, want, stderr.String())
			}
		})
	}
}

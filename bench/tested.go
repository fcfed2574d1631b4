package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
)

// randomSeeds are those of random schemas; about one in four is refused, or its output
// is cut short.
const randomSeeds = "0-14000"

// suite is the share of the JSON Schema test suite.
func suite(ctx context.Context, _ *session) ([]result, error) {
	n, err := tested(ctx, "./grammar", "TestSchemaSuite/draft2020-12", `(\d+) of (\d+) tests answered right`)
	if err != nil {
		return nil, err
	}
	note := fmt.Sprintf("%d of %d tests; none that is invalid is accepted", n[0], n[1])
	return []result{{name: "suite", unit: "%", alone: share(n[0], n[1]), notes: []string{note}}}, nil
}

// randomOutputs is the share of valid outputs: the test fails if one is not.
func randomOutputs(ctx context.Context, s *session) ([]result, error) {
	s.close() // the test has engines of its own
	n, err := tested(ctx, "./llamacpp", "TestRandomSchemas", `(\d+) outputs are complete and (valid)`, "CRIA_TEST_SCHEMAS="+randomSeeds)
	if err != nil {
		return nil, err
	}
	return []result{{name: "random-valid", unit: "%", alone: 100, notes: []string{fmt.Sprintf("%d outputs of seeds %s", n[0], randomSeeds)}}}, nil
}

// tested runs a test of the clone that bench runs in, and returns the numbers that it
// logs.
func tested(ctx context.Context, pkg, name, log string, env ...string) (numbers [2]int, err error) {
	cmd := exec.CommandContext(ctx, "go", "test", pkg, "-run", "^"+name+"$", "-v", "-count=1", "-timeout=1h")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return numbers, fmt.Errorf("go test %s -run %s: %w\n%s", pkg, name, err, out)
	}
	found := regexp.MustCompile(log).FindSubmatch(out)
	if found == nil {
		return numbers, fmt.Errorf("go test %s -run %s does not say %q:\n%s", pkg, name, log, out)
	}
	for i := range numbers {
		numbers[i], _ = strconv.Atoi(string(found[i+1])) // the last may be a word
	}
	return numbers, nil
}

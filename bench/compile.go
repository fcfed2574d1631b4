package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cria-lm/cria/grammar"
)

// compileTimes measures schemas of the test suite.
func compileTimes(ctx context.Context, _ *session) ([]result, error) {
	schemas, err := suiteSchemas(ctx)
	if err != nil {
		return nil, err
	}
	var took []float64
	refused := 0
	for _, schema := range schemas {
		start := time.Now()
		if _, err := grammar.Compile(grammar.JSONSchema{Schema: schema}); err != nil {
			refused++
		}
		took = append(took, ms(time.Since(start)))
	}
	slices.Sort(took)
	note := fmt.Sprintf("%d schemas, of which %d are refused; the slowest takes %s ms", len(took), refused, number(took[len(took)-1]))
	return []result{
		{name: "compile-p50", unit: "ms", alone: took[len(took)/2]},
		{name: "compile-p99", unit: "ms", alone: took[len(took)*99/100], notes: []string{note}},
	}, nil
}

// suiteSchemas reads the test suite out of the module that carries it.
func suiteSchemas(ctx context.Context) (schemas [][]byte, err error) {
	dir, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/jsonschema-go").Output()
	if err != nil {
		return nil, fmt.Errorf("looking for the JSON Schema test suite: %w (run bench in a clone)", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "jsonschema", "testdata", "draft2020-12", "*.json"))
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		var groups []struct{ Schema json.RawMessage }
		if err := readJSON(path, &groups); err != nil {
			return nil, err
		}
		for _, g := range groups {
			schemas = append(schemas, g.Schema)
		}
	}
	if len(schemas) == 0 {
		return nil, fmt.Errorf("the JSON Schema test suite is not in %s; run go mod download", dir)
	}
	return schemas, nil
}

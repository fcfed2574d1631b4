package grammar

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "github.com/google/jsonschema-go/jsonschema" // for its testdata
)

var update = flag.Bool("update", false, "write testdata files anew")

// suiteDir is the JSON Schema test suite, as the module of google/jsonschema-go has it.
func suiteDir(t testing.TB, draft string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/jsonschema-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "jsonschema", "testdata", draft)
}

type suiteGroup struct {
	Description string
	Schema      json.RawMessage
	Tests       []struct {
		Description string
		Data        json.RawMessage
		Valid       bool
	}
}

// suiteGroups calls f for each group of the suite.
func suiteGroups(t testing.TB, draft string, f func(file string, g suiteGroup)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(suiteDir(t, draft), "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var groups []suiteGroup
		if err := json.Unmarshal(data, &groups); err != nil {
			t.Fatal(err)
		}
		for _, g := range groups {
			f(strings.TrimSuffix(filepath.Base(path), ".json"), g)
		}
	}
}

// declaredOrder puts the members of objects in the order in which a schema declares
// properties, wherever it does.
func declaredOrder(schema, v *value) {
	var names []string
	var collect func(s *value)
	collect = func(s *value) {
		for _, item := range s.items {
			collect(item)
		}
		for _, name := range s.names {
			sub := s.members[name]
			if name == "properties" {
				names = append(names, sub.names...)
			}
			collect(sub)
		}
	}
	collect(schema)
	var sort func(v *value)
	sort = func(v *value) {
		rank := func(name string) int {
			if i := slices.Index(names, name); i >= 0 {
				return i
			}
			return len(names)
		}
		slices.SortStableFunc(v.names, func(a, b string) int { return rank(a) - rank(b) })
		for _, sub := range v.members {
			sort(sub)
		}
		for _, item := range v.items {
			sort(item)
		}
	}
	sort(v)
}

// outcome is what a grammar says about a test of the suite.
func outcome(t testing.TB, g *Grammar, group suiteGroup, i int) (right, wronglyAccepted bool) {
	t.Helper()
	schema, err := parseJSON(group.Schema)
	if err != nil {
		t.Fatal(err)
	}
	v, err := parseJSON(group.Tests[i].Data)
	if err != nil {
		t.Fatal(err)
	}
	declaredOrder(schema, v)
	var b strings.Builder
	if err := v.compact(&b); err != nil {
		return false, false
	}
	accepted, err := g.Match(b.String())
	if err != nil {
		t.Logf("%s: %v", group.Description, err)
	}
	return err == nil && accepted == group.Tests[i].Valid, accepted && !group.Tests[i].Valid
}

// The tests that pass are listed in testdata: none of them may fail again. What is
// not valid is never accepted.
func TestSchemaSuite(t *testing.T) {
	for _, draft := range []string{"draft2020-12", "draft7"} {
		t.Run(draft, func(t *testing.T) {
			var passed, failed []string
			refused := map[string]int{}
			suiteGroups(t, draft, func(file string, group suiteGroup) {
				schema := group.Schema
				if draft == "draft7" && schema[0] == '{' && !strings.Contains(string(schema), `"$schema"`) {
					schema = []byte(`{"$schema": "http://json-schema.org/draft-07/schema#"` + strings.TrimSuffix(", "+strings.TrimSpace(string(schema[1:])), ", }"))
					if schema[len(schema)-1] != '}' {
						schema = append(schema, '}')
					}
				}
				g, err := Compile(JSONSchema{Schema: schema})
				if err != nil && !errors.Is(err, ErrEmpty) {
					refused[file+": "+err.Error()] += len(group.Tests)
				}
				for i, test := range group.Tests {
					name := fmt.Sprintf("%s/%s/%s", file, group.Description, test.Description)
					right, wrong := false, false
					if g != nil {
						right, wrong = outcome(t, g, group, i)
					} else if errors.Is(err, ErrEmpty) {
						right = !test.Valid
					}
					if wrong {
						t.Errorf("%s: %s is accepted", name, test.Data)
					}
					if right {
						passed = append(passed, name)
					} else {
						failed = append(failed, name)
					}
				}
			})
			all := len(passed) + len(failed)
			t.Logf("%d of %d tests answered right (%.1f %%)", len(passed), all, 100*float64(len(passed))/float64(all))
			if testing.Verbose() {
				for reason, n := range refused {
					t.Logf("%4d refused: %s", n, reason)
				}
				for _, name := range failed {
					t.Logf("failed: %s", name)
				}
			}
			ratchet(t, filepath.Join("testdata", "schema-suite-"+draft+".txt"), passed)
		})
	}
}

// ratchet compares what passes with what has passed before.
func ratchet(t *testing.T, path string, passed []string) {
	t.Helper()
	slices.Sort(passed)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Join(passed, "\n")+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.Lines(string(data)) {
		if name = strings.TrimSuffix(name, "\n"); !slices.Contains(passed, name) {
			t.Errorf("passed before: %s", name)
		}
	}
}

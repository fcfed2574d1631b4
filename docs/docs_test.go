// Package docs checks that the Go code in the documentation's pages compiles, and that the
// names on them are those of DSPy and of Cria.
package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```")

// The blocks of a page, one behind the other, are one program.
func TestPagesCompile(t *testing.T) {
	pages, err := filepath.Glob("concepts/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	for _, page := range pages {
		t.Run(filepath.Base(page), func(t *testing.T) {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			var program strings.Builder
			for _, block := range goBlock.FindAllStringSubmatch(string(text), -1) {
				program.WriteString(block[1] + "\n")
			}
			if program.Len() == 0 {
				t.Fatal("the page has no code")
			}
			dir, err := os.MkdirTemp(".", "_page-") // which ./... leaves out
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), "go", "vet", "./"+dir).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

var (
	codeSpan = regexp.MustCompile("`([^`]+)`")
	dspyName = regexp.MustCompile(`^((?:[A-Za-z_]\w*\.)*)([A-Za-z_]\w*)$`)
	criaName = regexp.MustCompile("`(cria|engine|grammar|hub|llamacpp)\\.([A-Z]\\w*)")
)

func dspyPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("concepts/coming-from-dspy.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// dspyNames are the names in the first column of a page's tables. What stands before a
// name's last dot holds for those behind it in the row too: `Module.save`, `load`.
func dspyNames(page string) map[string]bool {
	names := map[string]bool{}
	for line := range strings.Lines(page) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| ") || len(cells) != 2 || !strings.HasSuffix(cells[1], " |\n") {
			continue
		}
		of := ""
		for _, span := range codeSpan.FindAllStringSubmatch(cells[0], -1) {
			name := dspyName.FindStringSubmatch(span[1])
			if name == nil {
				continue
			}
			if name[1] != "" {
				of = strings.TrimPrefix(name[1], "dspy.")
			}
			names["dspy."+of+name[2]] = true
		}
	}
	return names
}

// The page maps every public name of DSPy, or says that it is missing. testdata/dspy/save.py
// writes the list.
func TestEveryDSPyNameIsMapped(t *testing.T) {
	list, err := os.ReadFile("../testdata/dspy/names.txt")
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(list))
	if len(names) < 200 {
		t.Fatalf("the list has %d names", len(names))
	}
	mapped := dspyNames(dspyPage(t))
	for _, name := range names {
		if !mapped[name] {
			t.Errorf("%s is not in a table of the page", name)
		}
	}
}

// What the page calls cria.X is there.
func TestNamesThatDSPysAreMappedTo(t *testing.T) {
	exported := map[string]map[string]bool{}
	for _, name := range criaName.FindAllStringSubmatch(dspyPage(t), -1) {
		if exported[name[1]] == nil {
			exported[name[1]] = topLevel(t, strings.TrimSuffix("../"+name[1], "cria"))
		}
		if !exported[name[1]][name[2]] {
			t.Errorf("there is no %s.%s", name[1], name[2])
		}
	}
	if len(exported) < 2 {
		t.Errorf("the page has names of %d packages", len(exported))
	}
}

// topLevel are the names that a package declares.
func topLevel(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			for _, name := range declared(decl) {
				names[name.Name] = true
			}
		}
	}
	return names
}

func declared(decl ast.Decl) []*ast.Ident {
	if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil {
		return []*ast.Ident{f.Name}
	}
	var names []*ast.Ident
	if d, ok := decl.(*ast.GenDecl); ok {
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, spec.Name)
			case *ast.ValueSpec:
				names = append(names, spec.Names...)
			}
		}
	}
	return names
}

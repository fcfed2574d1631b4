// Package docs checks that the Go code in the documentation's pages compiles.
package docs

import (
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

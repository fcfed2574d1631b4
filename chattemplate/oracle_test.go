package chattemplate

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

//go:embed testdata/oracle.py
var oracleScript string

// jinjaRelease is the real Jinja that the tests compare with.
const jinjaRelease = "3.1.6"

// oracleCase is a template with what it is rendered with, which both sides read
// from the same JSON.
type oracleCase struct {
	name      string
	Template  string          `json:"template"`
	Variables oracleVariables `json:"variables"`
}

type oracleVariables struct {
	Messages            json.RawMessage
	Tools               json.RawMessage
	AddGenerationPrompt bool
	BOSToken, EOSToken  string
	extra               map[string]json.RawMessage // further variables
}

// MarshalJSON writes the variables by the names that templates have for them.
func (v oracleVariables) MarshalJSON() ([]byte, error) {
	all := map[string]any{"messages": v.Messages, "tools": v.Tools, "documents": nil,
		"add_generation_prompt": v.AddGenerationPrompt, "bos_token": v.BOSToken, "eos_token": v.EOSToken}
	for name, value := range v.extra {
		all[name] = value
	}
	return json.Marshal(all)
}

func (v oracleVariables) input() Input {
	in := Input{Messages: v.Messages, AddGenerationPrompt: v.AddGenerationPrompt, BOSToken: v.BOSToken, EOSToken: v.EOSToken,
		Extra: map[string]any{}, Now: func() time.Time { return time.Date(2026, 3, 5, 14, 7, 9, 0, time.UTC) }}
	if v.Tools != nil {
		in.Tools = v.Tools
	}
	for name, value := range v.extra {
		in.Extra[name] = value
	}
	return in
}

// oracleAnswer is what Jinja does with a case.
type oracleAnswer struct {
	Text   string
	Error  string
	Raised bool
}

// python finds a Python with the real Jinja, which is installed into the cache
// directory if the machine has none.
var python = sync.OnceValues(func() (command func(args ...string) *exec.Cmd, err error) {
	has := func(path string) bool {
		cmd := exec.Command("python3", "-c", "import jinja2; assert jinja2.__version__ == '"+jinjaRelease+"'")
		cmd.Env = append(os.Environ(), "PYTHONPATH="+path)
		return cmd.Run() == nil
	}
	if _, err := exec.LookPath("python3"); err != nil {
		return nil, err
	}
	path := ""
	if !has(path) {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, err
		}
		path = filepath.Join(cache, "cria", "python", "jinja2-"+jinjaRelease)
		if !has(path) {
			out, err := exec.Command("python3", "-m", "pip", "install", "--quiet", "--target", path, "jinja2=="+jinjaRelease).CombinedOutput()
			if err != nil {
				return nil, fmt.Errorf("pip cannot install Jinja: %w: %s", err, bytes.TrimSpace(out))
			}
		}
	}
	return func(args ...string) *exec.Cmd {
		cmd := exec.Command("python3", args...)
		cmd.Env = append(os.Environ(), "PYTHONPATH="+path, "PYTHONIOENCODING=utf-8")
		return cmd
	}, nil
})

// skipUnlessCI leaves out a test for want of what is fetched, which people may be unable
// to fetch; a build server has to.
func skipUnlessCI(t *testing.T, why ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(why...)
	}
	t.Skip(why...)
}

// askOracle renders the cases with the real Jinja.
func askOracle(t *testing.T, cases []oracleCase) []oracleAnswer {
	t.Helper()
	command, err := python()
	if err != nil {
		skipUnlessCI(t, "the real Jinja cannot be had: ", err)
	}
	var in, out, said bytes.Buffer
	for _, c := range cases {
		line, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(line, '\n'))
	}
	cmd := command("-c", oracleScript)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("the oracle: %v: %s", err, said.String())
	}
	answers := make([]oracleAnswer, len(cases))
	d := json.NewDecoder(&out)
	for i := range answers {
		if err := d.Decode(&answers[i]); err != nil {
			t.Fatalf("the oracle's answer to %s: %v", cases[i].name, err)
		}
	}
	return answers
}

// compare renders a case here and says how that differs from Jinja's answer.
func (c oracleCase) compare(t *testing.T, want oracleAnswer) (difference string) {
	t.Helper()
	var got string
	tmpl, err := Parse(c.Template)
	if err == nil {
		got, err = tmpl.Render(t.Context(), c.Variables.input())
	}
	var refused *RenderError
	raised := errors.As(err, &refused) && refused.Raised
	switch {
	case err == nil && want.Error != "":
		return fmt.Sprintf("no error, but %q; Jinja: %s", got, want.Error)
	case err != nil && want.Error == "":
		return fmt.Sprintf("%v; Jinja: %q", err, want.Text)
	case err != nil && raised != want.Raised:
		return fmt.Sprintf("%v; Jinja: %s", err, want.Error)
	case raised && refused.Reason != want.Error:
		return fmt.Sprintf("refused with %q; Jinja: %q", refused.Reason, want.Error)
	case err != nil:
		return ""
	}
	return cmp.Diff(want.Text, got)
}

// compareAll compares every case and reports the first differences.
func compareAll(t *testing.T, cases []oracleCase) (texts, errors int) {
	t.Helper()
	different := 0
	for i, want := range askOracle(t, cases) {
		if want.Error == "" {
			texts++
		} else {
			errors++
		}
		d := cases[i].compare(t, want)
		if d == "" {
			continue
		}
		if different++; different <= 20 {
			t.Errorf("%s (-Jinja +here):\n%s", cases[i].name, strings.TrimSpace(d))
		}
	}
	if different > 0 {
		t.Errorf("%d of %d differ", different, len(cases))
	}
	return texts, errors
}

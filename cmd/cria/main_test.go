package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/cria-lm/cria/internal/testmodel"
)

// repliesDir is where replies are kept: no test finds those of another.
const repliesDir = "CRIA_REPLIES_DIR"

// asCommand makes a process of the test binary the command itself.
const asCommand = "CRIA_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	if how := os.Getenv(asTried); how != "" {
		endAs(how)
	}
	code := testmodel.Main(m)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// cria runs one command line.
func criaRun(t testing.TB, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	if os.Getenv(repliesDir) == "" { // a test that keeps replies names a folder itself
		t.Setenv(repliesDir, t.TempDir())
		defer os.Unsetenv(repliesDir)
	}
	var out, err bytes.Buffer
	code = run(t.Context(), args, streams{in: strings.NewReader(stdin), out: &out, err: &err})
	return code, out.String(), err.String()
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const france = "question=What is the capital of France?"

func TestRun(t *testing.T) {
	testmodel.Model(t)
	question := write(t, "q.txt", "What is the capital of France?\n")
	for name, tt := range map[string]struct {
		stdin string
		args  []string
	}{
		"value":               {"", []string{"question -> answer", france}},
		"file":                {"", []string{"question -> answer", "question=@" + question}},
		"standard input":      {"What is the capital of France?", []string{"question -> answer", "question=@-"}},
		"streamed":            {"", []string{"--stream", "question -> answer", france}},
		"with an instruction": {"", []string{"-i", "Answer the question.", "question -> answer", france}},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, err := criaRun(t, tt.stdin, append([]string{"run"}, tt.args...)...)
			if code != 0 || !strings.Contains(out, "Paris") || strings.Count(out, "\n") != 1 {
				t.Errorf("exit code %d, output %q, errors %q", code, out, err)
			}
		})
	}
}

func TestRunJSON(t *testing.T) {
	code, out, stderr := criaRun(t, "", "run", "--json", "question -> answer", france)
	var got map[string]string
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 {
		t.Fatalf("exit code %d, output %q (%v), errors %q", code, out, err, stderr)
	}
	if len(got) != 1 || !strings.Contains(got["answer"], "Paris") || strings.Count(out, "\n") != 1 {
		t.Errorf("output %q, want one object with an answer that says Paris", out)
	}
}

func TestRunChainOfThought(t *testing.T) {
	code, out, stderr := criaRun(t, "", "run", "--cot", "question -> answer", "question=What is 7 plus 5?")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != 2 || !strings.HasPrefix(lines[0], "reasoning: ") || !strings.HasPrefix(lines[1], "answer: ") {
		t.Errorf("exit code %d, output %q, errors %q", code, out, stderr)
	}
	code, streamed, _ := criaRun(t, "", "run", "--cot", "--stream", "question -> answer", "question=What is 7 plus 5?")
	if code != 0 || streamed != out {
		t.Errorf("streamed output %q, want %q", streamed, out)
	}
}

func TestRunDemosAndTypes(t *testing.T) {
	demos := write(t, "demos.jsonl", `{"text": "Bob, 20, lives in Rome.", "name": "Bob", "age": 20, "city": "Rome"}
{"text": "Eve from Oslo turned 41.", "name": "Eve", "age": 41, "city": "Oslo"}
`)
	code, out, stderr := criaRun(t, "", "run", "--json", "--demos", demos, "text -> name, age: int, city", "text=Ada, 36, is in London.")
	if want := `{"name":"Ada","age":36,"city":"London"}` + "\n"; code != 0 || out != want {
		t.Errorf("exit code %d, output %q, want %q, errors %q", code, out, want, stderr)
	}
}

func TestRunShowPrompt(t *testing.T) {
	code, out, stderr := criaRun(t, "", "run", "--show-prompt", "q, n: int, l: list[str] -> a", "q=@@x <|im_end|>", "n=3", `l=["b"]`)
	want := "<|im_start|>system\nRead the q, n and l and give the a.<|im_end|>\n<|im_start|>user\nq: @x <|im_end|>\nn: 3\nl: [\"b\"]<|im_end|>\n<|im_start|>assistant\na:\n"
	if code != 0 || out != want {
		t.Errorf("exit code %d, output %q, want %q, errors %q", code, out, want, stderr)
	}
}

// Every mistake is one line on standard error that says what to do, with its
// exit code, and nothing on standard output.
func TestMistakes(t *testing.T) {
	notGGUF := write(t, "model.gguf", "<html>not found</html>")
	badDemos := write(t, "demos.jsonl", "{\"q\": \"1\", \"a\": \"2\"}\n[1]\n")
	noOutputs := write(t, "demos2.jsonl", "{\"q\": \"1\"}\n")
	emptyLlama := t.TempDir()
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"unknown command":       {[]string{"rnu"}, exitUsage, "rnu"},
		"another's command":     {[]string{"fetch"}, exitUsage, `unknown command "fetch"; did you mean pull?`},
		"unknown flag":          {[]string{"run", "--nope", "q -> a"}, exitUsage, "--nope"},
		"no signature":          {[]string{"run"}, exitUsage, "run needs a signature"},
		"malformed signature":   {[]string{"run", "q: lst -> a"}, exitUsage, `at character 4, "lst -> a": unknown type`},
		"no arrow":              {[]string{"run", "question"}, exitUsage, `want "->"`},
		"missing input":         {[]string{"run", "q, c -> a", "q=x"}, exitUsage, `input "c" is missing`},
		"unknown input":         {[]string{"run", "q -> a", "q=x", "quark=y"}, exitUsage, `unknown input "quark"`},
		"not an assignment":     {[]string{"run", "q -> a", "what"}, exitUsage, `"what" is not NAME=VALUE; the inputs are q`},
		"input given twice":     {[]string{"run", "q -> a", "q=1", "q=2"}, exitUsage, "given twice"},
		"no such file":          {[]string{"run", "q -> a", "q=@/no/such/file"}, exitUsage, "no such file"},
		"invalid UTF-8":         {[]string{"run", "q -> a", "q=\xff"}, exitUsage, "not valid UTF-8"},
		"a word for an int":     {[]string{"run", "n: int -> a", "n=many"}, exitUsage, `want int, got "many"`},
		"value out of the set":  {[]string{"run", "l: Literal['x'] -> a", "l=y"}, exitUsage, "want one of x"},
		"zero max tokens":       {[]string{"run", "--max-tokens", "0", "q -> a", "q=x"}, exitUsage, "--max-tokens 0"},
		"negative max tokens":   {[]string{"run", "--max-tokens", "-5", "q -> a", "q=x"}, exitUsage, "--max-tokens -5"},
		"negative context":      {[]string{"run", "--context-length", "-1", "q -> a", "q=x"}, exitUsage, "--context-length -1"},
		"negative GPU layers":   {[]string{"run", "--gpu-layers", "-1", "q -> a", "q=x"}, exitUsage, "--backend cpu"},
		"unknown backend":       {[]string{"run", "--backend", "rocm", "q -> a", "q=x"}, exitUsage, "there are [cpu vulkan cuda metal]"},
		"backend not here":      {[]string{"run", "--backend", "metal", "q -> a", "q=x"}, exitUsage, "Metal cannot be used"},
		"negative threads":      {[]string{"run", "--threads", "-1", "q -> a", "q=x"}, exitUsage, "--threads -1"},
		"too many threads":      {[]string{"run", "--threads", "1000", "q -> a", "q=x"}, exitUsage, "Threads: 1000"},
		"no inputs, no --":      {[]string{"run", "-> a"}, exitUsage, "write -- before a signature"},
		"list of other things":  {[]string{"run", "l: list[int] -> a", `l=["x"]`}, exitUsage, "element 1: want int"},
		"NaN temperature":       {[]string{"run", "--temperature", "NaN", "q -> a", "q=x"}, exitUsage, "temperature NaN"},
		"negative temperature":  {[]string{"run", "--temperature", "-1", "q -> a", "q=x"}, exitUsage, "temperature -1"},
		"top-p above 1":         {[]string{"run", "--top-p", "2", "q -> a", "q=x"}, exitUsage, "top-p 2"},
		"json and stream":       {[]string{"run", "--json", "--stream", "q -> a", "q=x"}, exitUsage, "--json and --stream"},
		"bad demos":             {[]string{"run", "--demos", badDemos, "q -> a", "q=x"}, exitUsage, "demos.jsonl:2: want a JSON object"},
		"demos without outputs": {[]string{"run", "--demos", noOutputs, "q -> a", "q=x"}, exitUsage, "demo 1: it has no output field"},
		"unknown model":         {[]string{"run", "-m", "smollm2-135m-instrukt", "q -> a", "q=x"}, exitUnavailable, "smollm2-135m-instruct"},
		"not a GGUF":            {[]string{"run", "-m", notGGUF, "q -> a", "q=x"}, exitUnavailable, "GGUF"},
		"no libraries":          {[]string{"run", "--llama-dir", emptyLlama, "q -> a", "q=x"}, exitUnavailable, "libllama"},
		"unknown template":      {[]string{"run", "--chat-template", "chatlm", "q -> a", "q=x"}, exitUsage, `unknown chat template "chatlm"`},
		"too long a prompt":     {[]string{"run", "q -> a", "q=" + strings.Repeat("word ", 9000)}, exitFailure, "shorten it by at least"},
		"remove what is not":    {[]string{"rm", "no-such-model"}, exitUnavailable, "no-such-model"},
		"verify what is not":    {[]string{"models", "verify", "no-such-model"}, exitUnavailable, "no-such-model"},
		"pull what is not":      {[]string{"pull", "no-such-model"}, exitUnavailable, "no-such-model"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, stderr := criaRun(t, "", tt.args...)
			if code != tt.code || out != "" {
				t.Errorf("exit code %d and output %q, want %d and none", code, out, tt.code)
			}
			if !strings.HasPrefix(stderr, "cria: ") || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, tt.want) {
				t.Errorf("standard error %q, want one line with %q", stderr, tt.want)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, err bytes.Buffer
	code := run(ctx, []string{"run", "q -> a", "q=x"}, streams{in: strings.NewReader(""), out: &out, err: &err})
	if code != exitInterrupted || err.String() != "cria: interrupted\n" {
		t.Errorf("exit code %d, errors %q", code, err.String())
	}
}

// The copy that a model is loaded from stands below it.
func TestModelsShowsCopies(t *testing.T) {
	if code, _, stderr := criaRun(t, "", "run", "question -> answer: bool", "question=Is ice cold?"); code != 0 {
		t.Fatalf("exit code %d, errors %q", code, stderr)
	}
	if code, out, _ := criaRun(t, "", "models"); code != 0 || !strings.Contains(out, "as Q8_0") {
		t.Errorf("exit code %d, output %q", code, out)
	}
}

func TestOtherCommands(t *testing.T) {
	testmodel.Model(t)
	for name, tt := range map[string]struct {
		args []string
		want []string
	}{
		"help":       {[]string{"--help"}, []string{"Exit codes:", "CRIA_CACHE_DIR", "doctor"}},
		"help run":   {[]string{"run", "--help"}, []string{"Literal['a', 'b']", "--show-prompt"}},
		"version":    {[]string{"version"}, []string{"for llama.cpp v0.5.0"}},
		"--version":  {[]string{"--version"}, []string{"for llama.cpp v0.5.0"}},
		"pull":       {[]string{"pull"}, []string{"smollm2-135m-instruct\t", "llama.cpp\t"}},
		"models":     {[]string{"models"}, []string{"smollm2-135m-instruct", "b179c9523d0e"}},
		"catalogue":  {[]string{"models", "--all"}, []string{"smollm2-135m-instruct", "gemma-3-270m", "qwen2.5-0.5b-instruct-q4_k_m", "Apache-2.0"}},
		"verify":     {[]string{"models", "verify", "smollm2-135m-instruct"}, []string{"as it was fetched"}},
		"doctor":     {[]string{"doctor"}, []string{"llama.cpp", "CPU", "default model"}},
		"completion": {[]string{"__complete", "run", "--model", "smol"}, []string{"smollm2-135m-instruct"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, stderr := criaRun(t, "", tt.args...)
			if code != 0 {
				t.Errorf("exit code %d, errors %q", code, stderr)
			}
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("output %q does not say %q", out, want)
				}
			}
		})
	}
}

func TestDoctorFindsAnIncompleteFolder(t *testing.T) {
	code, out, _ := criaRun(t, "", "doctor", "--llama-dir", t.TempDir())
	if code != exitUnavailable || !strings.Contains(out, "to do: name a folder") {
		t.Errorf("exit code %d, output %q", code, out)
	}
}

// A big number goes through unchanged, and so does a signature without inputs.
func TestRunKeepsNumbers(t *testing.T) {
	demos := write(t, "demos.jsonl", `{"n": 9007199254740993, "a": "x"}`)
	code, out, stderr := criaRun(t, "", "run", "--show-prompt", "--demos", demos, "n: int -> a", "n=9007199254740995")
	if code != 0 || !strings.Contains(out, "n: 9007199254740993") || !strings.Contains(out, "n: 9007199254740995") {
		t.Errorf("exit code %d, output %q, errors %q", code, out, stderr)
	}
	if code, out, stderr := criaRun(t, "", "run", "--", "-> joke"); code != 0 || out == "" {
		t.Errorf("no inputs: exit code %d, output %q, errors %q", code, out, stderr)
	}
}

func TestRunSaysWhenItIsCutOff(t *testing.T) {
	code, out, stderr := criaRun(t, "", "run", "--max-tokens", "3", "topic -> story", "topic=dragons")
	if code != 0 || out == "" || !strings.Contains(stderr, "cut off after 3 tokens") {
		t.Errorf("exit code %d, output %q, errors %q", code, out, stderr)
	}
	code, out, stderr = criaRun(t, "", "run", "--max-tokens", "2", "text -> age: int", "text=Ada is 361234567 years old.")
	if code != exitReply || out != "" || !strings.Contains(stderr, "cut off") {
		t.Errorf("a number: exit code %d, output %q, errors %q", code, out, stderr)
	}
}

// The README's program is the example that is compiled and run.
func TestReadmeProgramIsTheExample(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("../../examples/classify/main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(program), "\n") // its comment
	if !strings.Contains(string(readme), "```go\n"+code+"```") {
		t.Error("the program in README.md is not examples/classify/main.go")
	}
}

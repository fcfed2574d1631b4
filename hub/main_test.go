package hub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cria-lm/cria/gguf"
)

// The test binary also plays other programs: under the name npm or python3 a
// client that fails in a chosen way, and with a role a process that fetches.
func TestMain(m *testing.M) {
	switch name := filepath.Base(os.Args[0]); {
	case name == "npm":
		os.Exit(fakeNPM())
	case slices.Contains(pythons, name):
		os.Exit(fakePip())
	case os.Getenv("HUB_TEST_FETCH") != "":
		os.Exit(fetchProcess(os.Getenv("HUB_TEST_FETCH")))
	}
	goleak.VerifyTestMain(m)
}

// fakeNPM behaves as FAKE_NPM says: "fail", "hang", or "ok", which packs the
// file FAKE_FILE.
func fakeNPM() int {
	switch os.Getenv("FAKE_NPM") {
	case "fail":
		fmt.Fprintln(os.Stderr, "npm warn noise\nnpm error code E404\nnpm error A complete log of this run can be found in: /x")
		fmt.Println(`{"error": {"code": "E404", "summary": "404 Not Found", "detail": "noise"}}`)
		return 1
	case "hang":
		return hang()
	}
	data, err := os.ReadFile(os.Getenv("FAKE_FILE"))
	if err != nil {
		return 1
	}
	sum := sha512.Sum512(data)
	if os.Getenv("FAKE_NPM") == "damaged" {
		data[len(data)/2] ^= 1
	}
	if err := os.WriteFile("package-1.0.0.tgz", data, 0o644); err != nil {
		return 1
	}
	fmt.Printf(`[{"filename":"package-1.0.0.tgz","integrity":"sha512-%s"}]`, base64.StdEncoding.EncodeToString(sum[:]))
	return 0
}

// fakePip behaves as FAKE_PIP says: "fail", "hang", "nomodule", "full", or
// "ok", which copies the wheels in FAKE_WHEELS.
func fakePip() int {
	args := os.Args
	to := args[slices.Index(args, "-d")+1]
	switch os.Getenv("FAKE_PIP") {
	case "fail":
		fmt.Fprintln(os.Stderr, "ERROR: Could not find a version that satisfies the requirement\nERROR: No matching distribution found")
		return 1
	case "nonet":
		fmt.Fprintln(os.Stderr, "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<x object at 0x7f>: "+
			"Failed to establish a new connection: [Errno 111] Connection refused')': /simple/a/\nERROR: No matching distribution found")
		return 1
	case "nomodule":
		fmt.Fprintln(os.Stderr, args[0]+": No module named pip")
		return 1
	case "full":
		fmt.Fprintln(os.Stderr, "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device")
		return 1
	case "hang":
		return hang()
	}
	wheels, _ := filepath.Glob(filepath.Join(os.Getenv("FAKE_WHEELS"), "*.whl"))
	for _, w := range wheels {
		data, err := os.ReadFile(w)
		if err != nil || os.WriteFile(filepath.Join(to, filepath.Base(w)), data, 0o644) != nil {
			return 1
		}
	}
	return 0
}

// hang notes its process id, so that its end can be seen, and does nothing for
// a minute.
func hang() int {
	_ = os.WriteFile(os.Getenv("FAKE_PID"), fmt.Append(nil, os.Getpid()), 0o644)
	_ = os.WriteFile(filepath.Join(os.Getenv("TMPDIR"), "half"), make([]byte, 1000), 0o644)
	time.Sleep(time.Minute)
	return 0
}

// fetchProcess fetches a model as its own process and prints its path.
func fetchProcess(ref string) int {
	h, err := New(&Options{Progress: TerminalProgress(os.Stderr, false)})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	m, err := h.Model(context.Background(), ref)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Print(m.Path)
	return 0
}

// fakeClients puts this binary into the path as the named programs, and
// nothing else.
func fakeClients(t *testing.T, names ...string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range names {
		if err := os.Symlink(exe, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

// testHub returns a hub with an empty cache and a clean environment.
func testHub(t *testing.T, opts Options) *Hub {
	t.Helper()
	cleanEnv(t)
	if opts.CacheDir == "" {
		opts.CacheDir = t.TempDir()
	}
	h, err := New(&opts)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func cleanEnv(t *testing.T) {
	for _, name := range []string{"CRIA_CACHE_DIR", "CRIA_LLAMA_DIR", "CRIA_OFFLINE", "CRIA_ACCEPT_LICENSE",
		"CRIA_LLAMA_RELEASES", "HF_TOKEN", "HF_ENDPOINT"} {
		t.Setenv(name, "")
	}
}

// testModel is content that passes for a model.
func testModel(size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i * i >> 7)
	}
	copy(data, header)
	return data
}

// testPart is a part of a split model, i of n.
func testPart(t *testing.T, i, n uint16, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gguf.Write(&b, []gguf.KeyValue{{Key: "split.no", Value: i - 1}, {Key: "split.count", Value: n}}, nil); err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), make([]byte, size-b.Len())...)
}

// header is that of a GGUF without keys and tensors. What follows it is not
// looked at.
const header = "GGUF\x03\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00"

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func wantFile(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if digestOf(got) != digestOf(want) {
		t.Errorf("%s has %d bytes that differ from the %d wanted", path, len(got), len(want))
	}
}

// wantError checks that an error says every one of the parts, and is readable.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error does not say %q:\n%v", p, err)
		}
	}
}

// A fileServer serves one file with ranges, as slow and as broken as told.
type fileServer struct {
	*httptest.Server
	delay time.Duration // after each 64 KiB
	etag  atomic.Value  // string; "" sends none
	cut   atomic.Int64  // the number of answers to break off in the middle
	busy  atomic.Int64  // the number of answers to refuse with 503

	mu     sync.Mutex
	data   []byte
	gets   int
	ranges []string
	sent   int
}

func serveFile(t *testing.T, data []byte) *fileServer { return serveSlowly(t, data, 0) }

func serveSlowly(t *testing.T, data []byte, delay time.Duration) *fileServer {
	s := &fileServer{data: data, delay: delay}
	s.etag.Store(`"one"`)
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *fileServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.gets++
	s.ranges = append(s.ranges, r.Header.Get("Range"))
	data := s.data
	s.mu.Unlock()
	if s.busy.Add(-1) >= 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	etag := s.etag.Load().(string)
	from := 0
	if etag != "" {
		w.Header().Set("ETag", etag)
		if r.Header.Get("If-Range") == etag {
			fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		}
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(data)-from))
	if from > 0 {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
		w.WriteHeader(http.StatusPartialContent)
	}
	rest := data[from:]
	if s.cut.Add(-1) >= 0 {
		rest = rest[:len(rest)/2]
	}
	for len(rest) > 0 {
		n, err := w.Write(rest[:min(64<<10, len(rest))])
		if err != nil {
			return
		}
		s.mu.Lock()
		s.sent += n
		s.mu.Unlock()
		if rest = rest[n:]; s.delay > 0 {
			w.(http.Flusher).Flush()
			time.Sleep(s.delay)
		}
	}
	if s.cut.Load() >= 0 {
		panic(http.ErrAbortHandler) // less than promised: the connection breaks
	}
}

func (s *fileServer) replace(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = data
}

func (s *fileServer) seen() (gets int, ranges []string, sent int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gets, slices.Clone(s.ranges), s.sent
}

// child starts a process of its own that fetches ref.
func child(t *testing.T, cacheDir, ref string) (cmd *exec.Cmd, out *tail) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd, out = exec.Command(exe), &tail{}
	cmd.Env = append(os.Environ(), "HUB_TEST_FETCH="+ref, "CRIA_CACHE_DIR="+cacheDir)
	cmd.Stdout, cmd.Stderr = out, io.Discard
	if testing.Verbose() {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain for " + what)
		}
	}
}

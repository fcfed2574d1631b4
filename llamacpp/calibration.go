package llamacpp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"strings"
	"time"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llama"
)

// What is measured: a prompt and a reply of so many tokens, or less in a short context.
const (
	measuredPrompt = 512
	measuredReply  = 64
)

// Calibrate measures how fast a model is on this machine with each backend that is here
// and with several numbers of threads, and keeps that in the cache: [Load] and [Plan]
// follow it from then on. progress, if it is not nil, is called before each reading. What
// else the machine does meanwhile is measured too. Of opts only Hub and Logger count: the
// rest is as the plan has it. It fetches what is missing. Errors are
// those of Load, and that of [hardware.Calibrate] if nothing could be measured.
func Calibrate(ctx context.Context, ref string, opts *Options, progress func(done, total int, next hardware.Candidate)) (*hardware.Calibration, error) {
	if opts == nil {
		opts = &Options{}
	}
	opts = &Options{Hub: opts.Hub, Logger: opts.Logger}
	f, err := fetch(ctx, ref, opts)
	if err != nil {
		return nil, err
	}
	here, err := hardware.Detect(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range backendsFor(here, "", f.libs) {
		if err := loadBackend(ctx, f.hub, f.libs, b); err != nil {
			opts.logger().Warn("a backend is not measured", "backend", b, "err", err)
		}
	}
	if here, err = hardware.Detect(ctx); err != nil { // with the devices
		return nil, err
	}
	measured := map[hardware.Backend]*Prepared{}
	measure := func(ctx context.Context, c hardware.Candidate) (speed hardware.Speed, err error) {
		p, ok := measured[c.Backend]
		if !ok {
			o := *opts
			o.Backend = c.Backend
			if p, err = o.prepare(ctx, f, here, nil); err != nil {
				return speed, err
			}
			measured[c.Backend] = p
		}
		o := (&Options{Logger: opts.Logger}).engineOptions(&p.plan)
		o.FixedThreads = true
		if p.plan.GPULayers == 0 || p.plan.GPULayers == p.plan.Layers { // else the CPU's layers want all that they can have
			o.Threads, o.PrefillThreads = c.Threads, c.Threads
		}
		return measureOnce(ctx, p.file, o)
	}
	list, err := hardware.Calibrate(ctx, hardware.Candidates(here), measure, progress)
	if err != nil {
		return nil, err
	}
	info, _ := llama.Loaded()
	c := &hardware.Calibration{Machine: here.Fingerprint(), Model: calibrationKey(f.model), Release: info.Version, Made: time.Now().UTC(), Measurements: list}
	return c, c.Write(f.hub.CacheDir())
}

// readCalibration returns what [Calibrate] has kept for a model and a machine. The error
// wraps [fs.ErrNotExist] if nothing is.
func readCalibration(h *hub.Hub, m hardware.Machine, model *hub.Model) (*hardware.Calibration, error) {
	info, ok := llama.Loaded()
	if !ok {
		return nil, fmt.Errorf("nothing is measured without llama.cpp's libraries: %w", fs.ErrNotExist)
	}
	return hardware.ReadCalibration(h.CacheDir(), m, calibrationKey(model), info.Version)
}

// calibrated is what is kept for a model; nil for nothing.
func calibrated(h *hub.Hub, m hardware.Machine, model *hub.Model, log *slog.Logger) *hardware.Calibration {
	c, err := readCalibration(h, m, model)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("what was measured is not used", "model", model.Ref, "err", err)
	}
	return c
}

// calibrationKey names a model's bytes, as far as is cheap.
func calibrationKey(m *hub.Model) string {
	if m.Digest != "" {
		return m.Digest
	}
	info, err := os.Stat(m.Path)
	if err != nil {
		return m.Path
	}
	return fmt.Sprintf("%s %d %s", m.Path, m.Size, info.ModTime().UTC().Format(time.RFC3339Nano))
}

// measureOnce loads the model and reads how fast it takes a prompt and writes a reply.
func measureOnce(ctx context.Context, file modelFile, o *engine.Options) (speed hardware.Speed, err error) {
	o.ContextLength, o.CacheLength, o.NoSpeculation, o.Files = 2*measuredPrompt, 2*measuredPrompt, true, file.was
	e, err := engine.Load(ctx, file.path, o)
	if err != nil {
		return speed, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	length := min(measuredPrompt, e.ContextLength()/2)
	prompt, err := e.Vocab().Encode(strings.Repeat("The machine reads a text of common words, one after the other, as fast as it can. ", length/8))
	if err != nil {
		return speed, err
	}
	prompt = prompt[:min(length, len(prompt))]
	// The first request of an engine also makes buffers.
	if _, err := readSpeed(ctx, e, "first", prompt, 1); err != nil {
		return speed, err
	}
	return readSpeed(ctx, e, "second", prompt, min(measuredReply, e.ContextLength()/4))
}

// readSpeed runs one request, which shares nothing with those of another salt; with one
// token of output, only the prompt's speed is read.
func readSpeed(ctx context.Context, e *engine.Engine, salt string, prompt []engine.Token, reply int) (hardware.Speed, error) {
	endless := map[engine.Token]float32{}
	for t := range llama.Token(e.Vocab().NTokens()) {
		if e.Vocab().IsEOG(t) {
			endless[t] = float32(math.Inf(-1))
		}
	}
	start := time.Now()
	var first, last time.Duration
	var begun, tokens int
	req := &engine.Request{Prompt: prompt, MaxTokens: reply, Salt: salt, Sampling: engine.Sampling{LogitBias: endless}}
	for chunk, err := range e.Generate(ctx, req) {
		if err != nil {
			return hardware.Speed{}, err
		}
		last, tokens = time.Since(start), chunk.Usage.CompletionTokens
		if first == 0 {
			first, begun = last, tokens
		}
	}
	return hardware.Speed{
		Prefill: float64(len(prompt)) / first.Seconds(),
		Decode:  float64(tokens-begun) / max(last-first, 1).Seconds(),
	}, nil
}

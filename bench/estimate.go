package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cria-lm/cria/engine"
	"github.com/cria-lm/cria/gguf"
	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/internal/synth"
	"github.com/cria-lm/cria/llama"
	"github.com/cria-lm/cria/llamacpp"
)

// hardwareFigures are about GPUs: on a machine without one there is nothing to measure.
var hardwareFigures = []figure{
	{"estimate", "MiB that a plan says of each GPU, against what llama.cpp allocates there",
		"the default model and two made ones, on each backend: with half and with all of their layers on one GPU, and on all GPUs; weights, cache and buffers as llama.cpp logs them",
		"ratio 0.9 to 1.1", estimates},
}

// estimatedShapes are models that are made for the figure: an ordinary one, and one with a
// sliding window. Their attention heads are of 64, which all backends have kernels for.
var estimatedShapes = map[string]synth.Shape{
	"llama-400m": {Layers: 24, Embedding: 896, Heads: 14, KVHeads: 2, FeedForward: 4864, Context: 32768, Type: gguf.Q8_0},
	"gemma-300m": {Architecture: synth.Gemma3, Layers: 18, Embedding: 640, Heads: 10, KVHeads: 2, FeedForward: 2048, Context: 32768, Type: gguf.Q8_0},
}

// estimates compares plans with what is allocated.
func estimates(ctx context.Context, s *session) (results []result, err error) {
	model, err := s.hub.Model(ctx, s.options.model)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "cria-estimate-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	paths := map[string]string{"default": model.Path}
	for name, shape := range estimatedShapes {
		paths[name] = filepath.Join(dir, name+".gguf")
		if err := synth.Write(ctx, paths[name], model.Path, shape, nil); err != nil {
			return nil, err
		}
	}
	for _, b := range []hardware.Backend{hardware.BackendVulkan, hardware.BackendCUDA, hardware.BackendMetal} {
		devices, err := s.devices(ctx, b)
		if err != nil {
			fmt.Fprintf(s.out, "%s: %v\n", b.Title(), err)
			continue
		}
		r := result{name: "estimate-" + string(b), unit: "MiB"}
		for _, name := range []string{"default", "llama-400m", "gemma-300m"} {
			for _, n := range slices.Compact([]int{1, len(devices)}) {
				for _, half := range []bool{false, true} {
					if err := compareDevices(ctx, &r, name, paths[name], devices[:n], half); err != nil {
						return results, fmt.Errorf("%s on %s: %w", name, b.Title(), err)
					}
				}
			}
		}
		results = append(results, r)
	}
	if len(results) == 0 {
		return nil, errors.New("llama.cpp shows no GPU here")
	}
	return results, nil
}

// devices loads a backend and returns the names of its GPUs.
func (s *session) devices(ctx context.Context, b hardware.Backend) (names []string, err error) {
	libs, err := s.hub.Libraries(ctx)
	if err != nil {
		return nil, err
	}
	if err := llama.Load(libs.Files); err != nil {
		return nil, err
	}
	if err := llamacpp.LoadBackends(ctx, s.hub, libs, b, nil); err != nil {
		return nil, err
	}
	m, err := hardware.Detect(ctx)
	for _, d := range m.Devices {
		if d.Backend == b && d.Kind != hardware.KindCPU {
			names = append(names, d.Name)
		}
	}
	if err == nil && len(names) == 0 {
		err = errors.New("no GPU is shown")
	}
	return names, err
}

// compareDevices loads a model with all or half of its layers on devices, and adds a pair
// for each of them and one for main memory.
func compareDevices(ctx context.Context, r *result, name, path string, devices []string, half bool) error {
	header, err := gguf.Open(path)
	if err != nil {
		return err
	}
	needs, err := hardware.EstimatedNeeds(header)
	if err != nil {
		return err
	}
	layers := header.BlockCount() + 1
	if half {
		layers /= 2
	}
	p := hardware.Placement{
		GPULayers: layers, Cells: hardware.WorkingContext, KV: gguf.F16, FlashAttention: hardware.FlashAuto,
		BatchSize: hardware.GPUBatch, MicroBatch: hardware.MicroBatch,
	}
	if half { // as a plan has it
		p.FlashAttention = hardware.FlashOn
	}
	for range devices {
		p.Split = append(p.Split, 1/float32(len(devices)))
	}
	log := &buffers{}
	llama.SetLogger(slog.New(log))
	o := &engine.Options{
		ContextLength: p.Cells, CacheLength: p.Cells, WholeCache: true, BatchSize: p.BatchSize, MicroBatch: p.MicroBatch,
		GPULayers: layers, Devices: devices, Split: p.Split,
	}
	if half {
		o.FlashAttention = new(true)
	}
	e, err := engine.Load(ctx, path, o)
	llama.SetLogger(nil) // waits for the last line
	if err != nil {
		return err
	}
	defer e.Close()
	need := needs(p)
	for i, d := range devices {
		ours, peer := float64(need.Devices[i]-hardware.DeviceReserve)/(1<<20), log.of(func(b string) bool { return b == d })
		r.pairs = append(r.pairs, pair{ours, peer})
		r.notes = append(r.notes, fmt.Sprintf("pair %d: %s, %d of %d layers on %v: %s %.1f, llama.cpp %.1f (%s)",
			len(r.pairs), name, layers, header.BlockCount()+1, devices, d, ours, peer, log.parts(func(b string) bool { return b == d })))
	}
	onHost := func(b string) bool { return !slices.Contains(devices, b) }
	r.notes = append(r.notes, fmt.Sprintf("  main memory %.1f, llama.cpp %.1f (%s)", float64(need.Host)/(1<<20), log.of(onHost), log.parts(onHost)))
	r.notes = append(r.notes, log.said...)
	return nil
}

// buffers collects the sizes of buffers in llama.cpp's log, in MiB.
type buffers struct {
	slog.Handler
	sizes []buffer
	said  []string // of what the sizes depend on
}

type buffer struct {
	device, kind string
	size         float64
}

// dependsOn are the lines that say what buffers depend on.
var dependsOn = regexp.MustCompile(`(?i)flash attention|pipeline parallelism|sched copies`)

var bufferSize = regexp.MustCompile(`(\S+) (model|KV|RS|compute|output) buffer size = +([\d.]+) MiB`)

func (b *buffers) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

func (b *buffers) Handle(_ context.Context, record slog.Record) error {
	if dependsOn.MatchString(record.Message) {
		b.said = append(b.said, "  "+record.Message)
	}
	found := bufferSize.FindStringSubmatch(record.Message)
	if found == nil {
		return nil
	}
	size, err := strconv.ParseFloat(found[3], 64)
	b.sizes = append(b.sizes, buffer{found[1], found[2], size})
	return err
}

func (b *buffers) of(device func(string) bool) (sum float64) {
	for _, s := range b.sizes {
		if device(s.device) {
			sum += s.size
		}
	}
	return sum
}

// parts says what devices have of each kind.
func (b *buffers) parts(device func(string) bool) string {
	var list []string
	for _, s := range b.sizes {
		if device(s.device) {
			list = append(list, fmt.Sprintf("%s %.1f", s.kind, s.size))
		}
	}
	return strings.Join(list, ", ")
}

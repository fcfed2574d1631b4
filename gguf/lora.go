package gguf

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// LoRAError says why a LoRA adapter cannot be used with a model.
type LoRAError struct {
	Place  string // in the adapter's file: `tensor "blk.0.attn_q.weight.lora_a"`
	Reason string // and what would help
}

func (e *LoRAError) Error() string { return e.Place + ": " + e.Reason }

func loraError(reason string, place string, args ...any) error {
	return &LoRAError{fmt.Sprintf(place, args...), reason}
}

// The two matrices that change the tensor X are named X.lora_a and X.lora_b.
const loraA, loraB = ".lora_a", ".lora_b"

// CheckLoRA reports the first reason, a [*LoRAError], why llama.cpp v0.5.0 could not
// use a file as a LoRA adapter of a model, which are the headers of its parts:
//
//   - its keys say that it is an adapter of another kind or for another architecture,
//     or have values of types that end llama.cpp's process;
//   - it was trained to take effect only behind certain tokens (aLoRA);
//   - a matrix has no counterpart, or changes a tensor that the model does not have,
//     that is not a matrix, or that has another shape.
//
// What it may have besides are weights of norms, which llama.cpp does not apply.
func CheckLoRA(adapter *File, model ...*File) error {
	if err := adapter.checkLoRAKeys(model[0].Architecture()); err != nil {
		return err
	}
	base := map[string]Tensor{}
	for _, part := range model {
		for _, t := range part.tensors {
			base[t.Name] = t
		}
	}
	own := map[string]Tensor{}
	for _, t := range adapter.tensors {
		own[t.Name] = t
	}
	pairs := 0
	for _, t := range adapter.tensors {
		name, ok := strings.CutSuffix(t.Name, loraA)
		other := name + loraB
		if !ok {
			name, ok = strings.CutSuffix(t.Name, loraB)
			other = name + loraA
		}
		switch _, paired := own[other]; {
		case !ok && strings.HasSuffix(t.Name, "_norm.weight"):
			continue
		case !ok:
			return loraError("is neither one of a pair .lora_a and .lora_b nor the weight of a norm; convert the adapter with llama.cpp's convert_lora_to_gguf.py", "tensor %q", t.Name)
		case !paired:
			return loraError(fmt.Sprintf("there is no %q; the file was not written whole, convert the adapter again", other), "tensor %q", t.Name)
		case strings.HasSuffix(t.Name, loraB):
			continue // looked at with its .lora_a
		}
		if err := checkPair(base, name, t, own[other]); err != nil {
			return err
		}
		pairs++
	}
	if pairs == 0 {
		return loraError("it has none, so it would change nothing", "tensors")
	}
	return nil
}

// checkLoRAKeys checks what the file says about itself. llama.cpp's getters end the
// process if a value has another type than they are for.
func (f *File) checkLoRAKeys(arch string) error {
	for _, k := range []struct{ key, want, otherwise string }{
		{"general.type", "adapter", "it is a model or something else, name the file of the adapter"},
		{"adapter.type", "lora", "this kind of adapter is not supported"},
	} {
		v, ok := f.metadata.Value(k.key)
		if !ok {
			return loraError(fmt.Sprintf("is missing, so it is no LoRA adapter: %s", k.otherwise), "key %q", k.key)
		}
		if text, _ := f.metadata.Text(k.key); text != k.want {
			return loraError(fmt.Sprintf("is %.40q of type %v instead of %q: %s", text, v.typ, k.want, k.otherwise), "key %q", k.key)
		}
	}
	if own := f.Architecture(); own != arch {
		return loraError(fmt.Sprintf("the adapter is for a model of architecture %q, this one is %q; load it with the model that it was trained on", own, arch), "key %q", keyArchitecture)
	}
	const alpha = "adapter.lora.alpha"
	if v, ok := f.metadata.Value(alpha); ok {
		// Written so that NaN fails.
		if n, isFloat := v.float(); v.typ != Float32 || !isFloat || !(math.Abs(n) <= math.MaxFloat32) {
			return loraError(fmt.Sprintf("is %v of type %v; it must be a finite f32, convert the adapter again", v.Any(), v.typ), "key %q", alpha)
		}
	}
	const invocation = "adapter.alora.invocation_tokens"
	if _, ok := f.metadata.Value(invocation); ok {
		return loraError("the adapter is an activated LoRA (aLoRA), which takes effect only behind these tokens; that is not supported, use a plain LoRA", "key %q", invocation)
	}
	return nil
}

// loraTypes are those that matrices of adapters may have: what llama.cpp's converter
// writes. Numbers of other types than weights have end its process at the first token.
var loraTypes = []TensorType{F32, F16, BF16, Q8_0}

// checkPair checks the matrices a and b that change a tensor. llama.cpp looks at two of
// four dimensions when it loads them, and ends the process when it multiplies them if
// the others do not fit.
func checkPair(base map[string]Tensor, name string, a, b Tensor) error {
	w, ok := base[name]
	if !ok {
		return loraError(fmt.Sprintf("the model has no tensor %q; load the adapter with the model that it was trained on", name), "tensor %q", a.Name)
	}
	for _, t := range []Tensor{a, b} {
		if !slices.Contains(loraTypes, t.Type) {
			return loraError(fmt.Sprintf("has the type %v; convert the adapter to F32, F16, BF16 or Q8_0", t.Type), "tensor %q", t.Name)
		}
	}
	switch {
	case len(w.Dims) < 2:
		return loraError(fmt.Sprintf("%q is not a matrix but %v numbers, which llama.cpp does not change", name, w.Dims[0]), "tensor %q", a.Name)
	case w.Type == nvfp4: // an assertion of build_ffn
		return loraError(fmt.Sprintf("%q has the type %v, with which llama.cpp uses no adapters; load the model in another type", name, w.Type), "tensor %q", a.Name)
	}
	rank := dim(b, 0)
	wantA, wantB := shape(w, dim(w, 0), rank), shape(w, rank, dim(w, 1))
	if strings.HasSuffix(name, tokenEmbeddings) { // of which a row is taken
		wantA = shape(w, rank, dim(w, 1))
		wantB = shape(w, rank, dim(w, 0))
		if _, ok := base["output.weight"]; !ok && name == tokenEmbeddings {
			return loraError("the model's embeddings are its output matrix too, and llama.cpp cannot change those; train the adapter without them", "tensor %q", a.Name)
		}
	}
	for _, t := range []struct {
		Tensor
		want [4]uint64
	}{{a, wantA}, {b, wantB}} {
		if got := shape(t.Tensor, dim(t.Tensor, 0), dim(t.Tensor, 1)); got != t.want {
			return loraError(fmt.Sprintf("has the shape %v; to change %q of %v with rank %d it must be %v: load the adapter with the model that it was trained on",
				t.Dims, name, w.Dims, rank, t.want[:len(w.Dims)]), "tensor %q", t.Name)
		}
	}
	return nil
}

const (
	tokenEmbeddings = "token_embd.weight"
	nvfp4           = TensorType(40)
)

// shape is that of a tensor with other first dimensions.
func shape(t Tensor, first, second uint64) [4]uint64 {
	return [4]uint64{first, second, dim(t, 2), dim(t, 3)}
}

// dim is a dimension of a tensor, 1 where it has none.
func dim(t Tensor, i int) uint64 {
	if i < len(t.Dims) {
		return t.Dims[i]
	}
	return 1
}

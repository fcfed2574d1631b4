package gguf

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// FuzzCheckLoRA looks for an adapter whose check panics, takes more memory than the sizes
// of the files are a reason for, or passes one that llama.cpp would refuse or not survive.
func FuzzCheckLoRA(f *testing.F) {
	base := loraHead(f, []KeyValue{{"general.architecture", "llama"}}, loraBaseTensors())
	tied := loraHead(f, []KeyValue{{"general.architecture", "llama"}}, loraBaseTensors()[:4])
	experts := pair("blk.0.ffn_up_exps.weight", []uint64{64, 4, 3}, []uint64{4, 128, 3})
	embeddings := pair("token_embd.weight", []uint64{4, 100}, []uint64{4, 64})
	output := pair("output.weight", []uint64{64, 4, 1, 1}, []uint64{4, 100})
	norm := TensorData{Name: "blk.0.attn_norm.weight", Dims: []uint64{64}}
	for _, tensors := range [][]TensorData{attnQ, append(slices.Clone(attnQ), norm), experts, embeddings, output, slices.Concat(attnQ, experts, embeddings, output)} {
		for _, model := range [][]byte{base, tied} {
			f.Add(loraHead(f, loraKeys, tensors), model)
		}
	}
	f.Add(loraHead(f, append(slices.Clone(loraKeys), KeyValue{"adapter.alora.invocation_tokens", []uint32{1}}), attnQ), base)
	f.Fuzz(func(t *testing.T, adapter, model []byte) {
		a, err := Read(bytes.NewReader(adapter), 1<<20)
		if err != nil {
			return
		}
		m, err := Read(bytes.NewReader(model), 1<<20)
		if err != nil {
			return
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err = CheckLoRA(a, m)
		runtime.ReadMemStats(&after)
		size := len(adapter) + len(model)
		if n, limit := after.TotalAlloc-before.TotalAlloc, uint64(2<<20+128*size); n > limit {
			t.Errorf("%d bytes allocated for files of %d", n, size)
		}
		if refusal := new(LoRAError); err != nil && (!errors.As(err, &refusal) || refusal.Place == "" || refusal.Reason == "") {
			t.Errorf("refused without a reason: %v", err)
		}
		if err == nil {
			expectLoRA(t, a, m)
		}
	})
}

// loraHead is a file without the data of its tensors, which the check does not look at: less
// to mutate in vain.
func loraHead(t testing.TB, metadata []KeyValue, tensors []TensorData) []byte {
	t.Helper()
	data := write(t, metadata, tensors)
	f, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return data[:f.tensors[0].Offset]
}

// expectLoRA asks of an adapter that has passed what llama_adapter_lora_init_impl asks,
// and what the multiplications ask that come after (ggml_can_mul_mat).
func expectLoRA(t *testing.T, adapter, model *File) {
	t.Helper()
	find := func(f *File, name string) (Tensor, bool) {
		i := slices.IndexFunc(f.tensors, func(t Tensor) bool { return t.Name == name })
		if i < 0 {
			return Tensor{}, false
		}
		return f.tensors[i], true
	}
	pairs := 0
	for _, a := range adapter.tensors {
		name, ok := strings.CutSuffix(a.Name, ".lora_a")
		if !ok {
			continue
		}
		pairs++
		b, hasB := find(adapter, name+".lora_b")
		w, known := find(model, name)
		if !hasB || !known {
			t.Errorf("%s: its counterpart: %v, a tensor of the model: %v", a.Name, hasB, known)
			continue
		}
		if strings.HasSuffix(name, "token_embd.weight") {
			if dim(w, 0) != dim(b, 1) || dim(w, 1) != dim(a, 1) || dim(a, 0) != dim(b, 0) {
				t.Errorf("%s: %v and %v for embeddings of %v", name, a.Dims, b.Dims, w.Dims)
			}
			continue
		}
		if dim(w, 0) != dim(a, 0) || dim(w, 1) != dim(b, 1) || dim(a, 1) != dim(b, 0) {
			t.Errorf("%s: %v and %v for a matrix of %v", name, a.Dims, b.Dims, w.Dims)
		}
		for i := 2; i < 4; i++ {
			if dim(a, i) != dim(w, i) || dim(b, i) != dim(w, i) {
				t.Errorf("%s: %v and %v for a matrix of %v", name, a.Dims, b.Dims, w.Dims)
			}
		}
	}
	if pairs == 0 {
		t.Error("an adapter without matrices has passed")
	}
}

package gguf

import (
	"fmt"
	"math"
	"math/bits"
)

// TensorType is how a tensor's numbers are stored (ggml_type), numbered as in
// the file. Weights in blocks are named as llama.cpp names them: Q4_K, IQ2_XS.
type TensorType uint32

// The types that are spoken of by name. The others are read by their numbers.
const (
	F32  TensorType = 0
	F16  TensorType = 1
	Q4_0 TensorType = 2
	Q4_1 TensorType = 3
	Q5_1 TensorType = 7
	Q8_0 TensorType = 8
	Q4_K TensorType = 12
	Q6_K TensorType = 14
	I32  TensorType = 26
	BF16 TensorType = 30
)

// tensorTypes are the layouts of llama.cpp v0.5.0 (ggml.h, ggml-common.h):
// elements in a block and the block's size in bytes. Numbers that are missing
// here were removed from the format or never in it.
var tensorTypes = map[TensorType]struct {
	name          string
	elements, len uint64
}{
	0: {"F32", 1, 4}, 1: {"F16", 1, 2}, 30: {"BF16", 1, 2}, 28: {"F64", 1, 8},
	24: {"I8", 1, 1}, 25: {"I16", 1, 2}, 26: {"I32", 1, 4}, 27: {"I64", 1, 8},
	2: {"Q4_0", 32, 18}, 3: {"Q4_1", 32, 20}, 6: {"Q5_0", 32, 22}, 7: {"Q5_1", 32, 24},
	8: {"Q8_0", 32, 34}, 9: {"Q8_1", 32, 36}, 41: {"Q1_0", 128, 18}, 42: {"Q2_0", 64, 18},
	10: {"Q2_K", 256, 84}, 11: {"Q3_K", 256, 110}, 12: {"Q4_K", 256, 144},
	13: {"Q5_K", 256, 176}, 14: {"Q6_K", 256, 210}, 15: {"Q8_K", 256, 292},
	16: {"IQ2_XXS", 256, 66}, 17: {"IQ2_XS", 256, 74}, 22: {"IQ2_S", 256, 82},
	18: {"IQ3_XXS", 256, 98}, 21: {"IQ3_S", 256, 110}, 19: {"IQ1_S", 256, 50},
	29: {"IQ1_M", 256, 56}, 20: {"IQ4_NL", 32, 18}, 23: {"IQ4_XS", 256, 136},
	34: {"TQ1_0", 256, 54}, 35: {"TQ2_0", 256, 66}, 39: {"MXFP4", 32, 17}, 40: {"NVFP4", 64, 36},
}

// String is the type's name: "F16", "Q4_K".
func (t TensorType) String() string {
	if known, ok := tensorTypes[t]; ok {
		return known.name
	}
	return fmt.Sprintf("tensor type %d", uint32(t))
}

// Block is the layout of the type's numbers: how many stand in a block, and the
// block's size in bytes. Rows are whole blocks. Both are 0 for an unknown type.
func (t TensorType) Block() (elements, bytes int) {
	layout := tensorTypes[t]
	return int(layout.elements), int(layout.len)
}

// Tensor is one entry of the tensor table.
type Tensor struct {
	Name   string
	Type   TensorType
	Dims   []uint64 // 1 to 4, each at least 1, the contiguous one first
	Offset int64    // of the data, in bytes from the start of the file
	Size   int64    // of the data in bytes, without padding
}

// dataSize is the size in bytes of a tensor's data, or why there is none.
func dataSize(typ TensorType, dims []uint64) (int64, error) {
	layout, ok := tensorTypes[typ]
	if !ok {
		return 0, invalidf("%v is not known (llama.cpp v0.5.0 has none of that number)", typ)
	}
	if len(dims) < 1 || len(dims) > 4 {
		return 0, invalidf("%d dimensions; there must be 1 to 4", len(dims))
	}
	elements := uint64(1)
	for _, d := range dims {
		high, low := bits.Mul64(elements, d)
		if d == 0 || high != 0 || low > math.MaxInt64 {
			return 0, invalidf("the shape %v has no elements or too many", dims)
		}
		elements = low
	}
	if dims[0]%layout.elements != 0 {
		return 0, invalidf("rows of %d elements are not whole blocks of %s (%d elements)", dims[0], layout.name, layout.elements)
	}
	high, size := bits.Mul64(elements/layout.elements, layout.len)
	if high != 0 || size > math.MaxInt64 {
		return 0, invalidf("the shape %v has too many bytes", dims)
	}
	return int64(size), nil
}

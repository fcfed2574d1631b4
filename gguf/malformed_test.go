package gguf

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"
)

// raw puts a file together number by number, wrong ones too.
func raw(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		if s, ok := p.(string); ok {
			b = append(b, s...)
		} else {
			b, _ = binary.Append(b, le, p)
		}
	}
	return b
}

func str(s string) string { return string(raw(uint64(len(s)), s)) }

func header(tensors, keys uint64) string { return string(raw("GGUF", uint32(3), tensors, keys)) }

// tensor is an entry of the tensor table.
func tensor(name string, typ uint32, offset uint64, dims ...uint64) string {
	return string(raw(str(name), uint32(len(dims)), dims, typ, offset))
}

// numeric is a file of architecture "a" with one number.
func numeric(name string, typ Type, value any) []byte {
	return raw(header(0, 2), str("general.architecture"), uint32(String), str("a"), str("a."+name), uint32(typ), value)
}

var malformed = []struct {
	name string
	data []byte
	want string
}{
	{"empty", nil, "it is empty"},
	{"magic only", raw("GGUF"), "fewer than a header"},
	{"HTML", raw("\n<!DOCTYPE html><html>"), "HTML page"},
	{"XML", raw("<?xml version='1.0'?><Error>"), "XML document"},
	{"LFS pointer", raw("version https://git-lfs.github.com/spec/v1\noid sha256:00"), "git lfs pull"},
	{"zip", raw("PK\x03\x04\x14\x00"), "zip archive"},
	{"pickle", raw("\x80\x02}q\x00"), "Python pickle"},
	{"safetensors", raw(uint64(100), `{"__metadata__":{}}`), "safetensors"},
	{"JSON", raw(`{"error":"Repository not found"}`), "JSON"},
	{"GGJT", raw("tjgg", uint32(3)), "before GGUF"},
	{"text", raw("Entry not found, sorry ä"), `a text that starts with "Entry not found,"`},
	{"zeros", make([]byte, 100), "starts with zero bytes"},
	{"binary", raw("\x01\x02\x03\x04\x05"), "starts with 01 02 03 04 05"},
	{"magic in lower case", raw("gguf", uint32(3), make([]byte, 16)), `starts with 67 67 75 66`},

	{"version 0", raw("GGUF", uint32(0), make([]byte, 16)), "version 0;"},
	{"version 1", raw("GGUF", uint32(1), make([]byte, 16)), "version 1, which"},
	{"version 4", raw("GGUF", uint32(4), make([]byte, 16)), "version 4; 2 and 3"},
	{"big-endian", raw("GGUF\x00\x00\x00\x03", make([]byte, 16)), "big-endian (version 3)"},

	{"too many keys", raw(header(0, 1<<40)), "1099511627776 keys; at most 65536"},
	{"too many tensors", raw(header(1<<63, 0)), "tensors; at most 65536"},
	{"more keys than bytes", raw(header(0, 1000)), "a table of 1000 keys is larger than the file"},
	{"more tensors than bytes", raw(header(3, 0), make([]byte, 30)), "a table of 3 tensors is larger than the file"},

	{"key longer than the file", raw(header(0, 1), uint64(1)<<62, make([]byte, 20)), "metadata[1 of 1]: string of 4611686018427387904 bytes is larger than the file"},
	{"key too long", raw(header(0, 1), uint64(70_000), make([]byte, 70_100)), "at most 65535"},
	{"empty key", raw(header(0, 1), str(""), make([]byte, 20)), "the name is empty"},
	{"key not UTF-8", raw(header(0, 1), str("\xff"), uint32(0), make([]byte, 20)), "not UTF-8"},
	{"key with NUL", raw(header(0, 1), str("a\x00"), uint32(0), make([]byte, 20)), "not UTF-8"},
	{"key twice", raw(header(0, 2), str("a"), uint32(0), uint8(1), str("a"), uint32(0), uint8(1)), `metadata.a: stands there twice`},
	{"unknown value type", raw(header(0, 1), str("a"), uint32(13), uint64(0)), `metadata.a: value type 13 is not known`},
	{"string longer than the file", raw(header(0, 1), str("a"), uint32(String), uint64(10), "123456789"), `metadata.a: string of 10 bytes is larger than the file, of which 9 bytes`},
	{"value cut off", raw(header(0, 1), str("a"), uint32(Uint64), uint32(0)), `metadata.a: the file ends here, at byte 41`},
	{"boolean of 2", raw(header(0, 1), str("a"), uint32(Bool), uint8(2)), `metadata.a: boolean of 2`},
	{"booleans of 2", raw(header(0, 1), str("a"), uint32(Array), uint32(Bool), uint64(2), "\x00\x02"), "other bytes than 0 and 1"},
	{"array of arrays", raw(header(0, 1), str("a"), uint32(Array), uint32(Array), uint64(0)), "array of arrays"},
	{"array of unknown type", raw(header(0, 1), str("a"), uint32(Array), uint32(99), uint64(0)), "value type 99"},
	{"array larger than the file", raw(header(0, 1), str("a"), uint32(Array), uint32(Int8), uint64(1)<<30, make([]byte, 900)), `metadata.a: array of 1073741824 elements is larger than the file`},
	{"array that overflows", raw(header(0, 1), str("a"), uint32(Array), uint32(Uint64), uint64(1)<<61, make([]byte, 900)), `metadata.a: array of 2305843009213693952 elements`},
	{"strings larger than the file", raw(header(0, 1), str("tokenizer.ggml.tokens"), uint32(Array), uint32(String), uint64(1)<<31, make([]byte, 900)), `metadata.tokenizer.ggml.tokens: array of 2147483648 elements is larger than the file`},
	{"element larger than the file", raw(header(0, 1), str("a"), uint32(Array), uint32(String), uint64(2), str("x"), ^uint64(0)), `metadata.a[1]: string of 18446744073709551615 bytes`},

	{"architecture is a number", raw(header(0, 1), str("general.architecture"), uint32(Uint64), uint64(1)), `metadata.general.architecture: is u64, not a string`},
	{"tokens are numbers", raw(header(0, 1), str("tokenizer.ggml.tokens"), uint32(Array), uint32(Uint8), uint64(1), "x"), "not an array of strings"},
	{"context length is negative", raw(header(0, 2), str("general.architecture"), uint32(String), str("a"), str("a.context_length"), uint32(Int32), int32(-1)), `metadata.a.context_length: is not a number`},
	{"block count 0", numeric("block_count", Uint32, uint32(0)), `metadata.a.block_count: is not a number from 1 to 512 but 0`},
	{"block count 513", numeric("block_count", Uint32, uint32(513)), "512 but 513"},
	{"block count 2^31-1", numeric("block_count", Uint32, uint32(math.MaxInt32)), "512 but 2147483647"},
	{"block count 2^32-1", numeric("block_count", Uint32, ^uint32(0)), "512 but 4294967295"},
	{"block count 2^64-1", numeric("block_count", Uint64, ^uint64(0)), "512 but u64"},
	{"block count is a float", numeric("block_count", Float32, float32(1)), "512 but f32"},
	{"context length 0", numeric("context_length", Uint32, uint32(0)), "from 1 to 16777216 but 0"},
	{"context length 2^32-1", numeric("context_length", Uint32, ^uint32(0)), "from 1 to 16777216 but"},
	{"embedding length 0", numeric("embedding_length", Uint32, uint32(0)), "embedding_length"},
	{"no heads", numeric("attention.head_count", Uint32, uint32(0)), `metadata.a.attention.head_count: 0 is not positive`},
	{"epsilon NaN", numeric("attention.layer_norm_rms_epsilon", Float32, float32(math.NaN())), "NaN is not finite"},
	{"epsilon infinite", numeric("attention.layer_norm_rms_epsilon", Float32, float32(math.Inf(1))), "+Inf is not finite"},
	{"epsilon negative", numeric("attention.layer_norm_epsilon", Float32, float32(-1e-5)), "is not finite and at least 0"},
	{"rope base NaN", numeric("rope.freq_base", Float32, float32(math.NaN())), "rope.freq_base"},
	{"rope factor negative", numeric("rope.scaling.factor", Float32, float32(-1)), "rope.scaling.factor"},
	{"part 3 of 3", raw(header(0, 2), str("split.no"), uint32(Uint16), uint16(3), str("split.count"), uint32(Uint16), uint16(3)), "split.no"},
	{"4 billion parts", raw(header(0, 1), str("split.count"), uint32(Uint32), ^uint32(0)), "is not a number from 0 to 65535 but 4294967295"},
	{"alignment of another type", raw(header(0, 1), str("general.alignment"), uint32(Uint64), uint64(32)), "general.alignment"},
	{"alignment 0", raw(header(0, 1), str("general.alignment"), uint32(Uint32), uint32(0)), "power of two"},
	{"alignment 48", raw(header(0, 1), str("general.alignment"), uint32(Uint32), uint32(48)), "power of two"},

	{"tensor without name", raw(header(1, 0), tensor("", 0, 0, 1), make([]byte, 99)), "tensors[1 of 1]: the name is empty"},
	{"tensor with a long name", raw(header(1, 0), tensor(strings.Repeat("n", 64), 0, 0, 1), make([]byte, 99)), "at most 63"},
	{"tensor twice", raw(header(2, 0), tensor("t", 0, 0, 1), tensor("t", 0, 32, 1), make([]byte, 99)), `tensors.t: stands there twice`},
	{"no dimensions", raw(header(1, 0), tensor("t", 0, 0), make([]byte, 99)), "0 dimensions"},
	{"5 dimensions", raw(header(1, 0), tensor("t", 0, 0, 1, 1, 1, 1, 1), make([]byte, 99)), "5 dimensions"},
	{"dimension 0", raw(header(1, 0), tensor("t", 0, 0, 4, 0), make([]byte, 99)), "no elements"},
	{"negative dimension", raw(header(1, 0), tensor("t", 0, 0, ^uint64(0)), make([]byte, 99)), "too many"},
	{"product wraps to 0", raw(header(1, 0), tensor("t", 0, 0, 1<<32, 1<<32), make([]byte, 99)), "too many"},
	{"size overflows", raw(header(1, 0), tensor("t", 0, 0, 1<<62), make([]byte, 99)), "too many bytes"},
	{"removed tensor type", raw(header(1, 0), tensor("t", 4, 0, 32), make([]byte, 99)), `tensors.t: tensor type 4 is not known`},
	{"unknown tensor type", raw(header(1, 0), tensor("t", 43, 0, 32), make([]byte, 99)), "tensor type 43"},
	{"half a block", raw(header(1, 0), tensor("t", 2, 0, 33), make([]byte, 99)), "not whole blocks of Q4_0"},
	{"gap before the first", raw(header(1, 0), tensor("t", 0, 32, 1), make([]byte, 99)), `tensors.t.offset: its data is at 32, expected at 0`},
	{"offset not aligned", raw(header(2, 0), tensor("a", 0, 0, 1), tensor("b", 0, 4, 1), make([]byte, 99)), `tensors.b.offset: its data is at 4, expected at 32`},
	{"overlap", raw(header(2, 0), tensor("a", 0, 0, 16), tensor("b", 0, 32, 1), make([]byte, 199)), "expected at 64"},
	{"noise that begins like JSON", []byte("{4K\x13\xff\xfe\x80\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"), "it starts with 7b 34"},
	{"JSON", []byte(`{"architectures": ["LlamaForCausalLM"]}`), "perhaps a model's config.json"},
	{"offset beyond", raw(header(1, 0), tensor("t", 0, ^uint64(0), 1), make([]byte, 99)), "its data is at 18446744073709551615"},
	{"larger than the file", raw(header(1, 0), tensor("t", 0, 0, 1<<40), make([]byte, 99)), "but the file has"},
	{"cut in the padding before the data", raw(header(1, 0), tensor("t", 0, 0, 1), make([]byte, 5)), "but the file has"},
	{"cut in the table", raw(header(2, 0), tensor("a", 0, 0, 1), make([]byte, 33)), "tensors[2 of 2]"},
}

func TestMalformed(t *testing.T) {
	for _, test := range malformed {
		t.Run(test.name, func(t *testing.T) {
			start := time.Now()
			allocated := allocatedBytes(func() {
				_, err := Read(bytes.NewReader(test.data), int64(len(test.data)))
				checkError(t, test.name, err, test.want)
			})
			if allocated > 1<<20 || time.Since(start) > time.Second {
				t.Errorf("%d bytes allocated in %v for a file of %d", allocated, time.Since(start), len(test.data))
			}
		})
	}
}

// TestTruncated cuts a good file at every byte.
func TestTruncated(t *testing.T) {
	data := write(t, example, exampleTensors)
	for n := range len(data) {
		_, err := Read(bytes.NewReader(data[:n]), int64(n))
		checkError(t, "cut", err, "not a whole GGUF file: ")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(write(f, example, exampleTensors))
	for _, test := range malformed {
		f.Add(test.data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var file *File
		allocated := allocatedBytes(func() { file, _ = Read(bytes.NewReader(data), int64(len(data))) })
		if limit := uint64(1<<20 + 64*len(data)); allocated > limit {
			t.Errorf("%d bytes allocated for a file of %d", allocated, len(data))
		}
		if file == nil {
			return
		}
		m := file.Metadata()
		for _, key := range m.Keys() {
			v, _ := m.Value(key)
			if v.Any() == nil {
				t.Errorf("key %q has no value", key)
			}
		}
		for _, tensor := range file.Tensors() {
			if tensor.Offset < 0 || tensor.Size <= 0 || tensor.Offset+tensor.Size > int64(len(data)) {
				t.Errorf("tensor outside the file: %+v", tensor)
			}
		}
		file.ChatTemplates()
	})
}

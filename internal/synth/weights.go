package synth

import (
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"

	"github.com/cria-lm/cria/gguf"
)

// Random bytes are the weights. A number type takes one of 256 values for each
// byte; a type in blocks takes them as they are, but for the factors that stand
// in each block as F16: these give the values their size.

// byteDeviation is the standard deviation of a random byte, nibbleDeviation that
// of four random bits.
var (
	byteDeviation   = math.Sqrt((256*256 - 1) / 12.0)
	nibbleDeviation = math.Sqrt((16*16 - 1) / 12.0)
)

// A factor stands at a byte of a block, times that of the block.
type factor struct {
	at    int
	times float64
}

// blocks says what random bytes in a block are worth: where its factors stand,
// and the standard deviation of the values for a factor of 1. See
// ggml-common.h and dequantize_row_* in ggml-quants.c.
var blocks = map[gguf.TensorType]struct {
	factors   []factor
	deviation float64
	scales    []byte // behind the factors, not random
}{
	gguf.Q8_0: {[]factor{{0, 1}}, byteDeviation, nil},              // d*q
	gguf.Q4_0: {[]factor{{0, 1}}, nibbleDeviation, nil},            // d*(q-8)
	gguf.Q4_1: {[]factor{{0, 1}, {2, -7.5}}, nibbleDeviation, nil}, // d*q + m

	// d*scale*(q-32), where scale has eight bits and q six.
	gguf.Q6_K: {[]factor{{208, 1}}, byteDeviation * math.Sqrt((64*64-1)/12.0), nil},

	// d*scale*q - m*min, where scale and min have six bits, packed: all are 32
	// here, lest the values of a part of a block lean the same way.
	gguf.Q4_K: {[]factor{{0, 1}, {2, 7.5}}, 32 * nibbleDeviation,
		[]byte{0xa0, 0xa0, 0xa0, 0xa0, 0xa0, 0xa0, 0xa0, 0xa0, 0, 0, 0, 0}},
}

// chunk is how many random bytes are made at a time. Whole blocks of all types
// end there.
const chunk = 256 << 10

// fill writes the data of a tensor. The bytes depend on nothing but the tensor
// and the source.
func (t *tensor) fill(w io.Writer, random *rand.ChaCha8) error {
	n := 1
	for _, d := range t.dims {
		n *= int(d)
	}
	if t.value != nil {
		b := make([]byte, 0, 4*n)
		for i := range n {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(t.value(i)))
		}
		_, err := w.Write(b)
		return err
	}
	if _, ok := blocks[t.typ]; ok {
		return t.fillBlocks(w, random, n)
	}
	return t.fillNumbers(w, random, n)
}

func (t *tensor) fillBlocks(w io.Writer, random *rand.ChaCha8, n int) error {
	format := blocks[t.typ]
	elements, size := t.typ.Block()
	var factors [2][2]uint16 // by sign
	for i, f := range format.factors {
		d := t.deviation / format.deviation * f.times
		factors[0][i], factors[1][i] = float16(d), float16(-d)
	}
	b := make([]byte, chunk/size*size)
	for left := n / elements * size; left > 0; left -= len(b) {
		b = b[:min(left, len(b))]
		_, _ = random.Read(b) // never fails
		for at := 0; at < len(b); at += size {
			// Values are not quite symmetric, so signs alternate by chance: else
			// all of a row would lean the same way.
			sign := b[at+size/2] & 1
			for i, f := range format.factors {
				binary.LittleEndian.PutUint16(b[at+f.at:], factors[sign][i])
			}
			copy(b[at+2*len(format.factors):], format.scales)
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func (t *tensor) fillNumbers(w io.Writer, random *rand.ChaCha8, n int) error {
	_, size := t.typ.Block()
	var values [256][]byte
	for i := range values {
		values[i] = encode(t.typ, (float64(i)-127.5)/byteDeviation*t.deviation)
	}
	bytes := make([]byte, chunk)
	b := make([]byte, 0, chunk*size)
	for left := n; left > 0; left -= len(bytes) {
		bytes = bytes[:min(left, len(bytes))]
		_, _ = random.Read(bytes)
		b = b[:0]
		for _, v := range bytes {
			b = append(b, values[v]...)
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// encode returns a number as a type that has no blocks stores it.
func encode(typ gguf.TensorType, v float64) []byte {
	bits := math.Float32bits(float32(v))
	switch typ {
	case gguf.F16:
		return binary.LittleEndian.AppendUint16(nil, float16(v))
	case gguf.BF16: // the upper half, rounded
		return binary.LittleEndian.AppendUint16(nil, uint16((bits+1<<15)>>16))
	}
	return binary.LittleEndian.AppendUint32(nil, bits)
}

// float16 rounds a number to IEEE 754 half precision; it must be less than
// 65504 in size.
func float16(v float64) uint16 {
	sign := uint16(0)
	if v < 0 {
		sign, v = 1<<15, -v
	}
	const least = -14 // exponent of the smallest normal number
	_, exp := math.Frexp(v)
	exp = max(exp-1, least)
	// In units of the last place; a carry into the exponent is as it must be.
	m := math.RoundToEven(math.Ldexp(v, 10-exp))
	if m < 1<<10 { // below the smallest normal number
		return sign | uint16(m)
	}
	return sign | uint16(exp-least)<<10 + uint16(m)
}

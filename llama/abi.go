package llama

import (
	"fmt"
	"unsafe"
)

// span is a run of bytes [from, to) that C leaves unwritten: padding.
type span struct{ from, to int }

// The padding of the structs that C returns by value.
var (
	modelPadding   = []span{{36, 40}, {78, 80}}
	contextPadding = []span{{134, 136}}
)

// canary fills a buffer before C writes a struct into it. What C leaves is
// recognized by it; no default of a struct checked here consists of it.
const canary = 0xA5

// imageSize is the room given to a struct returned by C: far more than any of
// them has, so that a grown one of another release is seen and does no harm.
const imageSize = 512

type image [imageSize]byte

// compareImage says where got, the bytes C wrote, differs from want. Bytes
// behind want must be as they were before the call, which is what rest says.
func compareImage(name string, got, want []byte, padding []span, rest byte) error {
	masked := func(i int) bool {
		for _, s := range padding {
			if i >= s.from && i < s.to {
				return true
			}
		}
		return false
	}
	for i := range got {
		w := rest
		if i < len(want) {
			w = want[i]
		}
		if got[i] != w && !masked(i) {
			return fmt.Errorf("default %s differ at byte %d (%#02x, want %#02x)", name, i, got[i], w)
		}
	}
	return nil
}

func bytesOf[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// checkABI compares the default parameters that C returns with those that this
// package expects. A field that has moved would otherwise be misread silently.
func checkABI() error {
	model, context := DefaultModelParams(), DefaultContextParams()
	got, rest := defaultImage(c.modelDefaultParams)
	if err := compareImage("model parameters", got[:], bytesOf(&model), modelPadding, rest); err != nil {
		return err
	}
	got, rest = defaultImage(c.contextDefaultParams)
	if err := compareImage("context parameters", got[:], bytesOf(&context), contextPadding, rest); err != nil {
		return err
	}
	if r := call(c.samplerChainParams); byte(r) != 1 {
		return fmt.Errorf("default sampler chain parameters differ (%#02x, want 0x01)", byte(r))
	}
	return checkThreadPoolABI()
}

func checkThreadPoolABI() error {
	const threads = 3
	p := new(threadPoolImage)
	for i := range p {
		p[i] = canary
	}
	call2(c.threadPoolParamsInit, uintptr(unsafe.Pointer(p)), threads)
	want := cThreadPoolParams{nThreads: threads, poll: DefaultPoll}
	// The two bytes at the end are padding that this function may leave.
	return compareImage("thread pool parameters", p[:], bytesOf(&want), []span{{526, 528}}, canary)
}

type threadPoolImage [1024]byte

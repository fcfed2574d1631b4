package llama

import (
	"errors"
	"fmt"
	"unsafe"
)

// FileType is llama_ftype: the type that most weights of a model file are stored in.
type FileType int32

const (
	FileF32  FileType = 0
	FileQ8_0 FileType = 7 // 8 bits for a weight, and a scale for each 32 weights
)

// quantizeParams is llama_model_quantize_params.
type quantizeParams struct {
	nThreads         int32
	fileType         FileType
	outputType       int32 // ggml_type; anyType: as fileType says
	embeddingType    int32
	allowRequantize  bool // of weights that are not floating-point numbers
	quantizeOutput   bool
	onlyCopy         bool
	pure             bool
	keepSplit        bool
	dryRun           bool
	_                [2]byte
	importance       uintptr
	kvOverrides      uintptr
	tensorOverrides  uintptr
	prunedLayers     uintptr
	maxBufferedBytes uint64 // of rows in memory at once
}

const (
	anyType         = 43 // GGML_TYPE_COUNT
	defaultBuffered = 8 << 30
)

var quantizePadding = []span{{22, 24}}

func defaultQuantizeParams() quantizeParams {
	return quantizeParams{fileType: FileQ8_0, outputType: anyType, embeddingType: anyType, quantizeOutput: true, maxBufferedBytes: defaultBuffered}
}

// Quantize writes a copy of the model file at from to the new file at to, in one part,
// with its weights as fileType says; small tensors stay as they are. Like [LoadModel]
// it wants valid GGUF. It uses as many threads and cannot be stopped: half a second
// for 135 million weights on two cores. After an error, what stands at to is not a
// model.
func Quantize(from, to string, fileType FileType, threads int) error {
	if _, ok := Loaded(); !ok {
		return ErrNotLoaded
	}
	if fileType != FileF32 && fileType != FileQ8_0 {
		return badParam("FileType", int32(fileType))
	}
	if threads < 1 {
		return errors.New("llama: Quantize needs a thread")
	}
	p := defaultQuantizeParams()
	got, rest := defaultImage(c.quantizeParams)
	if err := compareImage("quantization parameters", got[:], bytesOf(&p), quantizePadding, rest); err != nil {
		return fmt.Errorf("llama: %w", err)
	}
	p.nThreads, p.fileType, p.allowRequantize = int32(threads), fileType, true
	p.maxBufferedBytes = 256 << 20
	in, out := cString(from), cString(to)
	errs := captureErrors()
	registry.RLock()
	failed := call4(c.quantize, uintptr(unsafe.Pointer(&in[0])), uintptr(unsafe.Pointer(&out[0])), uintptr(unsafe.Pointer(&p)), 0)
	registry.RUnlock()
	why := errs.stop()
	if uint32(failed) != 0 {
		return fmt.Errorf("llama: %s: no copy of other weights can be made: %s", from, why)
	}
	return nil
}

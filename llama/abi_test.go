package llama

import (
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

// The offsets of llama.h of the accepted releases on 64-bit targets.
func TestStructLayout(t *testing.T) {
	tests := []struct {
		v       any
		size    uintptr
		offsets map[string]uintptr
	}{
		{ModelParams{}, 80, map[string]uintptr{
			"Devices": 0, "TensorBuftOverrides": 8, "NGPULayers": 16, "SplitMode": 20, "LoadMode": 24,
			"LazyMode": 28, "MainGPU": 32, "TensorSplit": 40, "progressCallback": 48, "progressUserData": 56,
			"KVOverrides": 64, "VocabOnly": 72, "CheckTensors": 73, "UseExtraBufts": 74, "NoHost": 75,
			"NoAlloc": 76, "LoadMTP": 77,
		}},
		{ContextParams{}, 160, map[string]uintptr{
			"NCtx": 0, "NBatch": 4, "NUbatch": 8, "NSeqMax": 12, "NRsSeq": 16, "NOutputsMax": 20,
			"NOutputsMaxPerSeq": 24, "NThreads": 28, "NThreadsBatch": 32, "CtxType": 36, "RopeScalingType": 40,
			"PoolingType": 44, "AttentionType": 48, "FlashAttnType": 52, "RopeFreqBase": 56, "RopeFreqScale": 60,
			"YarnExtFactor": 64, "YarnAttnFactor": 68, "YarnBetaFast": 72, "YarnBetaSlow": 76, "YarnOrigCtx": 80,
			"DefragThold": 84, "EvalCallback": 88, "EvalUserData": 96, "TypeK": 104, "TypeV": 108,
			"AbortCallback": 112, "AbortUserData": 120, "Embeddings": 128, "OffloadKQV": 129, "NoPerf": 130,
			"OpOffload": 131, "SWAFull": 132, "KVUnified": 133, "Samplers": 136, "NSamplers": 144, "CtxOther": 152,
		}},
		{cBatch{}, 56, map[string]uintptr{
			"nTokens": 0, "token": 8, "embd": 16, "pos": 24, "nSeqID": 32, "seqID": 40, "logits": 48,
		}},
		{TokenData{}, 12, map[string]uintptr{"ID": 0, "Logit": 4, "P": 8}},
		{tokenDataArray{}, 32, map[string]uintptr{"data": 0, "size": 8, "selected": 16, "sorted": 24}},
		{cThreadPoolParams{}, 528, map[string]uintptr{
			"cpuMask": 0, "nThreads": 512, "priority": 516, "poll": 520, "strictCPU": 524, "paused": 525,
		}},
	}
	for _, tt := range tests {
		typ := reflect.TypeOf(tt.v)
		if typ.Size() != tt.size {
			t.Errorf("%v: size %d, want %d", typ, typ.Size(), tt.size)
		}
		fields := 0
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Name == "_" {
				continue
			}
			fields++
			if want, ok := tt.offsets[f.Name]; !ok || f.Offset != want {
				t.Errorf("%v.%s: offset %d, want %d (listed: %t)", typ, f.Name, f.Offset, want, ok)
			}
		}
		if fields != len(tt.offsets) {
			t.Errorf("%v: %d fields, want %d", typ, fields, len(tt.offsets))
		}
	}
}

func TestCompareImage(t *testing.T) {
	want := ModelParams{NGPULayers: -1}
	base := func() *image {
		p := new(image)
		for i := range p {
			p[i] = canary
		}
		copy(p[:], bytesOf(&want))
		for _, s := range modelPadding {
			for i := s.from; i < s.to; i++ {
				p[i] = canary // C leaves padding as it was
			}
		}
		return p
	}
	tests := []struct {
		name  string
		alter func(*image)
		want  string // of the error; "": none
	}{
		{"same", func(*image) {}, ""},
		{"padding written", func(p *image) { p[37] = 1; p[79] = 2 }, ""},
		{"other value", func(p *image) { p[16] = 0 }, "byte 16"},
		{"field not written", func(p *image) { p[76] = canary }, "byte 76"},
		{"field inserted", func(p *image) { copy(p[20:], p[16:80]) }, "byte 20"},
		{"struct longer", func(p *image) { p[80] = 0 }, "byte 80"},
		{"struct shorter", func(p *image) { copy(p[72:80], []byte{canary, canary, canary, canary}) }, "byte 72"},
	}
	for _, tt := range tests {
		p := base()
		tt.alter(p)
		err := compareImage("model parameters", p[:], bytesOf(&want), modelPadding, canary)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v, want one about %s", tt.name, err, tt.want)
		}
	}
}

func TestCheckVersion(t *testing.T) {
	tests := []struct {
		version string
		ok      bool
	}{
		{"0.5.0-dev", true}, {"0.5.0", true}, {"0.4.0", true}, {"0.4.0-dev", true},
		{"0.5.1", false}, {"0.6.0", false}, {"0.50.0", false}, {"0.5", false}, {"", false}, {"b7824", false},
	}
	for _, tt := range tests {
		err := checkVersion("/lib/libllama.so", tt.version)
		if (err == nil) != tt.ok {
			t.Errorf("%q: %v", tt.version, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "/lib/libllama.so") || !strings.Contains(err.Error(), "0.5.0 or 0.4.0")) {
			t.Errorf("%q: error does not name file and wanted release: %v", tt.version, err)
		}
	}
}

func TestGoString(t *testing.T) {
	if got := goString(0); got != "" {
		t.Errorf("goString(0) = %q", got)
	}
	b := cString("a\x00b")
	if got := goString(uintptr(unsafe.Pointer(&b[0]))); got != "a" {
		t.Errorf("goString = %q, want a", got)
	}
}
